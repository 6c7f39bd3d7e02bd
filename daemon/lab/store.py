"""The lab's store: what was read from elsewhere, as Parquet files below one folder, asked with DuckDB.

    with open_store(Path("var/store")) as store:
        store.rows("SELECT ticker, ended_at, price_mean FROM candles WHERE period_min = 1440")  # a pyarrow Table
        past = store.as_of(t)                 # the same, and nothing in it was known after t (ns)
        past.rows("SELECT * FROM outside")    # of each (series, event_at) the newest row that was known at t
        store.outside_at("cpi_yoy", instants) # an array: the value of the newest release known at each
        store.add("outside", rows)            # dicts by column; returns what was new (one writer at a time)
        store.sha256s("candles", "trades")    # {"candles/KXCPI/1440m/2026-11.parquet": "9f…"} for a manifest

Tables, each a view (`store_tables` has the columns' types; a table without rows is an empty view):

| table | columns; the key in capitals |
|---|---|
| series | SERIES_TICKER title category frequency fee_type fee_multiplier_ppm exchange_index KNOWN_AT |
| events | series_ticker EVENT_TICKER title structure known_at |
| markets | series_ticker event_ticker TICKER title open_at close_at strike_type strike strike_floor strike_cap fee_type fee_multiplier_ppm exchange_index was_over known_at |
| settlements | series_ticker event_ticker TICKER result settlement_price expiration_value closed_at settled_at known_at |
| candles | series_ticker TICKER PERIOD_MIN ENDED_AT bid_, ask_, price_ (open high low close) price_mean volume open_interest known_at |
| trades | series_ticker TICKER TRADE_ID TRADED_AT price qty taker_side known_at |
| books | series_ticker TICKER KNOWN_AT SIDE LEVEL price qty |
| ohlc | PAIR PERIOD_MIN BEGAN_AT open high low close volume_e8 known_at |
| outside | SERIES EVENT_AT KNOWN_AT value vintage |

Prices of contracts are in 1e-4 $, counts in 0.01 contract, underlyings and strikes in 1e-6 $, instants in ns.
NULL is unknown, or what was not there: a bid of an empty side, a price where nothing was traded.

`known_at` is when a row could have been known: of a candle its end, of a trade its print, of a settlement
its instant, of a book our reading it, of a market and its event the market's opening, of a series our
reading it (what it said before, nobody tells), of an outside row what its file says. So a past that is
read today is a past, and `as_of` cuts it where it was.

A market's row has nothing that its end made known: results are in `settlements`. But a market may have
closed early: `close_at` is the close that was planned only if `was_over` is false (it was first read
before its end); of others it is the close that came. Don't make a feature of it where it matters.

A row is never changed, only completed: what a later reading adds to a NULL is taken in, what contradicts
a value is counted and refused. Files appear whole or not at all, and are the same bytes for the same rows.
"""  # noqa: E501 - a table's row is a line

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from daemon.core.units import Ns
from daemon.lab.labels import Floats, Ints
from daemon.lab.store_tables import TABLES, VERSION, Row, StoreError, Table, table_named
from daemon.lab.store_writer import Added, write_rows
from daemon.shell.lock import FolderLock, FolderTaken

MARK = "store.json"
"""The file that says that a folder is a store, and of which version."""
STATE_FOLDER = "state"
"""Below the store's folder: how far each source has been read."""


class Reader:
    """Asks the store's views; see the module's head for them. Use as a context manager."""

    def __init__(self, root: Path, until: Ns | None) -> None:
        self.root = root
        self._until = until
        self._asked = duckdb.connect()
        # Rows come in the order that the question asks for, however many cores there are.
        self._asked.execute("SET preserve_insertion_order = true")
        for table in TABLES.values():
            self._look(table)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection. Safe to call twice."""
        self._asked.close()

    def rows(self, question: str, values: Sequence[Any] = ()) -> pa.Table:
        """Return what a SELECT over the views finds; `?` in it are the values.

        Raises:
            StoreError: it is no question, or a file can't be read.
        """
        try:
            found = self._asked.sql(question, params=list(values))
            if found is None:
                raise StoreError(f"not a question: {question}")
            return found.to_arrow_table()
        except duckdb.Error as error:
            raise StoreError(f"{self.root}: {error}") from error

    def outside_at(self, series: str, instants: Ints) -> Floats:
        """Return an outside series' values as they were known at instants (ns, in any order).

        That is, of all rows known at or before an instant, the one with the newest event time, as last
        revised: a revision of an older release doesn't stand in for the newest one. One element per
        instant, NaN where nothing was known yet.
        """
        question = (
            "SELECT event_at, known_at, value FROM outside WHERE series = ? ORDER BY known_at, event_at"
        )
        found = self.rows(question, [series])
        event_at, known_at, value = (column.to_numpy() for column in found.columns)
        if not len(value):
            return np.full(len(instants), np.nan)
        is_newest = event_at >= np.maximum.accumulate(event_at)
        known_at, value = known_at[is_newest], value[is_newest]
        place = np.searchsorted(known_at, instants, side="right") - 1
        return np.where(place >= 0, value[np.maximum(place, 0)], np.nan)

    def _look(self, table: Table) -> None:
        """Make the table's view anew: the first file of a table changes what it is made of."""
        columns = ", ".join(f'"{name}"' for name in table.names)
        source = f"SELECT {columns} FROM {self._files(table)}"  # noqa: S608 - our own names
        if self._until is not None:
            source += f" WHERE known_at <= {self._until}"
            if table.name == "outside":
                source += (
                    " QUALIFY row_number() OVER (PARTITION BY series, event_at ORDER BY known_at DESC) = 1"
                )
        self._asked.execute(f'CREATE OR REPLACE VIEW "{table.name}" AS {source}')

    def _files(self, table: Table) -> str:
        if next((self.root / table.name).rglob("*.parquet"), None) is not None:
            pattern = str(self.root / table.name / "**" / "*.parquet").replace("'", "''")
            return f"read_parquet('{pattern}', hive_partitioning = false)"
        name = f"no_{table.name}"
        self._asked.register(name, table.schema.empty_table())
        return name


class Store(Reader):
    """The store itself: asked as a `Reader`, and added to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, None)
        self._lock: FolderLock | None = None

    def close(self) -> None:
        """End the connection, and let others write. Safe to call twice."""
        super().close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def as_of(self, at: Ns) -> Reader:
        """Return the store as it was known at an instant (ns): no view has a row that was known later.

        It sees what is stored now; close it when done.
        """
        return Reader(self.root, at)

    def lock(self) -> None:
        """Be the one who writes, until closed. `add` does it by itself.

        Raises:
            StoreError: another process writes.
        """
        if self._lock is None:
            try:
                self._lock = FolderLock.take(self.root)
            except FolderTaken as taken:
                who = "another process" if taken.pid is None else f"process {taken.pid}"
                raise StoreError(f"{self.root} is being written by {who}: one at a time") from None

    def add(self, name: str, rows: Iterable[Row]) -> Added:
        """Take rows into a table; what it has already stays as it is, but for NULLs that a row completes.

        Args:
            name: the table's.
            rows: dicts by column; a column that is missing is NULL.

        Raises:
            StoreError: no such table or column, a value of another type, a key or `known_at` that is
                missing; or another process writes. Nothing was written.
        """
        table = table_named(name)
        self.lock()
        added = write_rows(self.root, table, rows)
        self._look(table)
        return added

    def sha256s(self, *names: str) -> dict[str, str]:
        """Return the SHA-256 of every file of tables, by its path below the folder, for a manifest."""
        paths = [path for name in names for path in (self.root / table_named(name).name).rglob("*.parquet")]
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(paths)
        }


def open_store(root: Path, *, may_create: bool = False) -> Store:
    """Return the store in a folder; close it when done.

    Raises:
        StoreError: there is none (and none may be made), or it is of another version.
    """
    if any(sign in str(root) for sign in "*?["):
        raise StoreError(f"{root}: a store's folder has none of * ? [ in its path")
    mark = root / MARK
    if not mark.is_file():
        if not may_create or (root.is_dir() and any(root.iterdir())):
            raise StoreError(f"{root} is no store: it has no {MARK}; `kalshid lab ingest` makes one")
        root.mkdir(parents=True, exist_ok=True)
        mark.write_bytes(msgspec.json.encode({"version": VERSION}) + b"\n")
    try:
        version = msgspec.json.decode(mark.read_bytes(), type=dict[str, int]).get("version")
    except msgspec.MsgspecError as error:
        raise StoreError(f"{mark}: {error}") from error
    if version != VERSION:
        raise StoreError(f"{mark}: version {version}, this program reads {VERSION}: ingest into a new folder")
    return Store(root.absolute())
