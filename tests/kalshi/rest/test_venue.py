"""The exchange's own word, and the budget, against a real HTTP server on loopback."""

from __future__ import annotations

import pytest

from daemon.core.events import ExchangeStatusTold, ShardStatus
from daemon.core.units import parse_instant
from daemon.kalshi.bodies import HistoricalCutoff
from daemon.kalshi.errors import Refused, Transient, Unreadable
from tests.kalshi.rest.calling import NOW, calling, tell

STATUS = "/exchange/status"
WHOLE = {
    "exchange_active": True,
    "trading_active": True,
    "exchange_estimated_resume_time": "2026-11-19T10:00:00Z",
    "exchange_index_statuses": [
        {"exchange_index": 2, "description": "", "exchange_active": True, "trading_active": False}
    ],
}


async def test_the_status_is_an_event() -> None:
    """Shards speak for themselves; an estimated end of a pause is told."""
    async with calling() as (venue, rest):
        tell(venue, STATUS, WHOLE)
        resume_at = parse_instant("2026-11-19T10:00:00Z")
        shards = (ShardStatus(2, is_active=True, is_trading=False),)
        assert ExchangeStatusTold(True, True, shards, resume_at, NOW) == await rest.status()


@pytest.mark.parametrize("status", [500, 503, 504])
async def test_status_is_read_even_from_an_error(status: int) -> None:
    """During maintenance the status comes with an error, and is a status all the same."""
    async with calling() as (venue, rest):
        tell(venue, STATUS, {"exchange_active": False, "trading_active": False}, status=status)
        told = await rest.status()
        assert (False, False) == (told.is_active, told.is_trading)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (502, b"<html>", Transient),
        (503, b'{"error":{"code":"service_unavailable"}}', Transient),
        (429, b'{"error":"too many requests"}', Transient),
        (200, b'{"exchange_active":true}', Unreadable),
        (403, b'{"exchange_active":true,"trading_active":true}', Refused),
    ],
)
async def test_what_is_no_status_is_none(status: int, body: bytes, error: type[Exception]) -> None:
    """An error that says nothing of the exchange is an error; a refusal is never taken for a status."""
    async with calling() as (venue, rest):
        venue.answer("GET", STATUS, status, body)
        with pytest.raises(error):
            await rest.status()


async def test_maintenance_windows_are_told() -> None:
    """In any zone, for real ones were never recorded; one that ends before it starts is refused."""
    async with calling() as (venue, rest):
        window = {"start_datetime": "2026-11-19T03:00:00-05:00", "end_datetime": "2026-11-19T10:00:00Z"}
        tell(venue, "/exchange/schedule", {"schedule": {"maintenance_windows": [window]}})
        start, end = parse_instant("2026-11-19T08:00:00Z"), parse_instant("2026-11-19T10:00:00Z")
        assert ((start, end),) == await rest.schedule()
        for wrong in ("2026-11-20T00:00:00Z", "2026-11-19T03:00:00", "soon"):
            window["start_datetime"] = wrong
            tell(venue, "/exchange/schedule", {"schedule": {"maintenance_windows": [window]}})
            with pytest.raises(Unreadable):
                await rest.schedule()


async def test_ages_of_the_venues_lists_are_told() -> None:
    """How fresh the account's lists are, and where the historical tier begins."""
    async with calling() as (venue, rest):
        tell(venue, "/exchange/user_data_timestamp", {"as_of_time": "2026-11-19T10:00:00.5Z"})
        assert parse_instant("2026-11-19T10:00:00.5Z") == await rest.account_lists_at()
        cutoff = {
            "market_settled_ts": "2026-07-27T00:00:00Z",
            "trades_created_ts": "2026-07-28T00:00:00Z",
            "orders_updated_ts": "2026-09-11T00:00:00Z",
        }
        tell(venue, "/historical/cutoff", cutoff)
        assert HistoricalCutoff(*map(parse_instant, cutoff.values())) == await rest.historical_cutoff()


async def test_the_budget_is_told() -> None:
    """Both buckets, and what requests cost."""
    async with calling() as (venue, rest):
        bucket = {"bucket_capacity": 200, "refill_rate": 100}
        tell(venue, "/account/limits", {"usage_tier": "basic", "read": bucket, "write": bucket, "grants": []})
        assert (await rest.account_limits()).read.refill_rate == 100
        tell(venue, "/account/endpoint_costs", {"default_cost": 10, "endpoint_costs": []})
        assert (await rest.endpoint_costs()).default_cost == 10
        tell(venue, "/account/limits", {"usage_tier": "basic", "read": bucket, "grants": []})
        with pytest.raises(Unreadable, match=r"/account/limits.*`write`"):
            await rest.account_limits()
