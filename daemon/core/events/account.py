"""Our orders, fills and account; the operator, and the daemon itself."""

from __future__ import annotations

from typing import Literal

import msgspec

from daemon.core.day_record import DayRecord
from daemon.core.events.fact import Fact, OrderAction, OrderStatus
from daemon.core.units import BookSide, Money, Ns, Price, Qty


class OrderAccepted(Fact, frozen=True):
    """The venue answered yes to one request.

    place: `filled` and `remaining` are the order's; amend: likewise, `price` and `qty` (the total)
    are in force; cancel: `remaining` is 0 and `filled` is None, for the answer doesn't say it. `asked_at` is
    when the request left our queue; None where that was not noted.
    """

    action: OrderAction
    client_order_id: str
    order_id: str
    filled: Qty | None
    remaining: Qty
    received_at: Ns
    sent_at: Ns | None
    reduced_by: Qty | None = None
    asked_at: Ns | None = None


class OrderRejected(Fact, frozen=True):
    """The venue answered no to one request. A cancel's `not_found` tells cancelled and filled not apart.

    `asked_at` is when the request left our queue; None where that was not noted.
    """

    action: OrderAction
    client_order_id: str
    code: str
    details: str
    received_at: Ns
    asked_at: Ns | None = None


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


class OrderRecovered(Fact, frozen=True):
    """The journal of a life before this one has this order, and not how it ended: it may rest at the venue.

    `order_id` is None where no answer was recorded; `decided_at` is when that life may have sent something
    with its id, at the latest. Told before anything else of a life.
    """

    client_order_id: str
    ticker: str
    side: BookSide
    price: Price
    qty: Qty
    style: Literal["rest", "take"]
    order_id: str | None
    decided_at: Ns
    received_at: Ns


class DayRecovered(Fact, frozen=True, gc=True):
    """How the day went in the lives before this one on this account. Told before anything else of a life."""

    record: DayRecord
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


class EndedOrder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One order in the venue's list that rests no more, and how much of it had traded."""

    order_id: str
    client_order_id: str
    ticker: str
    status: OrderStatus
    filled: Qty


class AccountReconciled(Fact, frozen=True, gc=True):
    """What the venue's REST says of our account: cash, positions, resting orders and recent fills.

    `asked_at` is when the first of the reads was sent: nothing that happened after it is denied by
    what the lists lack. `ended` are those orders of the `doubtful` markets that rest no more; of other
    markets' nothing is said. `cash_by_shard` is (exchange index, cash), empty where not told.
    """

    asked_at: Ns
    received_at: Ns
    cash: Money
    positions: tuple[PositionSnapshot, ...]
    orders: tuple[OrderSnapshot, ...]
    fills: tuple[OrderFilled, ...]
    doubtful: tuple[str, ...] = ()
    ended: tuple[EndedOrder, ...] = ()
    cash_by_shard: tuple[tuple[int, Money], ...] = ()


class FillsRead(Fact, frozen=True, gc=True):
    """The drop copy: recent fills as REST lists them, read apart from the stream that should have told them.

    Holds only those that the core had not booked when the answer came.
    """

    asked_at: Ns
    received_at: Ns
    fills: tuple[OrderFilled, ...]


class QueuePlace(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How many contracts stood before one resting order of ours, at the price where it rested."""

    order_id: str
    ticker: str
    price: Price
    ahead: Qty


class QueuePlacesRead(Fact, frozen=True, gc=True):
    """Where resting orders of ours stood in their queues, as REST told it. Nothing is decided by it."""

    asked_at: Ns
    received_at: Ns
    places: tuple[QueuePlace, ...]


class OrderGroupTold(Fact, frozen=True):
    """The order group in force on a shard, as the venue told it. Triggered, it takes no order until reset.

    `order_group_id` is None when the one that we knew is gone. The stream tells no shard (None): there the
    group is known by its id, is maybe not ours, and `is_gone` says that it was taken out. `is_recovered`: the
    last life's journal tells it, and not the venue.
    """

    exchange_index: int | None
    order_group_id: str | None
    is_triggered: bool
    received_at: Ns
    is_gone: bool = False
    is_recovered: bool = False


class SettlementTold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One market in the venue's list of settlements; `price` is what one YES contract paid, None if unsaid.

    `price` and `revenue` are cut to whole cents by the venue.
    """

    ticker: str
    price: Price | None
    revenue: Money
    fees: Money
    settled_at: Ns


class SettlementsRead(Fact, frozen=True, gc=True):
    """What markets that are settled paid us, as REST lists it: to be held against what we booked."""

    asked_at: Ns
    received_at: Ns
    settlements: tuple[SettlementTold, ...]


class SettlementCorrected(Fact, frozen=True):
    """A market that was paid out paid something else in the end, by the venue's own lists."""

    ticker: str
    settlement_price: Price
    received_at: Ns


class CashFlow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One deposit (above 0) or withdrawal (below 0) of the account's owner; its fee may come on top."""

    flow_id: str
    amount: Money
    fee: Money
    created_at: Ns


class CashFlowsRead(Fact, frozen=True, gc=True):
    """The owner's deposits and withdrawals, as REST lists them: asked for when cash is missing."""

    asked_at: Ns
    received_at: Ns
    flows: tuple[CashFlow, ...]


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
    """A person or a guard stops new orders; resting ones are cancelled. It stays until a person resumes.

    `by` says who: "cli", "file", "signal", "page", "latch" (it was on disk at the start), or a guard's name.
    """

    reason: str
    received_at: Ns
    by: str = "guard"


class ResumeRequested(Fact, frozen=True):
    """A person lifts a halt, and says why."""

    reason: str
    received_at: Ns
    by: str = "cli"


class FlattenRequested(Fact, frozen=True):
    """A person wants all positions closed: by orders that only reduce, within `slippage` of the best price.

    A halt does not stop that; nothing else is sent until all is flat or a person resumes.
    """

    reason: str
    slippage: Price
    received_at: Ns
    by: str = "cli"


class ReadingRequested(Fact, frozen=True):
    """A person wants the account's lists read now, and compared with our books. Nothing stops for it."""

    reason: str
    received_at: Ns
    by: str = "cli"


class StopRequested(Fact, frozen=True):
    """The daemon is to stop: cancel everything, confirm, reconcile."""

    reason: str
    received_at: Ns


class StrategySwitched(Fact, frozen=True):
    """A strategy was switched off, or on again, and why. Off, it wants nothing, and its orders are taken out.

    `by` says who: "cli", or "too slow" where the shell measured its calls. One that raises is switched off by
    the core itself, at that decision.
    """

    strategy: str
    is_on: bool
    reason: str
    received_at: Ns
    by: str = "cli"
