"""Tests of the account's REST reads over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path

from daemon.core.units import SECOND, parse_instant
from tests.sandbox.contract import Contract
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


async def test_positions_are_filtered_by_settlement_and_counts(tmp_path: Path) -> None:
    """Unsettled ones unless asked otherwise; a position that was closed has only traded."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        for side, price in (("bid", "0.6000"), ("ask", "0.4000")):
            await client.call("POST", ORDERS, order_terms(side=side, price=price, count="2.00"))

        async def count(query: str) -> int:
            _, body = await client.call("GET", "/portfolio/positions", query=query)
            contract.check("GetPositionsResponse", body)
            return len(body["market_positions"])

        assert (0, 1) == (await count("?count_filter=position"), await count("?count_filter=total_traded"))
        assert (1, 1) == (await count("?count_filter=position,total_traded"), await count(""))
        assert (0, 1) == (await count("?settlement_status=settled"), await count("?settlement_status=all"))
        assert (0, 1) == (await count("?exchange_index=0"), await count("?exchange_index=2"))
        for wrong in ("?count_filter=fees", "?settlement_status=open", "?limit=1001"):
            assert 400 == (await client.call("GET", "/portfolio/positions", query=wrong))[0]


async def test_a_settlement_tells_revenue_in_cents(tmp_path: Path) -> None:
    """Of a scalar result: 3 contracts at 0.33 pay 99 cents; the position is then a settled one."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        await client.call("POST", ORDERS, order_terms(price="0.6000", count="3.00"))
        venue = client.sandbox.venue
        exchange, now = venue.exchange, venue.clock.now()
        facts = [*exchange.move_close(OPEN, now, now), *exchange.advance(now)]
        facts += exchange.determine(OPEN, "scalar", 3300, now)
        venue.tell([*facts, *exchange.settle(OPEN, now)])
        _, body = await client.call("GET", "/portfolio/settlements")
        contract.check("GetSettlementsResponse", body)
        assert [("scalar", 99, 33, "3.00", "1.800000")] == [
            (
                row["market_result"],
                row["revenue"],
                row["value"],
                row["yes_count_fp"],
                row["yes_total_cost_dollars"],
            )
            for row in body["settlements"]
        ]
        _, settled = await client.call("GET", "/portfolio/positions", query="?settlement_status=settled")
        assert ["-0.810000"] == [row["realized_pnl_dollars"] for row in settled["market_positions"]]


async def test_reads_lag_behind_a_confirmed_cancel(tmp_path: Path) -> None:
    """The list still says `resting`, the freshness says as of when; the next cancel is 404 all the same."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        reads = client.sandbox.venue.reads
        _, placed = await client.call("POST", ORDERS, order_terms())
        reads.lag = 60 * SECOND
        path = f"{ORDERS}/{placed['order_id']}"
        assert [200, 404] == [(await client.call("DELETE", path))[0] for _ in range(2)]
        _, body = await client.call("GET", f"/portfolio/orders/{placed['order_id']}")
        assert "resting" == body["order"]["status"]
        _, freshness = await client.call("GET", "/exchange/user_data_timestamp")
        late = client.sandbox.venue.clock.now() - parse_instant(freshness["as_of_time"])
        assert late >= 60 * SECOND
        reads.lag = 0
        _, body = await client.call("GET", f"/portfolio/orders/{placed['order_id']}")
        assert "canceled" == body["order"]["status"]


async def test_what_rests_is_summed_up(tmp_path: Path) -> None:
    """In cents and by shard."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        await client.call("POST", ORDERS, order_terms())
        _, body = await client.call("GET", "/portfolio/summary/total_resting_order_value")
        contract.check("GetPortfolioRestingOrderTotalValueResponse", body)
        assert 350 == body["total_resting_order_value"]


async def test_filters_take_so_many_names_and_no_more(tmp_path: Path) -> None:
    """100 tickers of fills, 10 events of orders."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        for path, name, most in (
            ("/portfolio/fills", "ticker", 100),
            ("/portfolio/orders", "event_ticker", 10),
        ):
            for count, status in ((most, 200), (most + 1, 400)):
                query = f"?{name}={','.join('X' * count)}"
                assert status == (await client.call("GET", path, query=query))[0]
