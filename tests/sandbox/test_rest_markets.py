"""Tests of the public REST reads over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.sandbox.running import running
from tests.sandbox.scripted import OPEN, SETTLED


async def test_markets_are_filtered(tmp_path: Path) -> None:
    """By series, event, tickers, status and close time; newest first."""
    async with asyncio.timeout(20), running(tmp_path) as client:

        async def tickers(query: str) -> list[str]:
            status, body = await client.call("GET", "/markets", query=f"?{query}")
            assert 200 == status
            return [market["ticker"] for market in body["markets"]]

        now_s = client.sandbox.venue.clock.now() // 1_000_000_000
        assert [OPEN, SETTLED] == await tickers("series_ticker=KXBTC15M")
        assert [] == await tickers("series_ticker=OTHER")
        assert [OPEN] == await tickers("status=open")
        assert [SETTLED] == await tickers("status=settled")
        assert [SETTLED] == await tickers(f"tickers={SETTLED},NOWHERE")
        assert [OPEN] == await tickers(f"min_close_ts={now_s}")
        assert [SETTLED] == await tickers(f"max_close_ts={now_s}")
        assert [OPEN] == await tickers("limit=1")


async def test_pages_follow_their_cursor_and_garbage_is_the_first_page(tmp_path: Path) -> None:
    """The last page has an empty cursor; a garbage one is silently ignored."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        _, first = await client.call("GET", "/markets", query="?limit=1")
        _, last = await client.call("GET", "/markets", query=f"?limit=1&cursor={first['cursor']}")
        assert ([SETTLED], "") == ([market["ticker"] for market in last["markets"]], last["cursor"])
        _, garbage = await client.call("GET", "/markets", query="?limit=1&cursor=garbage")
        assert first == garbage


async def test_a_limit_beyond_the_most_is_refused_in_the_recorded_words(tmp_path: Path) -> None:
    """400 with the bare shape."""
    text = (
        "Parameter validation failed for GetMarkets: Key: 'GetMarketsParams.Limit' "
        "Error:Field validation for 'Limit' failed on the 'lte' tag"
    )
    async with asyncio.timeout(20), running(tmp_path) as client:
        assert (400, {"msg": text}) == await client.call("GET", "/markets", query="?limit=1001")


async def test_quotes_agree_with_the_book(tmp_path: Path) -> None:
    """yes_ask is one minus the best NO bid, and the other way round; depth keeps the best."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        market: dict[str, Any] = (await client.call("GET", f"/markets/{OPEN}"))[1]["market"]
        _, body = await client.call("GET", f"/markets/{OPEN}/orderbook", query="?depth=1")
        book = body["orderbook_fp"]
        assert [["0.4000", "100.00"]] == book["yes_dollars"] == book["no_dollars"]
        quotes = [market[name] for name in ("yes_bid_dollars", "yes_ask_dollars", "no_bid_dollars")]
        assert ["0.4000", "0.6000", "0.4000"] == quotes
        assert "100.00" == market["yes_ask_size_fp"]


async def test_unknown_things_are_not_found(tmp_path: Path) -> None:
    """404 in the nested shape."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        for path in ("/markets/NOWHERE", "/events/NOWHERE", "/series/NOWHERE", "/markets/NOWHERE/orderbook"):
            expected = (404, {"error": {"code": "not_found", "message": "not found"}})
            assert expected == await client.call("GET", path)


async def test_candles_come_in_three_periods(tmp_path: Path) -> None:
    """1, 60 and 1440 minutes; another period is refused."""
    path = f"/series/KXBTC15M/markets/{OPEN}/candlesticks"
    async with asyncio.timeout(20), running(tmp_path) as client:
        for period in (1, 60, 1440):
            span = f"?start_ts=0&end_ts=2000000000&period_interval={period}"
            status, body = await client.call("GET", path, query=span)
            volumes = [candle["volume_fp"] for candle in body["candlesticks"]]
            assert (200, "5.00") == (status, volumes[0])
        status, _ = await client.call("GET", path, query="?start_ts=0&end_ts=9&period_interval=5")
        assert 400 == status
