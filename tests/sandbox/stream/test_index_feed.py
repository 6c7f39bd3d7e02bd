"""Tests of the settlement index as it is passed on."""

from __future__ import annotations

import itertools
import json
from typing import Any

from daemon.core.units import MILLISECOND, MINUTE, SECOND, Money, Ns
from daemon.exchange.exchange import Exchange
from daemon.sandbox.flow import IndexPrinted, Resumed
from daemon.sandbox.flows.traders import TradersFlow
from daemon.sandbox.stream.index_feed import IndexFeed

QUARTER_AT: Ns = 1_790_363_700 * SECOND
"""19:15:00."""
PRICE: Money = 84_033_390_000


def body(told: list[tuple[str, bytes]]) -> dict[str, Any]:
    [(index_id, text)] = told
    assert "BRTI" == index_id
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def ticks(first: Ns, count: int) -> list[dict[str, Any]]:
    feed = IndexFeed()
    return [
        body(feed.value("BRTI", PRICE + number * 10_000, first + number * SECOND, first + number * SECOND))
        for number in range(count)
    ]


def test_a_first_value_is_shaped_as_the_recorded_one() -> None:
    """No prior tick: the average is the value, and its size is none."""
    at = QUARTER_AT - 5 * MINUTE
    assert {
        "index_id": "BRTI",
        "received_at": at // MILLISECOND + 74,
        "data": f'{{"type":"value","time":{at // MILLISECOND},"id":"BRTI","value":"84033.39"}}',
        "avg_60s_data": {
            "value": "84033.39000000",
            "window_size": 0,
            "window_start_ts_ms": at // MILLISECOND - 60_000,
            "window_end_ts_exclusive": at // MILLISECOND,
        },
    } == body(IndexFeed().value("BRTI", PRICE, at, at + 74 * MILLISECOND))


def test_the_trailing_average_counts_prior_ticks_only() -> None:
    """At most sixty, to eight decimals."""
    told = ticks(QUARTER_AT - 10 * MINUTE, 100)
    assert [0, 1, 2, 60, 60] == [told[number]["avg_60s_data"]["window_size"] for number in (0, 1, 2, 60, 99)]
    # The values before the third are the first and the second, a cent apart.
    assert "84033.39500000" == told[2]["avg_60s_data"]["value"]


def test_the_quarters_average_is_told_in_its_last_minute_only() -> None:
    """:01 counts 1, :14 counts 14, the close tick 60; the tick that starts the minute is outside."""
    told = ticks(QUARTER_AT - 70 * SECOND, 75)
    sizes = {
        number - 10: tick["last_60s_windowed_average_15min"]["window_size"]
        for number, tick in enumerate(told)
        if "last_60s_windowed_average_15min" in tick
    }
    assert {second: second for second in range(1, 61)} == sizes
    window = told[11]["last_60s_windowed_average_15min"]
    assert ((QUARTER_AT - MINUTE) // MILLISECOND, (QUARTER_AT - 59 * SECOND) // MILLISECOND) == (
        window["window_start_ts_ms"],
        window["window_end_ts_exclusive"],
    )


def test_a_value_comes_once_and_never_back() -> None:
    """Repeated or earlier source times are ignored."""
    feed = IndexFeed()
    feed.value("BRTI", PRICE, QUARTER_AT, QUARTER_AT)
    assert [] == feed.value("BRTI", PRICE, QUARTER_AT, QUARTER_AT)
    assert [] == feed.value("BRTI", PRICE, QUARTER_AT - SECOND, QUARTER_AT)


def test_without_an_index_of_the_flows_the_trades_make_one() -> None:
    """The value of a second is the last price before it; a long silence is not filled up."""
    feed = IndexFeed()
    at = QUARTER_AT + 300 * MILLISECOND
    assert [] == feed.print("BTC/USD", PRICE, at, at)
    assert [] == feed.print("BTC/USD", PRICE + 100_000, at + 600 * MILLISECOND, at)
    told = feed.print("BTC/USD", PRICE, at + 2 * SECOND, at + 2 * SECOND)
    assert ["84033.49", "84033.49"] == [json.loads(json.loads(text)["data"])["value"] for _, text in told]
    assert [] == feed.print("ETH/USD", PRICE, at, at)
    assert 5 == len(feed.print("BTC/USD", PRICE, at + 60 * SECOND, at))


def test_an_index_of_the_flows_own_silences_the_trades() -> None:
    """What markets settle on is what is told."""
    feed = IndexFeed()
    feed.value("BRTI", PRICE, QUARTER_AT, QUARTER_AT)
    assert [] == feed.print("BTC/USD", 1, QUARTER_AT + 5 * SECOND, QUARTER_AT)
    assert "84033.39" == json.loads(body(feed.fast(QUARTER_AT + SECOND))["data"])["value"]


def test_the_fast_series_has_five_values_a_second() -> None:
    """On the grid of 200 ms, none before a price is known, none twice."""
    feed = IndexFeed()
    assert [] == feed.fast(QUARTER_AT)
    feed.value("BRTI", PRICE, QUARTER_AT, QUARTER_AT)
    stamps = [
        json.loads(text)["source_ts_ms"] - QUARTER_AT // MILLISECOND
        for step in range(21)
        for _, text in feed.fast(QUARTER_AT + step * 50 * MILLISECOND)
    ]
    assert [0, 200, 400, 600, 800, 1000] == stamps


def test_what_is_streamed_is_what_a_market_settles_on() -> None:
    """The mean of the 60 values stamped T-60 … T-1 s, rounded half up to the cent: no other price."""
    ids = itertools.count()
    exchange = Exchange(lambda: str(next(ids)))
    flow = TradersFlow(Resumed(QUARTER_AT - MINUTE - SECOND, 7, None, ()))
    told = [*flow.advance(exchange, flow.start_at), *flow.advance(exchange, QUARTER_AT + 20 * SECOND)]
    feed = IndexFeed()
    values: dict[int, int] = {}
    for fact in told:
        if isinstance(fact, IndexPrinted):
            [(_, text)] = feed.value(fact.index_id, fact.value, fact.at, fact.at)
            source = json.loads(json.loads(text)["data"])
            values[source["time"]] = round(float(source["value"]) * 100)
    close_ms = QUARTER_AT // MILLISECOND
    minute = [values[close_ms - second * 1000] for second in range(60, 0, -1)]
    [market] = [
        found
        for found in exchange.markets.values()
        if found.spec.close_at == QUARTER_AT and found.spec.series_ticker == "KXBTC15M"
    ]
    cents = (2 * sum(minute) + 60) // 120
    assert f"{cents // 100}.{cents % 100:02d}" == market.expiration_value
