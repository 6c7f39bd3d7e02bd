"""REST: the historical tier's public part: what is older than the cutoff, and only that (sheet 4.4)."""

from __future__ import annotations

from aiohttp import web

from daemon.sandbox import market_bodies as bodies
from daemon.sandbox.auth import PREFIX
from daemon.sandbox.bodies import time_text
from daemon.sandbox.rest import candle_bodies as candles
from daemon.sandbox.rest.answer import Answer, answer
from daemon.sandbox.rest.listings import Listings, market_filter
from daemon.sandbox.rest.markets import trades_asked
from daemon.sandbox.rest.query import limit, page
from daemon.sandbox.venue import Venue


class HistoricalApi:
    """Archived markets, their candles, and old trades."""

    def __init__(self, venue: Venue) -> None:
        self._chronicle = venue.chronicle
        self._listings = Listings(venue)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        paths: list[tuple[str, Answer]] = [
            ("/cutoff", self.cutoff),
            ("/markets", self.market_list),
            ("/markets/{ticker}", self.market),
            ("/markets/{ticker}/candlesticks", self.candlesticks),
            ("/trades", self.trades),
        ]
        return [web.get(f"{PREFIX}/historical{path}", call) for path, call in paths]

    async def cutoff(self, _request: web.Request) -> web.Response:
        """GET /historical/cutoff."""
        found = self._listings.cutoff
        return answer(
            {
                "market_positions_last_updated_ts": time_text(found.market_positions_last_updated),
                "market_settled_ts": time_text(found.market_settled),
                "orders_updated_ts": time_text(found.orders_updated),
                "trades_created_ts": time_text(found.trades_created),
            }
        )

    async def market_list(self, request: web.Request) -> web.Response:
        """GET /historical/markets: newest first."""
        query = request.query
        size = limit(query, "GetHistoricalMarkets", default=100, at_most=1000, at_least=0)
        wanted = market_filter(query, "GetHistoricalMarkets")
        found = [market for market in self._listings.newest_first(is_archived=True) if wanted.takes(market)]
        part, cursor = page(found, query, size)
        return answer({"cursor": cursor, "markets": [self._listings.body(market) for market in part]})

    async def market(self, request: web.Request) -> web.Response:
        """GET /historical/markets/{ticker}."""
        found = self._listings.archived(request.match_info["ticker"])
        return answer({"market": self._listings.body(found)})

    async def candlesticks(self, request: web.Request) -> web.Response:
        """GET /historical/markets/{ticker}/candlesticks: the same candles under other names."""
        wanted = candles.asked(request.query, "GetMarketCandlesticksHistorical")
        market = self._listings.archived(request.match_info["ticker"])
        found = candles.rows(self._chronicle, market, wanted)
        rows = [candles.historical_body(row) for row in found]
        return answer({"candlesticks": rows, "ticker": market.ticker})

    async def trades(self, request: web.Request) -> web.Response:
        """GET /historical/trades: newest first."""
        query = request.query
        size = limit(query, "GetTradesHistorical", default=100, at_most=1000, at_least=0)
        cutoff = self._listings.cutoff
        found = [
            trade
            for trade in trades_asked(self._chronicle, query, "GetTradesHistorical")
            if cutoff.is_archived_trade(trade.at)
        ]
        part, cursor = page(found, query, size)
        return answer({"cursor": cursor, "trades": [bodies.trade_body(trade) for trade in part]})
