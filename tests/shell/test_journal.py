"""The journal: what was acknowledged is there, whatever happened to the process, the file or the disk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from daemon.core.commands import CancelAll, Decided
from daemon.core.events import FeedHeard
from daemon.core.records import frame
from daemon.shell.journal import (
    Journal,
    JournalFailed,
    JournalHeader,
    JournalUnreadable,
    Record,
    cut_torn,
    latest,
    next_epoch,
    read_journal,
)
from daemon.shell.lock import FolderLock, FolderTaken

HEADER = JournalHeader(
    kalshid_version="0.1.0",
    instance="test",
    epoch=1_000,
    engine=msgspec.Raw(msgspec.msgpack.encode({"seed": 7})),
)
HANG_S = 60

WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
import msgspec
from daemon.core.events import FeedHeard
from daemon.shell.journal import Journal, JournalHeader
header = JournalHeader(kalshid_version="0", instance="child", epoch=1, engine=msgspec.Raw(b"\\xc0"))
journal = Journal.create(Path(sys.argv[1]), header)
number = 0
while True:
    journal.append([FeedHeard("kalshi", number), FeedHeard("reference", number)])
    number += 1
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""

WRITE_UNTIL_REFUSED = """
import resource, signal, sys
from pathlib import Path
import msgspec
from daemon.core.events import FeedHeard
from daemon.shell.journal import Journal, JournalFailed, JournalHeader
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
header = JournalHeader(kalshid_version="0", instance="child", epoch=1, engine=msgspec.Raw(b"\\xc0"))
journal = Journal.create(Path(sys.argv[1]), header)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
written = 0
try:
    while True:
        journal.append([FeedHeard("kalshi", written)])
        written += 1
except JournalFailed as error:
    first = str(error)
try:
    journal.append([FeedHeard("kalshi", written)])
except JournalFailed as error:
    print(written, first == str(error), error)
"""


def batch(number: int) -> list[Record]:
    """Return a turn's records: an event, the mark of the decision, a command."""
    return [FeedHeard("kalshi", number), Decided(number), CancelAll(2, "g", "test", number)]


def write(folder: Path, count: int) -> Path:
    """Write a journal of `count` batches and return its path."""
    journal = Journal.create(folder, HEADER)
    for number in range(count):
        journal.append(batch(number))
    journal.close()
    return journal.path


@contextlib.contextmanager
def journal_on(fd: int, folder: Path) -> Iterator[Journal]:
    """Give a journal that writes to any file descriptor: a real one that refuses."""
    journal = Journal(folder / "refusing", fd, 0, FolderLock.take(folder))
    yield journal
    with contextlib.suppress(JournalFailed):
        journal.close()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Header and batches come back equal and in order; each offset is where its batch ends."""
    journal = Journal.create(tmp_path, HEADER)
    ends = [journal.append(batch(number)) for number in range(3)]
    journal.close()
    read = read_journal(journal.path)
    assert HEADER == read.header
    assert {"seed": 7} == msgspec.msgpack.decode(read.header.engine)
    assert [batch(number) for number in range(3)] == list(read)
    assert (ends[-1], False) == (read.end, read.is_torn)
    assert ends[-1] == journal.path.stat().st_size == journal.bytes_total
    assert 3 == journal.batches_total


def test_a_journal_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    """A reader sees the records written so far."""
    journal = Journal.create(tmp_path, HEADER)
    assert [] == list(read_journal(journal.path))
    journal.append(batch(0))
    assert [batch(0)] == list(read_journal(journal.path))
    journal.close()


def test_a_tail_torn_at_every_byte_is_detected_and_cut(tmp_path: Path) -> None:
    """Whatever part of the last record a crash left, the whole ones are read and the rest can be cut."""
    path = write(tmp_path, 3)
    content = path.read_bytes()
    ends = [read_journal(write(tmp_path / str(count), count)).end for count in range(4)]
    for size in range(ends[0], len(content)):
        whole = sum(end <= size for end in ends) - 1
        path.write_bytes(content[:size])
        read = read_journal(path)
        assert [batch(number) for number in range(whole)] == list(read)
        assert (ends[whole], size > ends[whole]) == (read.end, read.is_torn)
        assert size - ends[whole] == cut_torn(path)
        assert content[: ends[whole]] == path.read_bytes()
        assert not read_journal(path).is_torn


def test_a_whole_journal_is_left_alone_by_cutting(tmp_path: Path) -> None:
    """Nothing torn, nothing cut."""
    path = write(tmp_path, 2)
    before = path.read_bytes()
    assert 0 == cut_torn(path)
    assert before == path.read_bytes()


@pytest.mark.parametrize("content", [b"", b"PAR1 is not a journal", bytes(100), frame(b"\xc1 no msgpack")])
def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """The message names the file and the offset; cutting does not touch what it can't read."""
    path = tmp_path / "1.journal"
    path.write_bytes(content)
    with pytest.raises(JournalUnreadable, match=rf"{path}.* byte 0"):
        read_journal(path)
    with pytest.raises(JournalUnreadable):
        cut_torn(path)
    assert content == path.read_bytes()


def test_another_format_is_refused_by_its_number(tmp_path: Path) -> None:
    """A later version's journal is not guessed at."""
    path = tmp_path / "1.journal"
    path.write_bytes(frame(msgspec.msgpack.encode(msgspec.structs.replace(HEADER, format_version=2))))
    with pytest.raises(
        JournalUnreadable, match=r"format 2, written by kalshid 0\.1\.0; this version reads format 1"
    ):
        read_journal(path)


def test_a_whole_record_of_an_unknown_kind_is_an_error_not_a_tear(tmp_path: Path) -> None:
    """What another version wrote is named with its offset, not silently left out."""
    path = write(tmp_path, 1)
    end = path.stat().st_size
    with path.open("ab") as file:
        file.write(frame(msgspec.msgpack.encode([["BookImagined", 1]])))
    read = read_journal(path)
    assert not read.is_torn
    with pytest.raises(JournalUnreadable, match=f"record at byte {end}"):
        list(read)


def test_the_latest_journal_is_of_the_highest_epoch(tmp_path: Path) -> None:
    """Epochs compare as numbers; other files don't count; no folder, no journal."""
    assert latest(tmp_path / "absent") is None
    assert latest(tmp_path) is None
    for name in ("9.journal", "10.journal", "11.fresh", "x.journal", "12.journal.txt"):
        (tmp_path / name).touch()
    assert tmp_path / "10.journal" == latest(tmp_path)


def test_starts_are_numbered_upwards_though_the_clock_goes_back(tmp_path: Path) -> None:
    """Else the next start would recover from the wrong journal, and an order id could come twice."""
    assert 5 == next_epoch(tmp_path / "absent", 5)
    for name in ("9.journal", "10.journal"):
        (tmp_path / name).touch()
    assert [11, 11, 12] == [next_epoch(tmp_path, now_ms) for now_ms in (3, 10, 12)]


def test_a_second_journal_on_a_folder_is_refused(tmp_path: Path) -> None:
    """One daemon per folder; closing frees it."""
    journal = Journal.create(tmp_path, HEADER)
    with pytest.raises(FolderTaken, match=f"process {os.getpid()}"):
        Journal.create(tmp_path, msgspec.structs.replace(HEADER, epoch=1_001))
    journal.close()
    Journal.create(tmp_path, msgspec.structs.replace(HEADER, epoch=1_001)).close()


def test_an_existing_journal_is_never_replaced(tmp_path: Path) -> None:
    """The same epoch twice is refused, the first file stays, and the folder is free again."""
    path = write(tmp_path, 2)
    before = path.read_bytes()
    with pytest.raises(JournalFailed, match="File exists"):
        Journal.create(tmp_path, HEADER)
    assert before == path.read_bytes()
    FolderLock.take(tmp_path).release()


def test_a_lock_that_is_held_already_can_be_handed_over(tmp_path: Path) -> None:
    """Recovery holds the folder before the journal starts; closing the journal frees it."""
    journal = Journal.create(tmp_path, HEADER, FolderLock.take(tmp_path))
    journal.close()
    journal.close()
    FolderLock.take(tmp_path).release()


async def test_synced_returns_when_the_disk_has_it(tmp_path: Path) -> None:
    """After the wait the synced end covers the offset; a second wait needs no second sync."""
    journal = Journal.create(tmp_path, HEADER)
    end = journal.append(batch(0))
    assert journal.synced_end < end
    async with asyncio.timeout(HANG_S):
        await journal.synced(end)
        await journal.synced(end)
    assert end == journal.synced_end == journal.end
    assert 1 == journal.syncs_total
    assert journal.sync_seconds_last is not None
    assert journal.sync_seconds_last >= 0
    journal.close()


async def test_a_sync_that_was_begun_is_the_one_that_is_waited_for(tmp_path: Path) -> None:
    """Begun twice it is one; begun with nothing new it is none; who waits later shares it."""
    journal = Journal.create(tmp_path, HEADER)
    journal.begin_sync()
    end = journal.append(batch(0))
    journal.begin_sync()
    journal.begin_sync()
    async with asyncio.timeout(HANG_S):
        await journal.synced(end)
    assert (1, end) == (journal.syncs_total, journal.synced_end)
    journal.close()
    journal.begin_sync()
    assert 1 == journal.syncs_total


async def test_waiters_share_syncs(tmp_path: Path) -> None:
    """A hundred waits of one turn cost two syncs at most, and each returns."""
    journal = Journal.create(tmp_path, HEADER)
    offsets = [journal.append(batch(number)) for number in range(100)]
    async with asyncio.timeout(HANG_S):
        await asyncio.gather(*[journal.synced(offset) for offset in offsets])
    assert journal.syncs_total <= 2
    journal.close()


async def test_a_cancelled_waiter_leaves_the_others_alone(tmp_path: Path) -> None:
    """Whoever stops waiting changes nothing for the rest."""
    journal = Journal.create(tmp_path, HEADER)
    end = journal.append(batch(0))
    async with asyncio.timeout(HANG_S):
        gone, staying = asyncio.create_task(journal.synced(end)), asyncio.create_task(journal.synced(end))
        await asyncio.sleep(0)
        gone.cancel()
        await staying
    assert gone.cancelled()
    journal.close()


async def test_closing_answers_who_still_waits(tmp_path: Path) -> None:
    """Closing syncs what is written, so that no waiter hangs."""
    journal = Journal.create(tmp_path, HEADER)
    end = journal.append(batch(0))
    waiter = asyncio.create_task(journal.synced(end))
    await asyncio.sleep(0)
    journal.close()
    async with asyncio.timeout(HANG_S):
        await waiter


async def test_a_full_disk_fails_the_journal_for_good(tmp_path: Path) -> None:
    """The write that the disk refuses raises, and so does everything after it."""
    with journal_on(os.open("/dev/full", os.O_WRONLY), tmp_path) as journal:
        for _ in range(2):
            with pytest.raises(JournalFailed, match="No space left on device"):
                journal.append(batch(0))
        assert (0, 0) == (journal.end, journal.batches_total)


async def test_a_failed_sync_fails_the_journal_and_all_waiters(tmp_path: Path) -> None:
    """After a failed sync nobody knows what the disk holds: waiting and writing raise from then on."""
    reading, writing = os.pipe()  # a pipe takes writes and refuses to sync
    with journal_on(writing, tmp_path) as journal:
        end = journal.append(batch(0))
        async with asyncio.timeout(HANG_S):
            outcomes = await asyncio.gather(journal.synced(end), journal.synced(end), return_exceptions=True)
        assert [JournalFailed, JournalFailed] == [type(outcome) for outcome in outcomes]
        with pytest.raises(JournalFailed, match="can't sync"):
            journal.append(batch(1))
        with pytest.raises(JournalFailed, match="can't sync"):
            await journal.synced(end)
    os.close(reading)


def test_a_file_that_may_not_grow_fails_the_journal(tmp_path: Path) -> None:
    """With a real size limit the failed batch is torn at most: the batches before it are all readable."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE_UNTIL_REFUSED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=True,
    )
    written, is_same, reason = done.stdout.split(maxsplit=2)
    assert "True" == is_same
    assert "File too large" in reason
    assert int(written) == len(list(read_journal(tmp_path / "1.journal")))


def kill_a_writer(folder: Path, delay_s: float) -> None:
    """Kill -9 a process that writes as fast as it can; all that it acknowledged must be in the journal."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_UNTIL_KILLED, str(folder)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert "1\n" == child.stdout.readline()
        time.sleep(delay_s)
        # The pipe may be full by then: the child then stands in its write of an acknowledgement.
        child.kill()
        lines = child.stdout.read().split("\n")
    acknowledged = max([int(line) for line in lines[:-1]], default=1)
    path = latest(folder)
    assert path is not None
    batches = list(read_journal(path))
    assert acknowledged <= len(batches) <= acknowledged + 1
    assert batches == [
        [FeedHeard("kalshi", number), FeedHeard("reference", number)] for number in range(len(batches))
    ]
    cut_torn(path)
    assert not read_journal(path).is_torn


def test_a_killed_writer_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Kill -9 at a few random moments: every acknowledged batch is there, in order."""
    moments = random.Random(1)
    for number in range(3):
        kill_a_writer(tmp_path / str(number), moments.uniform(0, 0.02))


@pytest.mark.full
def test_a_writer_killed_a_hundred_times_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """The same, many times."""
    moments = random.Random(2)
    for number in range(100):
        kill_a_writer(tmp_path / str(number), moments.uniform(0, 0.05))
