"""One order's records: everything that the journals say of it, without a replay.

An order is found by our id of it or by the venue's. Its session is the one that placed it; what later
sessions were told of it (a fill that came late, how its market ended) belongs to its life too.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder, ProbeOrder, WithdrawOrder
from daemon.core.issuing import base36
from daemon.core.units import Ns
from daemon.shell.journal import JournalFile, Record, read_journal
from daemon.shell.retold import Session

RECORDS_MAX = 1_000
"""Records of one order that are kept: one that rested for a day was amended every minute."""
NEAR_MAX = 20_000
"""Ids among which near matches of an unknown one are looked for, the newest."""
OwnCommand: TypeAlias = PlaceOrder | AmendOrder | CancelOrder | WithdrawOrder | ProbeOrder
_Answer: TypeAlias = e.OrderAccepted | e.OrderRejected | e.OrderUnknown | e.OrderDropped | e.OrderUpdated
OrderRecord: TypeAlias = OwnCommand | _Answer | e.OrderFilled | e.MarketDetermined


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


def find_order(sessions: Sequence[Session], wanted: str) -> Trail:
    """Return the records of an order.

    Args:
        sessions: those to look in, the newest first.
        wanted: our id of it, or the venue's.

    Raises:
        OrderNotFound: none of them placed it.
        JournalUnreadable: a journal holds what this version doesn't know.
    """
    # Our ids carry their session's epoch: its journal is looked at first.
    likely = [one for one in sessions if f"-{base36(int(one.path.stem))}-" in wanted]
    seen: dict[str, None] = {}
    for session in (*likely, *(one for one in sessions if one not in likely)):
        found = _place_of(read_journal(session.path), wanted, seen)
        if found is not None:
            place, order_id = found
            later = [one for one in reversed(sessions) if _epoch(one) > _epoch(session)]
            return _collect(session, later, place, order_id)
    near = difflib.get_close_matches(wanted, seen, n=3)
    like = f"; near to it: {', '.join(near)}" if near else ""
    raise OrderNotFound(f"no order {wanted!r} in {len(sessions)} sessions, {len(seen)} ids{like}")


def at_of(record: OrderRecord) -> Ns:
    """Return a record's instant on our clock."""
    return record.decided_at if isinstance(record, OwnCommand) else record.received_at


def _epoch(session: Session) -> int:
    return int(session.path.stem)


def _place_of(file: JournalFile, wanted: str, seen: dict[str, None]) -> tuple[PlaceOrder, str | None] | None:
    """Return the command that placed an order, and the venue's id; None where this journal has neither.

    `seen` takes the ids that are others'.
    """
    places: dict[str, PlaceOrder] = {}
    ours: str | None = None
    order_id: str | None = None
    for record in _records(file):
        if isinstance(record, PlaceOrder):
            places[record.client_order_id] = record
            if record.client_order_id == wanted:
                ours = wanted
            _remember(seen, record.client_order_id)
        elif isinstance(record, e.OrderAccepted | e.OrderUpdated):
            if record.order_id == wanted:
                ours = record.client_order_id
            if record.client_order_id == ours:
                order_id = record.order_id
            _remember(seen, record.order_id)
        if ours in places and order_id is not None:
            break
    return (places[ours], order_id) if ours is not None and ours in places else None


def _remember(seen: dict[str, None], order_id: str) -> None:
    seen[order_id] = None
    if len(seen) > NEAR_MAX:
        del seen[next(iter(seen))]


def _collect(session: Session, later: Iterable[Session], place: PlaceOrder, order_id: str | None) -> Trail:
    first: list[OrderRecord] = []
    last: list[OrderRecord] = []
    left_out = 0
    booked: set[str] = set()
    for one in (session, *later):
        for record in _records(read_journal(one.path)):
            for mine in _mine(record, place, order_id):
                if order_id is None and isinstance(mine, e.OrderAccepted | e.OrderUpdated):
                    order_id = mine.order_id
                if isinstance(mine, e.OrderFilled):
                    if mine.trade_id in booked:
                        continue  # the lists tell again what the stream has told
                    booked.add(mine.trade_id)
                if len(first) < RECORDS_MAX // 2:
                    first.append(mine)
                    continue
                last.append(mine)
                if len(last) > RECORDS_MAX // 2:
                    del last[0]
                    left_out += 1
        if any(isinstance(mine, e.MarketDetermined) for mine in (*first, *last)):
            break  # nothing comes after that
    return Trail(session, place, order_id, (*first, *last), left_out)


def _mine(record: Record, place: PlaceOrder, order_id: str | None) -> Iterator[OrderRecord]:
    """Yield of a record what is about the order."""
    match record:
        case e.AccountReconciled() | e.FillsRead():
            yield from (fill for fill in record.fills if fill.order_id == order_id)
        case e.OrderFilled():
            if place.client_order_id == record.client_order_id or record.order_id == order_id:
                yield record
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


def _records(file: JournalFile) -> Iterator[Record]:
    for batch in file:
        yield from batch
