"""A scripted day of trading by the official SDK, whose books at the end tie out to the last unit.

What the day leaves is computed here a second time, from the fills that the SDK was told and nothing else.
"""

from __future__ import annotations

import asyncio
import importlib.util
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from daemon.sandbox.flows.still import StillFlow
from tests.sandbox.running import Client, running
from tests.sandbox.wire import order_terms

if importlib.util.find_spec("kalshi_python_async") is None:
    pytest.skip("PACKAGE ABSENT: kalshi-python-async is not installed", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("default")  # the SDK's own warnings are not ours to fix

TICKER, EVENT, SERIES = "KXDAY-26NOV21-A", "KXDAY-26NOV21", "KXDAY"
ONE = Decimal(1)
START = Decimal(10_000)
TRANSFER = Decimal(500)


def terms(**changed: Any) -> dict[str, Any]:
    return order_terms(ticker=TICKER, **changed)


def client_of(client: Client, key_id: str, pem: str) -> Any:
    import kalshi_python_async as sdk

    configuration = sdk.Configuration(host=client.ready.rest_url)
    configuration.api_key_id, configuration.private_key_pem = key_id, pem
    return sdk.KalshiClient(configuration)


class Account:
    """One subaccount's money and position, from its fills alone."""

    def __init__(self, cash: Decimal) -> None:
        self.cash = cash
        self.position = Decimal(0)
        self.fees = Decimal(0)

    def take(self, fill: Any) -> None:
        """Book a fill: what closes gives its dollar a pair back, what opens costs its own price."""
        price, qty = Decimal(fill.yes_price_dollars), Decimal(fill.count_fp)
        is_bid = fill.book_side == "bid"
        held = -self.position if is_bid else self.position
        closing = min(qty, max(Decimal(0), held))
        own = price if is_bid else ONE - price
        self.cash += closing * (ONE - own) - (qty - closing) * own - Decimal(fill.fee_cost)
        self.position += qty if is_bid else -qty
        self.fees += Decimal(fill.fee_cost)

    def settle(self, value: Decimal) -> Decimal:
        """Pay the position out; return the revenue."""
        revenue = self.position * value if self.position > 0 else -self.position * (ONE - value)
        self.cash += revenue
        return revenue


async def rest_amend_and_cancel(sdk: Any) -> None:
    """An order changes price and count and goes; a batch fails for one of its entries only."""
    import kalshi_python_async as package

    placed = await sdk.create_order_v2(**terms(price="0.3500", client_order_id="first"))
    amended = await sdk.amend_order_v2(
        placed.order_id, ticker=TICKER, side="bid", price="0.3600", count="12.00", exchange_index=2
    )
    decreased = await sdk.decrease_order_v2(placed.order_id, reduce_by="2.00", exchange_index=2)
    cancelled = await sdk.cancel_order_v2(placed.order_id, exchange_index=2)
    assert ["12.00", "10.00", "10.00"] == [
        amended.remaining_count,
        decreased.remaining_count,
        cancelled.reduced_by,
    ]
    with pytest.raises(package.exceptions.ConflictException):
        await sdk.create_order_v2(**terms(client_order_id="first"))
    batch = await sdk.batch_create_orders_v2(
        orders=[terms(price="0.3000"), terms(price="0.3050"), terms(price="0.3100")]
    )
    assert [True, False, True] == [entry.error is None for entry in batch.orders]
    rested = [{"order_id": entry.order_id, "exchange_index": 2} for entry in batch.orders if not entry.error]
    ended = await sdk.batch_cancel_orders_v2(orders=rested)
    assert ["10.00", "10.00"] == [entry.reduced_by for entry in ended.orders]


async def fill_in_parts(client: Client, sdk: Any) -> str:
    """30 of 50 trade at once, 5 more against what rests; return the order that rests with 15."""
    placed = await sdk.create_order_v2(**terms(price="0.6000", count="50.00"))
    assert ("30.00", "20.00") == (placed.fill_count, placed.remaining_count)
    await client.admin("/orders", ticker=TICKER, side="ask", price="0.6000", count="5.00")
    order = (await sdk.get_order(placed.order_id)).order
    assert ("resting", "35.00", "15.00") == (order.status, order.fill_count_fp, order.remaining_count_fp)
    return str(placed.order_id)


async def expire(client: Client, sdk: Any) -> None:
    """An order goes when its time has come, and not before."""
    now_s = client.sandbox.venue.clock.now() // 1_000_000_000
    placed = await sdk.create_order_v2(**terms(price="0.3000", expiration_time=now_s + 5))
    assert "resting" == (await sdk.get_order(placed.order_id)).order.status
    await client.admin("/clock/advance", ms=6_000)
    assert "canceled" == (await sdk.get_order(placed.order_id)).order.status


async def meet_oneself(sdk: Any, resting_id: str) -> None:
    """By `taker_at_cross` the new order goes, by `maker` the resting one; nothing trades with itself."""
    sale = terms(side="ask", price="0.6000", count="5.00", time_in_force="immediate_or_cancel")
    stopped = await sdk.create_order_v2(**sale)
    assert ("0.00", "0.00") == (stopped.fill_count, stopped.remaining_count)
    assert "resting" == (await sdk.get_order(resting_id)).order.status
    passed = await sdk.create_order_v2(**sale | {"self_trade_prevention_type": "maker"})
    assert "0.00" == passed.fill_count
    assert "canceled" == (await sdk.get_order(resting_id)).order.status


async def trigger_a_group(sdk: Any) -> None:
    """Ten matched contracts end the group's other order, and refuse the next until it is reset."""
    import kalshi_python_async as package

    made = await sdk.create_order_group(contracts_limit=10, exchange_index=2)
    group = {"order_group_id": made.order_group_id}
    resting = await sdk.create_order_v2(**terms(price="0.3000", count="20.00", **group))
    assert [resting.order_id] == (await sdk.get_order_group(made.order_group_id)).orders
    taken = await sdk.create_order_v2(**terms(price="0.6100", time_in_force="immediate_or_cancel", **group))
    assert "10.00" == taken.fill_count
    assert "canceled" == (await sdk.get_order(resting.order_id)).order.status
    with pytest.raises(package.ApiException):
        await sdk.create_order_v2(**terms(price="0.3000", **group))
    await sdk.reset_order_group(made.order_group_id, exchange_index=2, body={})
    again = await sdk.create_order_v2(**terms(price="0.3000", **group))
    await sdk.delete_order_group(made.order_group_id, exchange_index=2)
    assert "canceled" == (await sdk.get_order(again.order_id)).order.status


async def reduce_only(sdk: Any) -> None:
    """An exit sells 15 of the 45; one that may rest is refused."""
    import kalshi_python_async as package

    exit_terms = terms(side="ask", price="0.4000", count="15.00", reduce_only=True)
    with pytest.raises(package.exceptions.BadRequestException):
        await sdk.create_order_v2(**exit_terms)
    sold = await sdk.create_order_v2(**exit_terms | {"time_in_force": "immediate_or_cancel"})
    assert "15.00" == sold.fill_count


async def trade_in_a_subaccount(sdk: Any) -> None:
    """Cash comes over once; NO is bought by selling YES; an exit of 100 is capped at the 10 that are held."""
    import kalshi_python_async as package

    assert 1 == (await sdk.create_subaccount()).subaccount_number
    transfer = {
        "client_transfer_id": str(uuid.uuid4()),
        "from_subaccount": 0,
        "to_subaccount": 1,
        "amount_cents": int(TRANSFER * 100),
        "exchange_index": 2,
    }
    await sdk.apply_subaccount_transfer(**transfer)
    with pytest.raises(package.exceptions.ConflictException):
        await sdk.apply_subaccount_transfer(**transfer)
    taking = {"time_in_force": "immediate_or_cancel", "subaccount": 1}
    sold = await sdk.create_order_v2(**terms(side="ask", price="0.4000", count="10.00", **taking))
    assert "10.00" == sold.fill_count
    exits = terms(side="bid", price="0.6100", count="100.00", reduce_only=True, **taking)
    assert "10.00" == (await sdk.create_order_v2(**exits)).fill_count
    again = await sdk.create_order_v2(**terms(side="ask", price="0.4000", count="6.00", **taking))
    assert "6.00" == again.fill_count


async def tie_out(sdk: Any, value: Decimal) -> None:
    """Balance, positions, fills, settlements and orders agree with the fills booked once more."""
    fills = (await sdk.get_fills(limit=1000)).fills
    books = {0: Account(START - TRANSFER), 1: Account(TRANSFER)}
    for fill in reversed(fills):
        books[fill.subaccount_number].take(fill)
    assert [Decimal(40 - 10), Decimal(-6)] == [book.position for book in books.values()]
    orders = {order.order_id: order for order in (await sdk.get_orders(limit=1000)).orders}
    filled = dict.fromkeys(orders, Decimal(0))
    for fill in fills:
        filled[fill.order_id] += Decimal(fill.count_fp)
    assert filled == {order_id: Decimal(order.fill_count_fp) for order_id, order in orders.items()}
    assert {"canceled", "executed"} == {order.status for order in orders.values()}
    settlements = (await sdk.get_settlements()).settlements
    for number, book in books.items():
        revenue = book.settle(value)
        positions = (await sdk.get_positions(subaccount=number, settlement_status="settled")).market_positions
        assert [("0.00", book.fees)] == [
            (found.position_fp, Decimal(found.fees_paid_dollars)) for found in positions
        ]
        assert book.cash == Decimal((await sdk.get_balance(subaccount=number)).balance_dollars)
        own = (await sdk.get_settlements(subaccount=number)).settlements
        assert [(revenue * 100, value * 100, book.fees)] == [
            (found.revenue, found.value, Decimal(found.fee_cost)) for found in own
        ]
        realized = Decimal(positions[0].realized_pnl_dollars)
        start = START - TRANSFER if number == 0 else TRANSFER
        assert book.cash == start + realized - book.fees
    assert 2 == len(settlements)
    balances = (await sdk.get_subaccount_balances()).subaccount_balances
    shown = {
        found.subaccount_number: Decimal(found.balance) for found in balances if found.exchange_index == 2
    }
    assert {number: book.cash for number, book in books.items()} == shown
    assert [] == (await sdk.get_positions()).market_positions


@pytest.mark.parametrize("key_type", ["rsa", "ed25519"])
@pytest.mark.parametrize(("result", "value"), [("yes", ONE), ("no", Decimal(0)), ("scalar", Decimal("0.25"))])
async def test_a_day_of_trading_ties_out(tmp_path: Path, key_type: str, result: str, value: Decimal) -> None:
    """By either kind of key, whatever the result: not a hundredth of a cent is lost or found."""
    async with asyncio.timeout(60), running(tmp_path, StillFlow, speed=None) as client:
        await client.admin(
            "/markets", series_ticker=SERIES, event_ticker=EVENT, ticker=TICKER, strike="85000.00"
        )
        bids, asks = [["0.4000", "100.00"], ["0.3900", "100.00"]], [["0.6000", "30.00"], ["0.6100", "100.00"]]
        await client.admin("/book", ticker=TICKER, bids=bids, asks=asks)
        async with client_of(client, client.ready.key_id, client.pem.decode()) as sdk:
            made = await sdk.generate_api_key(name="day", key_type=key_type)
        async with client_of(client, made.api_key_id, made.private_key) as sdk:
            assert TICKER == (await sdk.get_markets(status="open")).markets[0].ticker
            await rest_amend_and_cancel(sdk)
            resting_id = await fill_in_parts(client, sdk)
            await expire(client, sdk)
            await meet_oneself(sdk, resting_id)
            await trigger_a_group(sdk)
            await reduce_only(sdk)
            await trade_in_a_subaccount(sdk)
            await sdk.create_order_v2(**terms(price="0.2000"))
            await sdk.cancel_all_orders()
            await client.admin("/markets/close", ticker=TICKER, in_ms=0)
            await client.admin("/clock/advance", ms=1_000)
            scalar = {"value": "0.2500"} if result == "scalar" else {}
            await client.admin("/markets/determine", ticker=TICKER, result=result, **scalar)
            await client.admin("/markets/settle", ticker=TICKER)
            await tie_out(sdk, value)
            await sdk.delete_api_key(made.api_key_id)
