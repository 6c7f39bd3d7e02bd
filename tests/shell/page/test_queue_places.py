"""Places in queues: asked only when somebody looks, and never told of an order that moved."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from daemon.core.units import Qty
from daemon.kalshi.errors import Transient
from daemon.shell.page.queue_places import Place, QueuePlaces
from tests.shell.orders import until

HERE, MOVED = Place("v-1", "A", 4_000), Place("v-1", "A", 4_100)
OTHER = Place("v-2", "B", 5_000)


class Venue:
    """A venue that says what it is told to; `looked` is what somebody looks at."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.looked = [frozenset[Place]()]
        self.fails = False

    async def read(self, tickers: Sequence[str]) -> dict[str, Qty]:
        """Answer with 7 contracts ahead of one order, which is not the only one."""
        self.asked.append(list(tickers))
        if self.fails:
            raise Transient("no answer")
        return {"v-1": 700}

    def wanted(self) -> frozenset[Place]:
        """The next of what is looked at; the last one stays."""
        return self.looked.pop(0) if len(self.looked) > 1 else self.looked[0]


@contextlib.asynccontextmanager
async def running(venue: Venue) -> AsyncIterator[QueuePlaces]:
    """The places, asked all the time."""
    places = QueuePlaces(venue.read, venue.wanted, every_s=0.001)
    task = asyncio.create_task(places.run())
    try:
        async with asyncio.timeout(10):
            yield places
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_nobody_looks_nobody_asks() -> None:
    """A read takes of the venue's budget."""
    venue = Venue()
    async with running(venue):
        await asyncio.sleep(0.05)
        assert [] == venue.asked


async def test_what_is_told_is_known_and_what_is_not_is_not() -> None:
    """By order; the markets are asked for once each."""
    venue = Venue()
    venue.looked = [frozenset({HERE, OTHER})]
    async with running(venue) as places:
        await until(lambda: bool(places.ahead))
        assert {HERE: 700} == places.ahead
        assert ["A", "B"] == venue.asked[0]
        venue.looked = [frozenset()]
        await until(lambda: not places.ahead)


async def test_an_order_that_moved_has_no_known_place() -> None:
    """Not the old queue's, nor that one under the new price."""
    venue = Venue()
    venue.looked = [frozenset({HERE}), frozenset({MOVED}), frozenset()]
    async with running(venue) as places:
        await until(lambda: len(venue.looked) == 1)
        assert {} == places.ahead


async def test_a_venue_that_does_not_answer_leaves_nothing_known() -> None:
    """And is asked again."""
    venue = Venue()
    venue.looked = [frozenset({HERE})]
    async with running(venue) as places:
        await until(lambda: bool(places.ahead))
        venue.fails = True
        await until(lambda: not places.ahead)
        venue.fails = False
        await until(lambda: bool(places.ahead))
