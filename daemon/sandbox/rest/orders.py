"""REST writes: create, batch, cancel, amend, decrease (V2), and the V1 paths that are gone (sheet 4.6).

A batch draws on the unscoped write bucket, whole or not at all (sheet 5.4); its entries then succeed or fail
each for itself. Shard, market and subaccount of a request must be the order's: else it is not there.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from daemon.exchange.accounts import Account
from daemon.exchange.facts import OrderState
from daemon.exchange.requests import Amendment, NewOrder
from daemon.sandbox.auth import PREFIX
from daemon.sandbox.bodies import ApiError, error_object, flat_error, nested_error
from daemon.sandbox.limits import COST_CANCEL, COST_DEFAULT, Buckets
from daemon.sandbox.rest import portfolio_bodies as bodies
from daemon.sandbox.rest.answer import answer
from daemon.sandbox.rest.asked import account_asked, accounts_asked
from daemon.sandbox.rest.query import (
    AMEND_FIELDS,
    CANCEL_FIELDS,
    CREATE_FIELDS,
    DECREASE_FIELDS,
    check_fields,
    expiry,
    json_object,
    one_of,
    price_of,
    qty_of,
    required,
    whole,
)
from daemon.sandbox.rest.refusing import accepted
from daemon.sandbox.venue import Venue

_ORDERS = f"{PREFIX}/portfolio/events/orders"
_V1 = f"{PREFIX}/portfolio/orders"
NO_CLIENT_ORDER_ID = ""
"""What an order has whose client named none (sheet 11, row 10)."""
BATCH_MAX: int | None = None
"""Entries of a batch: whatever fits the bucket (sheet 11, row 7). A number refuses larger ones."""
_UNSCOPED = 0
"""The shard whose writes draw on the unscoped bucket, as batches do."""


class OrderApi:
    """What the account may do with orders."""

    def __init__(self, venue: Venue, buckets: Buckets) -> None:
        self._venue = venue
        self._exchange = venue.exchange
        self._buckets = buckets

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; fixed paths before those with names in them."""
        return [
            web.post(_ORDERS, self.create),
            web.post(f"{_ORDERS}/batched", self.create_batch),
            web.delete(f"{_ORDERS}/batched", self.cancel_batch),
            web.delete(_ORDERS, self.cancel_all),
            web.delete(f"{_ORDERS}/{{order_id}}", self.cancel),
            web.post(f"{_ORDERS}/{{order_id}}/amend", self.amend),
            web.post(f"{_ORDERS}/{{order_id}}/decrease", self.decrease),
            web.post(_V1, self.gone),
            web.delete(_V1, self.gone),
            web.post(f"{_V1}/{{rest:.*}}", self.gone),
            web.delete(f"{_V1}/{{rest:.*}}", self.gone),
        ]

    async def gone(self, _request: web.Request) -> web.Response:
        """Answer a V1 mutation: gone since August 2026."""
        raise nested_error(410, "deprecated_v1_order_endpoint")

    # --- limits and bodies -------------------------------------------------------------------

    def _pay(self, cost: int, exchange_index: int | None) -> None:
        self._buckets.pay(cost, exchange_index, self._venue.clock.now())

    def _check_shard(self, body: dict[str, Any], ticker: str) -> None:
        index = body.get("exchange_index", -1)
        market = self._exchange.markets.get(ticker)
        if market is not None and index not in {-1, market.spec.exchange_index}:
            raise nested_error(400, "invalid_parameters", f"{ticker} is not on exchange_index {index}")

    # --- create ------------------------------------------------------------------------------

    def _new_order(self, body: dict[str, Any], account: Account) -> NewOrder:
        ticker = required(body, "ticker")
        self._check_shard(body, ticker)
        client_order_id = body.get("client_order_id", NO_CLIENT_ORDER_ID)
        _check_client_order_id(client_order_id)
        prevention = required(body, "self_trade_prevention_type")
        tif = required(body, "time_in_force")
        return NewOrder(
            account=account.name,
            ticker=ticker,
            side=one_of(required(body, "side"), "side", ("bid", "ask")),
            price=price_of(required(body, "price")),
            qty=qty_of(required(body, "count")),
            time_in_force=one_of(
                tif, "time_in_force", ("good_till_canceled", "immediate_or_cancel", "fill_or_kill")
            ),
            self_trade_prevention=one_of(
                prevention, "self_trade_prevention_type", ("taker_at_cross", "maker")
            ),
            client_order_id=client_order_id,
            expires_at=expiry(body),
            post_only=body.get("post_only", False),
            reduce_only=body.get("reduce_only", False),
            cancel_on_pause=body.get("cancel_order_on_pause", False),
            order_group_id=body.get("order_group_id") or None,
        )

    def _place(self, request: web.Request, body: dict[str, Any]) -> OrderState:
        account = account_asked(request, self._venue, "CreateOrder", body.get("subaccount"))
        order = self._new_order(body, account)
        outcome, facts = self._exchange.place(order, self._venue.clock.now())
        placed = accepted(outcome)
        self._venue.tell([*facts])
        return placed

    async def create(self, request: web.Request) -> web.Response:
        """POST /portfolio/events/orders."""
        body = check_fields(await json_object(request), CREATE_FIELDS, "CreateOrderV2Request")
        self._pay(COST_DEFAULT, body.get("exchange_index"))
        placed = self._place(request, body)
        return answer(bodies.placed_body(placed, placed.updated_at), 201)

    async def _entries(self, request: web.Request) -> list[dict[str, Any]]:
        entries = (await json_object(request)).get("orders")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise flat_error(400, "bad_request", "orders must be a list of objects")
        if BATCH_MAX is not None and len(entries) > BATCH_MAX:
            raise nested_error(400, "invalid_parameters", f"at most {BATCH_MAX} orders")
        return entries

    async def create_batch(self, request: web.Request) -> web.Response:
        """POST /portfolio/events/orders/batched: each entry succeeds or fails for itself."""
        entries = [
            check_fields(entry, CREATE_FIELDS, "CreateOrderV2Request")
            for entry in await self._entries(request)
        ]
        self._pay(COST_DEFAULT * len(entries), _UNSCOPED)
        rows = []
        for entry in entries:
            try:
                placed = self._place(request, entry)
            except ApiError as error:
                rows.append(
                    {
                        "client_order_id": entry.get("client_order_id", NO_CLIENT_ORDER_ID),
                        "error": _inner(error),
                    }
                )
            else:
                rows.append(bodies.placed_body(placed, placed.updated_at))
        return answer({"orders": rows}, 201)

    # --- cancel ------------------------------------------------------------------------------

    def _check_place(
        self, account: Account, order_id: str, ticker: str | None, exchange_index: int | None
    ) -> None:
        """Refuse a request that names another market than the order's, or looks for it on another shard."""
        order = self._exchange.find(account.name, order_id)
        if order is None:
            return  # the exchange says so itself
        if ticker and order.ticker != ticker:
            raise nested_error(400, "order_ticker_mismatch")
        if exchange_index is not None and exchange_index not in {-1, order.exchange_index}:
            raise nested_error(404, "not_found")

    def _cancel(
        self, account: Account, order_id: str, ticker: str | None, exchange_index: int | None
    ) -> dict[str, Any]:
        now = self._venue.clock.now()
        self._check_place(account, order_id, ticker, exchange_index)
        outcome, facts = self._exchange.cancel(account.name, order_id, now)
        reduced_by = accepted(outcome)
        self._venue.tell([*facts])
        order = self._exchange.find(account.name, order_id)
        assert order is not None, f"order {order_id} was cancelled, and is not there"
        return bodies.cancelled_body(order_id, order.client_order_id, reduced_by, now)

    async def cancel(self, request: web.Request) -> web.Response:
        """DELETE /portfolio/events/orders/{order_id}."""
        index = whole(request.query, "exchange_index", "CancelOrder")
        self._pay(COST_CANCEL, index)
        account = account_asked(request, self._venue, "CancelOrder")
        order_id, ticker = request.match_info["order_id"], request.query.get("market_ticker")
        return answer(self._cancel(account, order_id, ticker, index))

    async def cancel_batch(self, request: web.Request) -> web.Response:
        """DELETE /portfolio/events/orders/batched."""
        entries = [
            check_fields(entry, CANCEL_FIELDS, "BatchCancelOrdersV2RequestOrder")
            for entry in await self._entries(request)
        ]
        self._pay(COST_CANCEL * len(entries), _UNSCOPED)
        rows = []
        for entry in entries:
            try:
                account = account_asked(request, self._venue, "BatchCancelOrders", entry.get("subaccount"))
                order_id = required(entry, "order_id")
                row = self._cancel(account, order_id, entry.get("market_ticker"), entry.get("exchange_index"))
            except ApiError as error:
                order_id = entry.get("order_id", "")
                row = {"error": _inner(error), "order_id": order_id, "reduced_by": "0.00"}
            rows.append(row)
        return answer({"orders": rows})

    async def cancel_all(self, request: web.Request) -> web.Response:
        """DELETE /portfolio/events/orders: 204 without a body."""
        self._pay(COST_CANCEL, _UNSCOPED)
        accounts = accounts_asked(request, self._venue, "CancelAllOrders")
        markets, pauses = self._exchange.markets, self._exchange.pauses
        shards = {markets[ticker].spec.exchange_index for account in accounts for ticker in account.resting}
        if shards and not any(pauses.is_exchange_active(shard) for shard in shards):
            # Nothing could be cancelled: a kill switch must not say that it was.
            raise nested_error(409, "exchange_is_paused")
        for account in accounts:
            _, facts = self._exchange.cancel_all(account.name, self._venue.clock.now())
            self._venue.tell([*facts])
        return web.Response(status=204)

    # --- change ------------------------------------------------------------------------------

    async def amend(self, request: web.Request) -> web.Response:
        """POST /portfolio/events/orders/{order_id}/amend."""
        body = check_fields(await json_object(request), AMEND_FIELDS, "AmendOrderV2Request")
        self._pay(COST_DEFAULT, body.get("exchange_index"))
        account = account_asked(request, self._venue, "AmendOrder", body.get("subaccount"))
        ticker = required(body, "ticker")
        self._check_shard(body, ticker)
        renamed = body.get("updated_client_order_id")
        if renamed:
            _check_client_order_id(renamed)
        amendment = Amendment(
            account=account.name,
            order_id=request.match_info["order_id"],
            ticker=ticker,
            side=one_of(required(body, "side"), "side", ("bid", "ask")),
            price=price_of(required(body, "price")),
            qty=qty_of(required(body, "count")),
            client_order_id=body.get("client_order_id"),
            updated_client_order_id=renamed,
            expires_at=expiry(body),
        )
        now = self._venue.clock.now()
        outcome, facts = self._exchange.amend(amendment, now)
        amended = accepted(outcome)
        self._venue.tell([*facts])
        return answer(bodies.placed_body(amended, now))

    async def decrease(self, request: web.Request) -> web.Response:
        """POST /portfolio/events/orders/{order_id}/decrease."""
        body = check_fields(await json_object(request), DECREASE_FIELDS, "DecreaseOrderV2Request")
        self._pay(COST_DEFAULT, body.get("exchange_index"))
        account = account_asked(request, self._venue, "DecreaseOrder", body.get("subaccount"))
        if ("reduce_by" in body) == ("reduce_to" in body):
            raise nested_error(
                400, "invalid_parameters", "exactly one of reduce_by and reduce_to is required"
            )
        is_target = "reduce_to" in body
        qty = qty_of(body["reduce_to"] if is_target else body["reduce_by"])
        order_id = request.match_info["order_id"]
        self._check_place(account, order_id, body.get("market_ticker"), body.get("exchange_index"))
        now = self._venue.clock.now()
        outcome, facts = self._exchange.decrease(account.name, order_id, qty, now, is_target=is_target)
        decreased = accepted(outcome)
        self._venue.tell([*facts])
        return answer(bodies.decreased_body(decreased, now))


def _check_client_order_id(client_order_id: str) -> None:
    if "." in client_order_id or len(client_order_id) > 128:
        raise nested_error(400, "invalid_parameters", "invalid client_order_id")


def _inner(error: ApiError) -> dict[str, str]:
    """Return the plain error object of a batch entry."""
    return error.object or error_object("internal_error")
