"""Everything that the core can ask of the shell: plain data, decided once, journalled, then carried out.

A command is made from an `Approved` (see `risk`); there is no other way out. `deadline` is the
order's time-to-live as an instant: after it the queue drops the command instead of sending it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemon.core.units import BookSide, Ns, Price, Qty

TimeInForce: TypeAlias = Literal["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]


class _Command(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What all commands share: how they are built and encoded."""


class PlaceOrder(_Command, frozen=True):
    """Send a new order. `price` is a YES price on the market's grid, `qty` in 0.01 contracts.

    `book_changed_max` is the strategy's own limit on the time since the book last changed, None for
    off: the queue checks it again at the moment of sending.
    """

    client_order_id: str
    ticker: str
    side: BookSide
    price: Price
    qty: Qty
    time_in_force: TimeInForce
    post_only: bool
    exchange_index: int
    strategy: str
    reason: str
    decided_at: Ns
    deadline: Ns
    book_changed_max: Ns | None


class AmendOrder(_Command, frozen=True):
    """Change price and total count of a resting order. `qty` is what is filled plus what shall rest."""

    client_order_id: str
    order_id: str
    ticker: str
    side: BookSide
    price: Price
    qty: Qty
    exchange_index: int
    strategy: str
    reason: str
    decided_at: Ns
    deadline: Ns
    book_changed_max: Ns | None


class CancelOrder(_Command, frozen=True):
    """Take a resting order out. Never dropped for age or staleness: it only reduces risk."""

    client_order_id: str
    order_id: str
    ticker: str
    exchange_index: int
    reason: str
    decided_at: Ns


class CancelAll(_Command, frozen=True):
    """Take every resting order of the account out."""

    reason: str
    decided_at: Ns


class Reconcile(_Command, frozen=True):
    """Read cash, positions, resting orders and recent fills, and answer with `AccountReconciled`."""

    reason: str
    decided_at: Ns


class ProbeVenue(_Command, frozen=True):
    """Ask the venue for its status, to learn whether it answers again."""

    decided_at: Ns


class Decided(_Command, frozen=True):
    """Not a command but the mark before a decision's commands in the journal: `decide(now)` was called."""

    now: Ns


Command: TypeAlias = PlaceOrder | AmendOrder | CancelOrder | CancelAll | Reconcile | ProbeVenue
OrderCommand: TypeAlias = PlaceOrder | AmendOrder | CancelOrder
