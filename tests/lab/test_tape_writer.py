"""A tape folder is whole or isn't one."""

from pathlib import Path

import pytest

from daemon.exchange.tape import BATCH_RECORDS_MAX, TapeCounts, TapeDelta, TapeReader, decode_manifest
from daemon.lab.tape_writer import TapeWriter


def delta(seq: int) -> TapeDelta:
    return TapeDelta("M", "yes", 4000, 100, seq, 0, 10 + seq, None)


def test_a_session_is_read_back_record_by_record(tmp_path: Path) -> None:
    """More records than a batch holds come back in order, between the two marks."""
    deltas = [delta(seq) for seq in range(1, BATCH_RECORDS_MAX + 10)]
    with TapeWriter(tmp_path / "tape", "a test") as tape:
        session = tape.session("one", ("c",), 10)
        for record in deltas:
            session.add(record)
        manifest = tape.finish(())

    entry = manifest.sessions[0]
    assert (TapeCounts(deltas=len(deltas)), 10, 10 + len(deltas)) == (
        entry.counts, entry.started_at, entry.ended_at
    )  # fmt: skip
    assert deltas == list(TapeReader((tmp_path / "tape" / entry.file).read_bytes(), entry.file))[1:-1]
    assert manifest == decode_manifest((tmp_path / "tape" / "manifest.json").read_bytes(), "manifest.json")


def test_a_failed_write_leaves_no_tape(tmp_path: Path) -> None:
    """An error on the way leaves files without a manifest: no reader takes them."""
    tape = TapeWriter(tmp_path, "a test")
    tape.session("one", (), 0).add(delta(1))
    tape.__exit__(RuntimeError, RuntimeError("on the way"), None)

    assert not (tmp_path / "manifest.json").exists()


def test_an_old_tape_is_never_written_into(tmp_path: Path) -> None:
    """A folder that holds a tape is refused."""
    with TapeWriter(tmp_path, "a test") as tape:
        tape.finish(())
    with pytest.raises(FileExistsError, match="already holds a tape"):
        TapeWriter(tmp_path, "another")


@pytest.mark.parametrize("name", ["", "../out", ".hidden"])
def test_a_session_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    """Recorded names become file names, so odd ones are refused."""
    with TapeWriter(tmp_path, "a test") as tape, pytest.raises(ValueError, match="not a session name"):
        tape.session(name, (), 0)


def test_sessions_are_listed_by_their_start(tmp_path: Path) -> None:
    """The manifest's order is time's, not the order of opening."""
    with TapeWriter(tmp_path, "a test") as tape:
        tape.session("late", (), 20)
        tape.session("early", (), 10)
        manifest = tape.finish(())

    assert ["early", "late"] == [entry.session for entry in manifest.sessions]
