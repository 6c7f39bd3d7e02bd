"""Tests of the exchange's status and schedule over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path

from daemon.core.units import HOUR, SECOND
from daemon.exchange.pauses import Pause
from daemon.sandbox.maintenance import weekly_windows
from tests.sandbox.contract import Contract
from tests.sandbox.running import running


async def test_status_shows_each_shard_and_the_first_on_top(tmp_path: Path) -> None:
    """A trading pause of shard 2 shows there only; an exchange pause of shard 0 is a 503, same body."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        pauses, now = client.sandbox.venue.exchange.pauses, client.sandbox.venue.clock.now()

        async def seen(expected: int) -> list[tuple[bool, bool]]:
            status, body = await client.call("GET", "/exchange/status")
            assert expected == status
            contract.check("ExchangeStatus", body)
            rows = [body, *body["exchange_index_statuses"]]
            return [(row["exchange_active"], row["trading_active"]) for row in rows]

        assert [(True, True)] * 5 == await seen(200)
        pauses.set(2, Pause(is_trading_paused=True), now)
        assert (True, False) == (await seen(200))[3]
        pauses.set(0, Pause(is_exchange_paused=True, resumes_at=now + HOUR), now)
        assert [(False, False), (False, False)] == (await seen(503))[:2]
        _, body = await client.call("GET", "/exchange/status")
        assert "exchange_estimated_resume_time" in body


async def test_the_schedule_has_the_venues_own_windows_too(tmp_path: Path) -> None:
    """In order, beside the weekly ones; New York's hours leave Thursday morning out."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path, has_maintenance=True) as client:
        now = client.sandbox.venue.clock.now()
        client.sandbox.venue.exchange.pauses.schedule(now + SECOND, now + HOUR, now)
        status, body = await client.call("GET", "/exchange/schedule")
        assert 200 == status
        contract.check("GetExchangeScheduleResponse", body)
        windows = body["schedule"]["maintenance_windows"]
        assert 1 + len(weekly_windows(now)) == len(windows)
        assert ["03:00", "24:00"] == [
            part["close_time"] for part in body["schedule"]["standard_hours"][0]["thursday"]
        ]


async def test_a_sandbox_without_maintenance_announces_none(tmp_path: Path) -> None:
    """It is open around the clock, on every day."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        _, body = await client.call("GET", "/exchange/schedule")
        assert [] == body["schedule"]["maintenance_windows"]
        (week,) = body["schedule"]["standard_hours"]
        assert week["wednesday"] == week["thursday"] == [{"close_time": "24:00", "open_time": "00:00"}]


async def test_announcements_are_gone(tmp_path: Path) -> None:
    """Removed in July 2026: 404."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        assert 404 == (await client.call("GET", "/exchange/announcements"))[0]
