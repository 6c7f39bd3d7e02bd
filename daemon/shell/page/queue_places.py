"""Where our orders stand in their queues, asked of the venue while somebody looks, and seldom.

What the venue does not tell, or told for an order that rests no more, is unknown: the page shows none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

from daemon.core.units import Price, Qty
from daemon.kalshi.errors import VenueError

log = structlog.get_logger(__name__)

EVERY_S = 5.0


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where an order of ours rests. Whoever is moved to another price has another place in another queue."""

    order_id: str
    ticker: str
    price: Price


class QueuePlaces:
    """What stands before our orders.

    Args:
        read: asks the venue, by order id, for the orders of some markets; raises VenueError.
        wanted: our resting orders in the markets that somebody looks at.
    """

    def __init__(
        self,
        read: Callable[[Sequence[str]], Awaitable[dict[str, Qty]]],
        wanted: Callable[[], frozenset[Place]],
        every_s: float = EVERY_S,
    ) -> None:
        self._read, self._wanted, self._every_s = read, wanted, every_s
        self.ahead: dict[Place, Qty] = {}

    async def run(self) -> None:
        """Ask until cancelled, one request at a time."""
        while True:
            await asyncio.sleep(self._every_s)
            before = self._wanted()
            self.ahead = await self._asked(before) if before else {}

    async def _asked(self, before: frozenset[Place]) -> dict[Place, Qty]:
        try:
            told = await self._read(sorted({place.ticker for place in before}))
        except VenueError as error:
            log.debug("queue_places.unread", reason=str(error))
            return {}
        # Of an order that moved meanwhile nobody knows which of its places was told.
        stayed = before & self._wanted()
        return {place: told[place.order_id] for place in stayed if place.order_id in told}
