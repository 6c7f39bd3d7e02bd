"""The latch: whole or not there, the first halt stands, unreadable is halted, and only lifting lifts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.core.units import SECOND, parse_instant
from daemon.shell.latch import REASON_CHARS_MAX, Halt, Latch, LatchFailed, instant_text, one_line

HALT = Halt("a reason", "cli", "2026-11-21T11:45:22Z")


def test_a_halt_is_read_as_it_was_written(tmp_path: Path) -> None:
    """By another process too: nothing is kept in memory."""
    assert Latch(tmp_path).read() is None
    assert not Latch(tmp_path).is_set
    assert Latch(tmp_path / "new").write(HALT)
    assert HALT == Latch(tmp_path / "new").read()
    assert Latch(tmp_path / "new").is_set
    assert [tmp_path / "new/halt.json"] == [*(tmp_path / "new").iterdir()]
    assert 0o600 == (tmp_path / "new/halt.json").stat().st_mode & 0o777


def test_the_first_halt_stands(tmp_path: Path) -> None:
    """A later one doesn't write over why it all began."""
    latch = Latch(tmp_path)
    latch.write(HALT)
    assert not latch.write(Halt("a later one", "page", None))
    assert HALT == latch.read()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_a_torn_or_strange_latch_halts(tmp_path: Path, content: bytes) -> None:
    """Whatever stands in the file: it is a halt, with a reason of one line."""
    latch = Latch(tmp_path)
    latch.path.write_bytes(content)
    halt = latch.read()
    assert halt is not None
    assert halt.reason == one_line(halt.reason)


@pytest.mark.parametrize("cut", range(len(b'{"reason":"a reason","by":"cli","at":"2026-11-21T11:45:22Z"}')))
def test_a_latch_that_is_cut_anywhere_halts_and_says_so(tmp_path: Path, cut: int) -> None:
    """As a disk may leave it; and the next halt makes it whole again."""
    latch = Latch(tmp_path)
    latch.write(HALT)
    latch.path.write_bytes(latch.path.read_bytes()[:cut])
    halt = latch.read()
    assert halt is not None
    assert "torn" in halt.reason
    assert latch.write(HALT)
    assert HALT == latch.read()


def test_a_latch_that_cannot_be_read_halts(tmp_path: Path) -> None:
    """A folder in its place."""
    latch = Latch(tmp_path)
    latch.path.mkdir()
    halt = latch.read()
    assert halt is not None
    assert "can't be read" in halt.reason
    with pytest.raises(LatchFailed):
        latch.lift()


@pytest.mark.parametrize(
    ("text", "reason"), [("", None), ("I don't\nlike\x1b[31m this \n", "I don't like [31m this")]
)
def test_the_file_that_a_person_makes_halts(tmp_path: Path, text: str, reason: str | None) -> None:
    """Its text is the reason, on one line; without any its name is."""
    latch = Latch(tmp_path)
    (tmp_path / "HALT").write_text(text)
    halt = latch.read()
    assert halt is not None
    assert (reason or f"the file {tmp_path / 'HALT'}", "file") == (halt.reason, halt.by)
    assert latch.is_set


def test_a_pipe_as_the_file_does_not_hang_us(tmp_path: Path) -> None:
    """Nobody writes into it: it halts all the same."""
    os.mkfifo(tmp_path / "HALT")
    halt = Latch(tmp_path).read()
    assert halt is not None
    assert "file" == halt.by


def test_lifting_takes_both_away(tmp_path: Path) -> None:
    """And may be done twice, and where nothing ever was."""
    latch = Latch(tmp_path)
    latch.write(HALT)
    latch.hand_path.touch()
    latch.lift()
    assert (None, False, []) == (latch.read(), latch.is_set, [*tmp_path.iterdir()])
    latch.lift()
    Latch(tmp_path / "nowhere").lift()


def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    """Its folder is a file."""
    (tmp_path / "var").touch()
    with pytest.raises(LatchFailed, match="can't write"):
        Latch(tmp_path / "var").write(HALT)


@given(st.integers(0, 4_000_000_000))
def test_instants_are_written_as_they_are_read(seconds: int) -> None:
    """RFC 3339 in UTC."""
    assert seconds * SECOND == parse_instant(instant_text(seconds * SECOND + 999_999_999))


@given(st.text(max_size=3 * REASON_CHARS_MAX))
def test_a_reason_is_one_printable_line(text: str) -> None:
    """However it was typed; said again, it stays as it is."""
    line = one_line(text)
    assert line == one_line(line)
    assert len(line) <= REASON_CHARS_MAX
    assert line.isprintable()
