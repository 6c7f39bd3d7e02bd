"""The store's tables: columns that a key can stand in, and the file in which a row stands."""

from __future__ import annotations

import pytest

from daemon.core.units import MINUTE, parse_instant
from daemon.lab.store_tables import TABLES, StoreError, Table, day_of, table_named

AT = parse_instant("2026-11-21T23:59:59.999999999Z")


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_table_is_whole(table: Table) -> None:
    """Its key, folder, instant and readings are columns of its own; every row says when it was known."""
    named = {*table.key, *table.folder, table.at_column, *table.readings, "known_at"}
    assert named <= set(table.names)
    assert len(set(table.names)) == len(table.names)
    assert table is table_named(table.name)


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("series", {"series_ticker": "KXBTC"}, "series/all"),
        ("markets", {"series_ticker": "KXBTC15M"}, "markets/KXBTC15M/all"),
        ("trades", {"series_ticker": "KXBTC", "traded_at": AT}, "trades/KXBTC/2026-11-21"),
        ("trades", {"series_ticker": "KXBTC", "traded_at": AT + 1}, "trades/KXBTC/2026-11-22"),
        ("candles", {"series_ticker": "A", "period_min": 1, "ended_at": AT}, "candles/A/1m/2026-11-21"),
        ("candles", {"series_ticker": "A", "period_min": 1440, "ended_at": AT}, "candles/A/1440m/2026-11"),
        ("books", {"series_ticker": "A", "known_at": AT - MINUTE}, "books/A/2026-11-21"),
        ("ohlc", {"pair": "BTC/USD", "period_min": 60, "began_at": AT}, "ohlc/BTCUSD/60m/2026-11"),
        ("outside", {"series": "cpi-yoy_1.2"}, "outside/cpi-yoy_1.2/all"),
    ],
)
def test_a_row_has_one_file(name: str, row: dict[str, object], expected: str) -> None:
    """By its names, and by the day or month of its instant, in UTC."""
    assert expected == table_named(name).file_of(row)


@pytest.mark.parametrize("name", ["", "..", "../x", ".hidden", "a b", "a\\b", "ü", "x" * 201, "a\n"])
def test_a_name_that_is_no_folders_is_refused(name: str) -> None:
    """No row leads out of the store's folder; the message names the table and the name."""
    with pytest.raises(StoreError, match=r"outside: .* can't name a folder"):
        table_named("outside").file_of({"series": name})


def test_an_unknown_table_is_said() -> None:
    """With those that there are."""
    with pytest.raises(StoreError, match=r"no table 'candle'; there are: series, events, .*, outside"):
        table_named("candle")


def test_days_are_utc_days() -> None:
    """Also before 1970, which no row is from, but a damaged one may say so."""
    assert ("1970-01-01", "1969-12-31") == (day_of(0), day_of(-1))
