"""Tests of the public REST reads over the wire."""

from __future__ import annotations

import asyncio
import json
import re
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


async def test_every_limit_has_its_bounds(tmp_path: Path) -> None:
    """400 in the bare shape, naming operation, field and rule."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        for path, query, operation, field, rule in (
            ("/markets", "limit=-1", "GetMarkets", "Limit", "gte"),
            ("/markets", "limit=many", "GetMarkets", "Limit", "number"),
            ("/markets/trades", "limit=1001", "GetTrades", "Limit", "lte"),
            ("/markets/trades", "is_block_trade=maybe", "GetTrades", "IsBlockTrade", "boolean"),
            ("/markets/trades", "min_ts=soon", "GetTrades", "MinTs", "number"),
            (f"/markets/{OPEN}/orderbook", "depth=101", "GetMarketOrderbook", "Depth", "lte"),
            (f"/markets/{OPEN}/orderbook", "depth=-1", "GetMarketOrderbook", "Depth", "gte"),
            ("/markets/orderbooks", "", "GetMarketOrderbooks", "Tickers", "required"),
            ("/markets/orderbooks", "&tickers=X" * 101, "GetMarketOrderbooks", "Tickers", "max"),
            ("/markets/orderbooks", "tickers=" + "X" * 201, "GetMarketOrderbooks", "Tickers", "max"),
            ("/historical/markets", "limit=1001", "GetHistoricalMarkets", "Limit", "lte"),
            ("/historical/trades", "limit=-1", "GetTradesHistorical", "Limit", "gte"),
            ("/events/fee_changes", "limit=0", "GetEventFeeChanges", "Limit", "gte"),
        ):
            text = (
                f"Parameter validation failed for {operation}: Key: '{operation}Params.{field}' "
                f"Error:Field validation for '{field}' failed on the '{rule}' tag"
            )
            assert (400, {"msg": text}) == await client.call("GET", path, query=f"?{query}"), (path, query)
        assert 200 == (await client.call("GET", "/markets", query="?limit=0"))[0]


async def test_trades_are_filtered(tmp_path: Path) -> None:
    """By market, time and kind: none is a block trade."""
    async with asyncio.timeout(20), running(tmp_path) as client:

        async def ids(query: str) -> list[str]:
            _, body = await client.call("GET", "/markets/trades", query=f"?{query}")
            return [trade["trade_id"] for trade in body["trades"]]

        now_s = client.sandbox.venue.clock.now() // 1_000_000_000
        assert ["past-trade"] == await ids(f"ticker={OPEN}&min_ts={now_s - 60}&max_ts={now_s}")
        assert [] == await ids(f"min_ts={now_s + 60}")
        assert [] == await ids(f"ticker={SETTLED}")
        assert ([], ["past-trade"]) == (await ids("is_block_trade=true"), await ids("is_block_trade=false"))


async def test_books_of_many_come_in_the_order_asked(tmp_path: Path) -> None:
    """The parameter is repeated; unknown tickers are left out; empty sides are empty lists."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        query = f"?tickers={SETTLED}&tickers=NOWHERE&tickers={OPEN}"
        _, body = await client.call("GET", "/markets/orderbooks", query=query)
        assert [SETTLED, OPEN] == [found["ticker"] for found in body["orderbooks"]]
        assert {"no_dollars": [], "yes_dollars": []} == body["orderbooks"][0]["orderbook_fp"]


async def test_bodies_are_written_as_the_venue_writes_them(tmp_path: Path) -> None:
    """Alphabetical keys, a trailing line break, times without trailing zeros; no language changes a title."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        url = f"{client.ready.rest_url}/markets/{OPEN}"
        texts = []
        for language in ("es", "en"):
            # Nobody signs here, and somebody signs badly: public calls look at neither.
            headers = {"Accept-Language": language, "KALSHI-ACCESS-SIGNATURE": "!"}
            async with client.http.get(url, headers=headers) as reply:
                assert (200, "application/json") == (reply.status, reply.content_type)
                texts.append(await reply.text())
        assert texts[0] == texts[1]
        market = json.loads(texts[0])["market"]
        assert (list(market), True) == (sorted(market), texts[0].endswith("}\n"))
        assert None is re.search(r'\.\d*0Z"', texts[0])
