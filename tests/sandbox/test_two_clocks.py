"""Signatures where the sandbox's time is not the machine's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import time_ns

import pytest

from daemon.core.units import HOUR, MILLISECOND, Ns
from daemon.sandbox.two_clocks import signed_by
from tests.sandbox.running import Client, running, signed

WALL: Ns = 1_000_000 * HOUR


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (str((WALL - 5) // MILLISECOND), WALL),
        (str((WALL + 3 * HOUR) // MILLISECOND), WALL + 3 * HOUR),
        ("", WALL + 3 * HOUR),
        ("nonsense", WALL + 3 * HOUR),
        ("9" * 30, WALL + 3 * HOUR),
    ],
)
def test_a_stamp_is_held_against_the_closer_clock(stamp: str, expected: Ns) -> None:
    """And what is none against the sandbox's, which refuses it."""
    headers = {"KALSHI-ACCESS-TIMESTAMP": stamp}
    assert expected == signed_by(headers, WALL + 3 * HOUR, WALL)


async def balance_at(client: Client, at: Ns) -> int:
    """Return the status of a request that is signed at an instant."""
    path = "/portfolio/balance"
    headers = signed(client.ready.key_id, client.pem, "GET", f"/trade-api/v2{path}", at)
    async with client.http.get(f"{client.ready.rest_url}{path}", headers=headers) as reply:
        return reply.status


async def test_under_a_virtual_clock_both_times_sign(tmp_path: Path) -> None:
    """Three hours on, the machine's time is still good, and so is the sandbox's; another isn't."""
    async with asyncio.timeout(20), running(tmp_path, speed=None) as client:
        await client.admin("/clock/advance", ms=3 * 3_600_000, step_ms=60_000)
        now = client.sandbox.venue.clock.now()
        found = [await balance_at(client, at) for at in (time_ns(), now, now - HOUR)]
        assert [200, 200, 401] == found


async def test_in_real_time_the_clock_is_one(tmp_path: Path) -> None:
    """An old stamp is refused."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        assert [200, 401] == [await balance_at(client, time_ns() - ago) for ago in (0, HOUR)]
