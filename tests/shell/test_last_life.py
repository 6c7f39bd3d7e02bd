"""What the last life left counts, whatever the file says by now."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.shell.last_life import begun_mode, left_elsewhere
from daemon.shell.store import STORE_NAME, Store
from daemon.shell.store.rows import OrderChange, Run, RunEnd
from tests.commands_rig import BEGAN, EPOCH, leave_journal, leave_store


def end(folder: Path, code: int) -> None:
    """Have the life of mode "live" end by a code, with nothing open where that is 0."""
    store = Store(folder / STORE_NAME, EPOCH)
    store.put(
        [
            Run(BEGAN, "live", "0", "[]", "m", "l", "c"),
            OrderChange(BEGAN, "kd-1-1", "o1", "M-1", "canceled" if code == 0 else "resting", 0, "told"),
            RunEnd(BEGAN, "SIGTERM", code),
        ]
    )
    store.close()


def test_nothing_is_left_where_nothing_ran(tmp_path: Path) -> None:
    """Nor is a mode known."""
    assert (None, None) == (begun_mode(tmp_path), left_elsewhere(tmp_path, "sandbox"))


def test_a_life_that_was_killed_may_have_left_orders(tmp_path: Path) -> None:
    """The file says another mode by now; a start that failed since then, or a tape, tells nothing of it."""
    leave_journal(tmp_path, "live")
    leave_store(tmp_path, mode="live", is_ended=False)
    leave_journal(tmp_path, "demo", EPOCH + 1, is_begun=False)
    leave_journal(tmp_path, "tape", EPOCH + 2)
    assert "tape" == begun_mode(tmp_path)
    assert ("live", "it wrote no end: it was killed") == left_elsewhere(tmp_path, "sandbox")
    assert None is left_elsewhere(tmp_path, "live"), "there the account itself is asked"


@pytest.mark.parametrize(("code", "is_left"), [(0, False), (75, True)])
def test_an_end_that_is_confirmed_left_nothing(tmp_path: Path, code: int, is_left: bool) -> None:
    """Any other end is none."""
    leave_journal(tmp_path, "live")
    end(tmp_path, code)
    assert is_left == (left_elsewhere(tmp_path, "sandbox") is not None)


def test_orders_that_a_life_left_on_purpose_count(tmp_path: Path) -> None:
    """It ended well, and one rests on."""
    leave_journal(tmp_path, "live")
    leave_store(tmp_path, mode="live")
    assert ("live", "it left orders: 1") == left_elsewhere(tmp_path, "sandbox")


def test_what_nobody_can_tell_is_not_taken_for_nothing(tmp_path: Path) -> None:
    """There is no store, or it knows of another life alone."""
    leave_journal(tmp_path, "live")
    left = left_elsewhere(tmp_path, "shadow")
    assert left is not None
    assert left[1].startswith("nobody knows how it ended")
    leave_store(tmp_path, mode="demo")
    assert ("live", "the store does not tell how it ended") == left_elsewhere(tmp_path, "shadow")


@pytest.mark.parametrize("mode", ["sandbox", "shadow"])
def test_what_ends_with_its_daemon_leaves_nothing(tmp_path: Path, mode: str) -> None:
    """Nothing of it rests at Kalshi."""
    leave_journal(tmp_path, mode)
    assert None is left_elsewhere(tmp_path, "demo")


def test_a_journal_that_is_none_tells_no_mode(tmp_path: Path) -> None:
    """It is no reason for a halt to fail, nor to forget the life before it."""
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / f"{EPOCH + 1}.journal").write_bytes(b"nonsense")
    assert (None, None) == (begun_mode(tmp_path), left_elsewhere(tmp_path, "sandbox"))
    leave_journal(tmp_path, "live")
    assert None is begun_mode(tmp_path)
    assert left_elsewhere(tmp_path, "sandbox") is not None
