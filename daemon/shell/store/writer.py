"""The one thread that writes the store. Whoever has a row never waits for the disk.

Rows wait in a bounded list and go to the disk once a second, in one transaction. What does not fit is
counted as lost, and so is a transaction that the disk refuses: the journal has the facts, trading goes on.
So `synchronous = NORMAL` is enough: a killed process loses the last second at most, a power cut the last
commits.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

import structlog

from daemon.core.units import DAY, Ns
from daemon.shell.store.rows import TABLES, Row
from daemon.shell.store.schema import SchemaUnknown, migrate

log = structlog.get_logger(__name__)

FLUSH_S = 1.0
WAITING_MAX = 50_000
"""Rows that may wait: minutes of a busy day."""
KEPT: Ns = 30 * DAY
"""What is many and of little use later, calls and refusals, is kept so long."""
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

    Counters: `written_total`, `lost_total` rows; `failure` is what the disk said last, None when all is well.
    """

    def __init__(self, path: Path, epoch: int) -> None:
        """Open, migrate, and start the thread.

        Raises:
            StoreFailed: it can't be opened, or isn't a store that this program knows.
        """
        self.path = path
        self.written_total = 0
        self.lost_total = 0
        self.failure: str | None = None
        self._epoch = epoch
        self._waiting: list[Row] = []
        self._lock = threading.Lock()
        self._is_due = threading.Condition(self._lock)
        self._is_closing = False
        self._newest: Ns = 0
        self._inserts = {kind: _insert(kind) for kind in TABLES}
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            migrate(self._database)
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
        """Write what waits, and close. Twice does nothing."""
        with self._is_due:
            self._is_closing = True
            self._is_due.notify()
        self._thread.join()
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
            if rows:
                self._write(rows)
            flushes += 1
            if flushes % _CLEAN_EVERY == 0:
                self._clean()

    def _write(self, rows: list[Row]) -> None:
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            for row in rows:
                values = [getattr(row, name) for name in row.__struct_fields__]
                database.execute(self._inserts[type(row)], (self._epoch, *values))
                self._newest = max(self._newest, row.at)
            database.execute("COMMIT")
        except (sqlite3.Error, OverflowError) as error:
            if self.failure is None:
                log.error("store.failed", path=str(self.path), reason=str(error), rows=len(rows))
            self.failure = str(error)
            self.lost_total += len(rows)
            if database.in_transaction:
                database.execute("ROLLBACK")
            return
        self.failure = None
        self.written_total += len(rows)

    def _clean(self) -> None:
        """Delete what is old, in small steps: a reader and the next flush are not kept waiting."""
        try:
            for table in _SHORT_LIVED:
                old = f"SELECT rowid FROM {table} WHERE at < ? LIMIT ?"  # noqa: S608 - our own names
                self._database.execute(
                    f"DELETE FROM {table} WHERE rowid IN ({old})",  # noqa: S608
                    (self._newest - KEPT, _DELETED_AT_ONCE),
                )
        except sqlite3.Error as error:
            self.failure = str(error)
