"""Everything that can happen to the daemon, one fact per struct: the core's only input, and the journal.

Rules: past tense; frozen; whole. `received_at` is our clock, `sent_at` the exchange's; a subtraction
of the two contains the skew between the clocks. A field that isn't known is None. Structs are encoded
as arrays, so a new field goes to the end and has a default: old journals stay readable.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemon.core.markets import MarketResult, MarketSpec, MarketStatus
from daemon.core.units import BookSide, Money, Ns, Price, PriceBand, Qty, Side

Level: TypeAlias = tuple[Price, Qty]
OrderAction: TypeAlias = Literal["place", "amend", "cancel"]
OrderStatus: TypeAlias = Literal["resting", "canceled", "executed"]
Feed: TypeAlias = Literal["kalshi", "reference"]
"""Which connection: the venue's WebSocket, or the reference price's."""


class _Fact(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What all events share: how they are built and encoded. Holds scalars only unless said."""


# --- connections -------------------------------------------------------------------------------


class FeedConnected(_Fact, frozen=True):
    """A connection is up. Its books stay unsynced until their snapshots."""

    feed: Feed
    received_at: Ns


class FeedDropped(_Fact, frozen=True):
    """A connection is gone: nothing that came over it is vouched for any more."""

    feed: Feed
    reason: str
    received_at: Ns


class FeedHeard(_Fact, frozen=True):
    """A connection is alive though it brought no message: a ping or a pong was seen."""

    feed: Feed
    received_at: Ns


# --- market data -------------------------------------------------------------------------------


class BookSnapshotReceived(_Fact, frozen=True, gc=True):
    """The whole book of one market. Levels ascend in price; each side is on its own price scale."""

    ticker: str
    yes: tuple[Level, ...]
    no: tuple[Level, ...]
    received_at: Ns
    sent_at: Ns | None


class BookDeltaReceived(_Fact, frozen=True):
    """One level's total changed by `delta`."""

    ticker: str
    side: Side
    price: Price
    delta: Qty
    received_at: Ns
    sent_at: Ns | None


class BookLost(_Fact, frozen=True):
    """The stream of one market can't be trusted until its next snapshot (a gap, a dead subscription)."""

    ticker: str
    reason: str
    received_at: Ns


class TradePrinted(_Fact, frozen=True):
    """A public trade. `price` is the YES price; `taker_side` the outcome that the taker bought."""

    ticker: str
    trade_id: str
    price: Price
    qty: Qty
    taker_side: Side
    received_at: Ns
    sent_at: Ns | None


class CandleBackfilled(_Fact, frozen=True):
    """A past candle of a market's quotes, from REST: the best YES bid and ask at its end, None if absent."""

    ticker: str
    period: Ns
    ended_at: Ns
    bid: Price | None
    ask: Price | None
    volume: Qty
    received_at: Ns


class ReferencePriceReceived(_Fact, frozen=True):
    """A price of the underlying, in Money per unit, from the reference feed."""

    source: str
    symbol: str
    price: Money
    received_at: Ns
    sent_at: Ns | None


# --- markets -----------------------------------------------------------------------------------


class MarketListed(_Fact, frozen=True, gc=True):
    """A market that we watch, as the venue lists it now. Listing it again replaces what we knew."""

    spec: MarketSpec
    received_at: Ns


class MarketStatusChanged(_Fact, frozen=True):
    """A market was activated, deactivated, …; open and close have no event: they are clocks."""

    ticker: str
    status: MarketStatus
    received_at: Ns


class MarketCloseMoved(_Fact, frozen=True):
    """A market's close time changed."""

    ticker: str
    close_at: Ns
    received_at: Ns


class MarketGridChanged(_Fact, frozen=True, gc=True):
    """A market's tick table changed in mid-life."""

    ticker: str
    bands: tuple[PriceBand, ...]
    received_at: Ns


class MarketStrikeSet(_Fact, frozen=True):
    """A market's strike became known or changed."""

    ticker: str
    strike: Money
    received_at: Ns


class MarketDetermined(_Fact, frozen=True):
    """A market has a result; `settlement_price` is what one YES contract pays."""

    ticker: str
    result: MarketResult
    settlement_price: Price
    received_at: Ns


class MarketSettled(_Fact, frozen=True):
    """A market's positions were paid out. The venue may say so twice."""

    ticker: str
    received_at: Ns


class MarketDropped(_Fact, frozen=True):
    """We stop watching a market (it is over, or the configuration no longer names it)."""

    ticker: str
    received_at: Ns


# --- our orders and account --------------------------------------------------------------------


class OrderAccepted(_Fact, frozen=True):
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


class OrderRejected(_Fact, frozen=True):
    """The venue answered no to one request. A cancel's `not_found` tells cancelled and filled not apart."""

    action: OrderAction
    client_order_id: str
    code: str
    details: str
    received_at: Ns


class OrderUnknown(_Fact, frozen=True):
    """A request may or may not have happened: timeout, reset, 5xx, unreadable answer."""

    action: OrderAction
    client_order_id: str
    reason: str
    received_at: Ns


class OrderDropped(_Fact, frozen=True):
    """Our own queue gave a request up before it left the house, for a named reason."""

    action: OrderAction
    client_order_id: str
    reason: str
    received_at: Ns


class OrderUpdated(_Fact, frozen=True):
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


class OrderFilled(_Fact, frozen=True):
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


class AccountReconciled(_Fact, frozen=True, gc=True):
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


class AccountDoubted(_Fact, frozen=True):
    """The private stream may have kept something from us (a gap, a bad message): read again."""

    reason: str
    received_at: Ns


class VenueFailed(_Fact, frozen=True):
    """A REST request failed for a reason that lies with the venue or the way to it."""

    request: str
    reason: str
    received_at: Ns


class VenueAnswered(_Fact, frozen=True):
    """A REST request was answered, yes or no."""

    request: str
    received_at: Ns


# --- the operator, and the daemon itself -------------------------------------------------------


class HaltRequested(_Fact, frozen=True):
    """A person or a guard stops new orders; resting ones are cancelled."""

    reason: str
    received_at: Ns


class ResumeRequested(_Fact, frozen=True):
    """A person lifts a halt."""

    reason: str
    received_at: Ns


class StopRequested(_Fact, frozen=True):
    """The daemon is to stop: cancel everything, confirm, reconcile."""

    reason: str
    received_at: Ns


Event: TypeAlias = (
    BookDeltaReceived
    | BookSnapshotReceived
    | TradePrinted
    | ReferencePriceReceived
    | FeedHeard
    | FeedConnected
    | FeedDropped
    | BookLost
    | CandleBackfilled
    | MarketListed
    | MarketStatusChanged
    | MarketCloseMoved
    | MarketGridChanged
    | MarketStrikeSet
    | MarketDetermined
    | MarketSettled
    | MarketDropped
    | OrderAccepted
    | OrderRejected
    | OrderUnknown
    | OrderDropped
    | OrderUpdated
    | OrderFilled
    | AccountReconciled
    | AccountDoubted
    | VenueFailed
    | VenueAnswered
    | HaltRequested
    | ResumeRequested
    | StopRequested
)
