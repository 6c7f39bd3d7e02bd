"""REST: whether the exchange is open, when it will not be, and how fresh its read side is (sheet 4.1)."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from daemon.core.units import DAY
from daemon.exchange.pauses import SHARDS
from daemon.sandbox.auth import PREFIX
from daemon.sandbox.bodies import time_text
from daemon.sandbox.maintenance import FROM_HOUR, TO_HOUR, Window, weekly_windows
from daemon.sandbox.rest.answer import answer
from daemon.sandbox.venue import Venue

STATUS_WHEN_PAUSED: Final = 503
"""What /exchange/status answers under an exchange pause, with the same body (protocol sheet 4.1)."""
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DESCRIPTIONS = {0: "default", 1: "combos", 2: "crypto and commodities", 3: "tennis and baseball"}


class ExchangeApi:
    """The calls on the exchange as a whole. Announcements are gone since July 2026: 404."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(f"{PREFIX}/exchange/status", self.status),
            web.get(f"{PREFIX}/exchange/schedule", self.schedule),
            web.get(f"{PREFIX}/exchange/user_data_timestamp", self.read_side_time),
        ]

    async def status(self, _request: web.Request) -> web.Response:
        """GET /exchange/status: shard by shard; the flags at the top are shard 0's."""
        pauses = self._venue.exchange.pauses
        shards: list[dict[str, Any]] = [
            {
                "description": _DESCRIPTIONS[index],
                "exchange_active": pauses.is_exchange_active(index),
                "exchange_index": index,
                "intra_exchange_transfers_active": pauses.is_exchange_active(index),
                "trading_active": pauses.is_trading_active(index),
            }
            for index in SHARDS
        ]
        first = shards[0]
        body = {
            "exchange_active": first["exchange_active"],
            "exchange_index_statuses": shards,
            "intra_exchange_transfers_active": first["intra_exchange_transfers_active"],
            "trading_active": first["trading_active"],
        }
        resumes_at = pauses.of(0).resumes_at
        if resumes_at is not None:
            body["exchange_estimated_resume_time"] = time_text(resumes_at)
        return answer(body, 200 if first["exchange_active"] else STATUS_WHEN_PAUSED)

    async def schedule(self, _request: web.Request) -> web.Response:
        """GET /exchange/schedule: open around the clock but for a weekly maintenance; HH:MM of New York."""
        now = self._venue.clock.now()
        always = [{"close_time": "24:00", "open_time": "00:00"}]
        hours: dict[str, Any] = dict.fromkeys(_DAYS, always)
        weekly: list[Window] = []
        if self._venue.has_weekly_maintenance:
            weekly = weekly_windows(now)
            hours["thursday"] = [
                {"close_time": f"{FROM_HOUR:02d}:00", "open_time": "00:00"},
                {"close_time": "24:00", "open_time": f"{TO_HOUR:02d}:00"},
            ]
        hours |= {"end_time": time_text(now + 365 * DAY), "start_time": time_text(now - 365 * DAY)}
        windows = sorted({*weekly, *self._venue.exchange.pauses.windows})
        rows = [
            {"end_datetime": time_text(end_at), "start_datetime": time_text(start_at)}
            for start_at, end_at in windows
        ]
        return answer({"schedule": {"maintenance_windows": rows, "standard_hours": [hours]}})

    async def read_side_time(self, _request: web.Request) -> web.Response:
        """GET /exchange/user_data_timestamp: how fresh balance, orders, fills and positions are."""
        return answer({"as_of_time": time_text(self._venue.reads.as_of(self._venue.clock.now()))})
