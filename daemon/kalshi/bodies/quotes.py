"""Bodies of candles, public trades and books. Source: protocol sheet 4.3, 4.4."""

from __future__ import annotations

import msgspec

from daemon.core.events import BookSnapshotReceived, CandleBackfilled, TradePrinted
from daemon.core.units import SECOND, Ns, Side, parse_instant
from daemon.kalshi.bodies.markets import decode_quote
from daemon.kalshi.decode import decode_count, decode_levels, decode_price
from daemon.kalshi.wire import Ladder, Seconds


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


class MarketCandles(msgspec.Struct, frozen=True):
    """One market's candles in the reply for many."""

    market_ticker: str
    candlesticks: list[Candle]


class ManyCandlesReply(msgspec.Struct, frozen=True):
    """`GET /markets/candlesticks`."""

    markets: list[MarketCandles]


class EventCandlesReply(msgspec.Struct, frozen=True):
    """`GET /series/{s}/events/{e}/candlesticks`: the second list runs along the first."""

    market_tickers: list[str]
    market_candlesticks: list[list[Candle]]
    adjusted_end_ts: Seconds


class PastBidAsk(msgspec.Struct, frozen=True):
    """A quote's candle in the historical tier, whose fields have other names."""

    close: str


class PastCandle(msgspec.Struct, frozen=True):
    """A candle of the historical tier."""

    end_period_ts: Seconds
    yes_bid: PastBidAsk
    yes_ask: PastBidAsk
    volume: str


class PastCandlesReply(msgspec.Struct, frozen=True):
    """`GET /historical/markets/{t}/candlesticks`."""

    candlesticks: list[PastCandle]


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


class NamedOrderbook(msgspec.Struct, frozen=True):
    """One market's book in the reply for many."""

    ticker: str
    orderbook_fp: Orderbook


class OrderbooksReply(msgspec.Struct, frozen=True):
    """`GET /markets/orderbooks`."""

    orderbooks: list[NamedOrderbook]


def candle_backfilled(
    ticker: str, candle: Candle | PastCandle, period: Ns, received_at: Ns
) -> CandleBackfilled:
    """Return a candle's event. An empty side (bid 0, ask 1) is None. Raises ValueError for a bad number."""
    if isinstance(candle, PastCandle):
        bid, ask, volume = candle.yes_bid.close, candle.yes_ask.close, candle.volume
    else:
        bid, ask, volume = candle.yes_bid.close_dollars, candle.yes_ask.close_dollars, candle.volume_fp
    return CandleBackfilled(
        ticker=ticker,
        period=period,
        ended_at=candle.end_period_ts * SECOND,
        bid=decode_quote(bid),
        ask=decode_quote(ask),
        volume=decode_count(volume),
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


def book_snapshot(ticker: str, book: Orderbook, received_at: Ns) -> BookSnapshotReceived:
    """Return a book's event; REST gives it no time of the exchange's. Raises ValueError for a bad ladder."""
    yes, no = decode_levels(book.yes_dollars), decode_levels(book.no_dollars)
    return BookSnapshotReceived(ticker, yes, no, received_at, None)
