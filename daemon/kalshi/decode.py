"""From the wire's structs to the core's events: exact integers from strings, through bounded caches.

A feed repeats few strings (some hundred prices, some thousand counts), so a dict from text to integer
answers at the speed of a lookup. Text that isn't an exact number in range is a `BadFrame`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, assert_never

import msgspec

from daemon.core.events import (
    BookSnapshotReceived,
    Event,
    Level,
    MarketCloseMoved,
    MarketDetermined,
    MarketGridChanged,
    MarketSettled,
    MarketStatusChanged,
    MarketStrikeSet,
    OrderFilled,
    OrderGroupTold,
    OrderUpdated,
    ReferencePriceReceived,
    TradePrinted,
)
from daemon.core.units import (
    MILLISECOND,
    MONEY_ONE,
    PRICE_ONE,
    QTY_ONE,
    SECOND,
    Money,
    Ns,
    Price,
    PriceBand,
    Qty,
    parse_decimal,
    parse_money,
    parse_price,
    parse_qty,
)
from daemon.kalshi.errors import BadFrame
from daemon.kalshi.wire import (
    BookSnapshotFrame,
    FillFrame,
    Frame,
    IndexTold,
    IndexValueFrame,
    Ladder,
    Lifecycle,
    LifecycleFrame,
    OrderGroupFrame,
    PriceRange,
    TradeFrame,
    UserOrderFrame,
)

CACHED_MAX = 65_536
INDEX_SOURCE = "cfbenchmarks"
_QTY_MAX: Qty = 10**11 * QTY_ONE
_MONEY_MAX: Money = 10**12 * MONEY_ONE

_decode_told = msgspec.json.Decoder(IndexTold).decode


class TextCache(dict[str, int]):
    """A dict from text to integer that parses what it has not seen, and empties itself when full.

    Indexing raises ValueError for text that the parser refuses.
    """

    def __init__(self, parse: Callable[[str], int]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, text: str) -> int:
        number = self._parse(text)
        if len(self) >= CACHED_MAX:
            # Emptying costs one slow pass per 65,536 new texts; tracking use would cost every hit.
            self.clear()
        self[text] = number
        return number


def decode_price(text: str) -> Price:
    """Return a price string as a Price of 0 .. 1 $. Raises ValueError when it isn't one."""
    price = parse_price(text)
    if not 0 <= price <= PRICE_ONE:
        raise ValueError(f"a price outside 0 .. 1 dollar: {text!r}")
    return price


def decode_qty(text: str) -> Qty:
    """Return a signed count string as a Qty. Raises ValueError when it isn't one, or is absurd."""
    qty = parse_qty(text)
    if abs(qty) > _QTY_MAX:
        raise ValueError(f"an absurd count: {text!r}")
    return qty


def decode_count(text: str) -> Qty:
    """Return an unsigned count string as a Qty. Raises ValueError when it isn't one, or is absurd."""
    qty = decode_qty(text)
    if qty < 0:
        raise ValueError(f"a count below zero: {text!r}")
    return qty


def decode_money(text: str) -> Money:
    """Return a dollar string as Money. Raises ValueError when it isn't one, or is absurd."""
    money = parse_money(text)
    if abs(money) > _MONEY_MAX:
        raise ValueError(f"an absurd sum: {text!r}")
    return money


def decode_number(raw: msgspec.Raw, places: int) -> int | None:
    """Return a JSON number, kept as its text, in units of 10**-places; None when absent or null.

    Raises:
        ValueError: not a plain number, or finer than `places` digits can hold.
    """
    text = bytes(raw).decode()
    if text in ("", "null"):
        return None
    number = parse_decimal(text, places)
    if abs(number) > _MONEY_MAX:
        raise ValueError(f"an absurd number: {text!r}")
    return number


def decode_mirrored_price(text: str) -> Price:
    """Return the other outcome's price: a NO price told on the YES scale, or the reverse."""
    return PRICE_ONE - decode_price(text)


PRICES = TextCache(decode_price)
MIRRORED_PRICES = TextCache(decode_mirrored_price)
QTYS = TextCache(decode_qty)


def no_side_prices(*, is_yes_priced: bool) -> TextCache:
    """Return what reads the prices of the NO side, by the scale that was asked for."""
    return MIRRORED_PRICES if is_yes_priced else PRICES


def decode_levels(levels: Ladder, prices: TextCache = PRICES) -> tuple[Level, ...]:
    """Return a ladder's levels, ascending in price. Raises ValueError when it is no ladder."""
    qtys = QTYS
    decoded = [(prices[price], qtys[size]) for price, size in levels]
    decoded.sort()
    below = 0
    for price, size in decoded:
        if price <= below or price >= PRICE_ONE or size <= 0:
            raise ValueError(f"not a ladder: price {price} after {below}, size {size}")
        below = price
    return tuple(decoded)


def decode_bands(ranges: list[PriceRange]) -> tuple[PriceBand, ...]:
    """Return a tick table's bands. Raises ValueError when one is no band, or there is none."""
    bands = tuple(
        PriceBand(decode_price(one.start), decode_price(one.end), decode_price(one.step)) for one in ranges
    )
    if not bands or not all(band.start < band.end and band.step > 0 for band in bands):
        raise ValueError(f"not a tick table: {bands}")
    return bands


def decode_snapshot(
    frame: BookSnapshotFrame, received_at: Ns, no_prices: TextCache = PRICES
) -> BookSnapshotReceived:
    """Return a snapshot's event. Raises BadFrame when a level isn't one."""
    msg = frame.msg
    try:
        return BookSnapshotReceived(
            msg.market_ticker,
            decode_levels(msg.yes_dollars_fp),
            decode_levels(msg.no_dollars_fp, no_prices),
            received_at,
            _sent_at(None, frame.sending_ts_ms),
        )
    except ValueError as error:
        raise BadFrame("orderbook_snapshot", str(error)) from None


def decode_trade(frame: TradeFrame, received_at: Ns) -> TradePrinted:
    """Return a public trade's event. Raises BadFrame when a number isn't one."""
    msg = frame.msg
    try:
        price, qty = PRICES[msg.yes_price_dollars], decode_count(msg.count_fp)
    except ValueError as error:
        raise BadFrame("trade", str(error)) from None
    sent_at = _sent_at(msg.ts_ms, frame.sending_ts_ms)
    return TradePrinted(
        msg.market_ticker, msg.trade_id, price, qty, msg.taker_outcome_side, received_at, sent_at
    )


def decode_fill(frame: FillFrame, received_at: Ns) -> OrderFilled:
    """Return the event of a fill of ours. Raises BadFrame when a number isn't one."""
    msg = frame.msg
    try:
        price, qty = decode_price(msg.yes_price_dollars), decode_count(msg.count_fp)
        fee = decode_money(msg.fee_cost)
    except ValueError as error:
        raise BadFrame("fill", str(error)) from None
    return OrderFilled(
        trade_id=msg.trade_id,
        order_id=msg.order_id,
        client_order_id=msg.client_order_id or None,
        ticker=msg.market_ticker,
        side=msg.book_side,
        price=price,
        qty=qty,
        fee=fee,
        is_taker=msg.is_taker,
        received_at=received_at,
        sent_at=_sent_at(msg.ts_ms, frame.sending_ts_ms),
    )


def decode_order(frame: UserOrderFrame, received_at: Ns) -> OrderUpdated:
    """Return the event of a change of an order of ours. Raises BadFrame when a number isn't one."""
    msg = frame.msg
    try:
        price = decode_price(msg.yes_price_dollars)
        filled, remaining = decode_count(msg.fill_count_fp), decode_count(msg.remaining_count_fp)
    except ValueError as error:
        raise BadFrame("user_order", str(error)) from None
    return OrderUpdated(
        order_id=msg.order_id,
        client_order_id=msg.client_order_id,
        ticker=msg.ticker,
        side=msg.book_side,
        price=price,
        status=msg.status,
        filled=filled,
        remaining=remaining,
        reason=msg.last_update_reason or None,
        received_at=received_at,
        sent_at=_sent_at(msg.last_updated_ts_ms, frame.sending_ts_ms),
    )


def decode_order_group(frame: OrderGroupFrame, received_at: Ns) -> OrderGroupTold | None:
    """Return what a change says of a group; None where it says nothing of what may be put into it."""
    msg = frame.msg
    match msg.event_type:
        case "triggered" | "reset":
            return OrderGroupTold(None, msg.order_group_id, msg.event_type == "triggered", received_at)
        case "deleted":
            return OrderGroupTold(None, msg.order_group_id, False, received_at, is_gone=True)
        case "created" | "limit_updated":
            return None
        case _:
            assert_never(msg.event_type)


LIFECYCLE_KINDS = frozenset(
    {
        "created",
        "activated",
        "deactivated",
        "close_date_updated",
        "determined",
        "settled",
        "price_level_structure_updated",
        "metadata_updated",
    }
)
"""Every `event_type` of the protocol sheet, 2.7."""


def is_for_listing(msg: Lifecycle) -> bool:
    """Whether a change of a market is told so incompletely that the market must be listed over REST.

    A new market; a tick table told by its name alone; a strike with a cap, for one number can't say a range,
    and a cap alone depends on a type that isn't told here.
    """
    match msg.event_type:
        case "created":
            return True
        case "price_level_structure_updated":
            return not msg.price_ranges
        case "metadata_updated":
            return bytes(msg.cap_strike) not in (b"", b"null")
        case _:
            return False


def decode_lifecycle(frame: LifecycleFrame, received_at: Ns) -> Event | None:
    """Return the event of a change in a market's life; None for one that changes nothing for us.

    None too for what only a listing tells in full: see `is_for_listing`.

    Raises:
        BadFrame: an unknown kind of change, or a field missing or not what it should be.
    """
    msg = frame.msg
    kind = msg.event_type
    if is_for_listing(msg):
        return None
    try:
        match kind:
            case "activated":
                return MarketStatusChanged(msg.market_ticker, "active", received_at)
            case "deactivated":
                return MarketStatusChanged(msg.market_ticker, "inactive", received_at)
            case "close_date_updated":
                if msg.close_ts is None:
                    raise ValueError("no close_ts")
                return MarketCloseMoved(msg.market_ticker, msg.close_ts * SECOND, received_at)
            case "determined":
                return _decode_determined(msg, received_at)
            case "settled":
                return MarketSettled(msg.market_ticker, received_at)
            case "price_level_structure_updated":
                bands = decode_bands(msg.price_ranges or [])
                return MarketGridChanged(msg.market_ticker, bands, received_at)
            case "metadata_updated":
                return _decode_strike(msg, received_at)
            case _:
                raise ValueError("unknown kind")
    except ValueError as error:
        raise BadFrame(f"market_lifecycle_v2.{kind}"[:64], str(error)) from None


def decode_index(frame: IndexValueFrame, received_at: Ns) -> ReferencePriceReceived:
    """Return the event of a settlement index's value. Raises BadFrame when it isn't one."""
    msg = frame.msg
    try:
        told = _decode_told(msg.told)
        price = decode_money(told.value)
        if told.id != msg.index_id or price <= 0:
            raise ValueError(f"index {msg.index_id!r} with id {told.id!r} and value {told.value!r}")
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise BadFrame("cfbenchmarks_value", str(error)) from None
    return ReferencePriceReceived(INDEX_SOURCE, told.id, price, received_at, told.time * MILLISECOND)


def frame_type(frame: Frame) -> str:
    """Return the frame's `type` on the wire."""
    return str(type(frame).__struct_config__.tag)


def _decode_determined(msg: Lifecycle, received_at: Ns) -> MarketDetermined:
    price: Price
    result: Literal["yes", "no", "scalar"]
    match msg.result:
        case "yes":
            result, price = "yes", PRICE_ONE
        case "no":
            result, price = "no", 0
        case "scalar":
            if not msg.settlement_value:
                raise ValueError("a scalar result without settlement_value")
            result, price = "scalar", decode_price(msg.settlement_value)
        case _:
            raise ValueError(f"unknown result: {msg.result!r}")
    if msg.settlement_value and decode_price(msg.settlement_value) != price:
        raise ValueError(f"result {msg.result!r} with settlement_value {msg.settlement_value!r}")
    return MarketDetermined(msg.market_ticker, result, price, received_at)


def _decode_strike(msg: Lifecycle, received_at: Ns) -> MarketStrikeSet | None:
    """Return the strike if the message sets exactly one; None if it changes only texts."""
    strike = decode_number(msg.floor_strike, 6)
    return None if strike is None else MarketStrikeSet(msg.market_ticker, strike, received_at)


def _sent_at(ts_ms: int | None, sending_ts_ms: int | None) -> Ns | None:
    """The exchange's stamp of the fact itself if it gave one, else of the message."""
    if ts_ms is not None:
        return ts_ms * MILLISECOND
    return None if sending_ts_ms is None else sending_ts_ms * MILLISECOND
