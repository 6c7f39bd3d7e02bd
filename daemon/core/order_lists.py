"""Our orders against the venue's lists of them: what is listed rests, and when an absence proves an end."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.orders import Order
from daemon.core.own_orders import READ_LAG, OrderBeliefs
from daemon.core.units import SECOND, Ns

ABSENT_AFTER: Ns = 35 * SECOND
"""A request's signature expires within 15 to 30 s: one that no list shows after this never arrived."""


def compare_orders(beliefs: OrderBeliefs, event: e.AccountReconciled) -> bool:
    """Take in the list of orders; True while it lacks one of ours that may rest all the same."""
    listed = {told.client_order_id: told for told in event.orders}
    for client_order_id, told in listed.items():
        order = beliefs.orders.get(client_order_id)
        if order is None:
            beliefs.adopt_order(told, event.asked_at, is_listed=True)
        # The list may be older than what we know of the order; of one that was never acknowledged we know
        # nothing, and that it is listed says enough.
        elif order.is_open and (order.touched_at < event.asked_at - READ_LAG or order.order_id is None):
            order.order_id = told.order_id
            order.tell_filled(told.filled)
            beliefs.take_terms(order, told.price, told.filled + told.remaining, "resting")
            beliefs.happen(order, "told_resting", event.received_at)
    absent = [
        order
        for order in beliefs.orders.values()
        if order.client_order_id not in listed and order.is_open and order.state != "placing"
    ]
    for order in absent:
        _conclude_absent(beliefs, order, event)
    return any(order.is_open for order in absent)


def _conclude_absent(beliefs: OrderBeliefs, order: Order, event: e.AccountReconciled) -> None:
    """Close an order that the venue's list lacks, when the list is late enough to prove it."""
    unlisted_for = event.asked_at - order.touched_at
    if order.order_id is None:
        if unlisted_for >= ABSENT_AFTER:
            order.is_presumed = True
            beliefs.happen(order, "place_rejected", event.received_at)
    elif unlisted_for >= READ_LAG:
        is_whole = order.booked >= order.qty
        order.is_presumed = True
        beliefs.happen(order, "told_executed" if is_whole else "told_canceled", event.received_at)
