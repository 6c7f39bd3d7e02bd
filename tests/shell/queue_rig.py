"""A queue with its clock, its vouching and its disk in the test's hands, in front of a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from daemon.core import events as e
from daemon.core.pacer import Pacer
from daemon.core.units import Ns
from daemon.kalshi.costs import WriteCosts
from daemon.kalshi.rest import Rest
from daemon.shell.journal import JournalFailed
from daemon.shell.queue import OrderQueue, Queued
from daemon.shell.waiting import Vouched
from tests.core.worlds import T0
from tests.shell.orders import until
from tests.shell.venue import Answer, Venue, serving

TEST_WITHIN_S = 30.0
COSTS = WriteCosts(place=10, amend=10, cancel=2, cancel_all=2)
A_WHILE_S = 0.05
"""Long enough for what must not happen to happen: many times a request's round trip."""


def error(status: int, code: str) -> Answer:
    return Answer(status, f'{{"error":{{"code":"{code}","message":"no"}}}}')


class Rig:
    """A queue with its clock, its vouching and its disk in the test's hands; the rest is real."""

    def __init__(
        self,
        rest: Rest,
        venue: Venue,
        pacer: Pacer,
        costs: WriteCosts,
        bound: int,
        in_flight: int,
        batch_max: int,
    ) -> None:
        self.venue = venue
        self.at: Ns = T0
        self.events: list[e.Event] = []
        self.refused: dict[str, str] = {}
        """By client order id: what the engine has against it."""
        self.disk: Callable[[int], Awaitable[None]] = self._written
        self.queue = OrderQueue(
            rest,
            pacer,
            costs,
            now=lambda: self.at,
            vouch=self._vouch,
            synced=self._synced,
            emit=self.events.append,
            requests_per_s_max=bound,
            in_flight_max=in_flight,
            batch_max=batch_max,
        )
        self.consumer = asyncio.create_task(self.queue.run())

    async def _written(self, _offset: int) -> None:
        return

    async def _synced(self, offset: int) -> None:
        await self.disk(offset)

    def _vouch(self, command: Vouched, now: Ns) -> str | None:
        assert now == self.at
        return self.refused.get(command.client_order_id)

    def put(self, *commands: Queued) -> None:
        for command in commands:
            self.queue.put(command, 0)

    def told(self, kind: type[e.Event]) -> list[e.Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def idle(self) -> None:
        await until(lambda: not self.queue.depth and not self.queue.in_flight)

    async def stop(self) -> None:
        self.consumer.cancel()
        with suppress(asyncio.CancelledError, JournalFailed):
            await self.consumer
        await self.queue.drain(10.0)


@asynccontextmanager
async def rig(
    *,
    tokens: tuple[int, int, int] = (10_000, 10_000, 20),
    costs: WriteCosts = COSTS,
    bound: int = 1_000,
    in_flight: int = 64,
    batch_max: int = 1,
    timeout_s: float = 5.0,
    url: str | None = None,
) -> AsyncIterator[Rig]:
    """A queue in front of a venue. `tokens` are the bucket's capacity, refill per second and reserve."""
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        rest = Rest(url or venue.url, None, lambda: T0, read_timeout_s=timeout_s, write_timeout_s=timeout_s)
        subject = Rig(rest, venue, Pacer(*tokens), costs, bound, in_flight, batch_max)
        try:
            yield subject
        finally:
            if venue.held is not None:
                venue.held.set()
            await subject.stop()
            await rest.close()
