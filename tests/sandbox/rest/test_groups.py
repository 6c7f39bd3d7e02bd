"""Tests of order groups over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from daemon.core.units import MILLISECOND
from tests.sandbox.contract import Contract
from tests.sandbox.running import Client, running
from tests.sandbox.wire import order_terms

GROUPS = "/portfolio/order_groups"
ORDERS = "/portfolio/events/orders"


async def made(client: Client, **terms: Any) -> str:
    """Make a group on the market's shard; return its id."""
    body = {"contracts_limit": 5, "exchange_index": 2, **terms}
    status, made_body = await client.call("POST", f"{GROUPS}/create", body)
    assert 201 == status, made_body
    return str(made_body["order_group_id"])


async def test_a_group_is_made_on_shard_0_unless_told_otherwise(tmp_path: Path) -> None:
    """So an order on the crypto shard can't use it; none at all is an empty object."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        assert (200, {}) == await client.call("GET", GROUPS)
        status, body = await client.call("POST", f"{GROUPS}/create", {"contracts_limit": 10})
        contract.check("CreateOrderGroupResponse", body)
        assert (201, 0, 0) == (status, body["exchange_index"], body["subaccount"])
        status, refused = await client.call(
            "POST", ORDERS, order_terms(order_group_id=body["order_group_id"])
        )
        assert (404, "order_group_not_found") == (status, refused["error"]["code"])


async def test_reaching_the_limit_cancels_and_refuses_until_a_reset(tmp_path: Path) -> None:
    """Five contracts match, the rest of the order and its sibling go; a reset lets orders in again."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        group = await made(client)
        _, sibling = await client.call("POST", ORDERS, order_terms(order_group_id=group))
        _, shown = await client.call("GET", f"{GROUPS}/{group}")
        contract.check("GetOrderGroupResponse", shown)
        expected = {
            "contracts_limit_fp": "5.00",
            "exchange_index": 2,
            "is_auto_cancel_enabled": True,
            "orders": [sibling["order_id"]],
        }
        assert expected == shown
        _, taken = await client.call("POST", ORDERS, order_terms(price="0.6000", order_group_id=group))
        assert ("5.00", "0.00") == (taken["fill_count"], taken["remaining_count"])
        _, order = await client.call("GET", f"/portfolio/orders/{sibling['order_id']}")
        assert ("canceled", group) == (order["order"]["status"], order["order"]["order_group_id"])
        status, refused = await client.call("POST", ORDERS, order_terms(order_group_id=group))
        assert (400, "exceeded_order_group_risk_limit") == (status, refused["error"]["code"])
        _, listed = await client.call("GET", GROUPS)
        contract.check("GetOrderGroupsResponse", listed)
        assert [False] == [row["is_auto_cancel_enabled"] for row in listed["order_groups"]]
        assert (200, {}) == await client.call("PUT", f"{GROUPS}/{group}/reset", {})
        assert 201 == (await client.call("POST", ORDERS, order_terms(order_group_id=group)))[0]


async def test_trigger_limit_and_delete_answer_an_empty_object(tmp_path: Path) -> None:
    """And what is deleted is 404 for every call."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        group = await made(client, contracts_limit=None, contracts_limit_fp="2.50")
        assert (200, {}) == await client.call("PUT", f"{GROUPS}/{group}/limit", {"contracts_limit": 7})
        assert "7.00" == (await client.call("GET", f"{GROUPS}/{group}"))[1]["contracts_limit_fp"]
        _, placed = await client.call("POST", ORDERS, order_terms(order_group_id=group))
        assert (200, {}) == await client.call("PUT", f"{GROUPS}/{group}/trigger")
        assert 404 == (await client.call("DELETE", f"{ORDERS}/{placed['order_id']}"))[0]
        assert (200, {}) == await client.call("DELETE", f"{GROUPS}/{group}")
        for method, path in (("PUT", "/reset"), ("PUT", "/trigger"), ("DELETE", ""), ("GET", "")):
            assert 404 == (await client.call(method, f"{GROUPS}/{group}{path}"))[0]


async def test_limits_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    """None, zero, too many, two that differ, text where a number belongs."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        for body in (
            {},
            {"contracts_limit": 0},
            {"contracts_limit": 1_000_001},
            {"contracts_limit": 5, "contracts_limit_fp": "6.00"},
            {"contracts_limit": "5"},
            {"contracts_limit": 5, "exchange_index": 9},
            {"contracts_limit": 5, "subaccount": 3},
        ):
            assert 400 == (await client.call("POST", f"{GROUPS}/create", body))[0], body


async def test_a_new_group_is_not_to_be_seen_for_the_read_lag(tmp_path: Path) -> None:
    """404 right after its creation, as recorded; orders may use it at once."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        reads = client.sandbox.venue.reads
        reads.lag = 60_000 * MILLISECOND
        group = await made(client)
        assert 404 == (await client.call("GET", f"{GROUPS}/{group}"))[0]
        assert 201 == (await client.call("POST", ORDERS, order_terms(order_group_id=group)))[0]
        reads.lag = 0
        assert 200 == (await client.call("GET", f"{GROUPS}/{group}"))[0]


async def test_a_restart_forgets_no_group_subaccount_or_transfer(tmp_path: Path) -> None:
    """A triggered group is still triggered, an order still in its group, a used transfer id still used."""
    transfer = {
        "client_transfer_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
        "from_subaccount": 0,
        "to_subaccount": 1,
        "amount_cents": 5_000,
        "exchange_index": 2,
    }
    async with asyncio.timeout(30):
        async with running(tmp_path) as client:
            await client.call("POST", "/portfolio/subaccounts")
            assert 200 == (await client.call("POST", "/portfolio/subaccounts/transfer", transfer))[0]
            spent, kept = await made(client), await made(client, subaccount=1)
            await client.call("PUT", f"{GROUPS}/{spent}/trigger")
            terms = order_terms(order_group_id=kept, subaccount=1)
            _, placed = await client.call("POST", ORDERS, terms)
        async with running(tmp_path) as client:
            status, _ = await client.call("POST", "/portfolio/subaccounts/transfer", transfer)
            assert 409 == status
            _, shown = await client.call("GET", f"{GROUPS}/{kept}", query="?subaccount=1")
            assert [placed["order_id"]] == shown["orders"]
            status, refused = await client.call("POST", ORDERS, order_terms(order_group_id=spent))
            assert (400, "exceeded_order_group_risk_limit") == (status, refused["error"]["code"])
            _, balance = await client.call("GET", "/portfolio/balance", query="?subaccount=1")
            assert "50.0000" == balance["balance_dollars"]
            assert 200 == (await client.call("DELETE", f"{GROUPS}/{kept}", query="?subaccount=1"))[0]
            _, order = await client.call("GET", f"/portfolio/orders/{placed['order_id']}")
            assert "canceled" == order["order"]["status"]
