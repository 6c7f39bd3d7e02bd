"""The server's WebSocket frames, as structs with only the fields that we use.

One tagged union: msgspec picks the struct by the frame's `type` and decodes straight into it. Unknown
extra fields are skipped without building anything (the venue adds fields without notice); a missing
required field, a wrong type or an unknown `type` is an error. Numbers are bounded, so that whatever was
decoded also fits the journal's 64-bit integers. Source: protocol sheet 2.3, 2.7.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Raw

from daemon.core.units import BookSide, Side

Sid: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Seq: TypeAlias = Annotated[int, Meta(ge=1, le=2**53)]
Millis: TypeAlias = Annotated[int, Meta(ge=0, le=9_000_000_000_000)]
"""Unix milliseconds; the bound keeps them inside 64 bits as nanoseconds."""
Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=9_000_000_000)]
Ladder: TypeAlias = list[tuple[str, str]]
"""Levels as [price in dollars, count], bids only."""


class BookDelta(msgspec.Struct, frozen=True, gc=False):
    """A level's total changed by `delta_fp`."""

    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Side
    ts_ms: Millis | None = None


class BookDeltaFrame(msgspec.Struct, frozen=True, tag="orderbook_delta", tag_field="type", gc=False):
    """The hot one: nearly all frames are of this type."""

    sid: Sid
    seq: Seq
    msg: BookDelta
    sending_ts_ms: Millis | None = None


class BookSnapshot(msgspec.Struct, frozen=True):
    """All levels of a market; a side without levels is absent."""

    market_ticker: str
    yes_dollars_fp: Ladder = []
    no_dollars_fp: Ladder = []


class BookSnapshotFrame(msgspec.Struct, frozen=True, tag="orderbook_snapshot", tag_field="type"):
    """A snapshot, initial or asked for. It has no timestamp but the envelope's."""

    sid: Sid
    seq: Seq
    msg: BookSnapshot
    id: int | None = None
    sending_ts_ms: Millis | None = None


class Trade(msgspec.Struct, frozen=True, gc=False):
    """A public trade."""

    trade_id: str
    market_ticker: str
    yes_price_dollars: str
    count_fp: str
    taker_outcome_side: Side
    ts_ms: Millis | None = None


class TradeFrame(msgspec.Struct, frozen=True, tag="trade", tag_field="type", gc=False):
    """Live frames carry `seq`; the June documents did not show it."""

    sid: Sid
    msg: Trade
    seq: Seq | None = None
    sending_ts_ms: Millis | None = None


class Ticker(msgspec.Struct, frozen=True, gc=False):
    """A market's top of book, conflated. We can read it and don't subscribe to it."""

    market_ticker: str
    yes_bid_dollars: str
    yes_ask_dollars: str
    ts_ms: Millis


class TickerFrame(msgspec.Struct, frozen=True, tag="ticker", tag_field="type", gc=False):
    """A `ticker` frame; never sequenced."""

    sid: Sid
    msg: Ticker
    sending_ts_ms: Millis | None = None


class Fill(msgspec.Struct, frozen=True, gc=False):
    """A fill of one of our orders. The deprecated `side` and `action` are not read."""

    trade_id: str
    order_id: str
    market_ticker: str
    book_side: BookSide
    yes_price_dollars: str
    count_fp: str
    fee_cost: str
    is_taker: bool
    client_order_id: str | None = None
    ts_ms: Millis | None = None
    subaccount: int | None = None


class FillFrame(msgspec.Struct, frozen=True, tag="fill", tag_field="type", gc=False):
    """A `fill` frame; never sequenced."""

    sid: Sid
    msg: Fill
    sending_ts_ms: Millis | None = None


class UserOrder(msgspec.Struct, frozen=True, gc=False):
    """The state of one of our orders after a change."""

    order_id: str
    client_order_id: str
    ticker: str
    book_side: BookSide
    yes_price_dollars: str
    # The venue's fourth status, "unknown", is no state that we could act on: it is refused here.
    status: Literal["resting", "canceled", "executed"]
    fill_count_fp: str
    remaining_count_fp: str
    last_update_reason: str | None = None
    last_updated_ts_ms: Millis | None = None
    subaccount_number: int | None = None


class UserOrderFrame(msgspec.Struct, frozen=True, tag="user_order", tag_field="type", gc=False):
    """A `user_order` frame of the channel `user_orders`; never sequenced."""

    sid: Sid
    msg: UserOrder
    sending_ts_ms: Millis | None = None


class MarketPosition(msgspec.Struct, frozen=True, gc=False):
    """A position after a change: the venue's view, which we count but take from REST."""

    market_ticker: str
    position_fp: str


class MarketPositionFrame(msgspec.Struct, frozen=True, tag="market_position", tag_field="type", gc=False):
    """A `market_position` frame; never sequenced."""

    sid: Sid
    msg: MarketPosition
    sending_ts_ms: Millis | None = None


class OrderGroupUpdate(msgspec.Struct, frozen=True, gc=False):
    """A change of one of the account's order groups. It names no shard; the limit is read nowhere."""

    order_group_id: str
    event_type: Literal["created", "triggered", "reset", "deleted", "limit_updated"]


class OrderGroupFrame(msgspec.Struct, frozen=True, tag="order_group_updates", tag_field="type", gc=False):
    """An `order_group_updates` frame: sequenced, unlike the account's other channels."""

    sid: Sid
    msg: OrderGroupUpdate
    seq: Seq | None = None
    sending_ts_ms: Millis | None = None


class PriceRange(msgspec.Struct, frozen=True, gc=False):
    """One band of a tick table, in dollars."""

    start: str
    end: str
    step: str


class Lifecycle(msgspec.Struct, frozen=True):
    """A change in a market's life; which fields it carries depends on `event_type`."""

    market_ticker: str
    event_type: str
    close_ts: Seconds | None = None
    result: str | None = None
    settlement_value: str | None = None
    price_ranges: list[PriceRange] | None = None
    # JSON numbers, kept as their text: a strike of 83950.62 is no binary fraction.
    floor_strike: Raw = Raw()
    cap_strike: Raw = Raw()


class LifecycleFrame(msgspec.Struct, frozen=True, tag="market_lifecycle_v2", tag_field="type"):
    """A lifecycle frame; the channel carries the whole exchange."""

    sid: Sid
    msg: Lifecycle
    seq: Seq | None = None
    sending_ts_ms: Millis | None = None


class EventLifecycle(msgspec.Struct, frozen=True, gc=False):
    """An event was created or changed."""

    event_ticker: str


class EventLifecycleFrame(msgspec.Struct, frozen=True, tag="event_lifecycle", tag_field="type", gc=False):
    """An event was created or changed: its markets are listed over REST."""

    sid: Sid
    msg: EventLifecycle
    seq: Seq | None = None
    sending_ts_ms: Millis | None = None


class EventFeeUpdate(msgspec.Struct, frozen=True, gc=False):
    """An event's fee override; what it is, is read with the listing."""

    event_ticker: str


class EventFeeUpdateFrame(msgspec.Struct, frozen=True, tag="event_fee_update", tag_field="type", gc=False):
    """An event's fee override was set or cleared: what we know of fees is old."""

    sid: Sid
    msg: EventFeeUpdate
    seq: Seq | None = None
    sending_ts_ms: Millis | None = None


class IndexValue(msgspec.Struct, frozen=True, gc=False):
    """A value of a settlement index; `told` is the index's own message, as JSON text."""

    index_id: str
    told: str = msgspec.field(name="data")


class IndexValueFrame(msgspec.Struct, frozen=True, tag="cfbenchmarks_value", tag_field="type", gc=False):
    """A `cfbenchmarks_value` frame, about one a second."""

    sid: Sid
    msg: IndexValue
    seq: Seq | None = None
    sending_ts_ms: Millis | None = None


class IndexTold(msgspec.Struct, frozen=True, gc=False):
    """What the text in `IndexValue.told` says."""

    id: str
    value: str
    time: Millis


class Subscription(msgspec.Struct, frozen=True, gc=False):
    """Which channel got which sid."""

    channel: str
    sid: Sid


class SubscribedFrame(msgspec.Struct, frozen=True, tag="subscribed", tag_field="type", gc=False):
    """A new subscription; not sequenced."""

    msg: Subscription
    id: int | None = None
    sending_ts_ms: Millis | None = None


class OkFrame(msgspec.Struct, frozen=True, tag="ok", tag_field="type", gc=False):
    """A command was carried out; consumes a number on sequenced channels."""

    id: int | None = None
    sid: Sid | None = None
    seq: Seq | None = None
    sending_ts_ms: Millis | None = None


class UnsubscribedFrame(msgspec.Struct, frozen=True, tag="unsubscribed", tag_field="type", gc=False):
    """A subscription is over; consumes a number on sequenced channels."""

    sid: Sid
    id: int | None = None
    seq: Seq | None = None
    sending_ts_ms: Millis | None = None


class Error(msgspec.Struct, frozen=True, gc=False):
    """An error's code (sheet 2.4) and text."""

    code: int
    msg: str
    market_ticker: str | None = None


class ErrorFrame(msgspec.Struct, frozen=True, tag="error", tag_field="type", gc=False):
    """A command failed, or (codes 10 and 25) a subscription died."""

    msg: Error
    id: int | None = None
    sid: Sid | None = None
    seq: Seq | None = None
    sending_ts_ms: Millis | None = None


Frame: TypeAlias = (
    BookDeltaFrame
    | BookSnapshotFrame
    | TradeFrame
    | TickerFrame
    | FillFrame
    | UserOrderFrame
    | MarketPositionFrame
    | OrderGroupFrame
    | LifecycleFrame
    | EventLifecycleFrame
    | EventFeeUpdateFrame
    | IndexValueFrame
    | SubscribedFrame
    | OkFrame
    | UnsubscribedFrame
    | ErrorFrame
)


class Envelope(msgspec.Struct, frozen=True):
    """What can be said of a frame that is refused: whose it was."""

    type: str | None = None
    sid: int | None = None
    seq: int | None = None
    msg: Raw = Raw()


class Subject(msgspec.Struct, frozen=True):
    """The market that a refused frame's `msg` names."""

    market_ticker: str | None = None
