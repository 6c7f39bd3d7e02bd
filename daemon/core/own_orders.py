"""What we believe of our own orders, fills and account, changed by the venue's word and by nothing else.

The word comes on three paths, in any order and more than once: the reply to a request, the private
stream, and the lists of a reconciliation. Whatever the order, the beliefs end the same; what can't follow
from what was before is counted and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import assert_never

from daemon.core import events as e
from daemon.core.attribution import Attribution
from daemon.core.ledger import Ledger
from daemon.core.lifecycle import Happening, IllegalHappening
from daemon.core.orders import Order
from daemon.core.units import MINUTE, SECOND, Ns, Price, Qty

READ_LAG: Ns = 2 * SECOND
"""REST lists lag behind the truth (360 ms was recorded): a read is evidence of absence only after this."""
ABSENT_AFTER: Ns = 35 * SECOND
"""A request's signature expires within 15 to 30 s: one that no list shows after this never arrived."""
KEPT: Ns = 10 * MINUTE
"""How long an order's end is remembered: no word lags further, for a stream that slow is given up."""
TOLD: dict[e.OrderStatus, Happening] = {
    "resting": "told_resting",
    "canceled": "told_canceled",
    "executed": "told_executed",
}
ADOPTED = "adopted"
"""The strategy name of orders from a previous life: they are cancelled, their fills are kept."""


class OrderBeliefs:
    """Our open orders and the ledger.

    `touched` collects the markets that changed since the last decision, in order.
    """

    def __init__(self, client_order_id_prefix: str) -> None:
        self._prefix = client_order_id_prefix
        self.orders: dict[str, Order] = {}
        """By client order id; closed ones leave once all their fills are booked."""
        self._closed: dict[str, tuple[Ns, bool]] = {}
        """When orders of this life left `orders`, and whether that was only presumed."""
        self._told_at: dict[str, Ns] = {}
        """When the newest word on an order in `orders` was said, by the venue's clock."""
        self.ledger = Ledger()
        self.attribution = Attribution(self.ledger)
        """Which strategy holds what of the ledger's positions."""
        self.moved_at: Ns = 0
        """When a fill or a payout last changed cash or a position."""
        self.unpaid: dict[str, Ns] = {}
        """Markets that are determined and not settled: cash may come in at any moment."""
        self.touched: dict[str, None] = {}
        self.counts: Counter[str] = Counter()
        """Plain counts by name, for metrics and summaries."""

    def open_orders(self, ticker: str) -> tuple[Order, ...]:
        """Return our orders in a market that may still change the position."""
        return tuple(order for order in self.orders.values() if order.ticker == ticker and not order.is_done)

    def live_orders(self, ticker: str, strategy: str) -> list[Order]:
        """Return a strategy's orders in a market that may still trade."""
        orders = self.orders.values()
        return [one for one in orders if one.ticker == ticker and one.strategy == strategy and one.is_open]

    def happen(self, order: Order, happening: Happening, at: Ns) -> None:
        """Move an order along the lifecycle; what the table forbids is counted and changes nothing."""
        try:
            order.apply(happening, at)
        except IllegalHappening:
            self.counts["illegal_order_events"] += 1
        self.touched[order.ticker] = None
        self.forget_done(order, at)

    def forget_done(self, order: Order, at: Ns) -> None:
        """Drop an order that is over and of which no fill is awaited any more."""
        if order.is_done:
            self._forget_order(order, at)

    def _forget_order(self, order: Order, at: Ns) -> None:
        """Drop an order that is closed and whose fills are all booked."""
        self.orders.pop(order.client_order_id, None)
        self.attribution.remember(order.client_order_id, order.order_id, order.strategy)
        self._told_at.pop(order.client_order_id, None)
        closed = self._closed
        closed[order.client_order_id] = (at, order.is_presumed)
        while (oldest := next(iter(closed))) != order.client_order_id and closed[oldest][0] < at - KEPT:
            del closed[oldest]

    def apply_answer(
        self, event: e.OrderAccepted | e.OrderRejected | e.OrderUnknown | e.OrderDropped
    ) -> None:
        """Take in how one of our requests ended."""
        order = self.orders.get(event.client_order_id)
        if order is None:
            self.counts["answers_to_closed_orders"] += 1
        elif event.action == "probe":
            self._apply_probed(order, event)
        elif isinstance(event, e.OrderAccepted):
            self._apply_accepted(order, event)
        else:
            self._apply_failure(order, event)

    def _apply_failure(self, order: Order, event: e.OrderRejected | e.OrderUnknown | e.OrderDropped) -> None:
        """Take in that a request was refused, given up, or ended without an answer."""
        match event:
            case e.OrderRejected():
                self.counts[f"rejected_{event.action}"] += 1
                order.has_arrived = order.has_arrived or event.code == "order_already_exists"
                happening = self._rejection(event)
            case e.OrderUnknown():
                self.counts["unknown_outcomes"] += 1
                if event.action == "place" and order.state in ("amending", "canceling"):
                    return  # the stream had told that it rests: it is not in doubt
                happening = "outcome_unknown"
            case e.OrderDropped():
                self.counts["queue_drops"] += 1
                drops: dict[e.OrderAction, Happening] = {
                    "place": "place_dropped",
                    "amend": "amend_settled",
                    "cancel": "cancel_dropped",
                }
                happening = drops[event.action]
            case _:
                assert_never(event)
        if happening == "amend_settled":
            order.settle_amend(is_accepted=False)
        elif happening == "cancel_dropped":
            order.cancel_failed_at = event.received_at
        self.happen(order, happening, event.received_at)
        if order.state == "resting" and order.traded >= order.qty:
            # It traded whole while we asked to enlarge it.
            self.happen(order, "told_executed", event.received_at)

    def _apply_probed(
        self, order: Order, event: e.OrderAccepted | e.OrderRejected | e.OrderUnknown | e.OrderDropped
    ) -> None:
        """Take in what became of an order's id being sent again. Only two answers teach us anything.

        "Exists already": it arrived, and stays unknown until the stream or the lists tell as what. A yes: it
        had not arrived, and never will, for its id is used up; what the probe itself filled is the order's.
        """
        order.is_probing = False
        match event:
            case e.OrderRejected():
                if event.code == "order_already_exists":
                    order.has_arrived = True
            case e.OrderUnknown():
                order.sent_at_latest = max(order.sent_at_latest, event.received_at)
            case e.OrderDropped():
                pass  # it never left
            case e.OrderAccepted():
                self._apply_probe_taken(order, event)
            case _:
                assert_never(event)

    def _apply_probe_taken(self, order: Order, event: e.OrderAccepted) -> None:
        if order.state != "unknown" or event.remaining:
            # Neither can be: an id is good for one order, and an immediate one doesn't rest. The lists tell.
            self.counts["illegal_order_events"] += 1
            return
        if not event.filled:
            self.happen(order, "told_never_arrived", event.received_at)
            return
        self.learn_id(order, event.order_id)
        order.tell_filled(event.filled)
        self.happen(order, "told_canceled", event.received_at)

    @staticmethod
    def _rejection(event: e.OrderRejected) -> Happening:
        if event.code == "order_already_exists":
            return "outcome_unknown"  # it arrived, once: the list will show which
        if event.action == "place":
            return "place_rejected"
        if event.code == "not_found":
            return "outcome_unknown"  # a 404 tells cancelled and filled not apart
        return "amend_settled" if event.action == "amend" else "cancel_dropped"

    def learn_id(self, order: Order, order_id: str) -> None:
        """Take in the venue's id of an order: fills that were booked under it before are its own."""
        order.order_id = order_id
        self.attribution.claim(order_id, order.strategy)
        known = self.ledger.booked_of(order_id)
        order.booked = max(order.booked, known)
        order.tell_filled(known)

    def _apply_accepted(self, order: Order, event: e.OrderAccepted) -> None:
        self.learn_id(order, event.order_id)
        self._note_told(order, event.sent_at)
        if event.filled is not None:
            order.tell_filled(event.filled)
        if event.action == "cancel":
            if order.pending is not None:
                # Of which terms the rest was cancelled is not known, nor what has traded: the lists tell.
                self.happen(order, "outcome_unknown", event.received_at)
                return
            if event.reduced_by is not None:
                order.tell_filled(order.qty - event.reduced_by)  # what wasn't cancelled has traded
            self.happen(order, "told_canceled", event.received_at)
            return
        if event.action == "amend":
            order.settle_amend(is_accepted=True)
        if event.remaining == 0:
            is_whole = order.filled >= order.qty
            self.happen(order, "told_executed" if is_whole else "told_canceled", event.received_at)
        else:
            settled: Happening = "place_accepted" if event.action == "place" else "amend_settled"
            self.happen(order, settled, event.received_at)

    def apply_update(self, event: e.OrderUpdated) -> None:
        """Take in what the private stream says of an order."""
        order = self.orders.get(event.client_order_id)
        if order is None:
            if event.status == "resting":
                self.adopt_order(
                    e.OrderSnapshot(
                        event.order_id,
                        event.client_order_id,
                        event.ticker,
                        event.side,
                        event.price,
                        event.filled,
                        event.remaining,
                    ),
                    event.received_at,
                    is_listed=False,
                )
            return
        self.learn_id(order, event.order_id)
        order.tell_filled(event.filled)
        if event.status == "resting" and self._is_late(order, event):
            self.counts["late_words"] += 1
            return
        self._note_told(order, event.sent_at)
        self.take_terms(order, event.price, event.filled + event.remaining, event.status, event.received_at)
        self.happen(order, TOLD[event.status], event.received_at)

    def _note_told(self, order: Order, sent_at: Ns | None) -> None:
        if sent_at is not None:
            told_at = self._told_at.get(order.client_order_id, sent_at)
            self._told_at[order.client_order_id] = max(told_at, sent_at)

    def _is_late(self, order: Order, event: e.OrderUpdated) -> bool:
        """Whether the stream says what an answer has overtaken: both bear the venue's own stamp.

        With an amend of unknown outcome, the word that was the newest before it says nothing about it.
        """
        told_at = self._told_at.get(event.client_order_id)
        if event.sent_at is None or told_at is None:
            return False
        is_before = order.pending not in (None, (event.price, event.filled + event.remaining))
        return event.sent_at < told_at or (is_before and event.sent_at == told_at)

    def take_terms(self, order: Order, price: Price, qty: Qty, status: e.OrderStatus, at: Ns) -> None:
        """The venue's terms of a resting order are the truth, unless an amend of ours is on its way.

        An amend of unknown outcome may be: until its signature has expired its terms stay possible. That
        they are in force shows that it has arrived, unless they were before it: it may only move the expiry.
        """
        if status != "resting" or order.state in ("amending", "canceling"):
            return
        has_arrived = order.pending == (price, qty) != (order.price, order.qty)
        order.price, order.qty = price, qty
        if has_arrived or at >= order.sent_at_latest + ABSENT_AFTER:
            order.pending = None

    def adopt_order(self, told: e.OrderSnapshot, at: Ns, *, is_listed: bool) -> None:
        """Take in an order that the venue knows and we don't: of our previous life, or not ours at all.

        `at` is when that was true at the latest. One that we closed just before is told by a list or a
        message that lags behind, and stays closed; a list that was read later says that it lives, and we
        were wrong. The stream may lag further: what the venue has ended, it doesn't bring back.
        """
        closed_at, is_presumed = self._closed.get(told.client_order_id, (None, True))
        if closed_at is not None and (at < closed_at + READ_LAG or not (is_listed or is_presumed)):
            self.counts["late_words"] += 1
            return
        if not told.client_order_id.startswith(self._prefix):
            self.counts["foreign_orders"] += 1
            return
        order = self.orders[told.client_order_id] = Order(
            client_order_id=told.client_order_id,
            ticker=told.ticker,
            side=told.side,
            price=told.price,
            qty=told.filled + told.remaining,
            style="rest",
            strategy=ADOPTED,
            at=at,
            state="resting",
            order_id=told.order_id,
            filled=told.filled,
        )
        # Its fills may have come while we thought it gone: they are in the ledger, and will not come again.
        order.booked = max(order.booked, self.ledger.booked_of(told.order_id))
        order.tell_filled(order.booked)
        self.counts["adopted_orders"] += 1
        self.touched[told.ticker] = None
        if order.booked >= order.qty:
            self.happen(order, "told_executed", at)

    def recover_order(self, event: e.OrderRecovered) -> None:
        """Take in an order of a previous life whose end its journal doesn't tell: it may rest."""
        if event.client_order_id in self.orders:
            return
        order = self.orders[event.client_order_id] = Order(
            client_order_id=event.client_order_id,
            ticker=event.ticker,
            side=event.side,
            price=event.price,
            qty=event.qty,
            style=event.style,
            strategy=ADOPTED,
            at=event.decided_at,
            state="unknown",
            order_id=event.order_id,
        )
        # The worst of the terms that may come into force: an amend of then may still arrive.
        order.pending = (event.price, event.qty)
        self.counts["recovered_orders"] += 1
        self.touched[event.ticker] = None

    def book_fill(self, event: e.OrderFilled) -> None:
        """Book one fill, once, and tell its order."""
        if not self.ledger.apply_fill(event):
            return
        self.counts["fills"] += 1
        self.moved_at = max(self.moved_at, event.received_at)
        self.touched[event.ticker] = None
        order = self._order_of(event)
        self.attribution.apply_fill(
            event,
            None if order is None else order.strategy,
            may_be_ours=order is None and self._has_nameless(event.ticker),
        )
        if order is not None:
            order.booked += event.qty
            if order.order_id is None:
                self.learn_id(order, event.order_id)  # its answer was lost, or is on its way
            # Of an order that was taken over, some of what is booked may be told as a fill a second time.
            order.tell_filled(self.ledger.booked_of(event.order_id))
            if order.traded >= order.whole_qty and order.is_open:
                self.happen(order, "told_executed", event.received_at)
            elif order.is_done:
                self._forget_order(order, event.received_at)

    def _has_nameless(self, ticker: str) -> bool:
        """Whether an order of ours in a market has no id yet, so that a fill may be its."""
        return any(order.ticker == ticker and order.order_id is None for order in self.orders.values())

    def note_past_fills(self, event: e.AccountReconciled) -> None:
        """Tell recovered orders of fills that the cash and positions of the first readings hold already.

        Lists that are read from here on have them only after they have ceased to lag: until then none is
        adopted.
        """
        for fill in event.fills:
            order = self._order_of(fill)
            if order is None or not self.ledger.note_fill(fill):
                continue
            self.moved_at = max(self.moved_at, event.received_at)
            self.learn_id(order, fill.order_id)
            if order.is_done:
                self._forget_order(order, event.received_at)

    def _order_of(self, event: e.OrderFilled) -> Order | None:
        if event.client_order_id is not None:
            return self.orders.get(event.client_order_id)
        return next((order for order in self.orders.values() if order.order_id == event.order_id), None)
