"""Tests of the account's limits, tier, volume and deposits over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path

from daemon.core.units import MONEY_ONE
from daemon.sandbox.limits import BASIC
from tests.sandbox.contract import Contract
from tests.sandbox.running import running
from tests.sandbox.wire import order_terms

ORDERS = "/portfolio/events/orders"
UPGRADE = "/account/api_usage_level/upgrade"


async def test_a_basic_account_that_placed_an_order_is_granted_more(tmp_path: Path) -> None:
    """403 before its first order, then 201 without a body, as often as it asks; the limits show the grant."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path, tier=BASIC) as client:
        assert 403 == (await client.call("POST", UPGRADE))[0]
        assert [] == (await client.call("GET", "/account/limits"))[1]["grants"]
        await client.call("POST", ORDERS, order_terms())
        for _ in range(2):
            assert (201, "") == await client.text("POST", UPGRADE)
        _, limits = await client.call("GET", "/account/limits")
        contract.check("GetAccountApiLimitsResponse", limits)
        grant = {"exchange_instance": "event_contract", "level": "advanced", "source": "manual"}
        assert ("advanced", {"bucket_capacity": 600, "refill_rate": 300}, [grant]) == (
            limits["usage_tier"],
            limits["write"],
            limits["grants"],
        )


async def test_a_grant_takes_nothing_from_who_has_more(tmp_path: Path) -> None:
    """The tier in force is the highest one."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        await client.call("POST", ORDERS, order_terms())
        assert (201, "") == await client.text("POST", UPGRADE)
        _, limits = await client.call("GET", "/account/limits")
        assert ("premier", 1) == (limits["usage_tier"], len(limits["grants"]))


async def test_a_grant_is_paid_for_as_a_write(tmp_path: Path) -> None:
    """30 tokens of the unscoped bucket: three of 100, and no more in that second."""
    async with asyncio.timeout(20), running(tmp_path, tier=BASIC) as client:
        codes = [(await client.call("POST", UPGRADE))[0] for _ in range(5)]
        assert [403, 403, 403] == codes[:3]
        assert 429 in codes


async def test_costs_and_volume_have_the_contracts_shape(tmp_path: Path) -> None:
    """The volume is that of one's own fills."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        await client.call("POST", ORDERS, order_terms(price="0.6000", count="3.00"))
        _, costs = await client.call("GET", "/account/endpoint_costs")
        contract.check("GetAccountEndpointCostsResponse", costs)
        _, progress = await client.call("GET", "/account/api_usage_level/volume_progress")
        contract.check("GetAccountApiUsageLevelVolumeProgressResponse", progress)
        assert ["3.00"] == [row["trailing_30d_volume_fp"] for row in progress["volume_progress"]]


async def test_deposits_are_listed_and_withdrawals_never_happen(tmp_path: Path) -> None:
    """Typed as the contract has it."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        venue = client.sandbox.venue
        venue.tell([*venue.exchange.treasury.deposit("client", 0, 5 * MONEY_ONE, venue.clock.now())])
        _, deposits = await client.call("GET", "/portfolio/deposits")
        contract.check("GetDepositsResponse", deposits)
        assert [(500, "applied")] == [(row["amount_cents"], row["status"]) for row in deposits["deposits"]]
        _, withdrawals = await client.call("GET", "/portfolio/withdrawals")
        contract.check("GetWithdrawalsResponse", withdrawals)
        assert {"cursor": "", "withdrawals": []} == withdrawals
