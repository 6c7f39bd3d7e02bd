"""REST: markets, books, trades (protocol sheet 4.2, 4.3)."""

from __future__ import annotations

from aiohttp import web

from daemon.exchange.facts import Traded
from daemon.sandbox import market_bodies as bodies
from daemon.sandbox.auth import PREFIX
from daemon.sandbox.bodies import bare_error
from daemon.sandbox.chronicle import Chronicle
from daemon.sandbox.rest.answer import Answer, answer
from daemon.sandbox.rest.listings import Listings, market_filter
from daemon.sandbox.rest.query import Query, flag, limit, page, span, whole
from daemon.sandbox.venue import Venue

DEPTH_MAX = 100
BOOKS_MAX = 100
TICKER_CHARS_MAX = 200


def trades_asked(chronicle: Chronicle, query: Query, operation: str) -> list[Traded]:
    """Return the kept trades that a request's filters take, newest first. None of them is a block trade."""
    ticker = query.get("ticker")
    within = span(query, "", operation)
    if flag(query, "is_block_trade", operation):
        return []
    kept = chronicle.trades_of(ticker) if ticker else chronicle.trades
    return [trade for trade in reversed(kept) if trade.at in within]


class MarketApi:
    """The live tier's markets."""

    def __init__(self, venue: Venue) -> None:
        self._chronicle = venue.chronicle
        self._listings = Listings(venue)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; fixed paths before those with names in them."""
        paths: list[tuple[str, Answer]] = [
            ("/markets", self.market_list),
            ("/markets/trades", self.trades),
            ("/markets/orderbooks", self.orderbooks),
            ("/markets/{ticker}", self.market),
            ("/markets/{ticker}/orderbook", self.orderbook),
        ]
        return [web.get(PREFIX + path, call) for path, call in paths]

    async def market_list(self, request: web.Request) -> web.Response:
        """GET /markets: newest first."""
        query = request.query
        size = limit(query, "GetMarkets", default=100, at_most=1000, at_least=0)
        wanted = market_filter(query, "GetMarkets")
        found = [market for market in self._listings.newest_first(is_archived=False) if wanted.takes(market)]
        part, cursor = page(found, query, size)
        return answer({"cursor": cursor, "markets": [self._listings.body(market) for market in part]})

    async def market(self, request: web.Request) -> web.Response:
        """GET /markets/{ticker}."""
        return answer({"market": self._listings.body(self._listings.live(request.match_info["ticker"]))})

    async def orderbook(self, request: web.Request) -> web.Response:
        """GET /markets/{ticker}/orderbook."""
        depth = whole(request.query, "depth", "GetMarketOrderbook") or 0
        if not 0 <= depth <= DEPTH_MAX:
            raise bare_error("GetMarketOrderbook", "Depth", "lte" if depth > 0 else "gte")
        market = self._listings.live(request.match_info["ticker"])
        return answer({"orderbook_fp": bodies.orderbook_body(market, depth)})

    async def orderbooks(self, request: web.Request) -> web.Response:
        """GET /markets/orderbooks: unknown and archived tickers are left out."""
        tickers = request.query.getall("tickers", [])
        if not 0 < len(tickers) <= BOOKS_MAX or any(len(name) > TICKER_CHARS_MAX for name in tickers):
            raise bare_error("GetMarketOrderbooks", "Tickers", "max" if tickers else "required")
        found = [market for name in tickers if (market := self._listings.find_live(name)) is not None]
        books = [
            {"orderbook_fp": bodies.orderbook_body(market, 0), "ticker": market.ticker} for market in found
        ]
        return answer({"orderbooks": books})

    async def trades(self, request: web.Request) -> web.Response:
        """GET /markets/trades: newest first."""
        query = request.query
        size = limit(query, "GetTrades", default=100, at_most=1000, at_least=0)
        cutoff = self._listings.cutoff
        found = [
            trade
            for trade in trades_asked(self._chronicle, query, "GetTrades")
            if not cutoff.is_archived_trade(trade.at)
        ]
        part, cursor = page(found, query, size)
        return answer({"cursor": cursor, "trades": [bodies.trade_body(trade) for trade in part]})
