"""The one thread that writes the store. Whoever has a row never waits for the disk.

Rows wait in a bounded list and go to the disk once a second, in one transaction. What the disk doesn't
take now, because it is full or a person holds the file, waits on; what does not fit is counted as lost. The
journal has the facts, and trading goes on. So `synchronous = NORMAL` is enough: a killed process loses the
last second at most, a power cut the last commits, and neither harms the file.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog

from daemon.core.units import DAY, Ns
from daemon.shell.store.rows import TABLES, Row
from daemon.shell.store.schema import SchemaUnknown, migrate

log = structlog.get_logger(__name__)

FLUSH_S = 1.0
WAITING_MAX = 50_000
"""Rows that may wait: minutes of a busy day."""
KEPT: Ns = 30 * DAY
"""What is many and of little use later, calls and refusals, is kept so long unless told otherwise."""
BUSY_S = 5.0
"""How long the thread waits for whoever holds the file."""
CLOSE_WITHIN_S = 10.0
"""How long the end of a run waits for the disk."""
_SHORT_LIVED = ("api_calls", "refusals")
_DELETED_AT_ONCE = 5_000
_CLEAN_EVERY = 60
"""Flushes between two looks at what is old."""


class StoreFailed(Exception):
    """The file can't be opened as a store; the message names it."""


def _insert(kind: type[Row]) -> str:
    columns = ("epoch", *kind.__struct_fields__)
    places = ", ".join("?" * len(columns))
    # Keys repeat only where a fact is told twice: the first telling stands.
    return f"INSERT OR IGNORE INTO {TABLES[kind]} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - our own names


class Store:
    """An open store of one run.

    Args:
        path: the file; made, for its owner only, where it is missing.
        epoch: the run that the rows are of.
        kept: how long calls and refusals are kept.

    Counters: `written_total`, `lost_total` rows; `failure` is what the disk said last, None when all is well.
    """

    def __init__(self, path: Path, epoch: int, kept: Ns = KEPT) -> None:
        """Open, migrate, and start the thread.

        Raises:
            StoreFailed: it can't be opened, or isn't a store that this program knows.
        """
        self.path = path
        self.written_total = 0
        self.lost_total = 0
        self.failure: str | None = None
        self._epoch = epoch
        self.kept = kept
        self._waiting: list[Row] = []
        self._lock = threading.Lock()
        self._is_due = threading.Condition(self._lock)
        self._is_closing = False
        self._newest: Ns = 0
        self._inserts = {kind: _insert(kind) for kind in TABLES}
        try:
            self._database = _open(path)
        except (OSError, sqlite3.Error, SchemaUnknown) as error:
            raise StoreFailed(f"{path}: {error}") from error
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._thread.start()

    def put(self, rows: Iterable[Row]) -> None:
        """Leave rows to be written. Never waits, never raises."""
        with self._lock:
            for row in rows:
                if len(self._waiting) >= WAITING_MAX:
                    self.lost_total += 1
                else:
                    self._waiting.append(row)

    @property
    def waiting(self) -> int:
        """Rows that are not written yet."""
        return len(self._waiting)

    def close(self) -> None:
        """Write what waits, and close. Twice does nothing. A disk that hangs is not waited for for long."""
        with self._is_due:
            self._is_closing = True
            self._is_due.notify()
        self._thread.join(CLOSE_WITHIN_S)
        if self._thread.is_alive():
            log.error("store.unclosed", path=str(self.path), rows=self.waiting)
            return
        self._database.close()

    def _work(self) -> None:
        flushes = 0
        is_closing = False
        while not is_closing:
            with self._is_due:
                if not self._is_closing:
                    self._is_due.wait(FLUSH_S)
                is_closing = self._is_closing
                rows, self._waiting = self._waiting, []
            if rows and not self._write(rows):
                self._keep(rows, is_last=is_closing)
            flushes += 1
            if flushes % _CLEAN_EVERY == 0:
                self._clean()

    def _write(self, rows: list[Row]) -> bool:
        """Write rows in one transaction; False if the disk takes none of them now."""
        database, wrong, why = self._database, 0, None
        try:
            database.execute("BEGIN IMMEDIATE")
            for row in rows:
                values = (self._epoch, *msgspec.structs.astuple(row))
                try:
                    database.execute(self._inserts[type(row)], values)
                except (sqlite3.IntegrityError, sqlite3.ProgrammingError, OverflowError) as error:
                    wrong, why = wrong + 1, str(error)  # this row can't be kept, whenever it is tried
                else:
                    self._newest = max(self._newest, row.at)
            database.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(str(error), len(rows))
            try:
                if database.in_transaction:
                    database.execute("ROLLBACK")
            except sqlite3.Error as failure:
                self._fail(str(failure), len(rows))
            return False
        self.written_total += len(rows) - wrong
        if why is not None:
            self._fail(why, wrong)
            self._lose(wrong)
        else:
            self.failure = None
        return True

    def _keep(self, rows: list[Row], *, is_last: bool) -> None:
        """Let rows wait on that the disk did not take, as many as fit, the oldest first."""
        with self._lock:
            kept = [] if is_last else [*rows, *self._waiting][:WAITING_MAX]
            self.lost_total += len(rows) + len(self._waiting) - len(kept)
            self._waiting = kept

    def _fail(self, reason: str, rows: int) -> None:
        if self.failure is None:
            log.error("store.failed", path=str(self.path), reason=reason, rows=rows)
        self.failure = reason

    def _lose(self, rows: int) -> None:
        with self._lock:
            self.lost_total += rows

    def _clean(self) -> None:
        """Delete what is old, in small steps: a reader and the next flush are not kept waiting."""
        try:
            for table in _SHORT_LIVED:
                old = f"SELECT rowid FROM {table} WHERE at < ? LIMIT ?"  # noqa: S608 - our own names
                self._database.execute(
                    f"DELETE FROM {table} WHERE rowid IN ({old})",  # noqa: S608
                    (self._newest - self.kept, _DELETED_AT_ONCE),
                )
        except sqlite3.Error as error:
            self.failure = str(error)


def _open(path: Path) -> sqlite3.Connection:
    """Return the file as a store of the newest version, its owner's alone."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
    try:
        migrate(database)  # before anything is set: another program's file stays as it is
        path.chmod(0o600)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
    except (OSError, sqlite3.Error, SchemaUnknown):
        database.close()
        raise
    return database
