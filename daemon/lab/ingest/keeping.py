"""From what was read to what is kept: rows gather, go to disk, and only then count as read."""

from __future__ import annotations

import time
from collections.abc import Iterable

from daemon.lab.ingest.coverage import Coverage, Covered
from daemon.lab.store import Store
from daemon.lab.store_tables import Row
from daemon.lab.store_writer import Added

ROWS_MAX = 100_000
"""Rows that gather before they are written: a file is written anew each time that it gets some."""
GATHERED_MAX_S = 5.0
"""Nor longer than this: what a killed process had gathered is read again."""


class Keeping:
    """The rows of one source on their way into the store. `flush` at the end, whatever ended it."""

    def __init__(self, store: Store, coverage: Coverage) -> None:
        self._store = store
        self.coverage = coverage
        self._rows: dict[str, list[Row]] = {}
        self._covered: list[Covered] = []
        self._since_s = time.monotonic()
        self.added: dict[str, Added] = {}
        """What came of it so far, by table."""

    def keep(self, table: str, rows: Iterable[Row], covered: Iterable[Covered] = ()) -> None:
        """Take rows, and the spans that they make whole."""
        self._rows.setdefault(table, []).extend(rows)
        self._covered += covered
        gathered = sum(len(some) for some in self._rows.values())
        if gathered >= ROWS_MAX or time.monotonic() - self._since_s >= GATHERED_MAX_S:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered, then note what it covers. Raises StoreError."""
        rows, self._rows = self._rows, {}
        covered, self._covered = self._covered, []
        for table, some in rows.items():
            self.added[table] = self.added.get(table, Added()) + self._store.add(table, some)
        self.coverage.add(covered)
        self._since_s = time.monotonic()
