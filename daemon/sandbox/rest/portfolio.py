"""Private REST reads of the portfolio: balance, positions, orders, fills, settlements, queue (sheet 4.7).

All but queue places come from the read side, which may lag (`read_side`).
"""

from __future__ import annotations

from heapq import merge
from typing import Protocol, TypeVar

from aiohttp import web

from daemon.core.units import Ns
from daemon.exchange.facts import OrderState, PositionChanged
from daemon.exchange.matching import Order
from daemon.sandbox.auth import PREFIX, SIGNER
from daemon.sandbox.bodies import bare_error, nested_error, qty_text
from daemon.sandbox.cutoff import Cutoff
from daemon.sandbox.rest import portfolio_bodies as bodies
from daemon.sandbox.rest.answer import Answer, answer
from daemon.sandbox.rest.asked import view_asked, views_asked
from daemon.sandbox.rest.query import choice, limit, names, page, span, whole
from daemon.sandbox.venue import Venue

TICKERS_MAX = 100
"""How many tickers the filter of fills takes."""
EVENTS_MAX = 10
"""How many events the filter of orders takes."""

_COUNTS = ("position", "total_traded")


class _Dated(Protocol):
    @property
    def at(self) -> Ns: ...


_D = TypeVar("_D", bound=_Dated)


class PortfolioApi:
    """What the account may read of itself."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; fixed paths before those with names in them."""
        paths: list[tuple[str, Answer]] = [
            ("/portfolio/balance", self.balance),
            ("/portfolio/positions", self.positions),
            ("/portfolio/fills", self.fills),
            ("/portfolio/settlements", self.settlements),
            ("/portfolio/summary/total_resting_order_value", self.resting_value),
            ("/portfolio/orders", self.orders),
            ("/portfolio/orders/queue_positions", self.queue_positions),
            ("/portfolio/orders/{order_id}", self.order),
            ("/portfolio/orders/{order_id}/queue_position", self.queue_position),
            # The historical tier: the same lists of what is older than the cutoff, and of that only.
            ("/historical/positions", self.positions),
            ("/historical/fills", self.fills),
            ("/historical/orders", self.orders),
        ]
        return [web.get(PREFIX + path, call) for path, call in paths]

    @property
    def _cutoff(self) -> Cutoff:
        return self._venue.chronicle.cutoff.at(self._venue.clock.now())

    # --- balance and positions ---------------------------------------------------------------

    async def balance(self, request: web.Request) -> web.Response:
        """GET /portfolio/balance."""
        view = view_asked(request, self._venue, "GetBalance")
        index = whole(request.query, "exchange_index", "GetBalance")
        as_of = self._venue.reads.as_of(self._venue.clock.now())
        return answer(bodies.balance_body(view, self._venue.exchange.markets, index, as_of))

    async def resting_value(self, request: web.Request) -> web.Response:
        """GET /portfolio/summary/total_resting_order_value."""
        views = views_asked(request, self._venue, "GetPortfolioRestingOrderTotalValue")
        return answer(bodies.resting_value_body(views))

    def _event_of(self, ticker: str) -> str:
        market = self._venue.exchange.markets.get(ticker)
        # A market that is long over is forgotten; its event's name is its own up to the last dash.
        return market.spec.event_ticker if market is not None else ticker.rpartition("-")[0]

    def _is_settled(self, ticker: str) -> bool:
        market = self._venue.exchange.markets.get(ticker)
        return market is None or market.settled_at is not None

    async def positions(self, request: web.Request) -> web.Response:
        """GET /portfolio/positions: unsettled ones unless asked otherwise; historical ones are settled."""
        query, cutoff, is_old = request.query, self._cutoff, _is_historical(request)
        view = view_asked(request, self._venue, "GetPositions")
        size = limit(query, "GetPositions", default=100, at_most=1000)
        allowed = ("unsettled", "settled", "all")
        wanted = choice(query, "settlement_status", "GetPositions", allowed) or "unsettled"
        if is_old:
            wanted = "settled"
        filters = names(query, "count_filter")
        if not {*(filters or ())} <= {*_COUNTS}:
            raise bare_error("GetPositions", "CountFilter", "oneof")
        tickers, events = names(query, "ticker"), names(query, "event_ticker")
        index = whole(query, "exchange_index", "GetPositions")
        found = [
            told
            for told in view.positions.values()
            if (wanted == "all" or self._is_settled(told.ticker) == (wanted == "settled"))
            and cutoff.is_archived_position(told.at, is_settled=self._is_settled(told.ticker)) == is_old
            and (tickers is None or told.ticker in tickers)
            and (events is None or self._event_of(told.ticker) in events)
            and index in {None, told.exchange_index}
            and _has_counts(told, filters)
        ]
        found.reverse()
        part, cursor = page(found, query, size)
        by_event: dict[str, list[PositionChanged]] = {}
        for told in part:
            by_event.setdefault(self._event_of(told.ticker), []).append(told)
        return answer(
            {
                "cursor": cursor,
                "event_positions": [
                    bodies.event_position_body(event, positions) for event, positions in by_event.items()
                ],
                "market_positions": [bodies.position_body(told) for told in part],
            }
        )

    # --- fills and settlements ---------------------------------------------------------------

    async def fills(self, request: web.Request) -> web.Response:
        """GET /portfolio/fills: newest first."""
        query, cutoff, is_old = request.query, self._cutoff, _is_historical(request)
        views = views_asked(request, self._venue, "GetFills")
        size = limit(query, "GetFills", default=100, at_most=1000)
        tickers, order_id = names(query, "ticker"), query.get("order_id")
        if tickers is not None and len(tickers) > TICKERS_MAX:
            raise bare_error("GetFills", "Ticker", "max")
        within, index = span(query, "", "GetFills"), whole(query, "exchange_index", "GetFills")
        found = [
            fill
            for fill in _newest_first([view.fills for view in views])
            if (tickers is None or fill.ticker in tickers)
            and (not order_id or fill.order_id == order_id)
            and fill.at in within
            and cutoff.is_archived_trade(fill.at) == is_old
            and index in {None, fill.exchange_index}
        ]
        part, cursor = page(found, query, size)
        return answer({"cursor": cursor, "fills": [bodies.fill_body(fill) for fill in part]})

    async def settlements(self, request: web.Request) -> web.Response:
        """GET /portfolio/settlements: newest first."""
        query = request.query
        views = views_asked(request, self._venue, "GetSettlements")
        size = limit(query, "GetSettlements", default=100, at_most=1000)
        ticker, event = query.get("ticker"), query.get("event_ticker")
        within = span(query, "", "GetSettlements")
        found = [
            paid
            for paid in _newest_first([view.settlements for view in views])
            if (not ticker or paid.ticker == ticker)
            and (not event or paid.event_ticker == event)
            and paid.at in within
        ]
        part, cursor = page(found, query, size)
        return answer({"cursor": cursor, "settlements": [bodies.settlement_body(paid) for paid in part]})

    # --- orders ------------------------------------------------------------------------------

    async def orders(self, request: web.Request) -> web.Response:
        """GET /portfolio/orders: newest first."""
        query, cutoff, is_old = request.query, self._cutoff, _is_historical(request)
        views = views_asked(request, self._venue, "GetOrders")
        size = limit(query, "GetOrders", default=100, at_most=1000)
        status = choice(query, "status", "GetOrders", ("resting", "canceled", "executed"))
        ticker, events = query.get("ticker"), names(query, "event_ticker")
        if events is not None and len(events) > EVENTS_MAX:
            raise bare_error("GetOrders", "EventTicker", "max")
        within, index = span(query, "", "GetOrders"), whole(query, "exchange_index", "GetOrders")
        found: list[OrderState] = []
        for view in views:
            # Who asks for what rests shall not wait for the whole past to be looked through.
            known = view.resting if status == "resting" else view.orders
            found += [
                order
                for order_id in known
                if (order := view.orders[order_id]) is not None
                and (not ticker or order.ticker == ticker)
                and (events is None or self._event_of(order.ticker) in events)
                and (status is None or order.status == status)
                and order.created_at in within
                and _is_archived(cutoff, order) == is_old
                and index in {None, order.exchange_index}
            ]
        # Stable: what was created in one instant stays in the order of its making.
        found.sort(key=lambda order: order.created_at)
        found.reverse()
        part, cursor = page(found, query, size)
        user_id = self._venue.user_id
        return answer({"cursor": cursor, "orders": [bodies.order_body(order, user_id) for order in part]})

    def _order(self, request: web.Request) -> OrderState:
        """Return an order of any of the signer's accounts, as the reads show it."""
        venue, order_id = self._venue, request.match_info["order_id"]
        venue.reads.advance(venue.clock.now())
        bound = request[SIGNER].subaccount
        for view in venue.reads.accounts.values():
            found = view.orders.get(order_id)
            if found is None or _is_archived(self._cutoff, found):
                continue
            if bound is None or found.account == request[SIGNER].account:
                return found
        raise nested_error(404, "not_found")

    async def order(self, request: web.Request) -> web.Response:
        """GET /portfolio/orders/{order_id}."""
        return answer({"order": bodies.order_body(self._order(request), self._venue.user_id)})

    # --- queue -------------------------------------------------------------------------------

    def _ahead(self, order: Order) -> str:
        return qty_text(self._venue.exchange.markets[order.ticker].book.ahead(order))

    async def queue_position(self, request: web.Request) -> web.Response:
        """GET /portfolio/orders/{order_id}/queue_position."""
        shown = self._order(request)
        order = self._venue.exchange.find(shown.account, shown.order_id)
        if order is None or order.status != "resting":
            raise nested_error(404, "not_found")
        return answer({"queue_position_fp": self._ahead(order)})

    async def queue_positions(self, request: web.Request) -> web.Response:
        """GET /portfolio/orders/queue_positions: needs `market_tickers` or `event_ticker`."""
        tickers, event = names(request.query, "market_tickers"), request.query.get("event_ticker")
        if tickers is None and not event:
            raise nested_error(400, "invalid_parameters", "market_tickers or event_ticker is required")
        view = view_asked(request, self._venue, "GetOrderQueuePositions")
        account = self._venue.exchange.accounts[view.name]
        rows = [
            {"market_ticker": ticker, "order_id": order.order_id, "queue_position_fp": self._ahead(order)}
            for ticker, orders in account.resting.items()
            if (tickers is None or ticker in tickers) and (not event or self._event_of(ticker) == event)
            for order in orders.values()
        ]
        return answer({"queue_positions": rows})


def _is_historical(request: web.Request) -> bool:
    return request.path.startswith(f"{PREFIX}/historical/")


def _is_archived(cutoff: Cutoff, order: OrderState) -> bool:
    return cutoff.is_archived_order(order.updated_at, is_resting=order.status == "resting")


def _has_counts(told: PositionChanged, filters: list[str] | None) -> bool:
    counts = {"position": told.qty != 0, "total_traded": told.volume != 0}
    return filters is None or any(counts[name] for name in filters)


def _newest_first(lists: list[list[_D]]) -> list[_D]:
    """Return several lists that are oldest first as one, newest first."""
    found = lists[0][:] if len(lists) == 1 else list(merge(*lists, key=lambda entry: entry.at))
    found.reverse()
    return found
