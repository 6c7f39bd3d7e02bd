"""Candles of both tiers as rows: the same candle is the same row, and what was not there is NULL."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core.units import MINUTE, SECOND
from daemon.lab.ingest.candle_bodies import PastWholeCandle, WholeCandle, candle_row
from daemon.lab.store_tables import table_named
from daemon.sandbox.flow import Candle, Ohlc
from daemon.sandbox.rest.candle_bodies import Row, historical_body, live_body

# Source: protocol sheet 4.3.
LIVE = (
    b'{"end_period_ts":1790363640,"open_interest_fp":"7333.62","price":{"close_dollars":"0.9900","high_dollars":'
    b'"0.9900","low_dollars":"0.9800","mean_dollars":"0.9850","open_dollars":"0.9800","previous_dollars":"0.9800"},'
    b'"volume_fp":"12.00","yes_ask":{"close_dollars":"1.0000","high_dollars":"1.0000","low_dollars":"0.9900",'
    b'"open_dollars":"0.9900"},"yes_bid":{"close_dollars":"0.9900","high_dollars":"0.9900","low_dollars":"0.9800",'
    b'"open_dollars":"0.9800"}}'
)


def test_a_live_candle_is_read_exactly() -> None:
    """Prices in 1e-4 $, counts in 0.01 contract; known at its end; an empty ask is NULL."""
    found = candle_row("S", "S-1", 1, msgspec.json.decode(LIVE, type=WholeCandle))
    at = 1_790_363_640 * SECOND
    assert {
        "series_ticker": "S", "ticker": "S-1", "period_min": 1, "ended_at": at, "known_at": at,
        "bid_open": 9800, "bid_high": 9900, "bid_low": 9800, "bid_close": 9900,
        "ask_open": 9900, "ask_high": None, "ask_low": 9900, "ask_close": None,
        "price_open": 9800, "price_high": 9900, "price_low": 9800, "price_close": 9900, "price_mean": 9850,
        "volume": 1200, "open_interest": 733_362,
    } == found  # fmt: skip
    assert set(table_named("candles").names) == set(found)


@pytest.mark.parametrize("is_traded", [True, False])
def test_both_tiers_make_the_same_row(is_traded: bool) -> None:
    """Whatever the fields are called, and whether they are null or left out."""
    bid, ask, price = Ohlc(0, 4000, 0, 3900), Ohlc(6000, 10_000, 5900, 6100), Ohlc(4100, 4200, 4000, 4000)
    candle = Candle(
        7 * MINUTE, bid, ask, price if is_traded else None, 500 * is_traded, 70, 500 * 4100 * is_traded
    )
    row = Row(candle, 4444)
    live = msgspec.convert(live_body(row), WholeCandle)
    past = msgspec.convert(historical_body(row), PastWholeCandle)
    expected = candle_row("S", "S-1", 60, live)
    assert expected == candle_row("S", "S-1", 60, past)
    assert (None, 4000) == (expected["bid_open"], expected["bid_high"])
    assert (4100 if is_traded else None) == expected["price_mean"]


@pytest.mark.parametrize("field", ["yes_bid", "price", "volume_fp", "open_interest_fp", "end_period_ts"])
def test_a_candle_without_a_part_is_refused(field: str) -> None:
    """Nothing is filled in for it."""
    body = msgspec.json.decode(LIVE)
    del body[field]
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert(body, WholeCandle)
