"""The weekly maintenance: when it is, and that a sandbox which has one pauses in its own time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.core.units import HOUR, MILLISECOND, MINUTE, SECOND
from daemon.sandbox.flows.still import StillFlow
from daemon.sandbox.maintenance import LEAD, weekly_windows
from tests.sandbox.running import Client, running


def instant(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * SECOND  # type: ignore[arg-type,misc]


def test_maintenance_is_on_thursdays_from_three_to_five_in_new_york() -> None:
    """Before, during, and after it; UTC moves by an hour with the clocks of New York (1 November 2026)."""
    summer, winter = instant(2026, 10, 29, 7), instant(2026, 11, 5, 8)
    for now in (instant(2026, 10, 29, 6, 59), instant(2026, 10, 29, 8)):
        found = weekly_windows(now)[:2]
        assert [(summer, summer + 2 * HOUR), (winter, winter + 2 * HOUR)] == found
    assert (winter, winter + 2 * HOUR) == weekly_windows(instant(2026, 10, 29, 9))[0]


async def place(client: Client) -> tuple[int, Any]:
    """Rest an order in the market."""
    order = {
        "ticker": "KXTEST-E1-M1", "side": "bid", "price": "0.4000", "count": "1.00", "exchange_index": 2,
        "time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross",
        "client_order_id": str(client.sandbox.venue.clock.now()),
    }  # fmt: skip
    return await client.call("POST", "/portfolio/events/orders", order)


@pytest.mark.parametrize("has_maintenance", [True, False], ids=["with", "without"])
async def test_a_sandbox_pauses_on_thursday_in_its_own_time(tmp_path: Path, has_maintenance: bool) -> None:
    """A clock moved by hand crosses the window: nothing is taken in it, what rests stays, and it ends."""
    async with (
        asyncio.timeout(60),
        running(tmp_path, StillFlow, speed=None, has_maintenance=has_maintenance) as client,
    ):
        clock = client.sandbox.venue.clock
        start_at, end_at = weekly_windows(clock.now() + 2 * LEAD)[0]
        clock.set(start_at - 10 * MINUTE)
        await client.admin(
            "/markets", series_ticker="KXTEST", event_ticker="KXTEST-E1", ticker="KXTEST-E1-M1",
            closes_in_ms=4 * HOUR // MILLISECOND,
        )  # fmt: skip
        assert 201 == (await place(client))[0]

        async def status_at(at: int) -> tuple[int, int, int]:
            """The status of the exchange's status, of a new order, and how many of ours rest."""
            await client.admin("/clock/advance", ms=(at - clock.now()) // MILLISECOND, step_ms=60_000)
            _, listed = await client.call("GET", "/portfolio/orders", query="?status=resting")
            code = (await client.call("GET", "/exchange/status"))[0]
            return code, (await place(client))[0], len(listed["orders"])

        assert (200, 201, 1) == await status_at(start_at - MINUTE)
        inside = (503, 409, 2) if has_maintenance else (200, 201, 2)
        assert inside == await status_at(start_at + MINUTE)
        if has_maintenance:
            assert (503, 409, 2) == await status_at(end_at - MINUTE)
            assert (200, 201, 2) == await status_at(end_at + MINUTE)
