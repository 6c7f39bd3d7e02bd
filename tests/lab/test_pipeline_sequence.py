"""A model of sequences from a dataset on: registered with its evidence, and the same bytes again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `torch`: make torch, or pip install kalshid[torch]")
pytest.importorskip("optuna", reason="needs the extra `lab`")
pytest.importorskip("pyarrow", reason="needs the extra `lab`")

from daemon.lab.dataset_arrays import load_dataset
from daemon.lab.fitting.rows import NotFitted
from daemon.lab.fitting.sequences import sequence_names
from daemon.lab.judging.report import read_report
from daemon.lab.pipeline import build
from daemon.lab.pipeline_sequence import Sequenced, SequenceTerms, train_rows, train_sequence
from daemon.lab.pipeline_training import rows_of
from daemon.lab.promotion import read_evidence
from daemon.lab.registry import report_folder
from daemon.scoring.vetting import load_vetted
from tests.lab import market_tape

CHANNELS = ("candle_mid_#",)
TERMS = SequenceTerms(
    market_tape.SERIES, "quarters", 7, CHANNELS, steps=2, epochs_max=4, parameters={"width": 8, "feed": 8}
)


def say(_stage: str, _what: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """180 markets, of each its last three minutes: two whole ones are known at its end."""
    root = tmp_path_factory.mktemp("sequences")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(market_tape, "SEEN_S", 200)
        market_tape.write_markets(root / "tape", 180)
    build([root / "tape"], root / "dataset", sequence_names(CHANNELS, 2), say)
    return root / "dataset"


def made(dataset: Path, root: Path) -> Sequenced:
    return train_sequence(dataset, root / "out", root / "models", TERMS, "abc", say)


def test_it_goes_through_the_gate_of_all_others(dataset: Path, tmp_path: Path) -> None:
    """Report with the verdict, a sealed folder that the daemon loads, and evidence that names it."""
    found = made(dataset, tmp_path)
    report = read_report(tmp_path / "out")
    assert (found.verdict, "quarters sequence") == (report.headline, report.model)
    assert report == read_report(report_folder(found.challenger))
    assert {"mid", "structural", "base rate"} <= {one.name for one in report.forecasts}
    assert tmp_path / "models/quarters-sequence/1" == found.challenger
    loaded = load_vetted(found.challenger)
    assert (2, "onnx") == (loaded.metadata.sequence_length, loaded.metadata.kind)
    assert {"fit", "stop", "calibrate", "test"} == set(loaded.metadata.training.rows_by_part)
    assert 0 < loaded.scorer.score([0.4, 0.6]) < 1
    assert found.evidence == read_evidence(tmp_path / "out/evidence.json")


def test_the_same_dataset_and_seed_give_the_same_model(dataset: Path, tmp_path: Path) -> None:
    """Every file of the folder, to the byte."""
    folders = [made(dataset, tmp_path / name).challenger for name in ("a", "b")]
    one, other = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert one == other


def test_a_second_challenger_of_the_same_rows_is_a_second_try(dataset: Path, tmp_path: Path) -> None:
    """Its interval is as wide as two tries ask for, whatever the seed."""
    assert [1, 2] == [made(dataset, tmp_path).evidence.trials for _ in range(2)]


def test_later_outcomes_change_no_model(dataset: Path, tmp_path: Path) -> None:
    """The test's outcomes turned round: report and evidence are others, network and calibrator are not."""
    rowset = rows_of(load_dataset(dataset), market_tape.SERIES)
    last = rowset.rows.span.at >= np.quantile(rowset.rows.span.at, 0.75)
    turned = replace(rowset.rows, y=np.where(last, 1 - rowset.rows.y, rowset.rows.y))
    folders = [
        train_rows(one, tmp_path / name, tmp_path / name, TERMS, "0" * 64, "a test's", None, say).challenger
        for name, one in (("a", rowset), ("b", replace(rowset, rows=turned)))
    ]
    for name in ("model.onnx", "calibrator.json"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1
    assert len({(folder / "metadata.json").read_bytes() for folder in folders}) == 2


def test_a_dataset_without_the_minutes_says_how_to_have_them(dataset: Path, tmp_path: Path) -> None:
    """Or that too little is known of them: a minute that no row knows is not filled."""
    with pytest.raises(NotFitted, match=r"candle_mid_3: not in the rows .*--feature 'candle_mid_#'"):
        train_sequence(dataset, tmp_path / "out", tmp_path / "models", replace_terms(steps=3), None, say)
    assert not (tmp_path / "models").exists()


def replace_terms(steps: int) -> SequenceTerms:
    return SequenceTerms(market_tape.SERIES, "quarters", 7, CHANNELS, steps)
