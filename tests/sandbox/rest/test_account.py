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


async def test_a_basic_account_that_placed_an_order_moves_up_once(tmp_path: Path) -> None:
    """403 before its first order and from Advanced on; 201 without a body in between."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path, tier=BASIC) as client:
        assert 403 == (await client.call("POST", UPGRADE))[0]
        await client.call("POST", ORDERS, order_terms())
        assert (201, "") == await client.text("POST", UPGRADE)
        assert 403 == (await client.call("POST", UPGRADE))[0]
        _, limits = await client.call("GET", "/account/limits")
        contract.check("GetAccountApiLimitsResponse", limits)
        assert ("advanced", {"bucket_capacity": 600, "refill_rate": 300}) == (
            limits["usage_tier"],
            limits["write"],
        )


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
