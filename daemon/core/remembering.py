"""How the day went, kept for the next life: what of the losses a restart must not forget.

The record is decided when it has changed, at most once a second, at once at a stop, and anew every `AGAIN`: a
start reads the end of the last journal, and it must be there. A crash loses a second of it. What was taken
over from a life before is handed on as it is until the account is believed, however many lives that takes.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from daemon.core import events as e
from daemon.core.attribution import NO_STRATEGIES, AwaitedTold
from daemon.core.commands import Command, KeepDay
from daemon.core.day_record import DayRecord
from daemon.core.gathering import Gathering
from daemon.core.halting import Halting
from daemon.core.orders import Order
from daemon.core.state import State
from daemon.core.units import DAY, HOUR, SECOND, BookSide, Ns, Qty

AGAIN: Ns = 30 * SECOND
"""Well below the part of a journal that a start reads (`recovery.TAIL`)."""
LISTED_WITHIN: Ns = HOUR
"""All markets that are traded have been listed by then."""


class Remembering:
    """Makes the record of what the limits on losses look at, and takes over that of a life before."""

    def __init__(self, state: State, gathering: Gathering, halting: Halting) -> None:
        self._state = state
        self._gathering = gathering
        self._halting = halting
        self._recovered: DayRecord | None = None
        self._kept: DayRecord | None = None
        self._kept_at: Ns = 0
        self._seen: object = None
        """What `_seen_now` said when the record was last found to be the same as the one that is kept."""

    def recover(self, event: e.DayRecovered) -> None:
        """Go on where a life before left it; of another day only what still holds then."""
        record, now, gathering = event.record, event.received_at, self._gathering
        self._recovered = record
        gathering.record.recover(record, now)
        gathering.marks.recover(record.quotes)
        if now - record.cash_as_of < DAY:
            gathering.exits.recover(record.stopped_out, now + LISTED_WITHIN)
        self._state.attribution.recover(record.shares, record.awaited)
        gathering.strategies.recover(record.day, record.results)
        if record.day == now // DAY:
            self._halting.recover(record.acknowledged)

    def keep(self, now: Ns, *, is_told: bool = True) -> list[Command]:
        """Return the record if it is due. `is_told`: something was told since the last time."""
        since = now - self._kept_at
        if self._kept is not None:
            if since < SECOND and self._state.stop_reason is None:
                return []
            if not is_told and since < AGAIN and self._seen == self._seen_now():
                return []
        record = self._record()
        if record is None:
            return []
        if self._kept is not None and since < AGAIN and _essence(record) == _essence(self._kept):
            self._seen = self._seen_now()
            return []
        self._kept, self._kept_at, self._seen = record, now, None
        return [KeepDay(record, now)]

    def _seen_now(self) -> object:
        """Return all of the record that may change although nothing is told.

        An order that was decided is in it too: the equity was marked for it.
        """
        gathering = self._gathering
        day = gathering.record
        return day.told_at, day.equity_peak, gathering.exits.stopped_out, gathering.models.drift.told()

    def _record(self) -> DayRecord | None:
        """Return the record as of now; None while nothing is known of this life's, nor of one before."""
        day, transferred = self._gathering.record, self._state.ledger.transferred
        if day.equity is None or day.equity_peak is None:
            return self._recovered
        awaited = _awaited(self._state.orders.values())
        return DayRecord(
            day.day,
            self._state.account.flows.agreed_at,
            # The next life finds the owner's money in the cash, and knows nothing of when it came.
            day.equity_at_day_start + transferred,
            day.equity_peak + transferred,
            day.losing_streak,
            self._gathering.exits.stopped_out,
            self._gathering.marks.told(),
            self._halting.acknowledged,
            self._state.attribution.told(ticker for ticker, *_ in awaited),
            self._gathering.strategies.told(),
            awaited,
            self._gathering.models.drift.told(),
        )


def _essence(record: DayRecord) -> DayRecord:
    """Return a record without what changes all the time: that may be as old as `AGAIN`."""
    awaited = tuple((ticker, strategy, side, 0) for ticker, strategy, side, _ in record.awaited)
    return msgspec.structs.replace(record, cash_as_of=0, quotes=(), awaited=awaited)


def _awaited(orders: Iterable[Order]) -> tuple[AwaitedTold, ...]:
    """Return what strategies' orders may still trade, by market, strategy and side."""
    sums: dict[tuple[str, str, BookSide], Qty] = {}
    for order in orders:
        if order.exposed and order.strategy not in NO_STRATEGIES:
            key = (order.ticker, order.strategy, order.side)
            sums[key] = sums.get(key, 0) + order.exposed
    return tuple(sorted((*key, qty) for key, qty in sums.items()))
