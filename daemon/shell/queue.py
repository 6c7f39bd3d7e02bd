"""The one order queue: every order mutation of the daemon leaves through here, one consumer, cancels first.

Before a command leaves, in this order: its journal record is on disk (fdatasync); the venue's token
budget has room (`core.pacer`; cancels may use the reserve); for anything but a cancel, the outer bound of
requests per second has room too (asyncio-throttle, with exactly one waiter: this consumer), its
time-to-live has not passed, and what the decision rested on is still vouched for. What fails a check is
dropped with its reason, as an event, and never sent.

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
from daemon.kalshi.errors import Refused, Transient, VenueError
from daemon.kalshi.rest import Rest

log = structlog.get_logger(__name__)

Queued = PlaceOrder | AmendOrder | CancelOrder | CancelAll
CREATE_TOKENS = 10
CANCEL_TOKENS = 2
PACING_S = 0.001
"""How often a command that waits for tokens asks again."""


class OrderQueue:
    """Holds commands, cancels before all others, and sends them one after the other.

    Args:
        venue: the REST client.
        pacer: the write token budget.
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
        self._now = now
        self._vouch = vouch
        self._synced = synced
        self._emit = emit
        self._throttler = Throttler(rate_limit=requests_per_s_max, period=1.0, retry_interval=0.001)
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
        """Whether nothing waits and nothing is in flight."""
        return not (self._cancels or self._orders or self._requests)

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
            if not (self._cancels or self._orders):
                self._wake.clear()
                await self._wake.wait()
            if self._cancels:
                cancel, offset, queued_at = self._cancels[0]
                await self._synced(offset)
                if self.pacer.take(CANCEL_TOKENS, self._now(), may_use_reserve=True):
                    self._cancels.popleft()
                    self._start(cancel, queued_at)
                else:
                    await asyncio.sleep(PACING_S)
            elif self._orders:
                await self._send_order()

    async def drain(self, timeout_s: float) -> bool:
        """Wait for the answers in flight; False when some did not come in time."""
        if self._requests:
            await asyncio.wait(set(self._requests), timeout=timeout_s)
        return not self._requests

    async def _send_order(self) -> None:
        """Send or drop the first order, unless a cancel comes in while it waits for its turn."""
        command, offset, queued_at = self._orders[0]
        reason = self._why_not(command)
        if reason is None:
            ready_at = self.pacer.ready_at(CREATE_TOKENS, self._now(), may_use_reserve=False)
            if ready_at > self._now() or self._order_requests >= self._in_flight_max:
                await self._nap(PACING_S)
                return
            async with self._throttler:
                pass
            await self._synced(offset)
            if self._cancels:
                return  # a cancel goes first; the order keeps its place
            # The waits above took time: ask again, at the moment of sending.
            reason = self._why_not(command)
        self._orders.popleft()
        if reason is not None:
            self._drop(command, reason)
            return
        self.pacer.take(CREATE_TOKENS, self._now(), may_use_reserve=False)
        self._start(command, queued_at)

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
                try:
                    await self._venue.cancel_all()
                except VenueError as error:
                    self._emit(e.VenueFailed("cancel_all", str(error), self._now()))
                else:
                    self._emit(e.VenueAnswered("cancel_all", self._now()))
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
