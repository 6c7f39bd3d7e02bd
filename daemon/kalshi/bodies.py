"""The REST bodies that we read, as structs with only the fields used, and their way into core structs.

Required here is what the October 2026 contract requires *and* we use; what older recordings lack
(`exchange_index`, `settlement_bounds_type`) is optional. Numbers in JSON number form are kept as text
until they are exact integers. Source: protocol sheet 4, SDK 3.34.0 models.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw

from daemon.core.events import (
    CandleBackfilled,
    OrderFilled,
    OrderSnapshot,
    PositionSnapshot,
    TradePrinted,
)
from daemon.core.markets import Fees, MarketSpec, MarketStatus
from daemon.core.units import PRICE_ONE, SECOND, BookSide, Ns, Price, Side, parse_instant
from daemon.kalshi.decode import (
    decode_bands,
    decode_count,
    decode_money,
    decode_number,
    decode_price,
    decode_qty,
)
from daemon.kalshi.errors import BadFrame
from daemon.kalshi.wire import Ladder, PriceRange, Seconds


class ShardStatus(msgspec.Struct, frozen=True):
    """One exchange shard's state."""

    exchange_index: int
    exchange_active: bool
    trading_active: bool


class ExchangeStatus(msgspec.Struct, frozen=True):
    """Whether the venue is up and trades. The top-level flags are those of shard 0."""

    exchange_active: bool
    trading_active: bool
    exchange_index_statuses: list[ShardStatus] = []
    exchange_estimated_resume_time: str | None = None

    def is_trading(self, exchange_index: int) -> bool:
        """Whether orders of this shard are taken. Without an entry of its own the top level speaks."""
        for shard in self.exchange_index_statuses:
            if shard.exchange_index == exchange_index:
                return shard.exchange_active and shard.trading_active
        return self.exchange_active and self.trading_active


class BucketLimit(msgspec.Struct, frozen=True):
    """A token bucket: tokens it holds, tokens per second that flow in."""

    bucket_capacity: int
    refill_rate: int


class AccountLimits(msgspec.Struct, frozen=True):
    """The account's budget of tokens for reads and writes."""

    usage_tier: str
    read: BucketLimit
    write: BucketLimit


class EndpointCost(msgspec.Struct, frozen=True):
    """What one endpoint costs in tokens, if not the default. The path has `:name` parts."""

    method: str
    path: str
    cost: int


class EndpointCosts(msgspec.Struct, frozen=True):
    """The price list of requests, in tokens."""

    default_cost: int
    endpoint_costs: list[EndpointCost]


class Series(msgspec.Struct, frozen=True):
    """A series: its fee rule, and the shard that its markets trade on."""

    ticker: str
    fee_type: str
    fee_multiplier: Raw
    exchange_index: int | None = None


class SeriesBody(msgspec.Struct, frozen=True):
    """`GET /series/{t}`."""

    series: Series


class EventBody(msgspec.Struct, frozen=True):
    """An event of the venue's: which series it belongs to, and its fee override, None when it has none."""

    event_ticker: str
    series_ticker: str
    fee_type_override: str | None = None
    fee_multiplier_override: Raw = Raw()


class EventReply(msgspec.Struct, frozen=True):
    """`GET /events/{t}`."""

    event: EventBody


class Market(msgspec.Struct, frozen=True):
    """A market as listed."""

    ticker: str
    event_ticker: str
    open_time: str
    close_time: str
    status: MarketStatus
    price_ranges: list[PriceRange]
    title: str = ""
    strike_type: str | None = None
    floor_strike: Raw = Raw()
    cap_strike: Raw = Raw()
    exchange_index: int | None = None


class MarketReply(msgspec.Struct, frozen=True):
    """`GET /markets/{t}`."""

    market: Market


class BidAsk(msgspec.Struct, frozen=True):
    """A quote's candle; only its close is used."""

    close_dollars: str


class Candle(msgspec.Struct, frozen=True):
    """A candle of a market's quotes."""

    end_period_ts: Seconds
    yes_bid: BidAsk
    yes_ask: BidAsk
    volume_fp: str


class CandlesReply(msgspec.Struct, frozen=True):
    """`GET /series/{s}/markets/{t}/candlesticks`."""

    candlesticks: list[Candle]


class PublicTrade(msgspec.Struct, frozen=True):
    """A public trade in the list."""

    trade_id: str
    ticker: str
    count_fp: str
    yes_price_dollars: str
    taker_outcome_side: Side
    created_time: str


class Orderbook(msgspec.Struct, frozen=True):
    """A book over REST: bids of both sides, each on its own price scale."""

    yes_dollars: Ladder = []
    no_dollars: Ladder = []


class OrderbookReply(msgspec.Struct, frozen=True):
    """`GET /markets/{t}/orderbook`."""

    orderbook_fp: Orderbook


class ShardBalance(msgspec.Struct, frozen=True):
    """The cash on one shard."""

    exchange_index: int
    balance: str


class BalanceReply(msgspec.Struct, frozen=True):
    """`GET /portfolio/balance`; `balance` in cents is truncated and not read."""

    balance_dollars: str
    balance_breakdown: list[ShardBalance] = []


class Position(msgspec.Struct, frozen=True):
    """A position in the list."""

    ticker: str
    position_fp: str
    market_exposure_dollars: str
    realized_pnl_dollars: str
    fees_paid_dollars: str


class Order(msgspec.Struct, frozen=True):
    """One of our orders in the list."""

    order_id: str
    client_order_id: str
    ticker: str
    book_side: BookSide
    yes_price_dollars: str
    fill_count_fp: str
    remaining_count_fp: str
    status: Literal["resting", "canceled", "executed"]


class Fill(msgspec.Struct, frozen=True):
    """One of our fills in the list. It carries no client_order_id."""

    trade_id: str
    order_id: str
    ticker: str
    book_side: BookSide
    count_fp: str
    yes_price_dollars: str
    is_taker: bool
    fee_cost: str
    created_time: str | None = None
    ts: Seconds | None = None


class OrderReply(msgspec.Struct, frozen=True):
    """The answer to a create or an amend; an amend may leave the counts out."""

    order_id: str
    client_order_id: str | None = None
    fill_count: str | None = None
    remaining_count: str | None = None
    ts_ms: int | None = None


class CancelReply(msgspec.Struct, frozen=True):
    """The answer to a cancel."""

    order_id: str
    reduced_by: str
    ts_ms: int | None = None


def market_spec(market: Market, series: Series, event: EventBody) -> MarketSpec:
    """Return a market with the fees in force for it.

    Raises:
        BadFrame: something that trading needs is missing or unknown: a fee type that we can't price,
            a tick table, a time, the shard.
    """
    try:
        exchange_index = market.exchange_index if market.exchange_index is not None else series.exchange_index
        if exchange_index is None:
            raise ValueError("exchange_index is missing")
        return MarketSpec(
            ticker=market.ticker,
            event_ticker=market.event_ticker,
            series_ticker=series.ticker,
            title=market.title,
            status=market.status,
            open_at=parse_instant(market.open_time),
            close_at=parse_instant(market.close_time),
            strike=_strike(market),
            strike_type=market.strike_type or None,
            bands=decode_bands(market.price_ranges),
            fees=_fees(series, event),
            exchange_index=exchange_index,
        )
    except ValueError as error:
        raise BadFrame("market", f"{market.ticker}: {error}") from None


def candle_backfilled(ticker: str, candle: Candle, period: Ns, received_at: Ns) -> CandleBackfilled:
    """Return a candle's event. An empty side (bid 0, ask 1) is None. Raises ValueError for a bad number."""
    return CandleBackfilled(
        ticker=ticker,
        period=period,
        ended_at=candle.end_period_ts * SECOND,
        bid=_quote(candle.yes_bid.close_dollars),
        ask=_quote(candle.yes_ask.close_dollars),
        volume=decode_count(candle.volume_fp),
        received_at=received_at,
    )


def trade_printed(trade: PublicTrade, received_at: Ns) -> TradePrinted:
    """Return a listed trade's event. Raises ValueError for a bad number or time."""
    return TradePrinted(
        ticker=trade.ticker,
        trade_id=trade.trade_id,
        price=decode_price(trade.yes_price_dollars),
        qty=decode_count(trade.count_fp),
        taker_side=trade.taker_outcome_side,
        received_at=received_at,
        sent_at=parse_instant(trade.created_time),
    )


def position_snapshot(position: Position) -> PositionSnapshot:
    """Return a listed position. Raises ValueError for a bad number."""
    return PositionSnapshot(
        ticker=position.ticker,
        qty=decode_qty(position.position_fp),
        cost=decode_money(position.market_exposure_dollars),
        realized_pnl=decode_money(position.realized_pnl_dollars),
        fees=decode_money(position.fees_paid_dollars),
    )


def order_snapshot(order: Order) -> OrderSnapshot:
    """Return a listed order. Raises ValueError for a bad number."""
    return OrderSnapshot(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        ticker=order.ticker,
        side=order.book_side,
        price=decode_price(order.yes_price_dollars),
        filled=decode_count(order.fill_count_fp),
        remaining=decode_count(order.remaining_count_fp),
    )


def order_filled(fill: Fill, received_at: Ns) -> OrderFilled:
    """Return a listed fill's event. Raises ValueError for a bad number or time."""
    sent_at: Ns | None = None
    if fill.created_time is not None:
        sent_at = parse_instant(fill.created_time)
    elif fill.ts is not None:
        sent_at = fill.ts * SECOND
    return OrderFilled(
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        client_order_id=None,
        ticker=fill.ticker,
        side=fill.book_side,
        price=decode_price(fill.yes_price_dollars),
        qty=decode_count(fill.count_fp),
        fee=decode_money(fill.fee_cost),
        is_taker=fill.is_taker,
        received_at=received_at,
        sent_at=sent_at,
    )


def _quote(text: str) -> Price | None:
    price = decode_price(text)
    return price if 0 < price < PRICE_ONE else None


def _strike(market: Market) -> int | None:
    """The one number that the outcome depends on; None when unknown, or when it takes two or none."""
    match market.strike_type:
        case "greater" | "greater_or_equal":
            return decode_number(market.floor_strike, 6)
        case "less" | "less_or_equal":
            return decode_number(market.cap_strike, 6)
        case _:
            return None


def _fees(series: Series, event: EventBody) -> Fees:
    """The event's override where it has one, else the series' rule. Source: protocol sheet 6.1."""
    fee_type = event.fee_type_override or series.fee_type
    multiplier_ppm = decode_number(event.fee_multiplier_override, 6)
    if multiplier_ppm is None:
        multiplier_ppm = decode_number(series.fee_multiplier, 6)
    if multiplier_ppm is None or multiplier_ppm < 0:
        raise ValueError("the fee multiplier is missing or negative")
    match fee_type:
        case "quadratic" | "quadratic_with_maker_fees" | "quadratic_with_combo_maker_fees":
            return Fees(fee_type, multiplier_ppm)
        case _:
            # An unknown fee is never taken as none.
            raise ValueError(f"a fee type that can't be priced: {fee_type!r}")
