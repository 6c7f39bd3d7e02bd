"""The one order queue: every order mutation of the daemon leaves through here, one consumer, cancels first.

Before a command leaves, in this order: its journal record is on disk (fdatasync); for anything but a
cancel, its time-to-live has not passed and what the decision rested on is still vouched for; the venue's
token budget has room (`core.pacer`; cancels may use the reserve); for anything but a cancel, the outer
bound of requests per second has room too (asyncio-throttle, which only this consumer asks). What fails a
check is dropped with its reason, as an event, and never sent. An order that must wait for room keeps its
place and is checked again each time; a cancel that comes in meanwhile passes it.

What the venue answers becomes an event: yes (`OrderAccepted`), no (`OrderRejected`), or not known
(`OrderUnknown`); a request that surely never arrived is dropped (`OrderDropped`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import assert_never

import structlog
from asyncio_throttle.throttler import Throttler

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelAll, CancelOrder, PlaceOrder
from daemon.core.pacer import Pacer
from daemon.core.units import Ns
from daemon.kalshi.costs import WriteCosts
from daemon.kalshi.errors import Limited, Refused, Transient
from daemon.kalshi.rest import Rest

log = structlog.get_logger(__name__)

Queued = PlaceOrder | AmendOrder | CancelOrder | CancelAll
PACING_S = 0.001
"""How often a command that waits for tokens asks again."""


class OrderQueue:
    """Holds commands, cancels before all others, and sends them one after the other.

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
    """

    def __init__(
        self,
        venue: Rest,
        pacer: Pacer,
        costs: WriteCosts,
        *,
        now: Callable[[], Ns],
        vouch: Callable[[PlaceOrder | AmendOrder, Ns], str | None],
        synced: Callable[[int], Awaitable[None]],
        emit: Callable[[e.Event], None],
        requests_per_s_max: int,
        in_flight_max: int,
    ) -> None:
        self._venue = venue
        self.pacer = pacer
        self._costs = costs
        self._now = now
        self._vouch = vouch
        self._synced = synced
        self._emit = emit
        self._throttler = Throttler(rate_limit=requests_per_s_max, period=1.0)
        self._cancels: deque[tuple[CancelOrder | CancelAll, int, Ns]] = deque()
        self._orders: deque[tuple[PlaceOrder | AmendOrder, int, Ns]] = deque()
        self._wake = asyncio.Event()
        self._in_flight_max = in_flight_max
        self._requests: set[asyncio.Task[None]] = set()
        self._order_requests = 0
        self.sent_total = 0
        self.dropped_total = 0
        self.last_wait: Ns = 0
        """How long the last sent command waited here."""
        self.on_wait: Callable[[Ns], None] | None = None
        """Takes the wait of every sent command, for the histogram."""

    @property
    def depth(self) -> int:
        """Commands that wait."""
        return len(self._cancels) + len(self._orders)

    @property
    def in_flight(self) -> int:
        """Requests without an answer."""
        return len(self._requests)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in flight, and nothing waits but for tokens, which only time brings.

        A tape's time stands still until we are idle: waiting for tokens must not count as work.
        """
        now = self._now()
        if self._requests:
            return False
        if self._cancels:
            return self.pacer.ready_at(self._cost(self._cancels[0][0]), now, may_use_reserve=True) > now
        if self._orders:
            is_starved = self.pacer.ready_at(self._cost(self._orders[0][0]), now, may_use_reserve=False) > now
            return is_starved and self._why_not(self._orders[0][0]) is None
        return True

    def put(self, command: Queued, offset: int) -> None:
        """Queue a command that is recorded in the journal before `offset`."""
        if isinstance(command, CancelOrder | CancelAll):
            self._cancels.append((command, offset, self._now()))
        else:
            self._orders.append((command, offset, self._now()))
        self._wake.set()

    async def run(self) -> None:
        """Send what is queued until cancelled. Cancellation leaves requests in flight to `drain`."""
        while True:
            while not (self._cancels or self._orders):
                self._wake.clear()
                await self._wake.wait()  # an answered request wakes us too, with nothing to send
            if self._cancels:
                await self._send_cancel()
            else:
                await self._send_order()

    async def drain(self, timeout_s: float) -> bool:
        """Wait for the answers in flight; False when some did not come in time."""
        if self._requests:
            await asyncio.wait(set(self._requests), timeout=timeout_s)
        return not self._requests

    async def _send_cancel(self) -> None:
        """Send the first cancel, or leave it in its place until even the reserve has tokens for it."""
        command, offset, queued_at = self._cancels[0]
        await self._synced(offset)
        if self.pacer.take(self._cost(command), self._now(), may_use_reserve=True):
            self._cancels.popleft()
            self._start(command, queued_at)
        else:
            await asyncio.sleep(PACING_S)

    async def _send_order(self) -> None:
        """Send or drop the first order, or leave it in its place while it may not go yet."""
        command, offset, queued_at = self._orders[0]
        reason = self._why_not(command)
        if reason is None:
            await self._synced(offset)
            reason = self._why_not(command)  # the disk took its time
        if reason is not None:
            self._orders.popleft()
            self._drop(command, reason)
        elif self._cancels:
            return  # one came in meanwhile, and goes first
        elif self._has_room(command) and await self._has_turn():
            self._orders.popleft()
            is_taken = self.pacer.take(self._cost(command), self._now(), may_use_reserve=False)
            assert is_taken, "only this consumer takes tokens"
            self._start(command, queued_at)
        else:
            await self._nap(PACING_S)

    def _has_room(self, command: PlaceOrder | AmendOrder) -> bool:
        """Whether one more order fits in the token budget and among the requests in flight."""
        now = self._now()
        ready_at = self.pacer.ready_at(self._cost(command), now, may_use_reserve=False)
        return ready_at <= now and self._order_requests < self._in_flight_max

    def _cost(self, command: Queued) -> int:
        """Return the tokens that a command takes, by the venue's own list."""
        match command:
            case PlaceOrder():
                return self._costs.place
            case AmendOrder():
                return self._costs.amend
            case CancelOrder():
                return self._costs.cancel
            case CancelAll():
                return self._costs.cancel_all
            case _:
                assert_never(command)

    async def _has_turn(self) -> bool:
        """Whether the outer bound lets a request out at this instant; if so, that is its turn.

        A turn that is granted is granted without a pause, so the checks before it still hold. Waiting here
        for one would keep cancels waiting too.
        """
        try:
            async with asyncio.timeout(0), self._throttler:
                return True
        except TimeoutError:
            return False

    def _why_not(self, command: PlaceOrder | AmendOrder) -> str | None:
        now = self._now()
        return "deadline_passed" if now > command.deadline else self._vouch(command, now)

    def _drop(self, command: PlaceOrder | AmendOrder, reason: str) -> None:
        self.dropped_total += 1
        log.info("order.dropped", client_order_id=command.client_order_id, reason=reason)
        action: e.OrderAction = "place" if isinstance(command, PlaceOrder) else "amend"
        self._emit(e.OrderDropped(action, command.client_order_id, reason, self._now()))

    async def _nap(self, seconds: float) -> None:
        """Wait a moment, or until something new is queued."""
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _start(self, command: Queued, queued_at: Ns) -> None:
        self.sent_total += 1
        self.last_wait = self._now() - queued_at
        if self.on_wait is not None:
            self.on_wait(self.last_wait)
        is_order = isinstance(command, PlaceOrder | AmendOrder)
        self._order_requests += is_order
        task = asyncio.create_task(self._request(command), name=f"order-request-{self.sent_total}")
        self._requests.add(task)
        task.add_done_callback(lambda done: self._finish(done, is_order=is_order))

    def _finish(self, task: asyncio.Task[None], *, is_order: bool) -> None:
        self._requests.discard(task)
        self._order_requests -= is_order
        self._wake.set()

    async def _request(self, command: Queued) -> None:
        """Send one request and tell how it ended. Never raises: an unforeseen error is an unknown outcome."""
        match command:
            case PlaceOrder():
                await self._ask("place", command.client_order_id, self._venue.place(command))
            case AmendOrder():
                await self._ask("amend", command.client_order_id, self._venue.amend(command))
            case CancelOrder():
                await self._ask("cancel", command.client_order_id, self._venue.cancel(command))
            case CancelAll():
                await self._ask_cancel_all()
            case _:
                assert_never(command)

    async def _ask(
        self, action: e.OrderAction, client_order_id: str, reply: Awaitable[e.OrderAccepted]
    ) -> None:
        try:
            accepted = await reply
        except Refused as error:
            self._emit(e.OrderRejected(action, client_order_id, error.code, error.details, self._now()))
            self._emit(e.VenueAnswered(action, self._now()))
        except Transient as error:
            # It surely did not happen: the connection was refused, or the venue said to come back later.
            self._note_limit(error)
            self._emit(e.OrderDropped(action, client_order_id, str(error), self._now()))
            self._emit(e.VenueFailed(action, str(error), self._now()))
        except asyncio.CancelledError:
            self._emit(e.OrderUnknown(action, client_order_id, "cancelled while waiting", self._now()))
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the request may have arrived
            self._emit(e.OrderUnknown(action, client_order_id, repr(error), self._now()))
            self._emit(e.VenueFailed(action, repr(error), self._now()))
        else:
            self._emit(accepted)
            self._emit(e.VenueAnswered(action, self._now()))

    async def _ask_cancel_all(self) -> None:
        try:
            await self._venue.cancel_all()
        except Refused as error:
            log.error("cancel_all.rejected", code=error.code, details=error.details)
            self._emit(e.VenueAnswered("cancel_all", self._now()))
        except Exception as error:  # noqa: BLE001 - whatever it was, the orders may still rest
            self._note_limit(error)
            self._emit(e.VenueFailed("cancel_all", repr(error), self._now()))
        else:
            self._emit(e.VenueAnswered("cancel_all", self._now()))

    def _note_limit(self, error: Exception) -> None:
        """The venue found its bucket empty: what ours seemed to hold would only be refused like this one."""
        if isinstance(error, Limited):
            self.pacer.empty(self._now())
