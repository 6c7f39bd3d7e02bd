"""Every request of the client stands in the published contract: its path, method and query."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder, ProbeOrder
from daemon.kalshi.errors import VenueError
from daemon.kalshi.rest import Rest
from tests.kalshi.frames import recorded
from tests.kalshi.rest.calling import calling

Call: TypeAlias = Callable[[Rest], Awaitable[object]]

PLACE = PlaceOrder("id-1", "KX-A", "bid", 3500, 1000, "good_till_canceled", True, 2, "s", "why", 0, 1, None)
AMEND = AmendOrder("id-1", "o-1", "KX-A", "bid", 3600, 500, 2, "s", "why", 0, 1, None)
CANCEL = CancelOrder("id-1", "o-1", "KX-A", 2, "why", 0)
PROBE = ProbeOrder("id-1", "KX-A", "bid", 100, 100, 2, 0)
TIMES: Any = {
    f"{edge}_{family}_ts": 1
    for edge in ("min", "max")
    for family in ("created", "updated", "close", "settled")
}
READS: dict[str, list[Call]] = {
    "status": [lambda rest: rest.status()],
    "schedule": [lambda rest: rest.schedule()],
    "account_lists_at": [lambda rest: rest.account_lists_at()],
    "historical_cutoff": [lambda rest: rest.historical_cutoff()],
    "account_limits": [lambda rest: rest.account_limits()],
    "endpoint_costs": [lambda rest: rest.endpoint_costs()],
    "series": [lambda rest: rest.series("S-1")],
    "series_in": [lambda rest: rest.series_in("Crypto")],
    "fee_changes": [lambda rest: rest.fee_changes("S-1", with_past=True)],
    "event": [lambda rest: rest.event("E-1")],
    "events": [lambda rest: rest.events("S-1", "open")],
    "markets": [lambda rest: rest.markets("S-1", "open", ["A-1"], event_ticker="E-1", **TIMES)],
    "listings": [lambda rest: rest.listings(series_ticker="S-1", event_ticker="E-1", status="open", **TIMES)],
    "outcomes": [
        lambda rest: rest.outcomes(series_ticker="S-1", event_ticker="E-1", **TIMES),
        lambda rest: rest.outcomes(
            series_ticker="S-1", event_ticker="E-1", tickers=["A-1"], is_historical=True
        ),
    ],
    "market": [lambda rest: rest.market("A-1")],
    "outcome": [
        lambda rest: rest.outcome("A-1"),
        lambda rest: rest.outcome("A-1", is_historical=True),
    ],
    "orderbook": [lambda rest: rest.orderbook("A-1")],
    "orderbooks": [lambda rest: rest.orderbooks(["A-1", "A-2"])],
    "trades": [
        lambda rest: rest.trades("A-1", 1, 2),
        lambda rest: rest.trades("A-1", 1, 2, is_historical=True),
    ],
    "candles": [lambda rest: rest.candles("S-1", "A-1", 0, 60, 1)],
    "candles_of": [lambda rest: rest.candles_of(["A-1"], 0, 60, 60)],
    "event_candles": [lambda rest: rest.event_candles("S-1", "E-1", 0, 60, 1440)],
    "historical_candles": [lambda rest: rest.historical_candles("A-1", 0, 60, 1)],
    "balance": [lambda rest: rest.balance(2)],
    "cash": [lambda rest: rest.cash()],
    "cash_flows": [lambda rest: rest.cash_flows()],
    "cash_by_shard": [lambda rest: rest.cash_by_shard()],
    "positions": [lambda rest: rest.positions()],
    "settlements": [lambda rest: rest.settlements(1, 2, ticker="A-1")],
    "orders": [lambda rest: rest.orders()],
    "ended_orders": [lambda rest: rest.ended_orders("A-1")],
    "order_records": [
        lambda rest: rest.order_records(ticker="A-1", status="executed", min_ts=1, max_ts=2),
        lambda rest: rest.order_records(ticker="A-1", min_ts=1, max_ts=2, is_historical=True),
    ],
    "order": [lambda rest: rest.order("o-1")],
    "fills": [
        lambda rest: rest.fills(1, 2, ticker="A-1", order_id="o-1"),
        lambda rest: rest.fills(1, 2, ticker="A-1", is_historical=True),
    ],
    "queue_positions": [lambda rest: rest.queue_positions(["A-1"])],
    "queue_position": [lambda rest: rest.queue_position("o-1")],
    "order_groups": [lambda rest: rest.order_groups()],
    "order_group": [lambda rest: rest.order_group("g-1")],
    "subaccount_balances": [lambda rest: rest.subaccount_balances()],
    "api_keys": [lambda rest: rest.api_keys()],
}
WRITES: dict[str, list[Call]] = {
    "place": [lambda rest: rest.place(PLACE)],
    "probe": [lambda rest: rest.probe(PROBE)],
    "amend": [lambda rest: rest.amend(AMEND)],
    "cancel": [lambda rest: rest.cancel(CANCEL)],
    "decrease": [lambda rest: rest.decrease("o-1", to=100, ticker="KX-A", exchange_index=2)],
    "place_many": [lambda rest: rest.place_many([PLACE])],
    "cancel_many": [lambda rest: rest.cancel_many([CANCEL])],
    "create_order_group": [lambda rest: rest.create_order_group(100, exchange_index=2)],
    "limit_order_group": [lambda rest: rest.limit_order_group("g-1", 100, exchange_index=2)],
    "reset_order_group": [lambda rest: rest.reset_order_group("g-1", exchange_index=2)],
    "trigger_order_group": [lambda rest: rest.trigger_order_group("g-1", exchange_index=2)],
    "delete_order_group": [lambda rest: rest.delete_order_group("g-1", exchange_index=2)],
}
BODIES = {
    ("POST", "/portfolio/events/orders"): "CreateOrderV2Request",
    ("POST", "/portfolio/events/orders/{order_id}/amend"): "AmendOrderV2Request",
    ("POST", "/portfolio/events/orders/{order_id}/decrease"): "DecreaseOrderV2Request",
    ("POST", "/portfolio/events/orders/batched"): "BatchCreateOrdersV2Request",
    ("DELETE", "/portfolio/events/orders/batched"): "BatchCancelOrdersV2Request",
    ("POST", "/portfolio/order_groups/create"): "CreateOrderGroupRequest",
    ("PUT", "/portfolio/order_groups/{order_group_id}/limit"): "UpdateOrderGroupLimitRequest",
}


def test_every_call_is_tried() -> None:
    """The tables name each public coroutine of the client."""
    public = {
        name
        for name, member in inspect.getmembers(Rest, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert public - {"close"} == READS.keys() | WRITES.keys()


async def test_every_request_is_documented() -> None:
    """No undocumented path, method or query leaves the client; required queries are there."""
    operations = json.loads(recorded("sdk_3.34.0_contract.json"))["operations"]
    documented = {(one["method"], one["path"]): one for one in operations}
    async with calling() as (venue, rest):
        for call in (one for calls in (READS | WRITES).values() for one in calls):
            before = len(venue.requests)
            with suppress(VenueError):
                await call(rest)
            assert len(venue.requests) > before
        requests = list(venue.requests)
    for method, target, _ in requests:
        path, _, query = target.removeprefix("/trade-api/v2").partition("?")
        operation = _operation(documented, method, path)
        sent = set(parse_qs(query))
        assert sent <= set(operation["query"]), (method, target)
        needed = {name for name in operation["query"] if operation["params"][name]["required"]}
        assert needed <= sent, (method, target)


async def test_every_body_is_documented() -> None:
    """What we send has the contract's fields, all required ones, and numbers as text."""
    contract = json.loads(recorded("sdk_3.34.0_contract.json"))
    documented = {(one["method"], one["path"]): one for one in contract["operations"]}
    async with calling() as (venue, rest):
        for call in (one for calls in WRITES.values() for one in calls):
            with suppress(VenueError):
                await call(rest)
        requests = list(venue.requests)
    seen = set()
    for method, target, body in requests:
        operation = _operation(documented, method, target.removeprefix("/trade-api/v2").partition("?")[0])
        name = BODIES.get((method, operation["path"]))
        assert (name is not None) == (body not in (b"", b"{}")), target
        if name is not None:
            seen.add(name)
            _check(contract["schemas"][name], json.loads(body), name)
    assert set(BODIES.values()) == seen


def _operation(documented: dict[tuple[str, str], Any], method: str, path: str) -> Any:
    if (method, path) in documented:
        return documented[method, path]
    for (verb, pattern), operation in documented.items():
        if verb == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
            return operation
    raise AssertionError(f"{method} {path} is not in the contract")


def _check(schema: dict[str, Any], body: dict[str, Any], name: str) -> None:
    assert body.keys() <= schema.keys(), name
    assert {field for field, spec in schema.items() if spec["required"]} <= body.keys(), name
    for field, value in body.items():
        if field in ("count", "price", "reduce_to", "contracts_limit_fp"):
            assert isinstance(value, str), f"{name}.{field}: the venue refuses numbers"
