"""The contract test: every operation that the sandbox has answers as the official SDK's models require.

`CALLS` is walked from top to bottom on one running sandbox, so that what an earlier call made is what a later
one reads: there are trades, resting and filled orders, a group, subaccounts, transfers, a settlement. What is
left out stands in `rest_left_out.LEFT_OUT`, with its reason; nothing is in neither.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import msgspec

from daemon.core.markets import Fees
from daemon.core.units import DAY, MONEY_ONE, SECOND
from daemon.sandbox.cutoff import CutoffRule
from daemon.sandbox.limits import Tier
from daemon.sandbox.rest.left_out import LEFT_OUT
from tests.sandbox.contract import Contract, operations
from tests.sandbox.running import Client, running
from tests.sandbox.scripted import OPEN, SETTLED
from tests.sandbox.wire import order_terms

SERIES = "KXBTC15M"
EVENT = OPEN.rpartition("-")[0]
SPAN = "start_ts=0&end_ts=4000000000&period_interval=1"
UUID = "7e0f4a75-0000-4000-8000-00000000000"

# Path parameters by operation path where one name means two things; {kept} names are what calls returned.
_EVENT_PATHS = ("/series/{series_ticker}/events/{ticker}/candlesticks",)


class Call(msgspec.Struct, frozen=True):
    """One call of the table.

    `path` is the SDK's; `keep` names what of the reply later calls mean by {name}; `filled` are lists of the
    reply that must not be empty.
    """

    method: str
    path: str
    query: str = ""
    body: dict[str, Any] | None = None
    keep: dict[str, str] = {}
    filled: tuple[str, ...] = ()


def transfer(number: int, **fields: Any) -> dict[str, Any]:
    return {"client_transfer_id": f"{UUID}{number}", **fields}


_O, _G, _A = "/portfolio/events/orders", "/portfolio/order_groups", "/account"
_TAKE = order_terms(price="0.6000", time_in_force="immediate_or_cancel")

CALLS = (
    Call("GET", "/exchange/status"),
    Call("GET", "/exchange/schedule"),
    Call("GET", "/exchange/user_data_timestamp"),
    Call("GET", "/series", "include_volume=true&include_product_metadata=true", filled=("series",)),
    Call("GET", "/series/fee_changes", "show_historical=true", filled=("series_fee_change_arr",)),
    Call("GET", "/series/{series_ticker}"),
    Call("GET", "/search/tags_by_categories"),
    Call("GET", "/events", "with_nested_markets=true&with_milestones=true", filled=("events",)),
    Call("GET", "/events/fee_changes", filled=("event_fee_changes",)),
    Call("GET", "/events/{event_ticker}", "with_nested_markets=true", filled=("markets",)),
    Call("GET", "/events/{event_ticker}/metadata", filled=("market_details",)),
    Call("GET", "/markets", filled=("markets",)),
    Call("GET", "/markets/{ticker}"),
    Call("GET", "/markets/{ticker}/orderbook"),
    Call("GET", "/markets/orderbooks", f"tickers={OPEN}&tickers={SETTLED}", filled=("orderbooks",)),
    Call("GET", "/markets/trades", filled=("trades",)),
    Call("GET", "/markets/candlesticks", f"market_tickers={OPEN}&{SPAN}", filled=("markets",)),
    Call("GET", "/series/{series_ticker}/markets/{ticker}/candlesticks", SPAN, filled=("candlesticks",)),
    Call(
        "GET", "/series/{series_ticker}/events/{ticker}/candlesticks", SPAN, filled=("market_candlesticks",)
    ),
    Call("GET", f"{_A}/limits"),
    Call("GET", f"{_A}/endpoint_costs", filled=("endpoint_costs",)),
    Call("GET", f"{_A}/api_usage_level/volume_progress"),
    # --- keys
    Call("POST", "/api_keys/generate", body={"name": "mine"}, keep={"api_key": "api_key_id"}),
    Call("GET", "/api_keys", filled=("api_keys",)),
    Call("DELETE", "/api_keys/{api_key}"),
    # --- orders
    Call("POST", _O, body=order_terms(client_order_id="resting"), keep={"order_id": "order_id"}),
    Call("GET", "/portfolio/orders/{order_id}"),
    Call("GET", "/portfolio/orders/{order_id}/queue_position"),
    Call("GET", "/portfolio/orders/queue_positions", f"market_tickers={OPEN}", filled=("queue_positions",)),
    Call("GET", "/portfolio/summary/total_resting_order_value", filled=("resting_order_value_breakdown",)),
    Call(
        "POST",
        f"{_O}/{{order_id}}/amend",
        body={"ticker": OPEN, "side": "bid", "price": "0.3600", "count": "9.00", "exchange_index": 2},
    ),
    Call("POST", f"{_O}/{{order_id}}/decrease", body={"reduce_by": "1.00", "exchange_index": 2}),
    Call("DELETE", f"{_O}/{{order_id}}", f"exchange_index=2&market_ticker={OPEN}"),
    Call("POST", _O, body=_TAKE),
    Call(
        "POST",
        f"{_O}/batched",
        body={"orders": [order_terms(), order_terms(price="0.3333"), order_terms(price="0.3100")]},
        filled=("orders",),
    ),
    Call("DELETE", f"{_O}/batched", body={"orders": [{"order_id": "unknown"}]}, filled=("orders",)),
    Call("GET", "/portfolio/orders", filled=("orders",)),
    Call("GET", "/portfolio/fills", filled=("fills",)),
    Call("GET", "/portfolio/positions", filled=("market_positions", "event_positions")),
    Call("GET", "/portfolio/balance", filled=("balance_breakdown",)),
    Call("GET", "/historical/cutoff"),
    # --- groups
    Call(
        "POST",
        f"{_G}/create",
        body={"contracts_limit": 10, "exchange_index": 2},
        keep={"order_group_id": "order_group_id"},
    ),
    Call("GET", _G, filled=("order_groups",)),
    Call("GET", f"{_G}/{{order_group_id}}"),
    Call("PUT", f"{_G}/{{order_group_id}}/limit", "exchange_index=2", body={"contracts_limit": 5}),
    Call("PUT", f"{_G}/{{order_group_id}}/trigger", "exchange_index=2", body={}),
    Call("PUT", f"{_G}/{{order_group_id}}/reset", "exchange_index=2", body={}),
    Call("DELETE", f"{_G}/{{order_group_id}}", "exchange_index=2"),
    # --- cash and subaccounts
    Call("POST", "/portfolio/subaccounts", body={}),
    Call(
        "POST",
        "/portfolio/subaccounts/transfer",
        body=transfer(1, from_subaccount=0, to_subaccount=1, amount_cents=500, exchange_index=2),
    ),
    Call("GET", "/portfolio/subaccounts/transfers", filled=("transfers",)),
    Call("GET", "/portfolio/subaccounts/balances", filled=("subaccount_balances",)),
    Call("PUT", "/portfolio/subaccounts/netting", body={"subaccount_number": 1, "enabled": False}),
    Call("GET", "/portfolio/subaccounts/netting", filled=("netting_configs",)),
    Call(
        "POST",
        "/portfolio/intra_exchange_instance_transfer",
        body=transfer(
            2,
            source="event_contract",
            destination="event_contract",
            source_exchange_shard=2,
            destination_exchange_shard=0,
            amount=12_345,
        ),
        keep={"transfer_id": "transfer_id"},
    ),
    Call("GET", "/portfolio/intra_exchange_instance_transfers", filled=("transfers",)),
    Call("GET", "/portfolio/intra_exchange_instance_transfers/{transfer_id}"),
    Call(
        "POST",
        "/portfolio/target_balance_allocation",
        body={"allocations": [{"exchange_index": 0, "percent": 10}, {"exchange_index": 2, "percent": 90}]},
    ),
    Call("GET", "/portfolio/target_balance_allocation", filled=("allocations",)),
    Call("GET", "/portfolio/deposits", filled=("deposits",)),
    Call("GET", "/portfolio/withdrawals"),
    Call("DELETE", _O, "subaccount=0"),
)
AS_A_BEGINNER = (
    Call("POST", _O, body=order_terms()),
    Call("POST", f"{_A}/api_usage_level/upgrade"),
    Call("GET", f"{_A}/limits", keep={"tier": "usage_tier"}),
)
AFTER_SETTLEMENT = (
    Call("GET", "/portfolio/settlements", filled=("settlements",)),
    Call("GET", "/historical/markets", filled=("markets",)),
    Call("GET", "/historical/markets/{ticker}"),
    Call("GET", "/historical/markets/{ticker}/candlesticks", SPAN, filled=("candlesticks",)),
    Call("GET", "/historical/trades", filled=("trades",)),
    Call("GET", "/historical/orders", filled=("orders",)),
    Call("GET", "/historical/fills", filled=("fills",)),
    Call("GET", "/historical/positions", filled=("market_positions",)),
)
ELSEWHERE = {
    ("POST", "/api_keys"): "needs a key pair: tests/sandbox/rest/test_keys.py checks its body",
}


def _left_out(path: str) -> bool:
    plain = re.sub(r"\{\w+\}", "{}", path)
    return any(plain.startswith(re.sub(r"\{\w+\}", "{}", prefix)) for prefix in LEFT_OUT)


def test_the_table_is_complete() -> None:
    """Every operation of the SDK is walked, checked elsewhere, or left out with a reason; once only."""
    walked = {(call.method, call.path) for call in (*CALLS, *AFTER_SETTLEMENT, *AS_A_BEGINNER)}
    published = {(found["method"], found["path"]) for found in operations()}
    left_out = {(method, path) for method, path in published if _left_out(path)}
    assert set() == walked - published
    assert set() == published - walked - set(ELSEWHERE) - left_out
    assert set() == left_out & walked
    prefixes = set(LEFT_OUT) - {"/exchange/announcements"}  # the venue took it away itself
    assert set() == {
        prefix
        for prefix in prefixes
        if not any(_left_out(path) and path.split("/")[1] == prefix.split("/")[1] for _, path in published)
    }


async def walk(client: Client, calls: tuple[Call, ...], kept: dict[str, str]) -> None:
    """Make the calls, check status and body of each against the contract."""
    contract = Contract()
    responses = {(found["method"], found["path"]): found["responses"] for found in operations()}
    for call in calls:
        where = f"{call.method} {call.path}"
        names = {**kept, "ticker": EVENT} if call.path in _EVENT_PATHS else kept
        query = f"?{call.query}" if call.query else ""
        status, body = await client.call(call.method, call.path.format(**names), call.body, query)
        models = {code: model for code, model in responses[call.method, call.path].items() if code < "300"}
        assert str(status) in models, f"{where}: {status} {body}"
        model = models[str(status)]
        if model in {None, "object"}:
            assert body in (None, {}), f"{where}: {body}"
        else:
            contract.check(model, body)
        for name in call.filled:
            assert body[name], f"{where}: {name} is empty"
        kept.update((name, body[field]) for name, field in call.keep.items())


async def test_every_operation_answers_as_the_contract_requires(tmp_path: Path) -> None:
    """Success status, required fields, types, bounds, enums, key order; with something in every list."""
    kept = {"series_ticker": SERIES, "event_ticker": EVENT, "ticker": OPEN}
    async with asyncio.timeout(60), running(tmp_path) as client:
        venue = client.sandbox.venue
        exchange, now = venue.exchange, venue.clock.now()
        venue.tell([*exchange.change_event_fees(EVENT, Fees("quadratic", 500_000), now)])
        venue.tell([*exchange.treasury.deposit("client", 2, 100 * MONEY_ONE, now)])
        await walk(client, CALLS, kept)
        now = venue.clock.now()
        venue.tell([*exchange.move_close(OPEN, now, now), *exchange.advance(now)])
        venue.tell([*exchange.determine(OPEN, "yes", 10_000, now), *exchange.settle(OPEN, now)])
        # A rule that ends the live tier a day ahead: all that is over is old.
        venue.chronicle.cutoff = CutoffRule(-DAY, -DAY, SECOND)
        await walk(client, AFTER_SETTLEMENT, kept)


async def test_a_beginner_gets_the_next_tier(tmp_path: Path) -> None:
    """The upgrade needs a tier below it, which the walk above would run out of tokens on."""
    async with asyncio.timeout(20), running(tmp_path, tier=Tier("basic", 200, 100, 1)) as client:
        kept: dict[str, str] = {}
        await walk(client, AS_A_BEGINNER, kept)
        assert {"tier": "advanced"} == kept
