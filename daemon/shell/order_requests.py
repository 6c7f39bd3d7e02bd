"""From a request of the order queue to the events that tell how it ended. Every request ends in one.

Yes is `OrderAccepted`, no is `OrderRejected`, not known is `OrderUnknown`; what surely never arrived, or met
an empty bucket, is `OrderDropped`. A batch tells of each of its orders for itself; one that fails as a whole
is told for each of them as a single request's failure would be. `VenueAnswered` and `VenueFailed` count
requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, assert_never

import msgspec
import structlog

from daemon.core import events as e
from daemon.core.commands import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    DropOrderGroup,
    MakeOrderGroup,
    PlaceOrder,
    ProbeOrder,
    ResetOrderGroup,
)
from daemon.core.units import Ns
from daemon.kalshi.errors import Limited, Refused, Transient, Unknown
from daemon.kalshi.http import Leave
from daemon.kalshi.rest.orders import BatchOutcome
from daemon.shell.account_calls import AccountCalls
from daemon.shell.waiting import GroupCommand, Queued

log = structlog.get_logger(__name__)

OrderRequest: TypeAlias = PlaceOrder | AmendOrder | CancelOrder | ProbeOrder
ReadyKind: TypeAlias = PlaceOrder | AmendOrder | CancelOrder
"""What can be made ready ahead: nearly all that is sent."""
READY_MAX_S = 0.25
"""How old a ready request may be when it goes. The venue takes a signature for some seconds."""
_GONE = frozenset({"not_found", "order_group_not_found"})
_LIMITED = "too_many_requests"


class _NeverLeft(Exception):
    """A request ended while it was held back: nothing of it has left us."""


class ReadyRequest:
    """A request of one command that is ready to go, and goes when it is told to, or never.

    What was never let go has told nothing and sent nothing: its command goes another way, or nowhere.
    """

    def __init__(self, command: ReadyKind, leave: Leave, task: asyncio.Task[None]) -> None:
        """Join its parts. Use `OrderRequests.make_ready`."""
        self.command = command
        self.task = task
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self._made_at_s = self._loop.time()

    @property
    def is_fresh(self) -> bool:
        """Whether it may still go: its signature bears the time when it was made."""
        return not self.task.done() and self._loop.time() - self._made_at_s <= READY_MAX_S

    def go(self, now: Ns) -> None:
        """Let it go; from here on its events tell how it ended."""
        self._leave.give(now)

    def drop(self) -> None:
        """Give it up, unless it has been let go."""
        if self._leave.given_at is None:
            self.task.cancel()


class OrderRequests:
    """Sends requests, and tells how they ended.

    Args:
        venue: the REST client.
        now: our clock.
        emit: takes the events.
        on_limited: told when the venue found its bucket empty (429).
    """

    def __init__(
        self,
        venue: AccountCalls,
        *,
        now: Callable[[], Ns],
        emit: Callable[[e.Event], None],
        on_limited: Callable[[], None],
    ) -> None:
        self._venue = venue
        self._now = now
        self._emit = emit
        self._on_limited = on_limited

    def make_ready(self, command: ReadyKind) -> ReadyRequest:
        """Begin a request, within a running loop, up to where it waits to be let go."""
        leave = Leave()
        task = asyncio.create_task(self.send((command,), leave), name="order-request-ready")
        return ReadyRequest(command, leave, task)

    async def send(self, commands: Sequence[Queued], leave: Leave | None = None) -> None:
        """Send one command, or several places or cancels as one batch; `leave` is for one of `ReadyKind`."""
        if len(commands) > 1:
            await self._send_batch(commands)
            return
        (command,) = commands
        match command:
            case PlaceOrder():
                await self._ask("place", command, self._venue.place(command, leave), leave)
            case AmendOrder():
                await self._ask("amend", command, self._venue.amend(command, leave), leave)
            case CancelOrder():
                await self._ask("cancel", command, self._venue.cancel(command, leave), leave)
            case ProbeOrder():
                await self._ask("probe", command, self._venue.probe(command))
            case MakeOrderGroup() | ResetOrderGroup() | DropOrderGroup() | CancelAll():
                await self._ask_group(command)
            case _:
                assert_never(command)

    async def _send_batch(self, commands: Sequence[Queued]) -> None:
        places = [command for command in commands if isinstance(command, PlaceOrder)]
        cancels = [command for command in commands if isinstance(command, CancelOrder)]
        assert len(commands) in (len(places), len(cancels)), "the venue has batches of places and of cancels"
        if places:
            await self._ask_many("place", places, self._venue.place_many(places))
        else:
            await self._ask_many("cancel", cancels, self._venue.cancel_many(cancels))

    async def _ask(
        self,
        action: e.OrderAction,
        command: OrderRequest,
        reply: Awaitable[e.OrderAccepted],
        leave: Leave | None = None,
    ) -> None:
        async def outcomes() -> Sequence[BatchOutcome]:
            try:
                return [await reply]
            except BaseException as error:
                if leave is not None and leave.given_at is None:
                    raise _NeverLeft from error
                if isinstance(error, Refused):
                    return [error]
                raise

        await self._ask_many(action, [command], outcomes(), leave)

    async def _ask_many(
        self,
        action: e.OrderAction,
        commands: Sequence[OrderRequest],
        reply: Awaitable[Sequence[BatchOutcome]],
        leave: Leave | None = None,
    ) -> None:
        names = [command.client_order_id for command in commands]
        asked_at = self._now()
        try:
            outcomes = await reply
            if leave is not None and leave.given_at is not None:
                asked_at = leave.given_at
        except _NeverLeft:
            return  # whoever held it back has its command still, and tells what becomes of that
        except Refused as error:
            outcomes = [error] * len(names)
        except Transient as error:
            # It surely did not happen: the connection was refused, or the venue said to come back later.
            self._note_limit(error)
            for name in names:
                self._emit(e.OrderDropped(action, name, str(error), self._now()))
            self._emit(e.VenueFailed(action, str(error), self._now()))
            return
        except asyncio.CancelledError:
            for name in names:
                self._emit(e.OrderUnknown(action, name, "cancelled while waiting", self._now()))
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the request may have arrived
            for name in names:
                self._emit(e.OrderUnknown(action, name, repr(error), self._now()))
            self._emit(e.VenueFailed(action, repr(error), self._now()))
            return
        failure: str | None = None
        for name, outcome in zip(names, outcomes, strict=True):
            failure = self._tell(action, name, outcome, asked_at) or failure
        if failure is None:
            self._emit(e.VenueAnswered(action, self._now()))
        else:
            self._emit(e.VenueFailed(action, failure, self._now()))

    def _tell(self, action: e.OrderAction, name: str, outcome: BatchOutcome, asked_at: Ns) -> str | None:
        """Tell of one order; return why the venue counts as failed, None when it answered."""
        match outcome:
            case e.OrderAccepted():
                self._emit(msgspec.structs.replace(outcome, asked_at=asked_at))
                return None
            case Unknown():
                self._emit(e.OrderUnknown(action, name, repr(outcome), self._now()))
                return repr(outcome)
            case Refused() if outcome.code == _LIMITED:
                # An entry of a batch that found the bucket empty: as a single one would be by its 429.
                self._on_limited()
                self._emit(e.OrderDropped(action, name, str(outcome), self._now()))
                return str(outcome)
            case Refused():
                now = self._now()
                self._emit(e.OrderRejected(action, name, outcome.code, outcome.details, now, asked_at))
                return None
            case _:
                assert_never(outcome)

    # --- order groups ---------------------------------------------------------------------------

    async def _ask_group(self, command: GroupCommand | CancelAll) -> None:
        """Make, ask after, trigger, reset or drop a group. Unanswered, it is the core's to ask again."""
        shard = command.exchange_index
        request = "cancel_all" if isinstance(command, CancelAll) else "order_group"
        try:
            told = await self._told_group(command)
        except Refused as error:
            log.warning("order_group.rejected", code=error.code, details=error.details)
            if error.code in _GONE:
                self._emit(e.OrderGroupTold(shard, None, False, self._now()))
            self._emit(e.VenueAnswered(request, self._now()))
        except Exception as error:  # noqa: BLE001 - whatever it was, it may have happened: it is asked again
            self._note_limit(error)
            self._emit(e.VenueFailed(request, repr(error), self._now()))
        else:
            self._emit(told)
            self._emit(e.VenueAnswered(request, self._now()))

    async def _told_group(self, command: GroupCommand | CancelAll) -> e.OrderGroupTold:
        venue, shard = self._venue, command.exchange_index
        match command:
            case MakeOrderGroup(order_group_id=None):
                group_id = await venue.create_order_group(command.limit, exchange_index=shard)
                return e.OrderGroupTold(shard, group_id, False, self._now())
            case MakeOrderGroup(order_group_id=str(group_id)):
                # A write says for certain whether it is there: reads lag.
                await venue.limit_order_group(group_id, command.limit, exchange_index=shard)
                is_triggered = await self._is_triggered(group_id)
                return e.OrderGroupTold(shard, group_id, is_triggered, self._now())
            case CancelAll(order_group_id=group_id):
                await venue.trigger_order_group(group_id, exchange_index=shard)
                return e.OrderGroupTold(shard, group_id, True, self._now())
            case ResetOrderGroup(order_group_id=group_id):
                await venue.reset_order_group(group_id, exchange_index=shard)
                return e.OrderGroupTold(shard, group_id, False, self._now())
            case DropOrderGroup(order_group_id=group_id):
                await venue.delete_order_group(group_id, exchange_index=shard)
                return e.OrderGroupTold(shard, None, False, self._now())
            case _:
                raise AssertionError(f"no request for {command}")

    async def _is_triggered(self, group_id: str) -> bool:
        """Return whether a group takes no orders. One that the lagging lists don't know yet is a new one."""
        try:
            return not (await self._venue.order_group(group_id)).is_auto_cancel_enabled
        except Refused as error:
            if error.code not in _GONE:
                raise
            return False

    def _note_limit(self, error: Exception) -> None:
        if isinstance(error, Limited):
            self._on_limited()
