"""Retraining takes the last days and imports each journal once; the commands' test runs it whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="needs the extra `lab`")
pytest.importorskip("pyarrow", reason="needs the extra `lab`")
pytest.importorskip("onnx", reason="needs the extra `lab`")

from daemon.core.units import DAY, Ns
from daemon.lab.pipeline_retrain import retrain, window_of
from daemon.lab.pipeline_training import NotTrained, Terms
from tests.lab.market_tape import LIFE, SERIES, write_markets
from tests.lab.tiny_tape import START

GOLDEN = min((Path(__file__).parents[1] / "golden").glob("*.journal"))
TERMS = Terms(SERIES, "quarters", seed=7, trials=1, folds=2)
NOW: Ns = START + 40 * LIFE


def say(_stage: str, _what: str) -> None:
    """Nobody listens."""


def test_what_ended_before_the_days_is_left(tmp_path: Path) -> None:
    """And where nothing is left, that is said."""
    write_markets(tmp_path / "tape", 3)
    whole = window_of([tmp_path / "tape"], tmp_path / "tapes", NOW - 90 * DAY, say)
    assert ((tmp_path / "tape",), ("a", "b"), ()) == (whole.tapes, whole.sessions, whole.left_out)
    with pytest.raises(NotTrained, match="no session with a change of a book ended in the last 90 days"):
        retrain(
            [tmp_path / "tape"], tmp_path / "models", tmp_path / "out", TERMS, NOW + 91 * DAY, 90, None, say
        )


def test_a_journal_is_imported_once_and_again_when_it_has_grown(tmp_path: Path) -> None:
    """One that can't be read is named and left out; one that nobody wrote to in these days is not read."""
    journals, tapes = tmp_path / "journal", tmp_path / "tapes"
    journals.mkdir()
    live = journals / GOLDEN.name if GOLDEN.stem.isdecimal() else journals / "1790000000000.journal"
    shutil.copy(GOLDEN, live)
    (journals / "1.journal").write_bytes(b"no journal")
    (journals / "2.journal").write_bytes(b"old")
    os.utime(journals / "2.journal", (1, 1))
    first = window_of([journals], tapes, 2 * 10**9, say)
    assert (1, 1) == (len(first.tapes), len(first.left_out))
    assert "1.journal" in first.left_out[0]
    written = {path: path.stat().st_mtime_ns for path in first.tapes[0].iterdir()}
    assert first == window_of([journals], tapes, 2 * 10**9, say)
    assert written == {path: path.stat().st_mtime_ns for path in first.tapes[0].iterdir()}
    with live.open("ab") as file:
        file.write(b"\0")
    grown = window_of([journals], tapes, 2 * 10**9, say)
    assert first.sessions == grown.sessions
    assert [grown.tapes[0]] == [path for path in tapes.iterdir() if (path / "manifest.json").exists()]
