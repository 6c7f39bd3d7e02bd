"""Tests of candles as they are asked for and written."""

from __future__ import annotations

import json

import pytest

from daemon.core.units import DAY, HOUR, MINUTE, SECOND
from daemon.exchange.facts import Traded
from daemon.exchange.market import Market
from daemon.sandbox.bodies import ApiError
from daemon.sandbox.chronicle import Chronicle
from daemon.sandbox.flow import Candle, History, Ohlc
from daemon.sandbox.rest import candle_bodies as candles
from daemon.sandbox.rest.candle_bodies import Asked, Row
from tests.sandbox.scripted import OPEN, spec_of

T0 = 29_839_020 * MINUTE
FLAT = Ohlc(4000, 4100, 3900, 4000)
ASK = Ohlc(6000, 6000, 6000, 6000)


def candle(minute: int, price: Ohlc | None = None, volume: int = 0, turnover: int = 0) -> Candle:
    return Candle(T0 + minute * MINUTE, FLAT, ASK, price, volume, 700, turnover)


def seeded(*listed: Candle) -> tuple[Chronicle, Market]:
    chronicle = Chronicle()
    chronicle.seed(History({OPEN: listed}, (), (), ()))
    return chronicle, Market(spec_of(OPEN, T0 - HOUR, T0 + HOUR), T0 - HOUR)


def wanted(start: int, end: int, *, with_latest_before: bool = False, period: int = MINUTE) -> Asked:
    return Asked(T0 + start * MINUTE, T0 + end * MINUTE, period, with_latest_before)


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ({"end_ts": "9", "period_interval": "1"}, "StartTs", "required"),
        ({"start_ts": "0", "period_interval": "1"}, "EndTs", "required"),
        ({"start_ts": "0", "end_ts": "9"}, "PeriodInterval", "required"),
        ({"start_ts": "0", "end_ts": "9", "period_interval": "5"}, "PeriodInterval", "oneof"),
        ({"start_ts": "9", "end_ts": "0", "period_interval": "1"}, "EndTs", "gtefield"),
        ({"start_ts": "x", "end_ts": "0", "period_interval": "1"}, "StartTs", "number"),
    ],
)
def test_a_bad_span_is_refused_by_name(query: dict[str, str], field: str, rule: str) -> None:
    """400 in the bare shape, naming the field and the rule."""
    with pytest.raises(ApiError) as refused:
        candles.asked(query, "GetMarketCandlesticks")
    message = json.loads(refused.value.body)["msg"]
    assert f"Field validation for '{field}' failed on the '{rule}' tag" in message


def test_a_day_is_a_period() -> None:
    """1, 60 and 1440 minutes."""
    query = {"start_ts": "0", "end_ts": "9", "period_interval": "1440"}
    assert Asked(0, 9 * SECOND, DAY, False) == candles.asked(query, "X")


def test_each_candle_knows_the_price_before_it() -> None:
    """Also across candles without trades, and across the start of the span."""
    chronicle, market = seeded(candle(1, Ohlc(4000, 4000, 4000, 4000), 100), candle(2), candle(3, FLAT, 100))
    assert [None, 4000, 4000] == [row.previous for row in candles.rows(chronicle, market, wanted(1, 3))]
    assert [4000] == [row.previous for row in candles.rows(chronicle, market, wanted(3, 3))]


def test_the_latest_candle_before_the_start_is_moved_to_the_first_boundary() -> None:
    """Without trades or volume; quotes and price stand where they stood; nothing earlier, nothing added."""
    chronicle, market = seeded(candle(1, FLAT, 100, 400_000))
    flat, ask = Ohlc(4000, 4000, 4000, 4000), Ohlc(6000, 6000, 6000, 6000)
    expected = Row(Candle(T0 + 5 * MINUTE, flat, ask, None, 0, 700), 4000)
    assert [expected] == candles.rows(chronicle, market, wanted(5, 9, with_latest_before=True))
    assert [] == candles.rows(chronicle, market, wanted(5, 9))
    found = candles.rows(chronicle, market, wanted(1, 9, with_latest_before=True))
    assert [T0 + MINUTE] == [row.candle.ended_at for row in found]


def test_a_real_candle_at_the_first_boundary_is_not_doubled() -> None:
    """One candle per end."""
    chronicle, market = seeded(candle(1, FLAT, 100), candle(2))
    found = candles.rows(chronicle, market, wanted(2, 9, with_latest_before=True))
    assert [T0 + 2 * MINUTE] == [row.candle.ended_at for row in found]


def test_the_mean_is_weighted_by_volume() -> None:
    """Three at 0.40 and one at 0.44 are 0.41, not 0.42; to the nearest 1e-4 $."""
    chronicle, market = Chronicle(), Market(spec_of(OPEN, T0 - HOUR, T0 + HOUR), T0 - HOUR)
    for price, qty in ((4000, 300), (4400, 100)):
        chronicle.observe_trade(Traded(OPEN, f"t{price}", price, qty, "yes", T0), market)
    row = candles.rows(chronicle, market, wanted(0, 1))[0]
    assert "0.4100" == candles.live_body(row)["price"]["mean_dollars"]


def test_both_tiers_tell_the_same_by_their_own_names() -> None:
    """Live: `_dollars` and `_fp`, members without trades missing. Historical: bare names, nulls."""
    traded = Row(candle(1, FLAT, 100, 400_000), 3900)
    live, old = candles.live_body(traded), candles.historical_body(traded)
    assert {name.removesuffix("_dollars"): text for name, text in live["price"].items()} == old["price"]
    assert (live["volume_fp"], live["open_interest_fp"]) == (old["volume"], old["open_interest"])
    assert ("0.4000", "0.4000") == (live["yes_bid"]["close_dollars"], old["yes_bid"]["close"])
    quiet = Row(candle(1), None)
    assert {} == candles.live_body(quiet)["price"]
    names = ("close", "high", "low", "mean", "open", "previous")
    assert dict.fromkeys(names) == candles.historical_body(quiet)["price"]


def test_an_event_ends_where_its_candles_are_too_many() -> None:
    """All candles of one end stay or go together."""
    one = [Row(candle(minute), None) for minute in (1, 2, 3)]
    two = [Row(candle(minute), None) for minute in (2, 3)]
    assert candles.end_within([one, two], 5) is None
    assert T0 + 2 * MINUTE == candles.end_within([one, two], 4)
    assert T0 + 2 * MINUTE == candles.end_within([one, two], 3)
    assert T0 + MINUTE == candles.end_within([one, two], 2)
    assert T0 + MINUTE - 1 == candles.end_within([[one[0]], [one[0]]], 1)
