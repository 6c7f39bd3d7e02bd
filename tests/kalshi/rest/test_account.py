"""The account's lists, against a real HTTP server on loopback."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.core.events import CashFlow
from daemon.core.units import PRICE_ONE, SECOND, parse_instant
from daemon.kalshi.bodies import OrderGroup, Settlement, SubaccountBalance
from daemon.kalshi.errors import Refused, Unreadable
from tests.kalshi.rest.calling import asked, calling, tell

ORDER: dict[str, Any] = {
    "order_id": "o",
    "client_order_id": "c",
    "ticker": "A",
    "book_side": "ask",
    "status": "resting",
    "yes_price_dollars": "0.9600",
    "initial_count_fp": "3.00",
    "fill_count_fp": "1.00",
    "remaining_count_fp": "2.00",
    "taker_fill_cost_dollars": "0.040000",
    "maker_fill_cost_dollars": "0.010000",
    "taker_fees_dollars": "0.002700",
    "maker_fees_dollars": "0.000000",
    "created_time": "2026-06-11T06:29:20.866753Z",
    "exchange_index": 2,
}
FILL: dict[str, Any] = {
    "trade_id": "t",
    "order_id": "o",
    "ticker": "A",
    "book_side": "ask",
    "count_fp": "1.00",
    "yes_price_dollars": "0.9600",
    "is_taker": False,
    "fee_cost": "0.000000",
    "ts": 7,
}


async def test_the_account_is_read_exactly_or_not_at_all() -> None:
    """Balance, positions, orders and fills; one number that is none refuses the whole list."""
    async with calling() as (venue, rest):
        breakdown = [{"exchange_index": 2, "balance": "98.0186"}]
        balance = {"balance": 1, "balance_dollars": "98.0186", "balance_breakdown": breakdown}
        tell(venue, "/portfolio/balance", balance)
        assert 98_018_600 == await rest.balance(2)
        assert asked(venue) == ["/portfolio/balance?exchange_index=2"]
        assert {2: 98_018_600} == await rest.cash_by_shard()
        assert (98_018_600, {2: 98_018_600}) == await rest.cash()
        position = {
            "ticker": "A",
            "position_fp": "-3.00",
            "market_exposure_dollars": "2.500000",
            "realized_pnl_dollars": "-0.100000",
            "fees_paid_dollars": "0.018900",
        }
        tell(venue, "/portfolio/positions", {"market_positions": [position]})
        assert [(-300, -100_000)] == [(one.qty, one.realized_pnl) for one in await rest.positions()]
        tell(venue, "/portfolio/orders", {"orders": [ORDER], "cursor": ""})
        assert [(9600, 100, 200)] == [(one.price, one.filled, one.remaining) for one in await rest.orders()]
        assert "status=resting" in asked(venue)[-1]
        tell(venue, "/portfolio/fills", {"fills": [FILL], "cursor": ""})
        assert [("t", 7 * SECOND)] == [(one.trade_id, one.sent_at) for one in await rest.fills(1)]
        bad = {**ORDER, "remaining_count_fp": "-2.00"}
        tell(venue, "/portfolio/orders", {"orders": [ORDER, bad], "cursor": ""})
        with pytest.raises(Unreadable, match=r"/portfolio/orders: .*below zero"):
            await rest.orders()


async def test_lists_are_of_the_primary_subaccount() -> None:
    """Orders and fills come of all subaccounts, cash and positions of the primary one (sheet 4.7)."""
    async with calling() as (venue, rest):
        rows: tuple[dict[str, int | None], ...]
        rows = ({}, {"subaccount_number": None}, {"subaccount_number": 0}, {"subaccount_number": 3})
        tell(venue, "/portfolio/orders", {"orders": [{**ORDER, **row} for row in rows], "cursor": ""})
        assert len(await rest.orders()) == 3
        ended = [{**ORDER, "status": "canceled", **row} for row in rows]
        tell(venue, "/portfolio/orders", {"orders": ended, "cursor": ""})
        assert len(await rest.ended_orders("A")) == 3
        tell(venue, "/portfolio/fills", {"fills": [{**FILL, **row} for row in rows], "cursor": ""})
        assert len(await rest.fills(1)) == 3


async def test_an_order_in_any_state_with_what_it_cost() -> None:
    """By id and in lists of both tiers; an unknown status refuses, saying which are known."""
    async with calling() as (venue, rest):
        tell(venue, "/portfolio/orders/o-1", {"order": {**ORDER, "status": "canceled"}})
        record = await rest.order("o-1")
        assert ("canceled", 300, 50_000, 2_700) == (record.status, record.placed, record.cost, record.fees)
        assert (parse_instant(ORDER["created_time"]), None) == (record.created_at, record.updated_at)
        for path in ("/portfolio/orders", "/historical/orders"):
            tell(venue, path, {"orders": [ORDER], "cursor": ""})
        assert ["c"] == [one.order.client_order_id for one in await rest.order_records(ticker="A")]
        await rest.order_records(min_ts=1, max_ts=2, is_historical=True)
        assert [
            "/portfolio/orders?ticker=A&limit=1000",
            "/historical/orders?min_ts=1&max_ts=2&limit=1000",
        ] == (asked(venue)[1:])
        tell(venue, "/portfolio/orders/o-1", {"order": {**ORDER, "status": "unknown"}})
        with pytest.raises(
            Unreadable, match=r"/portfolio/orders/:name.*status.*allowed: 'canceled', 'executed', 'resting'"
        ):
            await rest.order("o-1")
        with pytest.raises(Refused, match="not_found"):
            await rest.order("another")


async def test_fills_are_found_by_order_and_in_both_tiers() -> None:
    """Filters are the venue's; the order is that of time."""
    async with calling() as (venue, rest):
        for path in ("/portfolio/fills", "/historical/fills"):
            tell(venue, path, {"fills": [{**FILL, "trade_id": "u"}, FILL], "cursor": ""})
        assert ["t", "u"] == [fill.trade_id for fill in await rest.fills(order_id="o")]
        await rest.fills(1, 2, ticker="A", is_historical=True)
        assert [
            "/portfolio/fills?order_id=o&limit=1000",
            "/historical/fills?min_ts=1&max_ts=2&ticker=A&limit=1000",
        ] == asked(venue)


async def test_settlements_are_money_not_cents() -> None:
    """`revenue` and `value` come as whole cents, all else as text; unknown is None."""
    async with calling() as (venue, rest):
        body = {
            "ticker": "A",
            "event_ticker": "E",
            "exchange_index": 2,
            "market_result": "yes",
            "yes_count_fp": "3.00",
            "yes_total_cost_dollars": "1.500000",
            "no_count_fp": "0.00",
            "no_total_cost_dollars": "0.000000",
            "revenue": 300,
            "value": 100,
            "fee_cost": "0.018900",
            "settled_time": "2026-06-11T06:29:20Z",
        }
        tell(venue, "/portfolio/settlements", {"settlements": [{**body, "value": None}, body]})
        first, second = await rest.settlements(min_ts=4)
        at = parse_instant("2026-06-11T06:29:20Z")
        assert first == Settlement("A", "E", "yes", 300, 1_500_000, 0, 0, 3_000_000, 18_900, PRICE_ONE, at, 2)
        assert second.value is None
        tell(venue, "/portfolio/settlements", {"settlements": [{**body, "value": 101}]})
        with pytest.raises(Unreadable, match="101 cents"):
            await rest.settlements()


async def test_deposits_and_withdrawals_are_money_with_a_sign() -> None:
    """What failed or was returned moved nothing; what is pending may have left the cash already."""
    async with calling() as (venue, rest):
        row = {"id": "a", "type": "ach", "amount_cents": 500, "fee_cents": 7, "created_ts": 9}
        tell(venue, "/portfolio/deposits", {"deposits": [{**row, "status": "applied"}]})
        out = [{**row, "id": status, "status": status} for status in ("pending", "failed", "returned")]
        tell(venue, "/portfolio/withdrawals", {"withdrawals": out})
        assert await rest.cash_flows() == (
            CashFlow("a", 5_000_000, 70_000, 9 * SECOND),
            CashFlow("pending", -5_000_000, 70_000, 9 * SECOND),
        )


async def test_places_in_the_queue_are_contracts_ahead() -> None:
    """For one order, and for all in some markets."""
    async with calling() as (venue, rest):
        row = {"order_id": "o", "market_ticker": "A", "queue_position_fp": "120.00"}
        tell(venue, "/portfolio/orders/queue_positions", {"queue_positions": [row]})
        assert {"o": 12_000} == await rest.queue_positions(["A", "B"])
        assert asked(venue) == ["/portfolio/orders/queue_positions?market_tickers=A%2CB"]
        tell(venue, "/portfolio/orders/o/queue_position", {"queue_position_fp": "0.50"})
        assert 50 == await rest.queue_position("o")


async def test_order_groups_are_read() -> None:
    """None at all is an empty object; a single one tells its orders, a list doesn't."""
    async with calling() as (venue, rest):
        tell(venue, "/portfolio/order_groups", {})
        assert [] == await rest.order_groups()
        row = {"id": "g", "contracts_limit_fp": "10.00", "is_auto_cancel_enabled": True, "exchange_index": 2}
        tell(venue, "/portfolio/order_groups", {"order_groups": [row]})
        assert [OrderGroup("g", True, 1000, 2, None)] == await rest.order_groups()
        tell(venue, "/portfolio/order_groups/g", {"is_auto_cancel_enabled": False, "orders": ["o"]})
        assert OrderGroup("g", False, None, None, ("o",)) == await rest.order_group("g")


async def test_subaccounts_and_keys_are_read() -> None:
    """Cash of each subaccount and shard; what a key may; until when trading by key is attested."""
    async with calling() as (venue, rest):
        row = {"subaccount_number": 1, "exchange_index": 2, "balance": "5.0000", "updated_ts": 9}
        tell(venue, "/portfolio/subaccounts/balances", {"subaccount_balances": [row]})
        assert [SubaccountBalance(1, 2, 5_000_000, 9 * SECOND)] == await rest.subaccount_balances()
        keys = [
            {"api_key_id": "k", "name": "n", "scopes": ["read", "write::trade", "read::dreams"]},
            {"api_key_id": "l", "name": "m", "scopes": ["read", "write"], "subaccount": 1},
        ]
        tell(venue, "/api_keys", {"api_keys": keys, "api_key_region_expiration_ts": 12})
        found = await rest.api_keys()
        narrow, broad = found.api_keys
        assert (True, False) == (narrow.may("write::trade"), narrow.may("write::transfer"))
        assert (True, 1) == (broad.may("write::transfer"), broad.subaccount)
        assert 12 == found.api_key_region_expiration_ts
