"""Faults in an order's life, at the wire and in the books of account."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon.sandbox.flows.still import StillFlow
from tests.sandbox.running import Client, receive_until, running
from tests.sandbox.wire import order_terms, subscribe

TICKER = "KXTEST-OPERATOR-M0"
ORDERS = "/portfolio/events/orders"


async def place(client: Client) -> str:
    """Place an order for 10 contracts at 0.35 that rests, and return its id."""
    status, body = await client.call("POST", ORDERS, order_terms(ticker=TICKER))
    assert 201 == status, body
    return str(body["order_id"])


async def test_a_fill_is_told_after_the_cancel(tmp_path: Path) -> None:
    """The cancel is acked with what was left; the fill comes later; order, fill, position and cash agree."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        await client.admin("/markets", count=1)
        # Somebody stands before us at a better price, and is taken first.
        await client.admin("/book", ticker=TICKER, bids=[["0.4000", "3.00"]])
        order_id = await place(client)
        await client.admin("/faults", kind="fill_after_cancel", ms=150, next=1)
        async with client.socket() as socket:
            await socket.send_json(subscribe(1, "fill", "user_orders", "market_positions"))
            _, cancelled = await client.call("DELETE", f"{ORDERS}/{order_id}")
            assert "5.00" == cancelled["reduced_by"]
            frames = await receive_until(socket, lambda frame: frame["type"] == "market_position")
        told = [frame for frame in frames if frame["type"] not in {"subscribed", "ok"}]
        assert ["user_order", "fill", "market_position"] == [frame["type"] for frame in told]
        order, fill, position = (frame["msg"] for frame in told)
        assert ("canceled", "5.00") == (order["status"], order["fill_count_fp"])
        assert (order_id, "5.00", "0.3500") == (fill["order_id"], fill["count_fp"], fill["yes_price_dollars"])
        assert "5.00" == position["position_fp"]
        _, listed = await client.call("GET", "/portfolio/fills")
        assert [order_id] == [row["order_id"] for row in listed["fills"]]
        account = client.sandbox.venue.account
        assert 10_000_000_000 - 1_750_000 == account.cash[2]


@pytest.mark.parametrize(
    ("kind", "status", "left"),
    [
        ("market_closed", "closed", "canceled"),
        ("market_paused", "inactive", "resting"),
        ("market_settled", "finalized", "canceled"),
    ],
)
async def test_a_market_goes_under_an_open_order(tmp_path: Path, kind: str, status: str, left: str) -> None:
    """The order was accepted; then its market closes (and cancels it), pauses (it stays) or settles."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        await client.admin("/markets", count=1)
        await client.admin("/faults", kind=kind, next=1)
        order_id = await place(client)
        market = client.sandbox.venue.exchange.markets[TICKER]
        _, body = await client.call("GET", f"/portfolio/orders/{order_id}")
        assert (status, left) == (market.status, body["order"]["status"])
        again, refused = await client.call("POST", ORDERS, order_terms(ticker=TICKER))
        assert (400, "market_inactive") == (again, refused["error"]["code"])
