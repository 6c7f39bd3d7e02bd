"""Where our orders stand in their queues, asked of the venue while somebody looks, and seldom.

What the venue does not tell, or told for an order that rests no more, is unknown: the page shows none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from daemon.core.units import Qty
from daemon.kalshi.errors import VenueError

log = structlog.get_logger(__name__)

EVERY_S = 5.0


class QueuePlaces:
    """What stands before our orders, by the venue's order id.

    Args:
        read: asks the venue for the orders of some markets; raises VenueError.
        wanted: the markets that somebody looks at and in which orders of ours rest.
    """

    def __init__(
        self,
        read: Callable[[Sequence[str]], Awaitable[dict[str, Qty]]],
        wanted: Callable[[], tuple[str, ...]],
        every_s: float = EVERY_S,
    ) -> None:
        self._read, self._wanted, self._every_s = read, wanted, every_s
        self.ahead: dict[str, Qty] = {}

    async def run(self) -> None:
        """Ask until cancelled, one request at a time."""
        while True:
            await asyncio.sleep(self._every_s)
            tickers = self._wanted()
            if not tickers:
                self.ahead = {}
                continue
            try:
                self.ahead = await self._read(tickers)
            except VenueError as error:
                self.ahead = {}
                log.debug("queue_places.unread", reason=str(error))
