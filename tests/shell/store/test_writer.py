"""The writing thread on a real disk: what was flushed is there, whatever ends the process."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daemon.core.units import DAY
from daemon.shell.store import Store, StoreFailed
from daemon.shell.store.rows import ApiCall, Fill, Halt, RefusalCount, Row
from daemon.shell.store.writer import KEPT

WITHIN_S = 20.0


def halt(at: int) -> Halt:
    """A row."""
    return Halt(at, "halt", "because", "cli")


def fill(at: int, trade_id: str = "t1") -> Fill:
    """A row with a key."""
    return Fill(at, trade_id, "o1", None, "M", "bid", 5_000, 100, 17_500, None, 1, None)


def rows_of(path: Path, table: str) -> list[tuple[object, ...]]:
    """Read a table as anybody may, while it is being written."""
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return reader.execute(f"SELECT * FROM {table} ORDER BY at").fetchall()
    finally:
        reader.close()


def until_written(store: Store, count: int) -> None:
    """Wait until the thread has written so many rows."""
    ends_at = time.monotonic() + WITHIN_S
    while store.written_total < count:
        assert time.monotonic() < ends_at, store.failure
        time.sleep(0.01)


def test_what_is_put_is_there_for_readers_within_a_flush(tmp_path: Path) -> None:
    """A reader sees the rows, with their run, while the daemon goes on; the file is its owner's alone."""
    path = tmp_path / "store.sqlite"
    store = Store(path, 7)
    store.put([halt(1), halt(2)])
    until_written(store, 2)
    assert [(7, 1, "halt", "because", "cli"), (7, 2, "halt", "because", "cli")] == rows_of(path, "halts")
    store.close()
    store.close()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    """The last second of a run is not lost when it ends in order."""
    store = Store(tmp_path / "store.sqlite", 1)
    store.put([halt(1)])
    store.close()
    assert 1 == len(rows_of(store.path, "halts"))
    assert (1, 0, 0, None) == (store.written_total, store.lost_total, store.waiting, store.failure)


def test_a_fill_that_is_told_twice_is_one_row(tmp_path: Path) -> None:
    """Two runs that both learn of a fill don't count it twice: the first telling stands."""
    path = tmp_path / "store.sqlite"
    for epoch in (1, 2):
        store = Store(path, epoch)
        store.put([fill(epoch)])
        store.close()
    assert [(1, 1, "t1")] == [row[:3] for row in rows_of(path, "fills")]


def test_a_row_that_the_disk_refuses_is_counted_and_the_next_ones_are_written(
    tmp_path: Path,
) -> None:
    """Trading never depends on the store: what it can't keep is lost, known as lost, and it goes on."""
    store = Store(tmp_path / "store.sqlite", 1)
    wrong: Row = Halt("no instant", "halt", "because", "cli")  # type: ignore[arg-type]
    store.put([wrong])
    ends_at = time.monotonic() + WITHIN_S
    while not store.lost_total:
        assert time.monotonic() < ends_at
        time.sleep(0.01)
    assert store.failure is not None
    store.put([halt(2)])
    until_written(store, 1)
    assert store.failure is None
    store.close()
    assert (1, 1) == (store.lost_total, len(rows_of(store.path, "halts")))


def test_one_wrong_row_costs_no_other(tmp_path: Path) -> None:
    """A transaction holds a second of a run: one row in it that can't be kept is lost alone."""
    store = Store(tmp_path / "store.sqlite", 1)
    wrong: Row = Halt("no instant", "halt", "because", "cli")  # type: ignore[arg-type]
    store.put([halt(1), wrong, halt(1 << 64), halt(2)])
    store.close()
    assert (2, 2) == (store.written_total, store.lost_total)
    assert [1, 2] == [row[1] for row in rows_of(store.path, "halts")]


def test_what_a_person_holds_up_waits_and_is_written_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's open transaction in another program costs time and no row; whoever puts never waits."""
    monkeypatch.setattr("daemon.shell.store.writer.BUSY_S", 0.05)
    monkeypatch.setattr("daemon.shell.store.writer.FLUSH_S", 0.01)
    store = Store(tmp_path / "store.sqlite", 1)
    person = sqlite3.connect(store.path, isolation_level=None)
    person.execute("BEGIN IMMEDIATE")
    store.put([halt(1)])
    ends_at = time.monotonic() + WITHIN_S
    while store.failure is None:
        assert time.monotonic() < ends_at
        time.sleep(0.01)
    store.put([halt(2)])
    person.execute("COMMIT")
    person.close()
    until_written(store, 2)
    assert (None, 0) == (store.failure, store.lost_total)
    store.close()
    assert [1, 2] == [row[1] for row in rows_of(store.path, "halts")]


def test_a_disk_that_hangs_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that is told to stop stops; what was not written is known as lost."""
    monkeypatch.setattr("daemon.shell.store.writer.BUSY_S", 0.05)
    store = Store(tmp_path / "store.sqlite", 1)
    person = sqlite3.connect(store.path, isolation_level=None)
    person.execute("BEGIN IMMEDIATE")
    store.put([halt(1)])
    store.close()
    person.close()
    assert (0, 1) == (store.written_total, store.lost_total)


def test_a_reader_in_the_middle_of_its_reading_holds_nobody_up(tmp_path: Path) -> None:
    """A report that takes minutes doesn't stop the writer."""
    store = Store(tmp_path / "store.sqlite", 1)
    store.put([halt(1)])
    until_written(store, 1)
    reader = sqlite3.connect(f"file:{store.path}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    assert (1,) == reader.execute("SELECT count(*) FROM halts").fetchone()
    store.put([halt(2)])
    until_written(store, 2)
    assert (1,) == reader.execute("SELECT count(*) FROM halts").fetchone()
    reader.close()
    store.close()


def test_more_than_may_wait_is_lost_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs must not eat the memory of a daemon that trades."""
    monkeypatch.setattr("daemon.shell.store.writer.WAITING_MAX", 3)
    monkeypatch.setattr("daemon.shell.store.writer.FLUSH_S", WITHIN_S)
    store = Store(tmp_path / "store.sqlite", 1)
    store.put([halt(at) for at in range(5)])
    assert (3, 2) == (store.waiting, store.lost_total)
    store.close()
    assert 3 == store.written_total


def test_what_is_many_is_deleted_when_it_is_old_and_the_rest_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Years of calls would fill the disk; fills and halts are kept for ever."""
    monkeypatch.setattr("daemon.shell.store.writer.FLUSH_S", 0.01)
    monkeypatch.setattr("daemon.shell.store.writer._CLEAN_EVERY", 1)
    store = Store(tmp_path / "store.sqlite", 1)
    now = 2 * KEPT
    old = now - KEPT - DAY
    store.put([ApiCall(old, "GET", "/markets", 200, 5, 10), RefusalCount(old, "M", "s", "halted", 3)])
    store.put([halt(old), ApiCall(now, "GET", "/markets", None, 5, None)])
    ends_at = time.monotonic() + WITHIN_S
    while [now] != [row[1] for row in rows_of(store.path, "api_calls")]:
        assert time.monotonic() < ends_at
        time.sleep(0.01)
    store.close()
    assert (0, 1) == (len(rows_of(store.path, "refusals")), len(rows_of(store.path, "halts")))


def test_how_long_it_is_kept_may_change_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was young enough is deleted by the shorter time."""
    monkeypatch.setattr("daemon.shell.store.writer.FLUSH_S", 0.01)
    monkeypatch.setattr("daemon.shell.store.writer._CLEAN_EVERY", 1)
    store = Store(tmp_path / "store.sqlite", 1)
    now = 2 * KEPT
    store.kept = 2 * DAY
    store.put([ApiCall(now - 3 * DAY, "GET", "/old", 200, 5, 10), ApiCall(now, "GET", "/new", 200, 5, None)])
    ends_at = time.monotonic() + WITHIN_S
    while [now] != [row[1] for row in rows_of(store.path, "api_calls")]:
        assert time.monotonic() < ends_at
        time.sleep(0.01)
    store.close()


def test_a_file_that_is_no_store_is_refused_by_name(tmp_path: Path) -> None:
    """A wrong path in the configuration must not cost anybody a database, and says which file it is."""
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 100)
    with pytest.raises(StoreFailed, match=r"notes\.txt"):
        Store(path, 1)
    assert path.read_text().startswith("dear diary")
    with pytest.raises(StoreFailed, match="no/such"):
        Store(tmp_path / "no/such/folder.sqlite", 1)


_WRITER = """
import sys, time
from pathlib import Path
from daemon.shell.store import Store
from daemon.shell.store.rows import Halt
store = Store(Path(sys.argv[1]), 1)
number = 0
while True:
    store.put([Halt(number + place, "halt", "because", "cli") for place in range(50)])
    number += 50
    while store.written_total < number - 500:
        time.sleep(0.001)
    print(store.written_total, flush=True)
"""


def test_a_killed_process_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    """What a reader could see before `kill -9` is there after it, whole, and the file is sound."""
    path = tmp_path / "store.sqlite"
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    written = 0
    while written < 500:
        written = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    database = sqlite3.connect(path)
    assert ("ok",) == database.execute("PRAGMA integrity_check").fetchone()
    kept = [at for (at,) in database.execute("SELECT at FROM halts ORDER BY at")]
    database.close()
    assert kept == list(range(len(kept)))
    assert len(kept) >= written
