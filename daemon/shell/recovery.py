"""What a life before this one left behind: orders whose end its journal doesn't tell, groups, the day.

A start reads the last journal of the same account, and of a long one only the end: an order matters here
for as long as its request may still arrive, for the venue's lists show what has arrived, and those are read
before anything is sent. What is found is told to the core before anything else, so that it holds those
orders as unknown. It is thereby recorded in the new journal, and one journal is enough, however many
crashes follow each other; one that ends before its first batch was not begun, and the one before it counts.

A torn end is what a crash leaves. A journal that can't be read otherwise keeps us from knowing what may
still arrive: until it no longer can, the account is not believed, and nothing is sent. How the day went is
then told by the one before it: what was lost earlier is lost still. That record is of one account, which the
header names: another one, or a new one, begins its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec
import structlog

from daemon.core import events as e
from daemon.core.commands import AmendOrder, Decided, DropOrderGroup, KeepDay, PlaceOrder, ProbeOrder
from daemon.core.day_record import DayRecord
from daemon.core.own_orders import ABSENT_AFTER
from daemon.core.records import HEADER_BYTES, PAYLOAD_BYTES_MAX, RecordReader, frame_at
from daemon.core.units import MINUTE, Ns
from daemon.shell.journal import JournalUnreadable, Record, newest_first, open_journal

log = structlog.get_logger(__name__)

TAIL: Ns = 2 * MINUTE
"""How much of a journal's end is read: several times as long as a request may take to arrive."""
SPAN_BYTES = 1024 * 1024
"""How exactly the place where that begins is searched for."""
HEAD_BYTES = 4 * 1024 * 1024
"""How much of the beginning is read too: order groups are made there, and then hold for hours."""
_WORDS = (b"Order", b"AccountReconciled", b"KeepDay", b"DayRecovered")
"""What the names of all records contain that concern orders, groups or the day; most batches hold none."""
_ARRAY_MARKS = frozenset({*range(0x90, 0xA0), 0xDC, 0xDD})
"""The first byte of every batch: a msgpack array."""

_DECODER = msgspec.msgpack.Decoder(list[Record])
Batches: TypeAlias = Iterator[Sequence[Record]]


class Recovered(msgspec.Struct, frozen=True):
    """What is to be told to the core of a new life, first of all."""

    orders: tuple[e.OrderRecovered, ...] = ()
    groups: tuple[e.OrderGroupTold, ...] = ()
    """The last group of each shard; whether it still stands, only the venue knows."""
    doubt: e.AccountDoubted | None = None
    """Set where the journal can't be read: the account is in doubt until its `received_at`."""
    day: e.DayRecovered | None = None
    """How the day went; None where no life of this account told it."""

    @property
    def events(self) -> tuple[e.Event, ...]:
        """All of it, in the order in which it is told."""
        words = (self.doubt, self.day)
        return (*self.orders, *self.groups, *(word for word in words if word is not None))


def recover(folder: Path, instance: str, now: Ns, account: str | None = "") -> Recovered:
    """Return what the last life on this account left behind.

    Args:
        folder: the journals'. Its lock must be held, and the new life's journal not be made yet.
        instance: only journals of this one are read (a journal's header has it): others have other accounts.
        now: told as `received_at`.
        account: whose account it is, as the headers have it: the day's record is taken from no other one.
            None for one that has just begun, of which no life before can tell.
    """
    doubt: e.AccountDoubted | None = None
    day: e.DayRecovered | None = None
    for path in newest_first(folder):
        found, is_same = OrdersLeft(), False
        try:
            view, header, start = open_journal(path)
            if header.instance != instance:
                continue
            if next(iter(RecordReader(view, start)), None) is None:
                continue  # it had not begun, nor said what it had taken over itself
            is_same = header.account == account
            at = tail_start(view, start)
            for batch in _batches(path, view, start, min(start + HEAD_BYTES, at)):
                found.take_groups(batch)
            for batch in _batches(path, view, at, len(view)):
                found.take(batch)
        except (JournalUnreadable, OSError) as error:
            doubt = doubt or _doubt(path, error, now)
            day = day or (found.told(now).day if is_same else None)
            continue
        recovered = found.told(now)
        day = day or (recovered.day if is_same else None)
        recovered = (
            Recovered(recovered.orders, recovered.groups, day=day)
            if doubt is None
            else Recovered(doubt=doubt, day=day)
        )
        log.info(
            "journal.recovered", journal=path.name, orders=len(recovered.orders),
            groups=len(recovered.groups), has_day=recovered.day is not None,
        )  # fmt: skip
        return recovered
    return Recovered(doubt=doubt, day=day)


def _doubt(path: Path, error: Exception, now: Ns) -> e.AccountDoubted:
    """Return the word that nothing is to be believed while a request of that life may still arrive."""
    try:
        written_at = min(path.stat().st_mtime_ns, now)
    except OSError:
        written_at = now
    until = max(now, written_at + ABSENT_AFTER)
    log.error("journal.unreadable", journal=str(path), reason=str(error), seconds=(until - now) / 1e9)
    return e.AccountDoubted(f"the last life's journal can't be read: {error}", until)


# --- the end of a long file ----------------------------------------------------------------------


def tail_start(view: memoryview, start: int) -> int:
    """Return the offset of a record behind which lies at least the last `TAIL`, or all there is.

    Time grows with the offset: it is looked up at a few places, halving what is left between them.

    Args:
        view: the journal's bytes.
        start: where its first batch begins.
    """
    last = _last_instant(view, start)
    if last is None:
        return start
    low, high = start, len(view)
    while high - low > SPAN_BYTES:
        middle = (low + high) // 2
        at = _first_whole(view, middle)
        first = _first_instant(view, at)
        if at < high and first is not None and first <= last - TAIL:
            low = at
        else:
            high = middle
    return low


def _last_instant(view: memoryview, start: int) -> Ns | None:
    """Return the last instant on our clock that a journal tells; None if none does."""
    size, span = len(view), SPAN_BYTES
    while True:
        at = start if size - span <= start else _first_whole(view, size - span)
        offsets = []
        reader = RecordReader(view, at)
        for _ in reader:
            offsets.append(at)
            at = reader.end
        for offset in reversed(offsets):
            if (last := _first_instant(view, offset)) is not None:
                return last
        if size - span <= start:
            return None
        span *= 4


def _first_whole(view: memoryview, at: int) -> int:
    """Return the first offset at or behind `at` where a whole record begins; the end where none does.

    A record is told from other bytes by its checksum. As that costs, the cheap signs are looked at first:
    it fits, holds an array, and what follows it could be a record too.
    """
    size = len(view)
    for offset in range(at, size - HEADER_BYTES):
        if view[offset + HEADER_BYTES] not in _ARRAY_MARKS:
            continue
        length, checksum = frame_at(view, offset)
        begin, end = offset + HEADER_BYTES, offset + HEADER_BYTES + length
        if not 0 < length <= PAYLOAD_BYTES_MAX or end > size or not _may_follow(view, end):
            continue
        if zlib.crc32(view[begin:end]) == checksum:
            return offset
    return size


def _may_follow(view: memoryview, offset: int) -> bool:
    """Whether a record may begin at an offset, or the file ends there, torn or not."""
    if offset + HEADER_BYTES >= len(view):
        return True
    length, _ = frame_at(view, offset)
    return 0 < length <= PAYLOAD_BYTES_MAX and view[offset + HEADER_BYTES] in _ARRAY_MARKS


def _first_instant(view: memoryview, at: int) -> Ns | None:
    """Return the first instant on our clock that the records from an offset on tell; None if none does."""
    for payload in RecordReader(view, at):
        try:
            batch = _DECODER.decode(payload)
        except msgspec.DecodeError:
            continue  # said loudly where it is read for its orders
        for record in batch:
            told = record.now if isinstance(record, Decided) else getattr(record, "received_at", None)
            if told is not None:
                return int(told)
    return None


def _batches(path: Path, view: memoryview, start: int, end: int) -> Batches:
    """Yield the batches between two offsets that concern orders. Raises JournalUnreadable."""
    reader = RecordReader(view[:end], start)
    at = start
    for payload in reader:
        # Most batches are about books alone, and need not be decoded to be known as such.
        content = bytes(payload)
        if any(word in content for word in _WORDS):
            try:
                yield _DECODER.decode(payload)
            except msgspec.DecodeError as error:
                raise JournalUnreadable(f"{path}: record at byte {at}: {error}") from error
        at = reader.end


# --- what became of each order -------------------------------------------------------------------


class OrdersLeft:
    """The orders and groups of a life, followed through its records."""

    def __init__(self) -> None:
        self._orders: dict[str, e.OrderRecovered] = {}
        self._amended: dict[str, None] = {}
        """Those of which only an amend without an answer is known."""
        self._groups: dict[int, e.OrderGroupTold] = {}
        self._day: DayRecord | None = None
        self._decided_at: Ns | None = None
        """When that life last decided anything, as far as told."""

    def take(self, batch: Sequence[Record]) -> None:
        """Take in what a batch says of orders and groups."""
        for record in batch:
            match record:
                case PlaceOrder():
                    self._orders[record.client_order_id] = _placed(record)
                case e.OrderRecovered():
                    self._orders[record.client_order_id] = record
                case AmendOrder() | ProbeOrder():
                    self._ask(record)
                case e.OrderAccepted() | e.OrderRejected() | e.OrderDropped():
                    self._answer(record)
                case e.OrderUpdated():
                    self._name(record.client_order_id, record.order_id, is_over=record.status != "resting")
                case e.AccountReconciled():
                    for ended in record.ended:
                        self._orders.pop(ended.client_order_id, None)
                case Decided():
                    self._decided_at = record.now
                case KeepDay() | e.DayRecovered():
                    self._day = record.record
                case e.OrderFilled() if record.client_order_id is not None:
                    self._name(record.client_order_id, record.order_id, is_over=False)
                case _:
                    pass
        self.take_groups(batch)

    def take_groups(self, batch: Sequence[Record]) -> None:
        """Take in what a batch says of groups."""
        for record in batch:
            if isinstance(record, DropOrderGroup):
                # The last that a stop asks for: its answer comes when nobody writes any more.
                self._groups.pop(record.exchange_index, None)
            elif isinstance(record, e.OrderGroupTold) and record.exchange_index is not None:
                if record.order_group_id is None:
                    self._groups.pop(record.exchange_index, None)
                else:
                    self._groups[record.exchange_index] = record

    def told(self, now: Ns) -> Recovered:
        """Return what is left without an end.

        A life that took an order over may itself be too short to hear of its end: it is not handed on for
        longer than its last request may take to arrive, or lives that follow each other fast collect them.
        """
        replace = msgspec.structs.replace
        since = None if self._decided_at is None else self._decided_at - TAIL
        orders = [order for order in self._orders.values() if since is None or order.decided_at >= since]
        return Recovered(
            # The clock may have been set back between the lives: nothing was sent later than now.
            tuple(replace(order, received_at=now, decided_at=min(order.decided_at, now)) for order in orders),
            tuple(replace(group, received_at=now, is_recovered=True) for group in self._groups.values()),
            day=None if self._day is None else e.DayRecovered(self._day, now),
        )

    def _ask(self, command: AmendOrder | ProbeOrder) -> None:
        """Something more with an order's id was sent: at its worst terms it may be in force."""
        order = self._orders.get(command.client_order_id)
        if order is None:
            if isinstance(command, AmendOrder):
                # Placed before the tail, and acknowledged then: only the amend may still arrive.
                self._orders[command.client_order_id] = _amended(command)
                self._amended[command.client_order_id] = None
            return
        price, qty = order.price, order.qty
        at = command.decided_at
        if isinstance(command, AmendOrder):
            at = command.deadline
            price = max(price, command.price) if order.side == "bid" else min(price, command.price)
            qty = max(qty, command.qty)
        self._orders[order.client_order_id] = msgspec.structs.replace(
            order, price=price, qty=qty, decided_at=max(order.decided_at, at)
        )

    def _answer(self, event: e.OrderAccepted | e.OrderRejected | e.OrderDropped) -> None:
        if event.action == "amend" and event.client_order_id in self._amended:
            # What it rests on, if it does, stands in the lists.
            del self._amended[event.client_order_id]
            self._orders.pop(event.client_order_id, None)
        match event:
            case e.OrderAccepted():
                is_over = event.action in ("cancel", "probe") or event.remaining == 0
                self._name(event.client_order_id, event.order_id, is_over=is_over)
            case e.OrderRejected():
                # "Exists already" is no end but the contrary.
                if event.action == "place" and event.code != "order_already_exists":
                    self._orders.pop(event.client_order_id, None)
            case e.OrderDropped():
                if event.action == "place":
                    self._orders.pop(event.client_order_id, None)

    def _name(self, client_order_id: str, order_id: str, *, is_over: bool) -> None:
        """The venue spoke of an order. One that is over there stands, with its fills, in its lists."""
        order = self._orders.get(client_order_id)
        if order is None:
            return
        if is_over:
            del self._orders[client_order_id]
        else:
            self._orders[client_order_id] = msgspec.structs.replace(order, order_id=order_id)


def _placed(command: PlaceOrder) -> e.OrderRecovered:
    return e.OrderRecovered(
        client_order_id=command.client_order_id,
        ticker=command.ticker,
        side=command.side,
        price=command.price,
        qty=command.qty,
        style="take" if command.time_in_force != "good_till_canceled" else "rest",
        order_id=None,
        decided_at=command.deadline,  # it may have waited in the queue for so long
        received_at=command.decided_at,
    )


def _amended(command: AmendOrder) -> e.OrderRecovered:
    return e.OrderRecovered(
        client_order_id=command.client_order_id,
        ticker=command.ticker,
        side=command.side,
        price=command.price,
        qty=command.qty,
        style="rest",
        order_id=command.order_id,
        decided_at=command.deadline,
        received_at=command.decided_at,
    )
