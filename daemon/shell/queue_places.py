"""Where our resting orders stand in their queues, by the venue's word: for `explain` and for the page.

An order is asked about soon after it began to rest at its price, and then seldom; every few seconds while
somebody looks at the page. One request at a time, the oldest answer first, and none while nothing rests.
Nothing is decided by it. What the venue does not tell, or told of an order that moved meanwhile, is unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from daemon.core import events as e
from daemon.core.orders import Order
from daemon.core.state import State
from daemon.core.units import SECOND, Ns, Price, Qty
from daemon.kalshi.errors import VenueError
from daemon.shell.account_calls import AccountReads

log = structlog.get_logger(__name__)

POLL_S = 0.25
BETWEEN: Ns = 5 * SECOND
"""From one reading to the next, however many orders come to rest, and whoever looks."""
EVERY: Ns = 30 * SECOND
"""How often an order is asked about while nobody looks."""
MARKETS_MAX = 100
"""Markets in one reading: one request. The others are asked about in the next one."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where an order of ours rests. Whoever is moved to another price has another place in another queue."""

    order_id: str
    ticker: str
    price: Price


def place_of(order: Order) -> Place | None:
    """Return where an order rests; None where the venue has not told its id, or it may not rest."""
    if order.order_id is None or order.state != "resting":
        return None
    return Place(order.order_id, order.ticker, order.price)


class QueuePlaces:
    """Reads what stands before our orders, and tells it.

    Attributes:
        ahead: contracts before each of our orders, as they were told last.
        is_watched: whether somebody looks at them; whoever shows them sets it.
    """

    def __init__(
        self, venue: AccountReads, state: State, *, now: Callable[[], Ns], emit: Callable[[e.Event], None]
    ) -> None:
        """Build. `state` is the core's beliefs, only read; `now` is our clock, `emit` takes the event."""
        self._venue, self._state, self._now, self._emit = venue, state, now, emit
        self.ahead: dict[Place, Qty] = {}
        self.is_watched: Callable[[], bool] = lambda: False
        self._asked_at: dict[Place, Ns] = {}
        self._last_at: Ns | None = None

    async def run(self) -> None:
        """Read whenever it is due, until cancelled."""
        while True:
            await self.read_if_due()
            await asyncio.sleep(POLL_S)

    async def read_if_due(self) -> None:
        """Ask about the places whose turn it is; those of a reading that fails are unknown until the next."""
        now = self._now()
        if self._last_at is not None and now - self._last_at < BETWEEN:
            return
        before = self._resting()
        self._asked_at = {place: at for place, at in self._asked_at.items() if place in before}
        tickers = self._due(before, now)
        if not tickers:
            return
        self._last_at = now
        places = {place: None for place in before if place.ticker in tickers}
        self._asked_at |= dict.fromkeys(places, now)
        told = await self._read(tickers)
        # Of an order that moved meanwhile nobody knows which of its places was told.
        stayed = self._resting()
        asked = [place for place in places if place in stayed]
        found = {place: told[place.order_id] for place in asked if place.order_id in told}
        kept = {place: qty for place, qty in self.ahead.items() if place in stayed and place not in places}
        self.ahead = kept | found
        if found:
            answers = tuple(
                e.QueuePlace(place.order_id, place.ticker, place.price, qty) for place, qty in found.items()
            )
            self._emit(e.QueuePlacesRead(now, self._now(), answers))

    def _resting(self) -> dict[Place, None]:
        places = (place_of(order) for order in self._state.orders.values())
        return {place: None for place in places if place is not None}

    def _due(self, resting: dict[Place, None], now: Ns) -> dict[str, None]:
        """Return the markets to be asked about: those of places never asked about first, then by age."""
        every = BETWEEN if self.is_watched() else EVERY
        aged = sorted((self._asked_at.get(place, 0), place.ticker) for place in resting)
        due = dict.fromkeys(ticker for at, ticker in aged if now - at >= every)
        return dict.fromkeys(tuple(due)[:MARKETS_MAX])

    async def _read(self, tickers: dict[str, None]) -> dict[str, Qty]:
        try:
            return await self._venue.queue_positions(list(tickers))
        except VenueError as error:
            log.debug("queue_places.unread", reason=str(error))
            return {}
