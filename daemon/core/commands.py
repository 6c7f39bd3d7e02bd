"""Everything that the core can ask of the shell: plain data, decided once, journalled, then carried out.

A command is made from an `Approved` (see `risk`); there is no other way out. `deadline` is the
order's time-to-live as an instant: after it the queue drops the command instead of sending it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemon.core.day_record import DayRecord
from daemon.core.units import BookSide, Ns, Price, Qty

TimeInForce: TypeAlias = Literal["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]
Purpose: TypeAlias = Literal["enter", "reduce", "keep"]
"""`reduce`: only gives up a part of the position, whatever else of ours trades. It goes first. `keep`: an
amend that changes nothing but when the dead man's switch acts. It goes last."""


class _Command(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What all commands share: how they are built and encoded."""


class PlaceOrder(_Command, frozen=True):
    """Send a new order. `price` is a YES price on the market's grid, `qty` in 0.01 contracts.

    `book_changed_max` is the strategy's own limit on the time since the book last changed, None for
    off: the queue checks it again at the moment of sending. `expires_at` is the dead man's switch of one that
    rests: the venue takes it out then, unless we have moved that on; whole seconds, None for never.
    `order_group_id` is the venue's second line, None where there is none.
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
    purpose: Purpose = "enter"
    expires_at: Ns | None = None
    order_group_id: str | None = None


class AmendOrder(_Command, frozen=True):
    """Change price and total count of a resting order. `qty` is what is filled plus what shall rest.

    `expires_at` moves its dead man's switch on; None leaves it. Price and count as they are: only that, and
    the order keeps its place in the queue.
    """

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
    purpose: Purpose = "enter"
    expires_at: Ns | None = None


class WithdrawOrder(_Command, frozen=True):
    """Give up a new order that may still wait in our own queue: it is no longer wanted.

    If it waits, it is dropped (`OrderDropped`, "superseded"); if it has left, nothing happens.
    """

    client_order_id: str
    reason: str
    decided_at: Ns


class ProbeOrder(_Command, frozen=True):
    """Ask whether an order of unknown outcome arrived, by sending its id again.

    An id is good for one order, for ever. So "exists already" says that the first one arrived, and a yes says
    that it had not and never will. Therefore the order sent is one that is harmless if it is taken: immediate
    or cancel, at a price that nobody should meet; whatever it fills is a fill of this order.
    """

    client_order_id: str
    ticker: str
    side: BookSide
    price: Price
    qty: Qty
    exchange_index: int
    decided_at: Ns


class CancelOrder(_Command, frozen=True):
    """Take a resting order out. Never dropped for age or staleness: it only reduces risk."""

    client_order_id: str
    order_id: str
    ticker: str
    exchange_index: int
    reason: str
    decided_at: Ns


class CancelAll(_Command, frozen=True):
    """Take out all that is in one of our order groups, and let it take nothing more: trigger the group.

    Also what arrives later, or of whose fate we know nothing. The owner's own orders are in no group of ours:
    the venue's own cancel-all, which would take them out too, is never asked for.
    """

    exchange_index: int
    order_group_id: str
    reason: str
    decided_at: Ns


class Reconcile(_Command, frozen=True, gc=True):
    """Read cash, positions, resting orders and recent fills, and answer with `AccountReconciled`.

    `doubtful` are the markets in which an order's fate is not known: there the ended orders are read too.
    """

    reason: str
    decided_at: Ns
    doubtful: tuple[str, ...] = ()


class ProbeVenue(_Command, frozen=True):
    """Ask the venue for its status, to learn whether it answers again."""

    decided_at: Ns


class MakeOrderGroup(_Command, frozen=True):
    """Make the order group that all that rests on a shard is put into; answered by `OrderGroupTold`.

    `limit`: contracts matched within 15 s, past which the venue takes all of the group out. With an
    `order_group_id` none is made: that one is asked after, and its limit set again.
    """

    exchange_index: int
    limit: Qty
    decided_at: Ns
    order_group_id: str | None = None


class ResetOrderGroup(_Command, frozen=True):
    """Let an order group that the venue has triggered take orders again; answered by `OrderGroupTold`."""

    exchange_index: int
    order_group_id: str
    decided_at: Ns


class DropOrderGroup(_Command, frozen=True):
    """Take an order group out, and whatever is in it; answered by `OrderGroupTold`."""

    exchange_index: int
    order_group_id: str
    decided_at: Ns


class LatchHalt(_Command, frozen=True):
    """Put a halt on disk, so that it survives us. Carried out at once, before anything else is sent."""

    reason: str
    by: str
    decided_at: Ns


class LiftHalt(_Command, frozen=True):
    """Take the halt off the disk: a person has resumed, for this reason."""

    reason: str
    by: str
    decided_at: Ns


class KeepDay(_Command, frozen=True, gc=True):
    """How the day went so far, for the next life: it stands in the journal, and nothing else is done."""

    record: DayRecord
    decided_at: Ns


class Decided(_Command, frozen=True):
    """Not a command but the mark before a decision's commands in the journal: `decide(now)` was called."""

    now: Ns


Command: TypeAlias = (
    PlaceOrder
    | AmendOrder
    | CancelOrder
    | CancelAll
    | Reconcile
    | ProbeVenue
    | WithdrawOrder
    | ProbeOrder
    | MakeOrderGroup
    | ResetOrderGroup
    | DropOrderGroup
    | LatchHalt
    | LiftHalt
    | KeepDay
)
OrderCommand: TypeAlias = PlaceOrder | AmendOrder | CancelOrder
