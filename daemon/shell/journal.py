"""The journal: what the daemon saw and decided, on disk before it acts on it.

    <folder>/<epoch>.journal = record(header) record(batch) record(batch) …      (daemon.core.records)

A batch is what one turn of the pump writes: events before they are handled, the `now` of a decision, and
its commands. One unsynced write per batch survives a killed process; `synced` waits until the disk has
it, which survives a power cut. A failed write or sync is final: what the disk holds after it is unknown,
so the journal refuses everything from then on. One file per start, never appended to by a later one.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from daemon.core.commands import Command, Decided
from daemon.core.events import Event
from daemon.core.records import RecordReader, frame
from daemon.shell.disk_sync import DiskSync, Synced
from daemon.shell.lock import FolderLock

FORMAT_VERSION = 1
Record: TypeAlias = Event | Command | Decided

_NAME = re.compile(r"([0-9]+)\.journal", re.ASCII)
_ENCODER = msgspec.msgpack.Encoder()


class JournalFailed(Exception):
    """The disk refused a write or a sync: nothing more can be recorded, so nothing more may be done."""


class JournalUnreadable(Exception):
    """A file is not a journal that this version can read; the message names the file and the offset."""


class JournalHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first record of a journal.

    `epoch` numbers the starts of a daemon, upwards; it names the file. `engine` is the caller's own
    msgpack: all that a replay needs to build the same engine. `override_reason` is why real money was traded
    without days of paper behind it; None where that was not so. `account` is the key that the account is
    reached with: it tells one of an instance from another; empty in journals from before that was noted.
    """

    format_version: int = FORMAT_VERSION
    kalshid_version: str
    instance: str
    epoch: int
    engine: msgspec.Raw
    override_reason: str | None = None
    account: str = ""


class Journal:
    """An open journal. All methods belong to one thread, the event loop's; only the syncing has its own.

    Counters: `bytes_total` and `batches_total` written, `syncs_total` done, and `sync_seconds_last`, how long
    the last sync took (None before the first).
    """

    def __init__(self, path: Path, fd: int, end: int, lock: FolderLock) -> None:
        """Take over an open file whose first `end` bytes are synced. Use `create`."""
        self.path = path
        self.batches_total = 0
        self.syncs_total = 0
        self.sync_seconds_last: float | None = None
        self._fd = fd
        self._end = end
        self._synced_end = end
        self._lock = lock
        self._failure: str | None = None
        self._is_closed = False
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._disk = DiskSync(fd, lambda: self._end, self._take_sync)

    @classmethod
    def create(cls, folder: Path, header: JournalHeader, lock: FolderLock | None = None) -> Journal:
        """Lock the folder and start `<epoch>.journal` in it, with its header on disk.

        Args:
            folder: made if missing.
            header: the first record.
            lock: the folder's lock if it is held already; closing the journal frees it either way.

        Raises:
            FolderTaken: another daemon uses the folder.
            JournalFailed: the disk refused, or this epoch's journal exists already.
        """
        path = folder / f"{header.epoch}.journal"
        fresh = path.with_suffix(".fresh")
        first = frame(_ENCODER.encode(header))
        held = None
        fd = -1
        try:
            held = lock or FolderLock.take(folder)
            fresh.unlink(missing_ok=True)  # never truncate it: a crash may have left it linked to a journal
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            _write_all(fd, first)
            os.fsync(fd)
            # A name appears with its header or not at all; link, unlike rename, never replaces a journal.
            os.link(fresh, path)
            fresh.unlink()
            _sync_folder(folder)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            if held is not None and lock is None:
                held.release()
            raise JournalFailed(f"can't start journal {path}: {error}") from error
        return cls(path, fd, len(first), held)

    @property
    def end(self) -> int:
        """The offset behind the last record written."""
        return self._end

    @property
    def bytes_total(self) -> int:
        """How many bytes were written, the header's too: a file is of one start."""
        return self._end

    @property
    def synced_end(self) -> int:
        """The offset up to which the disk is known to have everything."""
        return self._synced_end

    def append(self, batch: Sequence[Record]) -> int:
        """Write a batch as one record and return the offset behind it. Not synced: see `synced`.

        Raises:
            JournalFailed: now, or once before. The file may then end in a torn record, which readers skip.
        """
        if self._failure is not None or self._is_closed:
            self._check()
        assert batch, "an empty batch is no record"
        record = frame(_ENCODER.encode(batch))
        length = len(record)
        try:
            written = os.write(self._fd, record)
            if written < length:
                _write_all(self._fd, record[written:])
        except OSError as error:
            raise self._fail(f"can't write to {self.path}: {error}") from error
        self.batches_total += 1
        self._end = end = self._end + length
        return end

    async def synced(self, offset: int) -> None:
        """Wait until the disk has everything up to `offset`. Waiters share syncs; the loop never blocks.

        Cancellation-safe: a cancelled waiter leaves the others alone.

        Raises:
            JournalFailed: a sync or a write failed, now or before.
        """
        assert offset <= self._end, f"offset {offset} is not written yet"
        if offset <= self._synced_end:
            return
        self._check()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((offset, waiter))
        self._disk.ask()
        await waiter

    def begin_sync(self) -> None:
        """Let the disk begin on what is written, within a running loop: who waits for it waits for less."""
        if self._synced_end < self._end and self._failure is None and not self._is_closed:
            self._disk.begin()

    def close(self) -> None:
        """Sync what is written, close the file, free the folder. Blocks for one sync; twice does nothing.

        Raises:
            JournalFailed: the last sync failed. Everything is closed nevertheless.
        """
        if self._is_closed:
            return
        self._is_closed = True
        last = self._disk.close()
        try:
            if last is not None:
                self._believe(last)
            if self._failure is None and self._synced_end < self._end:
                os.fdatasync(self._fd)
                self._synced_end = self._end
        except OSError as error:
            raise self._fail(f"can't sync {self.path}: {error}") from error
        finally:
            os.close(self._fd)
            self._lock.release()
            self._resolve()
        if last is not None and last.failure is not None:
            raise JournalFailed(self._failure)

    def _check(self) -> None:
        if self._failure is not None:
            raise JournalFailed(self._failure)
        assert not self._is_closed, "the journal is closed"

    def _fail(self, reason: str) -> JournalFailed:
        self._failure = reason
        self._resolve()
        return JournalFailed(reason)

    def _take_sync(self, outcome: Synced) -> None:
        self._believe(outcome)
        self._resolve()
        if self._waiters:
            self._disk.ask()

    def _believe(self, outcome: Synced) -> None:
        self.syncs_total += 1
        self.sync_seconds_last = outcome.seconds
        if outcome.failure is None:
            self._synced_end = max(self._synced_end, outcome.end)
        else:
            self._failure = f"can't sync {self.path}: {outcome.failure}"

    def _resolve(self) -> None:
        """Answer each waiter that the last sync covers; all of them when no further sync can come."""
        waiting = []
        for offset, waiter in self._waiters:
            if waiter.done():
                continue
            if offset <= self._synced_end:
                waiter.set_result(None)
            elif self._failure is not None:
                waiter.set_exception(JournalFailed(self._failure))
            else:
                waiting.append((offset, waiter))
        self._waiters = waiting


class JournalFile:
    """A journal read back: its header, its batches in order, and where its whole records end."""

    def __init__(self, path: Path, buffer: bytes | memoryview, header: JournalHeader, start: int) -> None:
        """Check every record's checksum; `start` is the offset behind the header. Use `read_journal`."""
        self.path = path
        self.header = header
        self._buffer = buffer
        self._start = start
        reader = RecordReader(buffer, start)
        for _ in reader:
            pass
        self.end = reader.end
        """The offset behind the last whole record."""
        self.is_torn = reader.is_torn
        """Whether bytes follow `end`: a crash tore the last record, or the file is damaged there."""

    def __iter__(self) -> Iterator[list[Record]]:
        """Iterate over the batches of the whole records.

        Raises:
            JournalUnreadable: a whole record holds what this version doesn't know.
        """
        decoder = msgspec.msgpack.Decoder(list[Record])
        reader = RecordReader(self._buffer, self._start)
        at = self._start
        for payload in reader:
            try:
                batch = decoder.decode(payload)
            except msgspec.DecodeError as error:
                raise JournalUnreadable(f"{self.path}: record at byte {at}: {error}") from error
            at = reader.end
            yield batch


def read_journal(path: Path) -> JournalFile:
    """Open a journal for reading. The file is mapped, not loaded; it may be one that is being written.

    Raises:
        JournalUnreadable: no whole header, or one of a format that this version doesn't know.
        OSError: the file can't be read.
    """
    return JournalFile(path, *open_journal(path))


def open_journal(path: Path) -> tuple[memoryview, JournalHeader, int]:
    """Map a journal; return its bytes, its header and the offset behind that. Raises as `read_journal`."""
    buffer = _map(path)
    reader = RecordReader(buffer)
    first = next(iter(reader), None)
    if first is None:
        raise JournalUnreadable(f"{path}: not a journal: no whole record at byte 0")
    try:
        header = msgspec.msgpack.decode(first, type=JournalHeader)
    except msgspec.DecodeError as error:
        raise JournalUnreadable(f"{path}: header at byte 0: {error}") from error
    if header.format_version != FORMAT_VERSION:
        raise JournalUnreadable(
            f"{path}: format {header.format_version}, written by kalshid {header.kalshid_version};"
            f" this version reads format {FORMAT_VERSION}"
        )
    return buffer, header, reader.end


def cut_torn(path: Path) -> int:
    """Cut off what follows the last whole record and return how many bytes that was; 0 for a whole file.

    Only for a journal that nobody writes: hold the folder's lock.

    Raises:
        JournalUnreadable: as `read_journal`; such a file is left as it is.
        OSError: the file can't be read or cut.
    """
    end = read_journal(path).end
    torn = path.stat().st_size - end
    if torn:
        with path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())
    return torn


def latest(folder: Path) -> Path | None:
    """Return the journal of the highest epoch in a folder; None if there is none."""
    return next(iter(newest_first(folder)), None)


def next_epoch(folder: Path, now_ms: int) -> int:
    """Return the number of a new start: Unix ms, or more where the clock was set back since the last one.

    Order ids are made of it, and the next start takes the highest for the last: it has to grow.
    """
    last = latest(folder)
    return now_ms if last is None else max(now_ms, int(last.stem) + 1)


def newest_first(folder: Path) -> list[Path]:
    """Return a folder's journals, the one of the highest epoch first; none if there is no such folder."""
    if not folder.is_dir():
        return []
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def _write_all(fd: int, content: bytes) -> None:
    """Write everything: one call, unless the kernel takes less. What it refuses the second time raises."""
    written = os.write(fd, content)
    while written < len(content):
        written += os.write(fd, memoryview(content)[written:])


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _map(path: Path) -> memoryview:
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
