"""Our orders, fills and account; the operator, and the daemon itself."""

from __future__ import annotations

import msgspec

from daemon.core.events.fact import Fact, OrderAction, OrderStatus
from daemon.core.units import BookSide, Money, Ns, Price, Qty


class OrderAccepted(Fact, frozen=True):
    """The venue answered yes to one request.

    place: `filled` and `remaining` are the order's; amend: likewise, `price` and `qty` (the total)
    are in force; cancel: `remaining` is 0 and `filled` is None, for the answer doesn't say it.
    """

    action: OrderAction
    client_order_id: str
    order_id: str
    filled: Qty | None
    remaining: Qty
    received_at: Ns
    sent_at: Ns | None
    reduced_by: Qty | None = None


class OrderRejected(Fact, frozen=True):
    """The venue answered no to one request. A cancel's `not_found` tells cancelled and filled not apart."""

    action: OrderAction
    client_order_id: str
    code: str
    details: str
    received_at: Ns


class OrderUnknown(Fact, frozen=True):
    """A request may or may not have happened: timeout, reset, 5xx, unreadable answer."""

    action: OrderAction
    client_order_id: str
    reason: str
    received_at: Ns


class OrderDropped(Fact, frozen=True):
    """Our own queue gave a request up before it left the house, for a named reason."""

    action: OrderAction
    client_order_id: str
    reason: str
    received_at: Ns


class OrderUpdated(Fact, frozen=True):
    """The venue's private stream told the state of one of our orders."""

    order_id: str
    client_order_id: str
    ticker: str
    side: BookSide
    price: Price
    status: OrderStatus
    filled: Qty
    remaining: Qty
    reason: str | None
    received_at: Ns
    sent_at: Ns | None


class OrderFilled(Fact, frozen=True):
    """One fill of one of our orders. `price` is the YES price; `fee` its exact cost; `trade_id` its identity.

    `client_order_id` is None where the source doesn't carry it (REST fills).
    """

    trade_id: str
    order_id: str
    client_order_id: str | None
    ticker: str
    side: BookSide
    price: Price
    qty: Qty
    fee: Money
    is_taker: bool
    received_at: Ns
    sent_at: Ns | None


class OrderSnapshot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One open order in the venue's list."""

    order_id: str
    client_order_id: str
    ticker: str
    side: BookSide
    price: Price
    filled: Qty
    remaining: Qty


class PositionSnapshot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One position in the venue's list: signed YES contracts, and the cost of the open part."""

    ticker: str
    qty: Qty
    cost: Money
    realized_pnl: Money
    fees: Money


class AccountReconciled(Fact, frozen=True, gc=True):
    """What the venue's REST says of our account: cash, positions, resting orders and recent fills.

    `asked_at` is when the first of the reads was sent: nothing that happened after it is denied by
    what the lists lack.
    """

    asked_at: Ns
    received_at: Ns
    cash: Money
    positions: tuple[PositionSnapshot, ...]
    orders: tuple[OrderSnapshot, ...]
    fills: tuple[OrderFilled, ...]


class AccountDoubted(Fact, frozen=True):
    """The private stream may have kept something from us (a gap, a bad message): read again."""

    reason: str
    received_at: Ns


class VenueFailed(Fact, frozen=True):
    """A REST request failed for a reason that lies with the venue or the way to it."""

    request: str
    reason: str
    received_at: Ns


class VenueAnswered(Fact, frozen=True):
    """A REST request was answered, yes or no."""

    request: str
    received_at: Ns


# --- the operator, and the daemon itself -------------------------------------------------------


class HaltRequested(Fact, frozen=True):
    """A person or a guard stops new orders; resting ones are cancelled."""

    reason: str
    received_at: Ns


class ResumeRequested(Fact, frozen=True):
    """A person lifts a halt."""

    reason: str
    received_at: Ns


class StopRequested(Fact, frozen=True):
    """The daemon is to stop: cancel everything, confirm, reconcile."""

    reason: str
    received_at: Ns
