"""Private REST reads: balance, positions, orders, fills, settlements, queue, limits (sheet 4.7, 5)."""

from __future__ import annotations

from aiohttp import web

from daemon.core.units import Ns
from daemon.exchange.accounts import Account, Holding
from daemon.exchange.matching import Order
from daemon.sandbox import portfolio_bodies as bodies
from daemon.sandbox.bodies import bare_error, nested_error, qty_text
from daemon.sandbox.limits import Buckets, costs_body
from daemon.sandbox.query import limit, names, page, seconds, whole
from daemon.sandbox.rest_markets import PREFIX, Answer, answer
from daemon.sandbox.venue import Venue


class PortfolioApi:
    """What the account may read of itself."""

    def __init__(self, venue: Venue, buckets: Buckets) -> None:
        self._venue = venue
        self._buckets = buckets

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; fixed paths before those with names in them."""
        paths: list[tuple[str, Answer]] = [
            ("/portfolio/balance", self.balance),
            ("/portfolio/positions", self.positions),
            ("/portfolio/fills", self.fills),
            ("/portfolio/settlements", self.settlements),
            ("/portfolio/orders", self.orders),
            ("/portfolio/orders/queue_positions", self.queue_positions),
            ("/portfolio/orders/{order_id}", self.order),
            ("/portfolio/orders/{order_id}/queue_position", self.queue_position),
            ("/account/limits", self.limits),
            ("/account/endpoint_costs", self.endpoint_costs),
        ]
        return [web.get(PREFIX + path, call) for path, call in paths]

    @property
    def _account(self) -> Account:
        return self._venue.account

    async def balance(self, request: web.Request) -> web.Response:
        """GET /portfolio/balance."""
        index = whole(request.query, "exchange_index", "GetBalance")
        now = self._venue.clock.now()
        return answer(bodies.balance_body(self._account, self._venue.exchange.markets, index, now))

    def _event_of(self, ticker: str) -> str:
        market = self._venue.exchange.markets.get(ticker)
        # A market that is long over is forgotten; its event's name is its own up to the last dash.
        return market.spec.event_ticker if market is not None else ticker.rpartition("-")[0]

    def _is_settled(self, ticker: str) -> bool:
        market = self._venue.exchange.markets.get(ticker)
        return market is None or market.settled_at is not None

    async def positions(self, request: web.Request) -> web.Response:
        """GET /portfolio/positions: unsettled ones unless asked otherwise."""
        query = request.query
        size = limit(query, "GetPositions", default=100, at_most=1000)
        wanted = query.get("settlement_status") or "unsettled"
        if wanted not in {"unsettled", "settled", "all"}:
            raise bare_error("GetPositions", "SettlementStatus", "oneof")
        filters = names(query, "count_filter")
        tickers, event = names(query, "ticker"), query.get("event_ticker")
        found: list[tuple[str, Holding]] = []
        for ticker, holding in self._account.holdings.items():
            is_settled = self._is_settled(ticker)
            if wanted != "all" and is_settled != (wanted == "settled"):
                continue
            if (tickers and ticker not in tickers) or (event and self._event_of(ticker) != event):
                continue
            counts = {"position": holding.qty != 0, "total_traded": holding.volume != 0}
            if filters is not None and not any(counts.get(name, False) for name in filters):
                continue
            found.append((ticker, holding))
        found.reverse()
        part, cursor = page(found, query, size)
        events: dict[str, list[Holding]] = {}
        for ticker, holding in part:
            events.setdefault(self._event_of(ticker), []).append(holding)
        return answer(
            {
                "cursor": cursor,
                "event_positions": [
                    bodies.event_position_body(ticker, holdings) for ticker, holdings in events.items()
                ],
                "market_positions": [bodies.position_body(ticker, holding) for ticker, holding in part],
            }
        )

    async def fills(self, request: web.Request) -> web.Response:
        """GET /portfolio/fills: newest first."""
        query = request.query
        size = limit(query, "GetFills", default=100, at_most=1000)
        tickers, order_id = names(query, "ticker"), query.get("order_id")
        first, last = seconds(query, "min_ts", "GetFills"), seconds(query, "max_ts", "GetFills")
        index = whole(query, "exchange_index", "GetFills")
        found = [
            fill
            for fill in reversed(self._account.fills)
            if (tickers is None or fill.ticker in tickers)
            and (not order_id or fill.order_id == order_id)
            and _within(fill.at, first, last)
            and index in {None, fill.exchange_index}
        ]
        part, cursor = page(found, query, size)
        return answer({"cursor": cursor, "fills": [bodies.fill_body(fill) for fill in part]})

    async def settlements(self, request: web.Request) -> web.Response:
        """GET /portfolio/settlements: newest first."""
        query = request.query
        size = limit(query, "GetSettlements", default=100, at_most=1000)
        ticker, event = query.get("ticker"), query.get("event_ticker")
        first, last = seconds(query, "min_ts", "GetSettlements"), seconds(query, "max_ts", "GetSettlements")
        found = [
            paid
            for paid in reversed(self._account.settlements)
            if (not ticker or paid.ticker == ticker)
            and (not event or paid.event_ticker == event)
            and _within(paid.at, first, last)
        ]
        part, cursor = page(found, query, size)
        return answer({"cursor": cursor, "settlements": [bodies.settlement_body(paid) for paid in part]})

    async def orders(self, request: web.Request) -> web.Response:
        """GET /portfolio/orders: newest first."""
        query = request.query
        size = limit(query, "GetOrders", default=100, at_most=1000)
        status = query.get("status") or None
        if status not in {None, "resting", "canceled", "executed"}:
            raise bare_error("GetOrders", "Status", "oneof")
        ticker, events = query.get("ticker"), names(query, "event_ticker")
        first, last = seconds(query, "min_ts", "GetOrders"), seconds(query, "max_ts", "GetOrders")
        index = whole(query, "exchange_index", "GetOrders")
        found = [
            order
            for order in reversed(self._account.orders.values())
            if (not ticker or order.ticker == ticker)
            and (events is None or self._event_of(order.ticker) in events)
            and (status is None or order.status == status)
            and _within(order.created_at, first, last)
            and index in {None, order.exchange_index}
        ]
        part, cursor = page(found, query, size)
        user_id = self._venue.user_id
        return answer(
            {"cursor": cursor, "orders": [bodies.order_body(order.state(), user_id) for order in part]}
        )

    def _order(self, request: web.Request) -> Order:
        found = self._account.orders.get(request.match_info["order_id"])
        if found is None:
            raise nested_error(404, "not_found")
        return found

    async def order(self, request: web.Request) -> web.Response:
        """GET /portfolio/orders/{order_id}."""
        return answer({"order": bodies.order_body(self._order(request).state(), self._venue.user_id)})

    async def queue_position(self, request: web.Request) -> web.Response:
        """GET /portfolio/orders/{order_id}/queue_position."""
        order = self._order(request)
        if order.status != "resting":
            raise nested_error(404, "not_found")
        ahead = self._venue.exchange.markets[order.ticker].book.ahead(order)
        return answer({"queue_position_fp": qty_text(ahead)})

    async def queue_positions(self, request: web.Request) -> web.Response:
        """GET /portfolio/orders/queue_positions: needs `market_tickers` or `event_ticker`."""
        tickers, event = names(request.query, "market_tickers"), request.query.get("event_ticker")
        if tickers is None and not event:
            raise nested_error(400, "invalid_parameters", "market_tickers or event_ticker is required")
        rows = [
            {
                "market_ticker": ticker,
                "order_id": order.order_id,
                "queue_position_fp": qty_text(self._venue.exchange.markets[ticker].book.ahead(order)),
            }
            for ticker, orders in self._account.resting.items()
            if (tickers is None or ticker in tickers) and (not event or self._event_of(ticker) == event)
            for order in orders.values()
        ]
        return answer({"queue_positions": rows})

    async def limits(self, _request: web.Request) -> web.Response:
        """GET /account/limits."""
        return answer(self._buckets.limits_body())

    async def endpoint_costs(self, _request: web.Request) -> web.Response:
        """GET /account/endpoint_costs."""
        return answer(costs_body())


def _within(at: Ns, first: Ns | None, last: Ns | None) -> bool:
    return (first is None or at >= first) and (last is None or at <= last + 999_999_999)
