"""What is played to a challenger, and what is said when the daemon can't; the commands' test plays."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.core.units import MINUTE, SECOND
from daemon.lab.pipeline_shadow import ShadowFailed, latest_settled, play_shadow
from tests.lab.tiny_tape import MARKETS, START, market, stream, write_tape


def test_the_latest_session_with_an_end_is_played(tmp_path: Path) -> None:
    """One in which a market closes with a known result; where there is none, the latest."""
    sessions = {
        "a": stream(1, 20),
        "b": stream(2, 20, START + MINUTE),
        "c": stream(3, 20, START + 2 * MINUTE),
    }
    ends = market(MARKETS[0].ticker, "yes", START + MINUTE + 10 * SECOND)
    assert "b" == latest_settled(write_tape(tmp_path / "one", sessions, (ends, MARKETS[1])))
    assert "c" == latest_settled(write_tape(tmp_path / "none", sessions))


def test_a_tape_without_a_stream_is_refused(tmp_path: Path) -> None:
    """Snapshots alone are nothing to play."""
    with pytest.raises(ShadowFailed, match="nothing to play"):
        latest_settled(write_tape(tmp_path, {"a": stream(1, 5)[:2]}))


def test_a_daemon_that_can_not_start_is_said(tmp_path: Path) -> None:
    """With its exit code and its last words: there is no such model."""
    write_tape(tmp_path / "tape", {"a": stream(1, 5)})
    model = tmp_path / "models/absent/1"
    with pytest.raises(ShadowFailed, match=r"exited with 78: (?s:.*)absent"):
        play_shadow(tmp_path / "tape", "a", model, model, "KXBTC15M", tmp_path / "shadow", 10)
