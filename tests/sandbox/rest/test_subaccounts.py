"""Tests of subaccounts over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from daemon.core.units import MONEY_ONE
from daemon.sandbox.limits import BASIC
from tests.sandbox.contract import Contract
from tests.sandbox.running import Client, running
from tests.sandbox.scripted import OPEN
from tests.sandbox.wire import order_terms

SUBACCOUNTS = "/portfolio/subaccounts"
ORDERS = "/portfolio/events/orders"
ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def moved(number: int, cents: int, **changed: Any) -> dict[str, Any]:
    """Return a transfer from the primary account on the market's shard."""
    return {
        "client_transfer_id": ID,
        "from_subaccount": 0,
        "to_subaccount": number,
        "amount_cents": cents,
        "exchange_index": 2,
        **changed,
    }


async def opened(client: Client, cents: int = 10_000) -> None:
    """Open subaccount 1 and give it so much."""
    assert (201, {"subaccount_number": 1}) == await client.call("POST", SUBACCOUNTS, {})
    assert (200, {}) == await client.call("POST", f"{SUBACCOUNTS}/transfer", moved(1, cents))


async def test_a_transfer_moves_cents_once(tmp_path: Path) -> None:
    """The balances show it, the list has it, and the same id again is 409."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        await opened(client)
        status, body = await client.call("POST", f"{SUBACCOUNTS}/transfer", moved(1, 1))
        assert (409, "transfer_already_applied") == (status, body["error"]["code"])
        _, balances = await client.call("GET", f"{SUBACCOUNTS}/balances")
        contract.check("GetSubaccountBalancesResponse", balances)
        assert {(0, 0): "0.0000", (0, 2): "9900.0000", (1, 0): "0.0000", (1, 2): "100.0000"} == {
            (row["subaccount_number"], row["exchange_index"]): row["balance"]
            for row in balances["subaccount_balances"]
        }
        _, transfers = await client.call("GET", f"{SUBACCOUNTS}/transfers")
        contract.check("GetSubaccountTransfersResponse", transfers)
        assert [(0, 1, 10_000)] == [
            (row["from_subaccount"], row["to_subaccount"], row["amount_cents"])
            for row in transfers["transfers"]
        ]


async def test_transfers_that_cannot_be_are_refused(tmp_path: Path) -> None:
    """Nobody's subaccount, no UUID, no amount, more than there is, another shard without cash."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        await client.call("POST", SUBACCOUNTS)
        for changed in (
            {"to_subaccount": 7},
            {"to_subaccount": 64},
            {"client_transfer_id": "again"},
            {"client_transfer_id": None},
            {"amount_cents": 0},
            {"amount_cents": -5},
            {"amount_cents": 10**9},
            {"exchange_index": 0},
        ):
            body = {**moved(1, 100), **changed}
            assert 400 == (await client.call("POST", f"{SUBACCOUNTS}/transfer", body))[0], changed


async def test_what_leaving_the_subaccount_out_means(tmp_path: Path) -> None:
    """All of them for the lists and cancel-all; the primary one for balance, positions, cancel and amend."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        await opened(client)
        _, taken = await client.call("POST", ORDERS, order_terms(price="0.6000", count="1.00", subaccount=1))
        _, resting = await client.call("POST", ORDERS, order_terms(subaccount=1))
        await client.call("POST", ORDERS, order_terms())

        async def numbers(path: str, field: str, query: str = "") -> list[int]:
            _, body = await client.call("GET", path, query=query)
            return [row["subaccount_number"] for row in body[field]]

        assert [0, 1, 1] == await numbers("/portfolio/orders", "orders")
        assert [1, 1] == await numbers("/portfolio/orders", "orders", "?subaccount=1")
        assert [1] == await numbers("/portfolio/fills", "fills")
        assert [] == await numbers("/portfolio/fills", "fills", "?subaccount=0")
        for subaccount, positions in (("", []), ("?subaccount=1", ["1.00"])):
            _, body = await client.call("GET", "/portfolio/positions", query=subaccount)
            assert positions == [row["position_fp"] for row in body["market_positions"]]
        assert 9900 == int(float((await client.call("GET", "/portfolio/balance"))[1]["balance_dollars"]))
        path = f"{ORDERS}/{resting['order_id']}"
        terms = {"ticker": OPEN, "side": "bid", "price": "0.3500", "count": "5.00"}
        assert 404 == (await client.call("DELETE", path))[0]
        assert 404 == (await client.call("POST", f"{path}/amend", terms))[0]
        assert 200 == (await client.call("POST", f"{path}/amend", terms, "?subaccount=1"))[0]
        _, queue = await client.call(
            "GET", "/portfolio/orders/queue_positions", query=f"?market_tickers={OPEN}&subaccount=1"
        )
        assert [resting["order_id"]] == [row["order_id"] for row in queue["queue_positions"]]
        assert (204, "") == await client.text("DELETE", ORDERS)
        assert [] == await numbers("/portfolio/orders", "orders", "?status=resting")
        assert 200 == (await client.call("GET", f"/portfolio/orders/{taken['order_id']}"))[0]


async def test_a_subaccount_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """On orders and on reads; one past 63 too."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        assert 400 == (await client.call("POST", ORDERS, order_terms(subaccount=1)))[0]
        for number in (1, 64, -1):
            status, _ = await client.call("GET", "/portfolio/balance", query=f"?subaccount={number}")
            assert 400 == status


async def test_subaccounts_need_the_advanced_tier(tmp_path: Path) -> None:
    """403 on Basic."""
    async with asyncio.timeout(20), running(tmp_path, tier=BASIC) as client:
        status, body = await client.call("POST", SUBACCOUNTS)
        assert (403, "forbidden") == (status, body["error"]["code"])


async def test_netting_is_set_by_subaccount(tmp_path: Path) -> None:
    """200 without a body; the list shows it on every shard with cash."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path, cash={2: 100 * MONEY_ONE}) as client:
        await client.call("POST", SUBACCOUNTS)
        body = {"subaccount_number": 1, "enabled": False}
        assert (200, "") == await client.text("PUT", f"{SUBACCOUNTS}/netting", body)
        _, configs = await client.call("GET", f"{SUBACCOUNTS}/netting")
        contract.check("GetSubaccountNettingResponse", configs)
        assert [(0, True, 0), (0, True, 2), (1, False, 0)] == [
            (row["subaccount_number"], row["enabled"], row["exchange_index"])
            for row in configs["netting_configs"]
        ]
        for wrong in ({"subaccount_number": 1}, {"enabled": True}, {"subaccount_number": 5, "enabled": True}):
            assert 400 == (await client.call("PUT", f"{SUBACCOUNTS}/netting", wrong))[0]
