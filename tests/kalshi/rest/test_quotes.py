"""Books, trades and candles, against a real HTTP server on loopback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from daemon.core.events import CandleBackfilled
from daemon.core.units import MINUTE, SECOND
from daemon.kalshi.errors import Unreadable
from tests.kalshi.rest.calling import NOW, asked, calling, tell
from tests.kalshi.venue import BASE


def candle(end_s: int, bid: str = "0.4000", ask: str = "1.0000") -> dict[str, Any]:
    """A candle as the live tier writes it."""
    return {
        "end_period_ts": end_s,
        "yes_bid": {"close_dollars": bid},
        "yes_ask": {"close_dollars": ask},
        "volume_fp": "1.00",
    }


def told(ticker: str, end_s: int) -> CandleBackfilled:
    """What it is to us."""
    return CandleBackfilled(ticker, MINUTE, end_s * SECOND, 4000, None, 100, NOW)


async def test_candles_come_oldest_first() -> None:
    """History in the order in which it happened."""
    async with calling() as (venue, rest):
        tell(venue, "/series/S/markets/A/candlesticks", {"candlesticks": [candle(120), candle(60)]})
        assert [told("A", 60), told("A", 120)] == await rest.candles("S", "A", 0, 120, 1)
        assert asked(venue) == ["/series/S/markets/A/candlesticks?start_ts=0&end_ts=120&period_interval=1"]


async def test_candles_of_many_markets_fit_the_venues_bounds() -> None:
    """At most a hundred markets and ten thousand candles in an answer; each ticker is answered."""

    def answer(request: web.Request, _body: bytes) -> tuple[int, bytes]:
        names = [name for name in request.query["market_tickers"].split(",") if name != "T3"]
        rows = [{"market_ticker": name, "candlesticks": [candle(60)]} for name in names]
        return 200, json.dumps({"markets": rows}).encode()

    async with calling() as (venue, rest):
        venue.answers["GET", f"{BASE}/markets/candlesticks"] = answer
        names = [f"T{number}" for number in range(150)]
        found = await rest.candles_of(names, 0, 1200, 1)
        assert names == list(found)
        assert ([], [told("T4", 60)]) == (found["T3"], found["T4"])
        assert [100, 50] == [path.count("T") for path in asked(venue)]
        venue.requests.clear()
        await rest.candles_of(names[:20], 0, 60 * 2000, 1)
        assert [4, 4, 4, 4, 4] == [path.count("T") for path in asked(venue)]
        assert {} == await rest.candles_of([], 0, 60, 1)


async def test_an_events_candles_are_asked_for_until_they_end() -> None:
    """The venue cuts long answers and says where: what follows is asked for, not lost."""

    def answer(request: web.Request, _body: bytes) -> tuple[int, bytes]:
        start = int(request.query["start_ts"])
        end = 60 if start <= 60 else 120
        body = {"market_tickers": ["A"], "market_candlesticks": [[candle(end)]], "adjusted_end_ts": end}
        return 200, json.dumps(body).encode()

    async with calling() as (venue, rest):
        venue.answers["GET", f"{BASE}/series/S/events/E/candlesticks"] = answer
        assert {"A": [told("A", 60), told("A", 120)]} == await rest.event_candles("S", "E", 0, 120, 1)
        assert 2 == len(venue.requests)
        broken = {"market_tickers": ["A"], "market_candlesticks": [], "adjusted_end_ts": 120}
        tell(venue, "/series/S/events/E/candlesticks", broken)
        with pytest.raises(Unreadable, match="differ in length"):
            await rest.event_candles("S", "E", 0, 120, 1)


async def test_the_historical_tier_has_other_names() -> None:
    """`close` instead of `close_dollars`, `volume` instead of `volume_fp`: the same candle."""
    async with calling() as (venue, rest):
        old = {
            "end_period_ts": 60,
            "yes_bid": {"open": "0.3000", "low": "0.3000", "high": "0.4000", "close": "0.4000"},
            "yes_ask": {"open": "1.0000", "low": "1.0000", "high": "1.0000", "close": "1.0000"},
            "price": {"open": None, "close": None},
            "volume": "1.00",
            "open_interest": "5.00",
        }
        tell(venue, "/historical/markets/A/candlesticks", {"ticker": "A", "candlesticks": [old]})
        assert [told("A", 60)] == await rest.historical_candles("A", 0, 60, 1)


async def test_trades_come_oldest_first() -> None:
    """Of one market or of all, of both tiers, in the order in which they happened."""
    async with calling() as (venue, rest):
        trades = [
            {
                "trade_id": str(number),
                "ticker": "A",
                "count_fp": "1.00",
                "yes_price_dollars": "0.5000",
                "taker_outcome_side": "yes",
                "created_time": f"2026-06-15T15:48:4{number}Z",
            }
            for number in (2, 1)
        ]
        for path in ("/markets/trades", "/historical/trades"):
            tell(venue, path, {"cursor": "", "trades": trades})
        assert ["1", "2"] == [trade.trade_id for trade in await rest.trades("A", min_ts=5)]
        await rest.trades(min_ts=5, max_ts=6, is_historical=True)
        assert [
            "/markets/trades?ticker=A&min_ts=5&limit=1000",
            "/historical/trades?min_ts=5&max_ts=6&limit=1000",
        ] == asked(venue)
        trades[1]["taker_outcome_side"] = "maybe"
        tell(venue, "/markets/trades", {"cursor": "", "trades": trades})
        with pytest.raises(Unreadable, match=r"taker_outcome_side.*allowed: 'no', 'yes'"):
            await rest.trades("A")


async def test_a_book_over_rest() -> None:
    """Bids of both sides, each on its own scale; no stamp of the exchange's; a crossed ladder is none."""
    async with calling() as (venue, rest):
        tell(venue, "/markets/A/orderbook", {"orderbook_fp": {"no_dollars": [["0.7000", "11.00"]]}})
        book = await rest.orderbook("A")
        assert ((), ((7000, 1100),), None) == (book.yes, book.no, book.sent_at)
        tell(venue, "/markets/A/orderbook", {"orderbook_fp": {"no_dollars": [["0.7000", "-1.00"]]}})
        with pytest.raises(Unreadable, match="not a ladder"):
            await rest.orderbook("A")


async def test_many_books_in_few_requests() -> None:
    """Their parameter is repeated, not joined; a hundred at a time."""

    def answer(request: web.Request, _body: bytes) -> tuple[int, bytes]:
        names = request.query.getall("tickers")
        empty: dict[str, object] = {"yes_dollars": [["0.1000", "1.00"]], "no_dollars": []}
        return 200, json.dumps({"orderbooks": [{"ticker": n, "orderbook_fp": empty} for n in names]}).encode()

    async with calling() as (venue, rest):
        venue.answers["GET", f"{BASE}/markets/orderbooks"] = answer
        names = [f"T{number}" for number in range(101)]
        assert names == [book.ticker for book in await rest.orderbooks(names)]
        assert 2 == len(venue.requests)
        assert asked(venue)[1] == "/markets/orderbooks?tickers=T100"
