"""Tests of the lookalike's REST candles, read by our own client."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kraken.rest import decode_ohlc
from daemon.sandbox.flow import SpotPrinted
from daemon.sandbox.reference.rest import ohlc_body
from daemon.sandbox.reference.spot_bars import TICK, SpotBars

T0: Ns = 1_790_366_400 * SECOND


def series(*minutes: int) -> dict[str, SpotBars]:
    bars = SpotBars()
    for minute in minutes:
        at = T0 + minute * MINUTE + 7 * SECOND
        bars.add(SpotPrinted("BTC/USD", (839_500 + minute) * TICK, 100, True, minute, at))
    return {"BTC/USD": bars}


def told(bars: dict[str, SpotBars], now: Ns, **query: str) -> dict[str, Any]:
    body = msgspec.json.decode(msgspec.json.encode(ohlc_body(bars, {"pair": "XBTUSD", **query}, now)))
    assert isinstance(body, dict)
    return body


def test_candles_are_rows_under_the_legacy_name() -> None:
    """The last one runs; `last` is the one before it."""
    body = told(series(0, 1, 2), T0 + 2 * MINUTE + 9 * SECOND)
    assert [] == body["error"]
    assert ["XXBTZUSD", "last"] == sorted(body["result"])
    first, *_, running = body["result"]["XXBTZUSD"]
    assert [1_790_366_400, *["83950.0"] * 5, "0.00000100", 1] == first
    assert (1_790_366_520, 1_790_366_460) == (running[0], body["result"]["last"])


def test_a_quiet_minute_runs_without_trades() -> None:
    """Flat at the last close; quiet minutes that are over are left out; our client makes sense of it."""
    bars, now = series(0, 2), T0 + 5 * MINUTE
    body = told(bars, now)
    assert [1_790_366_700, *["83950.2"] * 4, "0.0", "0.00000000", 0] == body["result"]["XXBTZUSD"][-1]
    past = decode_ohlc(msgspec.json.encode(body), MINUTE)
    assert [T0, T0 + 2 * MINUTE] == [candle.began_at for candle in past.candles]
    assert now == past.covered_until


def test_at_most_720_and_the_newest() -> None:
    """Whatever `since` says; it leaves out what isn't newer."""
    bars, now = series(*range(800)), T0 + 799 * MINUTE + 30 * SECOND
    rows = told(bars, now)["result"]["XXBTZUSD"]
    assert (720, 1_790_366_400 + 80 * 60) == (len(rows), rows[0][0])
    since = str(1_790_366_400 + 797 * 60)
    assert [798, 799] == [
        (row[0] - 1_790_366_400) // 60 for row in told(bars, now, since=since)["result"]["XXBTZUSD"]
    ]


def test_longer_intervals_are_merged() -> None:
    """Five minutes in one row."""
    rows = told(series(*range(10)), T0 + 9 * MINUTE + 30 * SECOND, interval="5")["result"]["XXBTZUSD"]
    assert [(1_790_366_400, 5), (1_790_366_700, 5)] == [(row[0], row[-1]) for row in rows]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"pair": "XBTEUR"}, "EQuery:Unknown asset pair"),
        ({"interval": "2"}, "EGeneral:Invalid arguments"),
        ({"interval": "one"}, "EGeneral:Invalid arguments"),
        ({"since": "-1"}, "EGeneral:Invalid arguments"),
    ],
)
def test_errors_are_texts(query: dict[str, str], text: str) -> None:
    """And nothing else."""
    assert {"error": [text]} == told(series(0), T0, **query)


def test_a_pair_has_many_names() -> None:
    """The symbol's own too."""
    for pair in ("BTC/USD", "BTCUSD", "xbtusd", "XBT/USD", "XXBTZUSD"):
        assert [] == told(series(0), T0, pair=pair)["error"]
