"""The one order queue: every order mutation of the daemon leaves through here, one consumer, cancels first.

Before a command leaves, in this order: its journal record is on disk (fdatasync); it is its turn, and what
an order rests on is still vouched for (`waiting`); the venue's token budget has room (`core.pacer`; cancels
may use the reserve); for anything but a cancel, the outer bound of requests per second has room too
(asyncio-throttle, which only this consumer asks). What fails a check is dropped with its reason, as an
event, and never sent. What must wait keeps its place and is checked again each time; what comes in meanwhile
and goes before it passes it. Orders, or cancels, that may go at the same instant go as one batch.

How a request ended is told by `order_requests`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from asyncio_throttle.throttler import Throttler

from daemon.core import events as e
from daemon.core.commands import AmendOrder, PlaceOrder, ProbeOrder, WithdrawOrder
from daemon.core.pacer import Pacer
from daemon.core.units import Ns
from daemon.kalshi.costs import WriteCosts
from daemon.shell.account_calls import AccountCalls
from daemon.shell.order_requests import OrderRequests, ReadyKind, ReadyRequest
from daemon.shell.waiting import CANCELS, Priority, Queued, Vouch, Vouched, Waiting, WaitingLine, priority_of

__all__ = ["OrderQueue", "Queued"]

_ACTIONS: dict[type[Vouched], e.OrderAction] = {PlaceOrder: "place", AmendOrder: "amend", ProbeOrder: "probe"}
log = structlog.get_logger(__name__)

PACING_S = 0.001
"""How often what waits for tokens is looked at again."""


class OrderQueue:
    """Holds commands and sends them, one request after the other.

    Args:
        venue: the REST client.
        pacer: the write token budget.
        costs: what each request takes of it.
        now: our clock.
        vouch: why an order must not leave at this instant, or None (the engine's question).
        synced: waits until the journal is on disk up to an offset.
        emit: takes the events that tell how a request ended.
        requests_per_s_max: outer bound for everything but cancels.
        in_flight_max: requests without an answer at one time, cancels not counted.
        batch_max: orders, or cancels, in one request at most.
    """

    def __init__(
        self,
        venue: AccountCalls,
        pacer: Pacer,
        costs: WriteCosts,
        *,
        now: Callable[[], Ns],
        vouch: Vouch,
        synced: Callable[[int], Awaitable[None]],
        emit: Callable[[e.Event], None],
        requests_per_s_max: int,
        in_flight_max: int,
        batch_max: int = 1,
    ) -> None:
        self.pacer = pacer
        self._now = now
        self._synced = synced
        self._emit = emit
        self._line = WaitingLine(pacer, costs, vouch, batch_max)
        self._sender = OrderRequests(venue, now=now, emit=emit, on_limited=lambda: pacer.empty(now()))
        self._throttler = Throttler(rate_limit=requests_per_s_max, period=1.0)
        self._wake = asyncio.Event()
        self._in_flight_max = in_flight_max
        self._requests: set[asyncio.Task[None]] = set()
        self._order_requests = 0
        self._has_ended = False
        self._synced_end = -1
        """The offset up to which the disk is known to have everything."""
        self.sent_total = 0
        self.batches_total = 0
        """Requests that carried more than one command."""
        self.dropped_total = 0
        self.last_wait: Ns = 0
        """How long the last sent command waited here."""
        self.on_wait: Callable[[Ns], None] | None = None
        """Takes the wait of every sent command, for the histogram."""

    @property
    def depth(self) -> int:
        """Commands that wait."""
        return self._line.depth

    @property
    def depths(self) -> dict[Priority, int]:
        """Commands that wait, by priority."""
        return self._line.depths

    @property
    def in_flight(self) -> int:
        """Requests without an answer."""
        return len(self._requests)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in flight, and nothing waits but for tokens, which only time brings.

        A tape's time stands still until we are idle: waiting for tokens must not count as work.
        """
        return not self._requests and (not self._line.depth or self._line.is_starved(self._now()))

    def bound(self, *, requests_per_s_max: int, in_flight_max: int, batch_max: int, reserve: int) -> None:
        """Go on within other bounds; what has left is not called back."""
        assert 0 <= reserve < self.pacer.capacity, f"a reserve of {reserve} leaves nothing of the bucket"
        self._throttler.rate_limit = requests_per_s_max
        self._in_flight_max = in_flight_max
        self._line.batch_max = batch_max
        self.pacer.reserve = reserve
        self._wake.set()

    def put(self, command: Queued, offset: int) -> None:
        """Queue a command that is recorded in the journal before `offset`."""
        self._line.put(command, offset, self._now())
        self._wake.set()

    def withdraw(self, command: WithdrawOrder) -> None:
        """Drop a new order that still waits; one that has left is left alone."""
        order = self._line.withdraw(command.client_order_id)
        if order is not None:
            self._drop(order, "superseded")

    async def run(self) -> None:
        """Send what is queued until cancelled. Cancellation leaves requests in flight to `drain`."""
        try:
            while True:
                while not self._line.depth:
                    self._wake.clear()
                    await self._wake.wait()  # an answered request wakes us too, with nothing to send
                await self._take_turn()
        finally:
            self._has_ended = True

    async def drain(self, timeout_s: float) -> bool:
        """Wait until what waits was sent, if anybody sends it, and for the answers in flight.

        Returns:
            False when it was not all done in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self._requests or (self._line.depth and not self._has_ended):
                    if self._requests:
                        await asyncio.wait(set(self._requests))
                    else:
                        await asyncio.sleep(PACING_S)
        except TimeoutError:
            return False
        return True

    async def _take_turn(self) -> None:
        """Send or drop those whose turn it is, or leave them in their place while they may not go yet."""
        front = self._line.front
        if front is None or front.offset <= self._synced_end:
            await self._send_turn(None)
            return
        ready = self._make_ready(front.command)  # while the disk is at work
        try:
            # Before anything is asked of it: what is vouched for has to be asked when it may leave.
            await self._synced(front.offset)
            self._synced_end = front.offset
            await self._send_turn(ready)
        finally:
            if ready is not None:
                ready.drop()

    def _make_ready(self, command: Queued) -> ReadyRequest | None:
        """Make a request ready that will probably go next and by itself; None where that is not likely."""
        is_alone = self._line.depth == 1  # what goes with others is another request
        if not is_alone or not isinstance(command, ReadyKind):
            return None
        if priority_of(command) not in CANCELS and self._order_requests >= self._in_flight_max:
            return None
        return self._sender.make_ready(command)

    async def _send_turn(self, ready: ReadyRequest | None) -> None:
        now = self._now()
        turn = self._line.choose(now, is_full=self._order_requests >= self._in_flight_max)
        for command, reason in turn.lapsed:
            self._drop(command, reason)
        if not turn.entries:
            if self._line.depth:
                await self._nap(PACING_S)
            return
        if turn.entries[0].offset > self._synced_end:
            offset = max(entry.offset for entry in turn.entries)
            await self._synced(offset)
            self._synced_end = offset
            return  # the disk took its time: whose turn it is, and what is vouched for, is asked anew
        entries = [entry for entry in turn.entries if entry.offset <= self._synced_end]
        is_cancel = priority_of(entries[0].command) in CANCELS
        if not is_cancel and not self._has_turn():
            await self._nap(PACING_S)
            return
        self._line.take(entries, now)
        self._start(entries, ready, is_cancel=is_cancel)

    def _has_turn(self) -> bool:
        """Whether the outer bound lets a request out at this instant; if so, that is its turn.

        A turn that is granted is granted without a pause, so the checks before it still hold. Waiting here
        for one would keep cancels waiting too.
        """
        asking = self._throttler.acquire()  # type: ignore[no-untyped-call]
        try:
            asking.send(None)
        except StopIteration:
            return True
        asking.close()  # it would sleep: there is no room
        return False

    def _drop(self, command: Vouched, reason: str) -> None:
        self.dropped_total += 1
        log.info("order.dropped", client_order_id=command.client_order_id, reason=reason)
        action = _ACTIONS[type(command)]
        self._emit(e.OrderDropped(action, command.client_order_id, reason, self._now()))

    async def _nap(self, seconds: float) -> None:
        """Wait a moment, or until something new is queued."""
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _start(self, entries: Sequence[Waiting], ready: ReadyRequest | None, *, is_cancel: bool) -> None:
        self.sent_total += len(entries)
        self.batches_total += len(entries) > 1
        now = self._now()
        for entry in entries:
            self.last_wait = now - entry.queued_at
            if self.on_wait is not None:
                self.on_wait(self.last_wait)
        self._order_requests += not is_cancel
        commands = [entry.command for entry in entries]
        if ready is not None and ready.is_fresh and len(commands) == 1 and commands[0] is ready.command:
            ready.go(now)
            task = ready.task
        else:
            task = asyncio.create_task(self._sender.send(commands), name=f"order-request-{self.sent_total}")
        self._requests.add(task)
        task.add_done_callback(lambda done: self._finish(done, is_cancel=is_cancel))

    def _finish(self, task: asyncio.Task[None], *, is_cancel: bool) -> None:
        self._requests.discard(task)
        self._order_requests -= not is_cancel
        self._wake.set()
