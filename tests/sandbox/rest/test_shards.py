"""Tests of cash between shards over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from daemon.core.units import MONEY_ONE
from tests.sandbox.contract import Contract
from tests.sandbox.running import Client, running
from tests.sandbox.wire import order_terms

TRANSFER = "/portfolio/intra_exchange_instance_transfer"
ALLOCATION = "/portfolio/target_balance_allocation"
ORDERS = "/portfolio/events/orders"
ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def moved(amount: int, **changed: Any) -> dict[str, Any]:
    """Return a transfer from shard 0 to shard 2, in hundredths of a cent."""
    return {
        "source": "event_contract",
        "destination": "event_contract",
        "source_exchange_shard": 0,
        "destination_exchange_shard": 2,
        "amount": amount,
        **changed,
    }


async def breakdown(client: Client) -> dict[int, str]:
    """Return the balance by shard."""
    _, body = await client.call("GET", "/portfolio/balance")
    return {row["exchange_index"]: row["balance"] for row in body["balance_breakdown"]}


async def test_an_order_needs_its_own_shards_cash(tmp_path: Path) -> None:
    """Refused though the total suffices; accepted after the cash was moved, to the hundredth of a cent."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path, cash={0: 100 * MONEY_ONE}) as client:
        status, body = await client.call("POST", ORDERS, order_terms())
        assert (400, "insufficient_balance") == (status, body["error"]["code"])
        status, body = await client.call("POST", TRANSFER, moved(35_001, client_transfer_id=ID))
        contract.check("IntraExchangeInstanceTransferResponse", body)
        assert (200, {0: "96.4999", 2: "3.5001"}) == (status, await breakdown(client))
        assert 201 == (await client.call("POST", ORDERS, order_terms()))[0]
        assert 409 == (await client.call("POST", TRANSFER, moved(1, client_transfer_id=ID)))[0]
        _, listed = await client.call("GET", f"{TRANSFER}s")
        contract.check("GetIntraExchangeInstanceTransfersResponse", listed)
        assert ["3.5001"] == [row["amount"] for row in listed["transfers"]]
        _, one = await client.call("GET", f"{TRANSFER}s/{body['transfer_id']}")
        contract.check("GetIntraExchangeInstanceTransferResponse", one)
        assert listed["transfers"][0] == one["transfer"]
        assert 404 == (await client.call("GET", f"{TRANSFER}s/nothing"))[0]


async def test_transfers_that_cannot_be_are_refused(tmp_path: Path) -> None:
    """What orders reserve, no amount, nowhere else, no such shard; the margined instance is forbidden."""
    async with asyncio.timeout(20), running(tmp_path, cash={0: MONEY_ONE, 2: 4 * MONEY_ONE}) as client:
        await client.call("POST", ORDERS, order_terms())
        back = {"source_exchange_shard": 2, "destination_exchange_shard": 0}
        for status, body in (
            (400, moved(5_001, **back)),
            (400, moved(0)),
            (400, moved(1, destination_exchange_shard=0)),
            (400, moved(1, destination_exchange_shard=9)),
            (400, moved(1, source=None)),
            (400, moved(1, source_subaccount=4)),
            (403, moved(1, destination="margined")),
            (200, moved(5_000, **back)),
        ):
            assert status == (await client.call("POST", TRANSFER, body))[0], body


async def test_an_allocation_moves_the_cash(tmp_path: Path) -> None:
    """By percents that add up to 100; read back as it was set, and empty before."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path, cash={0: 100 * MONEY_ONE}) as client:
        _, body = await client.call("GET", ALLOCATION)
        contract.check("GetTargetBalanceAllocationResponse", body)
        assert [] == body["allocations"]
        wanted = [{"exchange_index": 0, "percent": 40}, {"exchange_index": 2, "percent": 60}]
        assert (200, {}) == await client.call("POST", ALLOCATION, {"allocations": wanted})
        assert {0: "40.0000", 2: "60.0000"} == await breakdown(client)
        _, body = await client.call("GET", ALLOCATION)
        assert wanted == body["allocations"]
        for wrong in (wanted[:1], [*wanted, wanted[0]], [{"percent": 100}], [5], []):
            assert 400 == (await client.call("POST", ALLOCATION, {"allocations": wrong}))[0], wrong
