"""Our orders against the venue's lists of them: what is listed is so, and when an absence proves an end.

Two lists tell of our orders. The one of all that rest lags: it is evidence against what we know only when
it was asked for `READ_LAG` after we knew it. The one of a doubtful market's ended orders is final whenever
it was read, for what has ended stays so.

An order that was known to rest and is missing among those that rest has ended; how, only its market's list
tells, so it becomes unknown. One that was never acknowledged and stands in neither list has not arrived;
as its request may still be on the way, that is concluded `ABSENT_AFTER` the last one was sent.
"""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.orders import Order
from daemon.core.own_orders import ABSENT_AFTER, READ_LAG, TOLD, OrderBeliefs


def compare_orders(beliefs: OrderBeliefs, event: e.AccountReconciled) -> bool:
    """Take in the lists of orders; True while they lack one of ours that may rest all the same."""
    for ended in event.ended:
        order = beliefs.orders.get(ended.client_order_id)
        if order is None or ended.status == "resting":
            continue  # such a list holds none that rests; if it does, the list of what rests tells its terms
        if order.is_open:
            _end(beliefs, order, ended, event)
        elif event.asked_at >= order.touched_at + READ_LAG:
            # How much it traded may only have been concluded, from terms that others had changed.
            order.filled = max(order.traded, ended.filled)
            beliefs.forget_done(order, event.received_at)
    listed = {told.client_order_id: told for told in event.orders}
    for client_order_id, told in listed.items():
        order = beliefs.orders.get(client_order_id)
        if order is None:
            beliefs.adopt_order(told, event.asked_at, is_listed=True)
        # The list may be older than what we know of the order; of one that was never acknowledged we know
        # nothing, and that it is listed says enough.
        elif order.is_open and (order.touched_at < event.asked_at - READ_LAG or order.order_id is None):
            _rest(beliefs, order, told, event)
    if beliefs.ledger.cash is None:
        _await_no_fills(beliefs, event)
    absent = [
        order
        for order in beliefs.orders.values()
        if order.client_order_id not in listed and order.is_open and order.state != "placing"
    ]
    for order in absent:
        _conclude_absent(beliefs, order, event)
    return any(order.is_open for order in absent)


def _rest(beliefs: OrderBeliefs, order: Order, told: e.OrderSnapshot, event: e.AccountReconciled) -> None:
    _take_filled(beliefs, order, told.order_id, told.filled)
    beliefs.take_terms(order, told.price, told.filled + told.remaining, "resting", event.asked_at)
    beliefs.happen(order, "told_resting", event.received_at)


def _end(beliefs: OrderBeliefs, order: Order, ended: e.EndedOrder, event: e.AccountReconciled) -> None:
    """Close an order as the list of ended ones says; fills that it names and we lack are waited for."""
    _take_filled(beliefs, order, ended.order_id, ended.filled)
    beliefs.happen(order, TOLD[ended.status], event.received_at)


def _take_filled(beliefs: OrderBeliefs, order: Order, order_id: str, filled: int) -> None:
    beliefs.learn_id(order, order_id)
    order.tell_filled(filled)


def _await_no_fills(beliefs: OrderBeliefs, event: e.AccountReconciled) -> None:
    """Before anything is believed: what orders have traded stands in the lists that are about to be adopted.

    Their fills may be too old to be told again, or were told before we listened. The lists lag, so that
    nothing is adopted for a while after such a word, as after a fill.
    """
    for order in tuple(beliefs.orders.values()):
        if order.booked < order.filled:
            order.booked = order.filled
            beliefs.moved_at = max(beliefs.moved_at, event.received_at)
            beliefs.forget_done(order, event.received_at)


def _conclude_absent(beliefs: OrderBeliefs, order: Order, event: e.AccountReconciled) -> None:
    """Take in that neither list has the order, when they are late enough to prove something."""
    if order.state == "resting" and event.asked_at >= order.touched_at + READ_LAG:
        beliefs.happen(order, "told_absent", event.received_at)
    if order.state != "unknown" or order.is_probing or order.ticker not in event.doubtful:
        return
    if event.asked_at < order.sent_at_latest + ABSENT_AFTER:
        return
    order.is_presumed = True
    if order.order_id is None and not order.has_arrived:
        beliefs.happen(order, "told_never_arrived", event.received_at)
        return
    # It got there, and the venue has forgotten it. Nothing but its own silence will ever say more.
    beliefs.counts["orders_forgotten"] += 1
    is_whole = order.booked >= order.qty
    beliefs.happen(order, "told_executed" if is_whole else "told_canceled", event.received_at)
