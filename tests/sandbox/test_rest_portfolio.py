"""Tests of the account's REST reads over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.sandbox.running import running
from tests.sandbox.scripted import OPEN
from tests.sandbox.wire import order_terms

ORDERS = "/portfolio/events/orders"


async def test_private_reads_need_a_signature(tmp_path: Path) -> None:
    """401 without one; public reads go without."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        for path, status in (("/portfolio/balance", 401), ("/account/limits", 401), ("/markets", 200)):
            async with client.http.get(client.ready.rest_url + path) as reply:
                assert status == reply.status


async def test_a_filled_order_shows_its_cost_not_its_limit(tmp_path: Path) -> None:
    """A bid at 0.99 that is filled at 0.60 costs 0.60 a contract."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        _, placed = await client.call("POST", ORDERS, order_terms(price="0.9900", count="1.00"))
        _, body = await client.call("GET", f"/portfolio/orders/{placed['order_id']}")
        order = body["order"]
        assert ("executed", "0.9900", "0.600000", "0.016800") == (
            order["status"],
            order["yes_price_dollars"],
            order["taker_fill_cost_dollars"],
            order["taker_fees_dollars"],
        )
        _, fills = await client.call("GET", "/portfolio/fills", query=f"?order_id={placed['order_id']}")
        assert ["0.6000"] == [fill["yes_price_dollars"] for fill in fills["fills"]]
        assert "client_order_id" not in fills["fills"][0]


async def test_orders_are_listed_newest_first_and_filtered(tmp_path: Path) -> None:
    """By ticker and status."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        for price in ("0.3000", "0.3100"):
            await client.call("POST", ORDERS, order_terms(price=price))
        _, body = await client.call("GET", "/portfolio/orders", query=f"?ticker={OPEN}&status=resting")
        assert ["0.3100", "0.3000"] == [order["yes_price_dollars"] for order in body["orders"]]
        _, body = await client.call("GET", "/portfolio/orders", query="?status=canceled")
        assert [] == body["orders"]


async def test_the_balance_is_by_shard(tmp_path: Path) -> None:
    """Crypto cash is on shard 2; another shard has none."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        _, body = await client.call("GET", "/portfolio/balance")
        assert [{"balance": "10000.0000", "exchange_index": 2}] == body["balance_breakdown"]
        _, body = await client.call("GET", "/portfolio/balance", query="?exchange_index=0")
        assert ("0.0000", 0) == (body["balance_dollars"], body["balance"])


async def test_queue_positions_need_to_know_where(tmp_path: Path) -> None:
    """400 without market_tickers or event_ticker; with them the contracts ahead."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        _, placed = await client.call("POST", ORDERS, order_terms(price="0.4000"))
        status, _ = await client.call("GET", "/portfolio/orders/queue_positions")
        assert 400 == status
        _, body = await client.call(
            "GET", "/portfolio/orders/queue_positions", query=f"?market_tickers={OPEN}"
        )
        expected = [{"market_ticker": OPEN, "order_id": placed["order_id"], "queue_position_fp": "100.00"}]
        assert expected == body["queue_positions"]
