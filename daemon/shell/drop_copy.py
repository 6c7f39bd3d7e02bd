"""The drop copy: our fills as REST lists them, read again and again, apart from the stream that tells them.

A fill frame that is lost leaves no trace, for private frames have no number. So the list of fills is read
every second or two, on a way that shares nothing with the stream but the account, and what the core has not
booked is told to it. The core books it at once, and finds out whether the stream tells it still.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from daemon.core import events as e
from daemon.core.state import State
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kalshi.errors import VenueError
from daemon.shell.account_calls import AccountReads

log = structlog.get_logger(__name__)

POLL_S = 0.1
OVERLAP: Ns = MINUTE
"""The list is read again this far back: it lags, and its stamps are of another clock."""


class DropCopy:
    """Reads the list of fills and tells those that the core has not booked.

    Args:
        venue: asked for the list.
        state: the core's beliefs; read, never changed.
        every: from the end of one read to the next.
        now: our clock.
        emit: takes the event.
    """

    def __init__(
        self,
        venue: AccountReads,
        state: State,
        *,
        every: Ns,
        now: Callable[[], Ns],
        emit: Callable[[e.Event], None],
    ) -> None:
        self._venue = venue
        self._state = state
        self.every = every
        self._now = now
        self._emit = emit
        self._since = now() - OVERLAP
        self._ended_at: Ns | None = None
        """When the last read ended; None before the first."""
        self._turn = asyncio.Lock()
        self.counts = {"reads": 0, "found": 0, "failures": 0}
        """Since the start: lists read, fills told from here, reads that failed."""

    async def run(self) -> None:
        """Read whenever it is due, by the clock that is in force, until cancelled."""
        while True:
            await self.read_if_due()
            await asyncio.sleep(POLL_S)

    async def read_if_due(self) -> None:
        """Read the list if its time has come; on a tape, whoever moves the clock waits for it.

        A read that fails is made again: how the venue fares, others tell the core.
        """
        async with self._turn:
            # Before the first reconciliation nobody knows which fills are news.
            ended_at = self._ended_at
            is_early = ended_at is not None and self._now() < ended_at + self.every
            if self._state.ledger.cash is None or is_early:
                return
            asked_at = self._now()
            try:
                fills = await self._venue.fills(self._since // SECOND)
            except VenueError as error:
                self.counts["failures"] += 1
                log.warning("drop_copy.failed", reason=str(error))
                return
            finally:
                self._ended_at = self._now()
            self.counts["reads"] += 1
            self._since = max(self._since, asked_at - OVERLAP)
            news = tuple(fill for fill in fills if not self._state.ledger.has_booked(fill))
            if news:
                self.counts["found"] += len(news)
                self._emit(e.FillsRead(asked_at, self._now(), news))
