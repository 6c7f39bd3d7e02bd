"""The flow's pump: sandbox time goes on, the flow and the clock bring about what falls due, and it is told.

Paced, sandbox time is wall time or a multiple of it. In lockstep (a tape) it goes on as soon as every
follower of the clock has handled the last step. A tape begins when someone follows the clock and a book, and
so does each of its sessions, which end with all client connections cut. By hand (traders) it moves by
`advance` alone: everything on the way happens in order, and has been written to everyone when it returns.
"""

from __future__ import annotations

import asyncio
from time import monotonic

import structlog

from daemon.core.units import SECOND, Ns
from daemon.sandbox.clock_channel import ClockChannel
from daemon.sandbox.flow import STEP, ConnectionCut, Ended, Telling
from daemon.sandbox.reference.server import ReferenceFeed
from daemon.sandbox.stream.ws import WsApi
from daemon.sandbox.venue import Venue

POLL_S = 0.05
JOIN_S_MAX = 10.0
"""How long a session waits for a follower of the clock to follow a book too."""
SEEN_S_MAX = 10.0
"""How long a clock that is moved by hand waits for a follower's answer to one step."""

log = structlog.get_logger()


class Pump:
    """See the module's head."""

    def __init__(self, venue: Venue, ws: WsApi, reference: ReferenceFeed, clock: ClockChannel) -> None:
        self._venue = venue
        self._flow = venue.flow
        self._ws = ws
        self._reference = reference
        self._clock = clock
        self._rolled_at: Ns = 0
        self._moving = asyncio.Lock()

    @property
    def is_by_hand(self) -> bool:
        """Whether time moves by `advance` alone."""
        return self._venue.clock.is_standing and self._flow.mode != "tape"

    async def advance(self, by: Ns, step: Ns = STEP) -> Ns:
        """Let so much time pass, a step at a time, and return the time then.

        Followers of the clock have seen all of it when this returns, and so has every socket.

        Raises:
            TimeoutError: a follower of the clock did not answer for `SEEN_S_MAX`.
        """
        assert self.is_by_hand, "this clock runs by itself"
        async with self._moving:
            now = self._venue.clock.now()
            until = now + by
            while now < until:
                now = min(now + step, until)
                self._venue.clock.set(now)
                self._step(now)
                await self._ws.drained()
                await self._reference.drained()
                self._clock.tell(now)
                async with asyncio.timeout(SEEN_S_MAX):
                    await self._clock.seen(now)
                # Clients of this very loop answer in between.
                await asyncio.sleep(0)
            return now

    async def run(self) -> None:
        """Run until the flow has ended, or for ever."""
        is_wall = self._flow.mode != "tape"
        if self.is_by_hand:
            await asyncio.Event().wait()
        resume_at: Ns | None = self._venue.clock.now()
        while resume_at is not None:
            self._venue.clock.set(resume_at)
            if not is_wall:
                # What is listed by then can be found, and subscribed to, before anything moves.
                self._step(resume_at)
                await self._session_joined()
            if self._venue.speed is None:
                resume_at = await self._run_lockstep()
            else:
                resume_at = await self._run_paced(self._venue.speed, is_wall=is_wall)
        self._clock.has_ended = True
        self._clock.tell(self._venue.clock.now())
        log.info("flow.ended")

    async def _session_joined(self) -> None:
        """Wait for someone to play to: a follower of the clock, then a book's, but not for ever."""
        self._clock.tell(self._venue.clock.now())
        while not await self._clock.joined(timeout_s=3600.0):
            pass
        waited_from = monotonic()
        # Rare and short: not worth an event through three layers.
        while self._is_book_awaited and monotonic() - waited_from < JOIN_S_MAX:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)

    @property
    def _is_book_awaited(self) -> bool:
        """Whether there is a book to follow and nobody who does."""
        now = self._venue.clock.now()
        markets = self._venue.exchange.markets.values()
        return not self._venue.hub.has_book_listener and any(market.is_open(now) for market in markets)

    async def _run_lockstep(self) -> Ns | None:
        """Step as fast as the followers go; return where the next session begins, None at the end."""
        venue = self._venue
        now = venue.clock.now()
        while True:
            now += STEP
            venue.clock.set(now)
            cut = self._step(now)
            await self._ws.drained()
            await self._reference.drained()
            self._clock.tell(now)
            await self._clock.seen(now)
            if not self._clock.count:
                # Nobody follows: without this the tape would run through on its own in a second.
                await self._session_joined()
            if cut is not None:
                return await self._cut(cut)

    async def _run_paced(self, speed: float, *, is_wall: bool) -> Ns | None:
        """Step with the wall's clock; return where the next session begins, None at the end."""
        venue = self._venue
        began_at, began_s = venue.clock.now(), monotonic()
        now = began_at
        pause_s = max(0.005, STEP / SECOND / max(1.0, speed))
        while True:
            await asyncio.sleep(pause_s)
            due = venue.clock.now() if is_wall else began_at + int((monotonic() - began_s) * speed * SECOND)
            while now < due:
                now = min(now + STEP, due)
                venue.clock.set(now)
                cut = self._step(now)
                if cut is not None:
                    return await self._cut(cut)
                # Steps that are late are made up for one at a time, with clients served in between.
                await asyncio.sleep(0)
            self._clock.tell(now)

    def _step(self, now: Ns) -> ConnectionCut | Ended | None:
        """Let happen what falls due; return what ends the session, if anything does."""
        venue = self._venue
        tellings: list[Telling] = []
        end: ConnectionCut | Ended | None = None
        for told in self._flow.advance(venue.exchange, now):
            if isinstance(told, ConnectionCut | Ended):
                # A cut with nowhere to go on and the end that follows it are one; the first says it.
                end = end or told
            else:
                tellings.append(told)
        tellings += venue.exchange.advance(now)
        venue.tell(tellings)
        if now - self._rolled_at >= SECOND:
            self._rolled_at = now
            venue.roll()
        return end

    async def _cut(self, end: ConnectionCut | Ended) -> Ns | None:
        if isinstance(end, Ended):
            return None
        log.info("session.ended", reason=end.reason)
        if end.resume_at is not None:
            closing = asyncio.gather(
                self._ws.close(b"session ended"), self._reference.close(b"session ended")
            )
            # One turn of the loop writes the closing frames. The new time follows them at once, so that
            # who connects again signs by it.
            await asyncio.sleep(0)
            self._venue.clock.set(end.resume_at)
            self._clock.tell(end.resume_at)
            await closing
        return end.resume_at
