"""Tests of candles over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon.core.units import HOUR, SECOND
from daemon.sandbox.cutoff import CutoffRule
from daemon.sandbox.flow import History
from daemon.sandbox.rest import candles as rest_candles
from tests.sandbox.running import running
from tests.sandbox.scripted import OPEN, SETTLED, ScriptedFlow, spec_of

SERIES = "KXBTC15M"
EVENT = OPEN.rpartition("-")[0]
SPAN = "start_ts=0&end_ts=4000000000"


class TwoMarkets(ScriptedFlow):
    """Lists another market of the same event."""

    OTHER = f"{EVENT}-30"

    def history(self) -> History:
        """Return a candle of each of the two."""
        found = super().history()
        found.candles[self.OTHER] = found.candles[OPEN]
        now = self.resumed.now
        self.acts.append(
            lambda exchange, at: exchange.list_market(spec_of(self.OTHER, now - HOUR, now + HOUR), at)
        )
        return found


async def test_candles_come_in_three_periods(tmp_path: Path) -> None:
    """1, 60 and 1440 minutes; another period is refused; another series is not found."""
    path = f"/series/{SERIES}/markets/{OPEN}/candlesticks"
    async with asyncio.timeout(20), running(tmp_path) as client:
        for period in (1, 60, 1440):
            status, body = await client.call("GET", path, query=f"?{SPAN}&period_interval={period}")
            candle = body["candlesticks"][0]
            assert (200, "5.00", "0.4000") == (status, candle["volume_fp"], candle["price"]["mean_dollars"])
        assert 400 == (await client.call("GET", path, query=f"?{SPAN}&period_interval=5"))[0]
        other = f"/series/OTHER/markets/{OPEN}/candlesticks"
        assert 404 == (await client.call("GET", other, query=f"?{SPAN}&period_interval=1"))[0]


async def test_a_batch_is_capped_over_all_its_markets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is beyond the cap is left out in the order of the request; unknown tickers are too."""
    async with asyncio.timeout(20), running(tmp_path, TwoMarkets) as client:

        async def counted(query: str) -> list[tuple[str, int]]:
            status, body = await client.call("GET", "/markets/candlesticks", query=query)
            assert 200 == status
            return [(found["market_ticker"], len(found["candlesticks"])) for found in body["markets"]]

        query = f"?{SPAN}&period_interval=1440&market_tickers={TwoMarkets.OTHER},{OPEN},NOWHERE"
        assert [(TwoMarkets.OTHER, 1), (OPEN, 1)] == await counted(query)
        monkeypatch.setattr(rest_candles, "BATCH_MAX", 1)
        assert [(TwoMarkets.OTHER, 1), (OPEN, 0)] == await counted(query)
        many = ",".join(["X"] * 101)
        for tickers in ("", f"&market_tickers={many}"):
            query = f"?{SPAN}&period_interval=1{tickers}"
            assert 400 == (await client.call("GET", "/markets/candlesticks", query=query))[0]


async def test_an_events_candles_end_early_when_they_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All markets up to the same instant, which is told; else the end that was asked for."""
    path = f"/series/{SERIES}/events/{EVENT}/candlesticks"
    async with asyncio.timeout(20), running(tmp_path, TwoMarkets) as client:
        _, body = await client.call("GET", path, query=f"?{SPAN}&period_interval=1440")
        assert ([OPEN, TwoMarkets.OTHER], 4_000_000_000) == (body["market_tickers"], body["adjusted_end_ts"])
        assert [1, 1] == [len(found) for found in body["market_candlesticks"]]
        end_s = body["market_candlesticks"][0][0]["end_period_ts"]
        monkeypatch.setattr(rest_candles, "EVENT_MAX", 1)
        _, body = await client.call("GET", path, query=f"?{SPAN}&period_interval=1440")
        assert [[], []] == body["market_candlesticks"]
        assert body["adjusted_end_ts"] < end_s
        other = f"/series/{SERIES}/events/NOWHERE/candlesticks"
        assert 404 == (await client.call("GET", other, query=f"?{SPAN}&period_interval=1"))[0]


async def test_candles_of_archived_markets_are_not_live(tmp_path: Path) -> None:
    """Not found one by one, left out of a batch."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        client.sandbox.venue.chronicle.cutoff = CutoffRule(0, 0, SECOND)
        query = f"?{SPAN}&period_interval=1"
        path = f"/series/{SERIES}/markets/{SETTLED}/candlesticks"
        assert 404 == (await client.call("GET", path, query=query))[0]
        _, body = await client.call("GET", "/markets/candlesticks", query=f"{query}&market_tickers={SETTLED}")
        assert {"markets": []} == body
