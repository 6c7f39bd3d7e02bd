"""Planted bugs: each is a mistake that a trading daemon has been known to make, and each must be found.

A bug is planted for one run by replacing a few attributes of the daemon's own classes. The table of
`daemon/CANARIES.md` is made from `CANARIES`, and a test keeps it so.
"""

from __future__ import annotations

import asyncio
import unittest.mock
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec

from daemon.core import events as e
from daemon.core.commands import CancelOrder, PlaceOrder
from daemon.core.engine import Engine
from daemon.core.ledger import Ledger
from daemon.core.order_groups import OrderGroups
from daemon.core.orders import Order
from daemon.core.own_orders import OrderBeliefs
from daemon.core.reconcile import Reconciliation
from daemon.core.units import SECOND, Money, Ns, Price
from daemon.kalshi.control import Control
from daemon.kalshi.errors import Transient, Unknown
from daemon.kalshi.http import Leave
from daemon.kalshi.rest import Rest
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from tests.sim import life
from tests.sim.disk import SimJournal

Patch = tuple[object, str, object]


class Canary(msgspec.Struct, frozen=True):
    """One planted bug.

    `found_by` are the invariants that may find it: which one is first depends on the seed. `first` is a seed
    that found it once: looked at first, for time's sake.
    """

    name: str
    bug: str
    found_by: tuple[str, ...]
    patches: Callable[[], Sequence[Patch]]
    first: int = 0


def _new_id_on_retry() -> Sequence[Patch]:
    place = Rest.place

    async def again(self: Rest, order: PlaceOrder, leave: Leave | None = None) -> e.OrderAccepted:
        try:
            return await place(self, order, leave)
        except Unknown:
            await asyncio.sleep(0.05)
            return await place(
                self, msgspec.structs.replace(order, client_order_id=f"{order.client_order_id}r")
            )

    return [(Rest, "place", again)]


def _timeout_is_failure() -> Sequence[Patch]:
    place = Rest.place

    async def failed(self: Rest, order: PlaceOrder, leave: Leave | None = None) -> e.OrderAccepted:
        try:
            return await place(self, order, leave)
        except Unknown as error:
            raise Transient(str(error)) from error

    return [(Rest, "place", failed)]


def _no_gap_check() -> Sequence[Patch]:
    def number(self: Control, sid: int, seq: int | None, now: Ns) -> tuple[list[e.Event], bool]:
        stream = self.subscriptions.streams.get(sid)
        if stream is not None and seq is not None:
            stream.last_seq = seq
        return [], stream is not None and now > 0

    return [(Control, "number", number)]


def _fill_booked_twice() -> Sequence[Patch]:
    see = Ledger._see

    def seen(self: Ledger, fill: e.OrderFilled) -> bool:
        is_streamed = fill.client_order_id is not None
        name = fill.trade_id if is_streamed else f"listed {fill.trade_id}"
        return see(self, msgspec.structs.replace(fill, trade_id=name))

    return [(Ledger, "_see", seen)]


def _in_flight_not_counted() -> Sequence[Patch]:
    exposed: Any = Order.exposed

    def counted(self: Order) -> int:
        return 0 if self.state == "placing" else int(exposed.fget(self))

    return [(Order, "exposed", property(counted))]


def _budget_released_early() -> Sequence[Patch]:
    exposed: Any = Order.exposed

    def counted(self: Order) -> int:
        return 0 if self.state in ("canceling", "unknown") else int(exposed.fget(self))

    return [(Order, "exposed", property(counted))]


def _amend_at_old_terms() -> Sequence[Patch]:
    def stake(self: Order) -> tuple[str, Price, int]:
        return self.side, self.price, max(0, self.qty - self.booked) if self.is_open else 0

    return [(Order, "stake", property(stake))]


def _cancel_behind_orders() -> Sequence[Patch]:
    from daemon.shell import waiting

    priority_of = waiting.priority_of

    def one_line(command: Any) -> str:
        return "enter" if isinstance(command, CancelOrder) else priority_of(command)

    from daemon.shell import queue

    return [(waiting, "priority_of", one_line), (queue, "priority_of", one_line)]


def _stale_check_only_at_decision() -> Sequence[Patch]:
    return [(Engine, "vouch", lambda _self, _command, _now: None)]


def _settled_twice() -> Sequence[Patch]:
    settle = Ledger.settle

    def twice(self: Ledger, ticker: str, price: Price) -> Money:
        position = self.positions.get(ticker)
        paid = 0 if position is None else position.value(price)
        found = settle(self, ticker, price)
        if self.cash is not None:
            self.cash += paid
        return found

    return [(Ledger, "settle", twice)]


def _404_is_canceled() -> Sequence[Patch]:
    rejection = OrderBeliefs._rejection

    def read(event: e.OrderRejected) -> str:
        is_gone = event.action == "cancel" and event.code == "not_found"
        return "told_canceled" if is_gone else rejection(event)

    return [(OrderBeliefs, "_rejection", staticmethod(read))]


def _absent_is_gone() -> Sequence[Patch]:
    from daemon.core import order_lists

    return [(order_lists, "READ_LAG", 0), (order_lists, "ABSENT_AFTER", SECOND)]


def _sent_before_synced() -> Sequence[Patch]:
    async def at_once(_self: SimJournal, _offset: int) -> None:
        return

    return [(SimJournal, "synced", at_once)]


def _sent_when_ready() -> Sequence[Patch]:
    async def at_once(_self: Leave) -> None:
        return

    return [(Leave, "wait", at_once)]


def _nothing_recovered() -> Sequence[Patch]:
    from daemon.shell.recovery import Recovered

    return [(life, "recover", lambda _folder, _instance, _now: Recovered())]


def _halt_not_latched() -> Sequence[Patch]:
    return [(Latch, "write", lambda _self, _halt: True), (KillSwitch, "tell_latched", lambda _self: None)]


def _reading_believed_at_once() -> Sequence[Patch]:
    def adopt(self: Reconciliation, _event: e.AccountReconciled) -> bool:
        return bool(self.read_at) and False

    return [
        (Reconciliation, "_is_stale", adopt),
        (Reconciliation, "_is_quiet", staticmethod(lambda *_: True)),
    ]


def _group_forgotten() -> Sequence[Patch]:
    def id_of(self: OrderGroups, shard: int) -> str | None:
        return None if self.is_doubted(shard) or self.is_triggered(shard) else self.id_of(shard)

    return [(OrderGroups, "open_id", id_of), (OrderGroups, "refusal", lambda _self, _shard: None)]


def _late_word_believed() -> Sequence[Patch]:
    return [(OrderBeliefs, "_is_late", lambda *_: False)]


CANARIES = (
    Canary(
        "new-id-on-retry",
        "An order whose answer is lost is sent again under a new id.",
        ("one_order_per_intent",),
        _new_id_on_retry,
    ),
    Canary(
        "timeout-is-failure",
        "A request that timed out is taken for one that never happened.",
        ("live_orders_are_known", "ends_are_true"),
        _timeout_is_failure,
    ),
    Canary(
        "no-gap-check",
        "A hole in the numbers of a stream is passed over.",
        ("synced_books_are_true",),
        _no_gap_check,
    ),
    Canary(
        "fill-booked-twice",
        "A fill that is told by the stream and by the lists is booked each time.",
        ("fills_are_booked_once", "account_is_exact", "ends_are_true"),
        _fill_booked_twice,
    ),
    Canary(
        "in-flight-not-counted",
        "Orders without an answer take nothing of the limits.",
        ("loss_within_limits",),
        _in_flight_not_counted,
    ),
    Canary(
        "budget-released-early",
        "What an order may lose is given back when its cancel is sent, or its outcome is unknown.",
        ("loss_within_limits",),
        _budget_released_early,
        first=16,
    ),
    Canary(
        "amend-at-old-terms",
        "Until an amend is answered only the old price and count are reckoned with.",
        ("loss_within_limits",),
        _amend_at_old_terms,
        first=8,
    ),
    Canary(
        "cancel-behind-orders",
        "Cancels wait in one line with new orders.",
        ("cancels_go_first",),
        _cancel_behind_orders,
        first=44,
    ),
    Canary(
        "stale-check-only-at-decision",
        "What a decision rested on is not looked at again when the order leaves.",
        ("sent_only_when_vouched", "nothing_new_past_unknown"),
        _stale_check_only_at_decision,
        first=64,
    ),
    Canary("settled-twice", "A payout is booked twice.", ("account_is_exact",), _settled_twice, first=25),
    Canary(
        "404-is-canceled",
        "A cancel that finds no order is taken for one that succeeded.",
        ("ends_are_true",),
        _404_is_canceled,
    ),
    Canary(
        "absent-is-gone",
        "An order that a list lacks is over, however soon after its request the list was read.",
        ("ends_are_true", "live_orders_are_known"),
        _absent_is_gone,
    ),
    Canary(
        "sent-before-synced",
        "Orders leave before their record is on the disk.",
        ("recorded_before_sent",),
        _sent_before_synced,
    ),
    Canary(
        "sent-when-ready",
        "A request that is made ready while the disk works does not wait for it.",
        ("recorded_before_sent",),
        _sent_when_ready,
    ),
    Canary(
        "nothing-recovered",
        "A start does not ask the last life's journal what may still rest.",
        ("live_orders_are_known", "one_order_per_intent", "loss_within_limits"),
        _nothing_recovered,
    ),
    Canary(
        "halt-not-latched",
        "The kill switch holds as long as the process lives.",
        ("halt_holds",),
        _halt_not_latched,
    ),
    Canary(
        "order-group-forgotten",
        "After a reconnect orders are sent before the order group is known again, and outside of it.",
        ("rests_behind_second_line",),
        _group_forgotten,
    ),
    Canary(
        "reading-believed-at-once",
        "Lists are believed although they may be older than what was missed, and while orders move.",
        ("account_is_exact", "fills_are_booked_once", "loss_within_limits"),
        _reading_believed_at_once,
    ),
    Canary(
        "late-word-believed",
        "A message of the stream that an answer has overtaken brings old terms back.",
        ("terms_are_true", "ends_are_true", "loss_within_limits"),
        _late_word_believed,
        first=46,
    ),
)


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Plant a bug for the time of a block; None plants none."""
    with ExitStack() as stack:
        if name is not None:
            canary = next(one for one in CANARIES if one.name == name)
            for place, attribute, bug in canary.patches():
                stack.enter_context(unittest.mock.patch.object(place, attribute, bug))
        yield
