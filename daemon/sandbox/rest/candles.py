"""REST: candles of one market, of many, and of an event (protocol sheet 4.3)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from daemon.core.units import SECOND
from daemon.sandbox.auth import PREFIX
from daemon.sandbox.bodies import bare_error, nested_error
from daemon.sandbox.rest import candle_bodies as candles
from daemon.sandbox.rest.answer import answer
from daemon.sandbox.rest.listings import Listings
from daemon.sandbox.rest.query import names
from daemon.sandbox.venue import Venue

BATCH_MAX = 10_000
"""Candles over all markets of a batch; what is beyond is left out, in the order of the request."""
EVENT_MAX = 5_000
"""Candles over all markets of an event; beyond, the span ends earlier, and the reply says where."""
TICKERS_MAX = 100


class CandleApi:
    """The live tier's candles: those of archived markets are elsewhere."""

    def __init__(self, venue: Venue) -> None:
        self._chronicle = venue.chronicle
        self._listings = Listings(venue)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        series = f"{PREFIX}/series/{{series}}"
        return [
            web.get(f"{series}/markets/{{ticker}}/candlesticks", self.of_market),
            web.get(f"{series}/events/{{event}}/candlesticks", self.of_event),
            web.get(f"{PREFIX}/markets/candlesticks", self.of_many),
        ]

    async def of_market(self, request: web.Request) -> web.Response:
        """GET /series/{series}/markets/{ticker}/candlesticks."""
        wanted = candles.asked(request.query, "GetMarketCandlesticks")
        market = self._listings.live(request.match_info["ticker"])
        if market.spec.series_ticker != request.match_info["series"]:
            raise nested_error(404, "not_found")
        found = candles.rows(self._chronicle, market, wanted)
        return answer({"candlesticks": [candles.live_body(row) for row in found], "ticker": market.ticker})

    async def of_many(self, request: web.Request) -> web.Response:
        """GET /markets/candlesticks: unknown and archived markets are left out."""
        operation = "BatchGetMarketCandlesticks"
        tickers = names(request.query, "market_tickers")
        if tickers is None or len(tickers) > TICKERS_MAX:
            raise bare_error(operation, "MarketTickers", "max" if tickers else "required")
        wanted = candles.asked(request.query, operation)
        left = BATCH_MAX
        listed: list[dict[str, Any]] = []
        for ticker in tickers:
            market = self._listings.find_live(ticker)
            if market is None:
                continue
            found = candles.rows(self._chronicle, market, wanted)[:left]
            left -= len(found)
            listed.append(
                {"candlesticks": [candles.live_body(row) for row in found], "market_ticker": ticker}
            )
        return answer({"markets": listed})

    async def of_event(self, request: web.Request) -> web.Response:
        """GET /series/{series}/events/{event}/candlesticks."""
        wanted = candles.asked(request.query, "GetEventCandlesticks")
        markets = self._listings.by_event().get(request.match_info["event"], [])
        if not markets or markets[0].spec.series_ticker != request.match_info["series"]:
            raise nested_error(404, "not_found")
        live = [market for market in markets if self._listings.find_live(market.ticker) is not None]
        listed = [candles.rows(self._chronicle, market, wanted) for market in live]
        end_at = candles.end_within(listed, EVENT_MAX)
        if end_at is not None:
            listed = [[row for row in found if row.candle.ended_at <= end_at] for found in listed]
        return answer(
            {
                "adjusted_end_ts": (wanted.end_at if end_at is None else end_at) // SECOND,
                "market_candlesticks": [[candles.live_body(row) for row in found] for found in listed],
                "market_tickers": [market.ticker for market in live],
            }
        )
