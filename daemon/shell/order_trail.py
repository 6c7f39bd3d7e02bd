"""One order's records: everything that the journals say of it, without a replay.

An order is found by our id of it or by the venue's. Its session is the one that placed it; what later
sessions were told of it (a fill that came late, how its market ended) belongs to its life too.
"""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder, ProbeOrder, WithdrawOrder
from daemon.core.issuing import base36
from daemon.core.units import Ns
from daemon.shell.journal import JournalUnreadable, Record, read_journal
from daemon.shell.retold import Session, session_of

RECORDS_MAX = 1_000
"""Records of one order that are kept: one that rested for a day was amended every minute."""
NEAR_MAX = 20_000
"""Ids among which near matches of an unknown one are looked for, the newest."""
OwnCommand: TypeAlias = PlaceOrder | AmendOrder | CancelOrder | WithdrawOrder | ProbeOrder
Answer: TypeAlias = e.OrderAccepted | e.OrderRejected | e.OrderUnknown | e.OrderDropped | e.OrderUpdated
OrderRecord: TypeAlias = OwnCommand | Answer | e.QueuePlacesRead | e.OrderFilled | e.MarketDetermined


class OrderNotFound(Exception):
    """No journal has such an order; the message says what is like it."""


class Trail(msgspec.Struct, frozen=True):
    """An order's records, oldest first. `left_out` counts those in the middle that are not kept."""

    session: Session
    place: PlaceOrder
    order_id: str | None
    records: tuple[OrderRecord, ...]
    left_out: int

    @property
    def fills(self) -> tuple[e.OrderFilled, ...]:
        """Its fills, each once, by whichever way they came first."""
        return tuple(one for one in self.records if isinstance(one, e.OrderFilled))

    @property
    def determined(self) -> e.MarketDetermined | None:
        """How its market ended; None while that is not known."""
        return next((one for one in reversed(self.records) if isinstance(one, e.MarketDetermined)), None)


def find_order(
    paths: Sequence[Path], wanted: str, on_unreadable: Callable[[str], None] = lambda _words: None
) -> Trail:
    """Return the records of an order.

    Args:
        paths: the journals to look in, the newest first.
        wanted: our id of it, or the venue's.
        on_unreadable: takes what is wrong with a journal that can't be read; the others are read.

    Raises:
        OrderNotFound: none of them placed it.
        OSError: the order's own journal can't be read again.
    """
    # Our ids carry their session's epoch: its journal is looked at first.
    likely = [path for path in paths if f"-{base36(int(path.stem))}-" in wanted]
    seen: dict[str, None] = {}
    for path in (*likely, *(path for path in paths if path not in likely)):
        try:
            place = _place_of(path, wanted, seen)
        except (JournalUnreadable, OSError) as error:
            on_unreadable(str(error))
            continue
        if place is not None:
            later = [one for one in reversed(paths) if int(one.stem) > int(path.stem)]
            return _collect(session_of(path), later, place, on_unreadable)
    near = difflib.get_close_matches(wanted, seen, n=3)
    like = f"; near to it: {', '.join(near)}" if near else ""
    raise OrderNotFound(f"no order {wanted!r} in {len(paths)} journals, {len(seen)} ids{like}")


def at_of(record: OrderRecord) -> Ns:
    """Return a record's instant on our clock."""
    return record.decided_at if isinstance(record, OwnCommand) else record.received_at


def _place_of(path: Path, wanted: str, seen: dict[str, None]) -> PlaceOrder | None:
    """Return the command that placed an order; None where this journal has none. `seen` takes others' ids."""
    ours = wanted
    for record in _records(path):
        if isinstance(record, PlaceOrder):
            if record.client_order_id == wanted:
                return record
            _remember(seen, record.client_order_id)
        elif isinstance(record, e.OrderAccepted | e.OrderUpdated):
            if record.order_id == wanted:
                ours = record.client_order_id
                break
            _remember(seen, record.order_id)
    if ours == wanted:
        return None
    places = (one for one in _records(path) if isinstance(one, PlaceOrder) and one.client_order_id == ours)
    return next(places, None)


def _remember(seen: dict[str, None], order_id: str) -> None:
    seen[order_id] = None
    if len(seen) > NEAR_MAX:
        del seen[next(iter(seen))]


def _collect(
    session: Session, later: Iterable[Path], place: PlaceOrder, on_unreadable: Callable[[str], None]
) -> Trail:
    kept = _Kept(place)
    for record in _records(session.path):
        kept.take(record)
    for path in later:
        if kept.has_ended:
            break
        try:
            for record in _records(path):
                kept.take(record)
        except (JournalUnreadable, OSError) as error:
            on_unreadable(str(error))
    return Trail(session, place, kept.order_id, (*kept.first, *kept.last), kept.left_out)


class _Kept:
    """The records of one order, as they come: the first ones, and of the others the last ones."""

    def __init__(self, place: PlaceOrder) -> None:
        self.order_id: str | None = None
        self.first: list[OrderRecord] = []
        self.last: deque[OrderRecord] = deque(maxlen=RECORDS_MAX // 2)
        self.left_out = 0
        self.has_ended = False
        """Whether its market has: nothing is told of it any more."""
        self._place = place
        self._booked: set[str] = set()
        self._queued: tuple[e.QueuePlace, ...] = ()

    def take(self, record: Record) -> None:
        """Keep of a record what is the order's. The lists tell fills again that the stream has told."""
        for mine in _mine(record, self._place, self.order_id):
            if isinstance(mine, e.OrderAccepted | e.OrderUpdated):
                self.order_id = mine.order_id
            elif isinstance(mine, e.OrderFilled):
                if mine.trade_id in self._booked:
                    continue
                self._booked.add(mine.trade_id)
            elif isinstance(mine, e.QueuePlacesRead):
                if mine.places == self._queued:
                    continue  # it stands where it stood
                self._queued = mine.places
            elif isinstance(mine, e.MarketDetermined):
                self.has_ended = True
            if len(self.first) < RECORDS_MAX // 2:
                self.first.append(mine)
            else:
                self.left_out += len(self.last) == self.last.maxlen
                self.last.append(mine)


def _mine(record: Record, place: PlaceOrder, order_id: str | None) -> Iterator[OrderRecord]:
    """Yield of a record what is about the order."""
    match record:
        case e.AccountReconciled() | e.FillsRead():
            yield from (fill for fill in record.fills if fill.order_id == order_id)
        case e.OrderFilled():
            if place.client_order_id == record.client_order_id or record.order_id == order_id:
                yield record
        case e.QueuePlacesRead():
            own = tuple(one for one in record.places if one.order_id == order_id)
            if own:
                yield msgspec.structs.replace(record, places=own)
        case e.MarketDetermined():
            if record.ticker == place.ticker:
                yield record
        case (
            PlaceOrder() | AmendOrder() | CancelOrder() | WithdrawOrder() | ProbeOrder()
            | e.OrderAccepted() | e.OrderRejected() | e.OrderUnknown() | e.OrderDropped() | e.OrderUpdated()
        ):  # fmt: skip
            if record.client_order_id == place.client_order_id:
                yield record
        case _:
            return


def _records(path: Path) -> Iterator[Record]:
    for batch in read_journal(path):
        yield from batch
