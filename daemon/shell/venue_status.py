"""Whether the venue is up, and when it won't be: its status and its schedule, over REST.

Both are told when they changed, and once a minute all the same. A reading that fails tells nothing new:
what was told last stays believed, and orders meet the breaker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import structlog

from daemon.core import events as e
from daemon.core.units import HOUR, MINUTE, SECOND, Ns
from daemon.kalshi.errors import Refused, VenueError
from daemon.kalshi.rest import ReadingRest
from daemon.shell.maintenance import Window, planned_windows

log = structlog.get_logger(__name__)

POLL_S = 0.1
STATUS_EVERY: Ns = 15 * SECOND
SCHEDULE_EVERY: Ns = HOUR
SCHEDULE_RETRY: Ns = MINUTE
TOLD_EVERY: Ns = MINUTE
"""What did not change is told again so often: whoever reads a journal from the middle finds it."""


class VenueStatus:
    """Reads status and schedule whenever they are due, and tells them.

    Args:
        venue: asked for both.
        now: our clock.
        emit: takes the events.
        has_standing_window: whether the weekly maintenance is believed though the schedule lacks it.
    """

    def __init__(
        self,
        venue: ReadingRest,
        *,
        now: Callable[[], Ns],
        emit: Callable[[e.Event], None],
        has_standing_window: bool = True,
    ) -> None:
        self._venue = venue
        self._now = now
        self._emit = emit
        self._has_standing_window = has_standing_window
        self._status: e.ExchangeStatusTold | None = None
        self._schedule: tuple[Window, ...] = ()
        self._plan: e.MaintenancePlanned | None = None
        self._has_failed = False
        self._status_due_at: Ns = 0
        self._schedule_due_at: Ns = 0

    async def run(self) -> None:
        """Read whenever it is due, by the clock that is in force, until cancelled."""
        while True:
            await self.refresh_if_due()
            await asyncio.sleep(POLL_S)

    def on_batch(self, batch: Sequence[e.Event]) -> None:
        """Take in what the core has handled: a status that others read is what it believes now."""
        for event in batch:
            if type(event) is e.ExchangeStatusTold:
                self._status = event

    async def refresh_if_due(self) -> None:
        """Read and tell what is due."""
        now = self._now()
        if now >= self._status_due_at:
            self._status_due_at = now + STATUS_EVERY
            await self._read_status()
        if now >= self._schedule_due_at:
            self._schedule_due_at = now + SCHEDULE_EVERY
            await self._read_schedule(now)
        self._tell_plan()

    async def _read_status(self) -> None:
        try:
            status = await self._venue.status()
        except VenueError as error:
            self._tell_failure("exchange_status", error)
            return
        if self._has_failed:
            # Else failures with hours between them would add up to an open breaker.
            self._has_failed = False
            self._emit(e.VenueAnswered("exchange_status", self._now()))
        last = self._status
        if (
            last is not None
            and status.received_at < last.received_at + TOLD_EVERY
            and msgspec.structs.replace(status, received_at=last.received_at) == last
        ):
            return
        if last is None or (status.is_active, status.is_trading) != (last.is_active, last.is_trading):
            log.info("exchange.status_told", is_active=status.is_active, is_trading=status.is_trading)
        self._status = status
        self._emit(status)

    async def _read_schedule(self, now: Ns) -> None:
        try:
            self._schedule = await self._venue.schedule()
        except VenueError as error:
            self._schedule_due_at = now + SCHEDULE_RETRY
            self._tell_failure("exchange_schedule", error)

    def _tell_plan(self) -> None:
        """Tell the windows to come. Without a schedule these are the standing ones."""
        now, last = self._now(), self._plan
        windows = planned_windows(self._schedule, now, has_standing=self._has_standing_window)
        if last is None or windows != last.windows or now >= last.received_at + TOLD_EVERY:
            self._plan = e.MaintenancePlanned(windows, now)
            self._emit(self._plan)

    def _tell_failure(self, request: str, error: VenueError) -> None:
        log.warning("venue.unread", request=request, reason=str(error))
        if not isinstance(error, Refused):
            self._has_failed = True
            self._emit(e.VenueFailed(request, str(error), self._now()))
