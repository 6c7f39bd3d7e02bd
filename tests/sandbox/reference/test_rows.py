"""Tests of Kraken's rows against recorded ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.core.units import MINUTE, SECOND
from daemon.sandbox.flow import SpotPrinted
from daemon.sandbox.reference import rows
from daemon.sandbox.reference.spot_bars import Bar, SpotBars

RECORDED = Path(__file__).parents[3] / "../shared/fixtures/kalshi/kraken/ws_v2_public.jsonl"
AT = 1_773_573_983_023_215_678
SPOT = SpotPrinted("BTC/USD", 71_749_000_000, 220_616, False, 97_184_416, AT)
BAR = Bar(AT - AT % MINUTE, 71_749_100_000, 71_749_100_000, 71_712_000_000, 71_712_000_000, 6_060_006, 1, 14)


def recorded(channel: str) -> dict[str, Any]:
    if not RECORDED.exists():
        pytest.skip("RECORDINGS ABSENT: the Kraken frames do not lie beside the checkout")
    frames = [msgspec.json.decode(line) for line in RECORDED.read_bytes().splitlines()]
    [row, *_] = [frame["data"][0] for frame in frames if frame.get("channel") == channel]
    assert isinstance(row, dict)
    return row


def shape(row: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in msgspec.json.decode(msgspec.json.encode(row)).items()}


def ticker() -> dict[str, Any]:
    series = SpotBars()
    series.add(SPOT)
    row = rows.ticker_row(series)
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("channel", "row"),
    [("trade", rows.trade_row(SPOT)), ("ticker", ticker()), ("ohlc", rows.ohlc_row("BTC/USD", BAR, 1))],
)
def test_rows_have_the_recorded_fields_and_types(channel: str, row: dict[str, Any]) -> None:
    """Every one of them, and no other."""
    assert shape(recorded(channel)) == shape(row)


def test_a_trade_is_written_as_the_recorded_one() -> None:
    """Digit for digit; only the kind of order is another."""
    told = rows.trade_row(SPOT)
    again = msgspec.json.decode(msgspec.json.encode(told | {"ord_type": "limit"}))
    assert recorded("trade") == again


def test_stamps_keep_their_zeros() -> None:
    """Six digits in rows, nine in envelopes."""
    assert "2026-03-15T11:26:23.023215Z" == rows.stamp(AT)
    assert "2026-03-15T11:26:23.023215678Z" == rows.stamp(AT, 9)
    assert "2026-03-15T11:26:00.000000000Z" == rows.stamp(BAR.began_at, 9)


@pytest.mark.parametrize(
    ("units", "places", "text"),
    [(71_749_000_000, 6, b"71749.0"), (1, 8, b"0.00000001"), (-10_000, 6, b"-0.01"), (0, 8, b"0.0")],
)
def test_numbers_are_exact_and_plain(units: int, places: int, text: bytes) -> None:
    """Never an exponent, never a binary fraction."""
    assert text == bytes(rows.number(units, places))


def test_rest_writes_texts() -> None:
    """Time in seconds, prices with a digit, volume with eight."""
    assert [
        BAR.began_at // SECOND,
        *("71749.1", "71749.1", "71712.0", "71712.0", "0.0", "0.06060006"),
        14,
    ] == rows.ohlc_texts(BAR)


def test_without_a_print_there_is_no_ticker() -> None:
    """Unknown is nothing, not zero."""
    assert rows.ticker_row(SpotBars()) is None
