"""Public REST: exchange, series, events, markets, books, trades, candles (protocol sheet 4.1 – 4.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from daemon.core.markets import MarketSpec
from daemon.core.units import DAY, HOUR, MINUTE, SECOND, Ns, Price
from daemon.exchange.market import Market
from daemon.sandbox import market_bodies as bodies
from daemon.sandbox.bodies import bare_error, json_body, nested_error, time_text
from daemon.sandbox.flow import Candle
from daemon.sandbox.query import limit, names, page, seconds, whole
from daemon.sandbox.venue import Venue

PREFIX = "/trade-api/v2"

_STATUSES = {
    "unopened": ("initialized",),
    "open": ("active",),
    "paused": ("inactive",),
    "closed": ("closed", "determined", "disputed", "amended"),
    "settled": ("finalized",),
}
_PERIODS: dict[int, Ns] = {1: MINUTE, 60: HOUR, 1440: DAY}
_CANDLES_MAX = 10_000
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Answer = Callable[[web.Request], Awaitable[web.Response]]


def answer(body: object, status: int = 200) -> web.Response:
    """Return a JSON response."""
    return web.Response(body=json_body(body), status=status, content_type="application/json")


class MarketApi:
    """The public calls."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._markets = venue.exchange.markets

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; fixed paths before those with names in them."""
        paths: list[tuple[str, Answer]] = [
            ("/exchange/status", self.status),
            ("/exchange/schedule", self.schedule),
            ("/exchange/user_data_timestamp", self.user_data_timestamp),
            ("/series", self.series_list),
            ("/series/{series}", self.series),
            ("/series/{series}/markets/{ticker}/candlesticks", self.candles),
            ("/events", self.events),
            ("/events/{event}", self.event),
            ("/markets", self.market_list),
            ("/markets/trades", self.trades),
            ("/markets/orderbooks", self.orderbooks),
            ("/markets/candlesticks", self.candles_of_many),
            ("/markets/{ticker}", self.market),
            ("/markets/{ticker}/orderbook", self.orderbook),
        ]
        return [web.get(PREFIX + path, call) for path, call in paths]

    # --- exchange ----------------------------------------------------------------------------

    async def status(self, _request: web.Request) -> web.Response:
        """GET /exchange/status."""
        shards = [
            {
                "description": description,
                "exchange_active": True,
                "exchange_index": index,
                "intra_exchange_transfers_active": False,
                "trading_active": True,
            }
            for index, description in ((0, "default"), (2, "crypto and commodities"))
        ]
        return answer(
            {
                "exchange_active": True,
                "exchange_index_statuses": shards,
                "intra_exchange_transfers_active": False,
                "trading_active": True,
            }
        )

    async def schedule(self, _request: web.Request) -> web.Response:
        """GET /exchange/schedule: open around the clock, without maintenance."""
        now = self._venue.clock.now()
        always = [{"close_time": "00:00", "open_time": "00:00"}]
        hours: dict[str, Any] = dict.fromkeys(_DAYS, always)
        hours |= {"start_time": time_text(now - 365 * DAY), "end_time": time_text(now + 365 * DAY)}
        return answer({"schedule": {"maintenance_windows": [], "standard_hours": [hours]}})

    async def user_data_timestamp(self, _request: web.Request) -> web.Response:
        """GET /exchange/user_data_timestamp: the read side never lags here."""
        return answer({"as_of_time": time_text(self._venue.clock.now())})

    # --- series and events -------------------------------------------------------------------

    def _specs(self, field: str) -> dict[str, list[MarketSpec]]:
        """Return the listed markets grouped by series or event, in the order of their listing."""
        found: dict[str, list[MarketSpec]] = {}
        for market in self._markets.values():
            found.setdefault(getattr(market.spec, field), []).append(market.spec)
        return found

    async def series_list(self, _request: web.Request) -> web.Response:
        """GET /series."""
        return answer(
            {"series": [bodies.series_body(specs) for specs in self._specs("series_ticker").values()]}
        )

    async def series(self, request: web.Request) -> web.Response:
        """GET /series/{series}."""
        specs = self._specs("series_ticker").get(request.match_info["series"])
        if specs is None:
            raise nested_error(404, "not_found")
        return answer({"series": bodies.series_body(specs)})

    def _event(self, specs: list[MarketSpec], *, with_markets: bool) -> dict[str, Any]:
        body = bodies.event_body(specs)
        if with_markets:
            body["markets"] = [bodies.market_body(self._markets[spec.ticker]) for spec in specs]
        return body

    async def events(self, request: web.Request) -> web.Response:
        """GET /events."""
        query = request.query
        size = limit(query, "GetEvents", default=200, at_most=200)
        statuses = _statuses(request, "GetEvents")
        series, tickers = query.get("series_ticker"), names(query, "tickers")
        min_close = seconds(query, "min_close_ts", "GetEvents")
        found = [
            specs
            for event, specs in reversed(self._specs("event_ticker").items())
            if (series is None or specs[0].series_ticker == series)
            and (tickers is None or event in tickers)
            and (statuses is None or any(spec.status in statuses for spec in specs))
            and (min_close is None or any(spec.close_at >= min_close for spec in specs))
        ]
        part, cursor = page(found, query, size)
        nested = query.get("with_nested_markets") == "true"
        return answer(
            {"cursor": cursor, "events": [self._event(specs, with_markets=nested) for specs in part]}
        )

    async def event(self, request: web.Request) -> web.Response:
        """GET /events/{event}."""
        specs = self._specs("event_ticker").get(request.match_info["event"])
        if specs is None:
            raise nested_error(404, "not_found")
        nested = request.query.get("with_nested_markets") == "true"
        return answer(
            {
                "event": self._event(specs, with_markets=nested),
                "markets": [bodies.market_body(self._markets[spec.ticker]) for spec in specs],
            }
        )

    # --- markets -----------------------------------------------------------------------------

    async def market_list(self, request: web.Request) -> web.Response:
        """GET /markets: newest first."""
        query = request.query
        size = limit(query, "GetMarkets", default=100, at_most=1000)
        statuses = _statuses(request, "GetMarkets")
        series, event, tickers = (
            query.get("series_ticker"),
            query.get("event_ticker"),
            names(query, "tickers"),
        )
        spans = {
            name: (
                seconds(query, f"min_{name}_ts", "GetMarkets"),
                seconds(query, f"max_{name}_ts", "GetMarkets"),
            )
            for name in ("close", "created", "settled", "updated")
        }
        found = [
            market
            for market in reversed(self._markets.values())
            if (not series or market.spec.series_ticker == series)
            and (not event or market.spec.event_ticker == event)
            and (tickers is None or market.ticker in tickers)
            and (statuses is None or market.status in statuses)
            and _within(market.spec.close_at, spans["close"])
            and _within(market.created_at, spans["created"])
            and _within(market.settled_at, spans["settled"])
            and _within(market.updated_at, spans["updated"])
        ]
        part, cursor = page(found, query, size)
        return answer({"cursor": cursor, "markets": [bodies.market_body(market) for market in part]})

    def _market(self, ticker: str) -> Market:
        found = self._markets.get(ticker)
        if found is None:
            raise nested_error(404, "not_found")
        return found

    async def market(self, request: web.Request) -> web.Response:
        """GET /markets/{ticker}."""
        return answer({"market": bodies.market_body(self._market(request.match_info["ticker"]))})

    async def orderbook(self, request: web.Request) -> web.Response:
        """GET /markets/{ticker}/orderbook."""
        depth = whole(request.query, "depth", "GetMarketOrderbook") or 0
        if not 0 <= depth <= 100:
            raise bare_error("GetMarketOrderbook", "Depth", "lte" if depth > 0 else "gte")
        market = self._market(request.match_info["ticker"])
        return answer({"orderbook_fp": bodies.orderbook_body(market, depth)})

    async def orderbooks(self, request: web.Request) -> web.Response:
        """GET /markets/orderbooks: unknown tickers are left out."""
        tickers = request.query.getall("tickers", [])
        if not 0 < len(tickers) <= 100:
            raise bare_error("GetMarketOrderbooks", "Tickers", "max" if tickers else "required")
        found = [self._markets[ticker] for ticker in tickers if ticker in self._markets]
        books = [
            {"orderbook_fp": bodies.orderbook_body(market, 0), "ticker": market.ticker} for market in found
        ]
        return answer({"orderbooks": books})

    async def trades(self, request: web.Request) -> web.Response:
        """GET /markets/trades: newest first."""
        query = request.query
        size = limit(query, "GetTrades", default=100, at_most=1000)
        ticker = query.get("ticker")
        span = (seconds(query, "min_ts", "GetTrades"), seconds(query, "max_ts", "GetTrades"))
        kept = self._venue.chronicle.trades_of(ticker) if ticker else self._venue.chronicle.trades
        is_block = query.get("is_block_trade") == "true"
        found = [trade for trade in reversed(kept) if _within(trade.at, span) and not is_block]
        part, cursor = page(found, query, size)
        return answer({"cursor": cursor, "trades": [bodies.trade_body(trade) for trade in part]})

    # --- candles -----------------------------------------------------------------------------

    def _candles(self, request: web.Request, market: Market, operation: str) -> list[dict[str, Any]]:
        query = request.query
        start_at = seconds(query, "start_ts", operation)
        end_at = seconds(query, "end_ts", operation)
        period = _PERIODS.get(whole(query, "period_interval", operation) or 0)
        if start_at is None or end_at is None:
            raise bare_error(operation, "StartTs" if start_at is None else "EndTs", "required")
        if period is None:
            raise bare_error(operation, "PeriodInterval", "oneof")
        chronicle = self._venue.chronicle
        found = chronicle.candles(market, start_at, end_at, period)[:_CANDLES_MAX]
        if not found:
            return []
        return _with_previous(
            found, chronicle.last_price_before(market.ticker, found[0].ended_at - period + 1)
        )

    async def candles(self, request: web.Request) -> web.Response:
        """GET /series/{series}/markets/{ticker}/candlesticks."""
        market = self._market(request.match_info["ticker"])
        if market.spec.series_ticker != request.match_info["series"]:
            raise nested_error(404, "not_found")
        rows = self._candles(request, market, "GetMarketCandlesticks")
        return answer({"candlesticks": rows, "ticker": market.ticker})

    async def candles_of_many(self, request: web.Request) -> web.Response:
        """GET /markets/candlesticks."""
        tickers = names(request.query, "market_tickers")
        if tickers is None or len(tickers) > 100:
            raise bare_error("BatchGetMarketCandlesticks", "MarketTickers", "max" if tickers else "required")
        rows = [
            {
                "candlesticks": self._candles(request, self._markets[ticker], "BatchGetMarketCandlesticks"),
                "market_ticker": ticker,
            }
            for ticker in tickers
            if ticker in self._markets
        ]
        return answer({"markets": rows})


def _with_previous(candles: list[Candle], previous: Price | None) -> list[dict[str, Any]]:
    rows = []
    for candle in candles:
        rows.append(bodies.candle_body(candle, previous))
        if candle.price is not None:
            previous = candle.price.close
    return rows


def _statuses(request: web.Request, operation: str) -> tuple[str, ...] | None:
    status = request.query.get("status")
    if not status:
        return None
    found = _STATUSES.get(status)
    if found is None:
        raise bare_error(operation, "Status", "oneof")
    return found


def _within(at: Ns | None, span: tuple[Ns | None, Ns | None]) -> bool:
    first, last = span
    if first is None and last is None:
        return True
    return at is not None and (first is None or at >= first) and (last is None or at < last + SECOND)
