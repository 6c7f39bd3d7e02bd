"""The store's tables: their columns, what identifies a row, and in which file a row stands.

Units are the core's: prices in 1e-4 $, counts in 0.01 contract, underlyings in 1e-6 $, instants and
`known_at` in ns since 1970 (UTC). What is unknown, or was not there (an empty side of a book), is NULL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from daemon.core.units import SECOND, Ns

VERSION = 1
"""Of the columns. A store of another version is refused: it is read from the venue again."""

Row: TypeAlias = Mapping[str, Any]
Columns: TypeAlias = tuple[tuple[str, pa.DataType], ...]

_TEXT, _INT, _SHORT, _FLOAT, _TRUTH = pa.string(), pa.int64(), pa.int32(), pa.float64(), pa.bool_()
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)


class StoreError(ValueError):
    """The store, or what is to go into it, can't be read; the message names the place."""


class Table(msgspec.Struct, frozen=True):
    """One table.

    `key` are the columns that identify a row, in the order by which rows stand in a file. `folder` and
    `period` say in which file a row stands: one for each value of `folder`'s columns and each span of
    `at_column`, which is a year, a month or a day by `period`, or all there is.
    """

    name: str
    columns: Columns
    key: tuple[str, ...]
    folder: tuple[str, ...]
    at_column: str = "known_at"
    period: Callable[[Row], str] = lambda _row: "all"
    readings: tuple[str, ...] = ()
    """Columns that say how we first read a thing: another reading contradicts nothing, the first stays."""

    @property
    def schema(self) -> pa.Schema:
        """The columns as they stand in a file, with the store's version."""
        return pa.schema(self.columns, {"kalshid_store": str(VERSION)})

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(name for name, _ in self.columns)

    def file_of(self, row: Row) -> str:
        """Return the path, below the store's folder, of the file in which a row stands.

        Raises:
            StoreError: a name in the row can't be a folder's.
        """
        return "/".join((self.name, *(_folder(self.name, row[one]) for one in self.folder), self.period(row)))


def _folder(table: str, value: object) -> str:
    name = f"{value}m" if isinstance(value, int) else str(value).replace("/", "")
    if not _NAME.fullmatch(name):
        raise StoreError(f"{table}: {value!r} can't name a folder: letters, digits, . - _, at most 200")
    return name


def _span(column: str, letters: int) -> Callable[[Row], str]:
    """Return what names the year (4 letters), month (7) or day (10), in UTC, of a column's instant."""
    return lambda row: day_of(row[column])[:letters]


def _by_length(column: str) -> Callable[[Row], str]:
    """A day for minutes, a month for longer periods: a file has some thousand rows, and not one."""
    return lambda row: day_of(row[column])[: 10 if row["period_min"] == 1 else 7]


def day_of(at: Ns) -> str:
    """Return an instant's day in UTC, as 2026-11-21."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d")


def _ohlc(*names: str) -> Columns:
    return tuple((f"{name}_{part}", _SHORT) for name in names for part in ("open", "high", "low", "close"))


_TABLES: Iterable[Table] = (
    Table(
        "series",
        (
            ("series_ticker", _TEXT), ("title", _TEXT), ("category", _TEXT), ("frequency", _TEXT),
            ("fee_type", _TEXT), ("fee_multiplier_ppm", _INT), ("exchange_index", _SHORT),
            ("known_at", _INT),
        ),
        ("series_ticker", "known_at"),
        (),
    ),
    Table(
        "events",
        (
            ("series_ticker", _TEXT), ("event_ticker", _TEXT), ("title", _TEXT), ("structure", _TEXT),
            ("known_at", _INT),
        ),
        ("event_ticker",),
        ("series_ticker",),
    ),
    Table(
        "markets",
        (
            ("series_ticker", _TEXT), ("event_ticker", _TEXT), ("ticker", _TEXT), ("title", _TEXT),
            ("open_at", _INT), ("close_at", _INT), ("strike_type", _TEXT), ("strike", _INT),
            ("strike_floor", _INT), ("strike_cap", _INT), ("fee_type", _TEXT),
            ("fee_multiplier_ppm", _INT), ("exchange_index", _SHORT), ("was_over", _TRUTH),
            ("known_at", _INT),
        ),
        ("ticker",),
        ("series_ticker",),
        readings=("close_at", "was_over"),
    ),
    Table(
        "settlements",
        (
            ("series_ticker", _TEXT), ("event_ticker", _TEXT), ("ticker", _TEXT), ("result", _TEXT),
            ("settlement_price", _SHORT), ("expiration_value", _TEXT), ("closed_at", _INT),
            ("settled_at", _INT), ("known_at", _INT),
        ),
        ("ticker",),
        ("series_ticker",),
    ),
    Table(
        "candles",
        (
            ("series_ticker", _TEXT), ("ticker", _TEXT), ("period_min", _SHORT), ("ended_at", _INT),
            *_ohlc("bid", "ask", "price"), ("price_mean", _SHORT), ("volume", _INT),
            ("open_interest", _INT), ("known_at", _INT),
        ),
        ("ticker", "period_min", "ended_at"),
        ("series_ticker", "period_min"),
        "ended_at",
        _by_length("ended_at"),
    ),
    Table(
        "trades",
        (
            ("series_ticker", _TEXT), ("ticker", _TEXT), ("trade_id", _TEXT), ("traded_at", _INT),
            ("price", _SHORT), ("qty", _INT), ("taker_side", _TEXT), ("known_at", _INT),
        ),
        ("ticker", "traded_at", "trade_id"),
        ("series_ticker",),
        "traded_at",
        _span("traded_at", 10),
    ),
    Table(
        "books",
        (
            ("series_ticker", _TEXT), ("ticker", _TEXT), ("known_at", _INT), ("side", _TEXT),
            ("level", _SHORT), ("price", _SHORT), ("qty", _INT),
        ),
        ("ticker", "known_at", "side", "level"),
        ("series_ticker",),
        "known_at",
        _span("known_at", 10),
    ),
    Table(
        "ohlc",
        (
            ("pair", _TEXT), ("period_min", _SHORT), ("began_at", _INT), ("open", _INT), ("high", _INT),
            ("low", _INT), ("close", _INT), ("volume_e8", _INT), ("known_at", _INT),
        ),
        ("pair", "period_min", "began_at"),
        ("pair", "period_min"),
        "began_at",
        _by_length("began_at"),
    ),
    Table(
        "outside",
        (
            ("series", _TEXT), ("event_at", _INT), ("known_at", _INT), ("value", _FLOAT), ("vintage", _TEXT),
        ),
        ("series", "event_at", "known_at"),
        ("series",),
        "event_at",
    ),
)  # fmt: skip

TABLES: Mapping[str, Table] = MappingProxyType({table.name: table for table in _TABLES})


def table_named(name: str) -> Table:
    """Return a table.

    Raises:
        StoreError: there is none of this name; the message lists those that are.
    """
    table = TABLES.get(name)
    if table is None:
        raise StoreError(f"no table {name!r}; there are: {', '.join(TABLES)}")
    return table
