"""Cancel everything of ours over REST, by itself: for when the daemon hangs, or may not record any more.

It needs no engine, no journal and no stream. Ours are the orders whose client order id begins with our
prefix: the owner's own are never touched. The venue's lists lag: they are believed when they stay empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType

import msgspec
import structlog

from daemon.core.commands import CancelOrder
from daemon.core.events import OrderAccepted
from daemon.core.own_orders import READ_LAG
from daemon.core.units import SECOND, format_price, format_qty
from daemon.kalshi.bodies import OrderRecord
from daemon.kalshi.errors import Refused, VenueError
from daemon.kalshi.rest import ReadingRest, Rest
from daemon.shell.journal import JournalFailed
from daemon.shell.kill_switch import KillSwitch

log = structlog.get_logger(__name__)

BATCH_MAX = 20
"""Orders in one request: it must fit the venue's smallest bucket as a whole, at 2 tokens each."""
READ_LAG_S = READ_LAG / SECOND
PAUSE_S = 0.25
UNRECORDED_WITHIN_S = 5.0
"""How long a daemon that may not record any more takes to cancel what rests, before it leaves."""


class Sweep(msgspec.Struct, frozen=True):
    """What came of it. `left` are the orders that the last list still had; None when no list was read."""

    cancelled: int
    left: tuple[str, ...] | None
    is_confirmed: bool
    problem: str | None
    """What the venue said last against it."""


class _Sweeper:
    """One sweep: what was cancelled, what the last list had."""

    def __init__(self, rest: Rest, prefix: str) -> None:
        self._rest = rest
        self._prefix = prefix
        self._asked_at: dict[str, float] = {}
        """When an order was cancelled, or found to be gone: a list may have it a while longer."""
        self.cancelled: dict[str, None] = {}
        self.left: tuple[str, ...] | None = None
        self.problem: str | None = None

    async def run(self) -> None:
        """Cancel until the list has been empty for as long as lists lag. Raises Refused."""
        loop = asyncio.get_running_loop()
        empty_since: float | None = None
        while True:
            asked_at = loop.time()
            try:
                listed = await self._ours()
            except Refused:
                raise  # our key, our clock: asking again says the same
            except VenueError as error:
                self.problem = str(error)
                await asyncio.sleep(PAUSE_S)
                continue
            if listed:
                empty_since = None
                due = [one for one in listed if self._is_due(one, asked_at)]
                for start in range(0, len(due), BATCH_MAX):
                    await self._cancel(due[start : start + BATCH_MAX])
            elif empty_since is None:
                empty_since = asked_at
            elif asked_at - empty_since >= READ_LAG_S:
                return
            await asyncio.sleep(PAUSE_S)

    async def _ours(self) -> list[OrderRecord]:
        records = await self._rest.order_records(status="resting")
        ours = [record for record in records if record.order.client_order_id.startswith(self._prefix)]
        self.left = tuple(_words(record) for record in ours)
        return ours

    def _is_due(self, record: OrderRecord, now: float) -> bool:
        asked_at = self._asked_at.get(record.order.order_id)
        return asked_at is None or now - asked_at >= READ_LAG_S

    async def _cancel(self, records: Sequence[OrderRecord]) -> None:
        commands = [
            CancelOrder(
                client_order_id=record.order.client_order_id,
                order_id=record.order.order_id,
                ticker=record.order.ticker,
                exchange_index=-1 if record.exchange_index is None else record.exchange_index,
                reason="emergency",
                decided_at=0,
            )
            for record in records
        ]
        try:
            outcomes = await self._rest.cancel_many(commands)
        except VenueError as error:
            self.problem = str(error)  # the next list tells what became of them
            return
        now = asyncio.get_running_loop().time()
        for command, outcome in zip(commands, outcomes, strict=True):
            if isinstance(outcome, OrderAccepted):
                self.cancelled[command.order_id] = None
            elif not (isinstance(outcome, Refused) and outcome.code == "not_found"):
                self.problem = str(outcome)
                continue
            self._asked_at[command.order_id] = now


async def end_unrecorded(
    switch: KillSwitch,
    rest: ReadingRest,
    prefix: str,
    _kind: type[BaseException] | None,
    error: BaseException | None,
    _trace: TracebackType | None,
) -> None:
    """Where the journal failed: nobody trades before a person has looked, and nothing of ours rests.

    Called with what ended the run, while the client still lives; other ends are none of its business.
    """
    failure = next((one for one in leaves(error) if isinstance(one, JournalFailed)), None)
    if failure is None:
        return
    log.critical("journal.failed", reason=str(failure))
    switch.hold(f"the journal failed: {failure}", "journal")
    if isinstance(rest, Rest):  # what can only read has sent nothing that could rest
        rest.gate = None  # nobody opens it any more
        await cancel_ours(rest, prefix, UNRECORDED_WITHIN_S)


def leaves(error: BaseException | None) -> list[BaseException]:
    """Return an error, or the errors that a group of groups holds; none of None."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [] if error is None else [error]


async def cancel_ours(rest: Rest, prefix: str, within_s: float) -> Sweep:
    """Cancel all resting orders whose client order id begins with `prefix`, until none is listed.

    Bounded in time, and never raises for what the venue does: an empty list, read again after lists lag, is
    a confirmation; anything else is not.
    """
    sweeper, is_confirmed = _Sweeper(rest, prefix), False
    try:
        async with asyncio.timeout(within_s):
            await sweeper.run()
        is_confirmed = True
    except TimeoutError:
        sweeper.problem = sweeper.problem or f"not confirmed within {within_s:g} s"
    except VenueError as error:
        sweeper.problem = str(error)
    sweep = Sweep(
        len(sweeper.cancelled), sweeper.left, is_confirmed, None if is_confirmed else sweeper.problem
    )
    told = log.warning if is_confirmed else log.error
    told("emergency.swept", **msgspec.structs.asdict(sweep))
    return sweep


def _words(record: OrderRecord) -> str:
    order = record.order
    size = format_qty(order.remaining)
    what = f"{order.side} {size} {order.ticker} at {format_price(order.price)}"
    return f"{order.client_order_id} ({order.order_id}): {what}"
