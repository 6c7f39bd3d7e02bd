"""Candles whole, of both tiers, as rows of the store. The daemon itself reads only their closes.

Source: protocol sheet 4.3, 4.4: the historical tier's fields have other names, and nulls where the live
tier leaves a field out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from daemon.core.units import SECOND, Price
from daemon.kalshi.bodies.markets import decode_quote
from daemon.kalshi.decode import decode_count, decode_price
from daemon.kalshi.wire import Seconds


class Quotes(msgspec.Struct, frozen=True, rename=lambda name: f"{name}_dollars"):
    """One side's best prices within a period."""

    open: str
    high: str
    low: str
    close: str


class Prices(msgspec.Struct, frozen=True, rename=lambda name: f"{name}_dollars"):
    """What was traded at within a period; nothing where nothing was."""

    open: str | None = None
    high: str | None = None
    low: str | None = None
    close: str | None = None
    mean: str | None = None


class WholeCandle(msgspec.Struct, frozen=True):
    """A candle of the live tier."""

    end_period_ts: Seconds
    yes_bid: Quotes
    yes_ask: Quotes
    price: Prices
    volume_fp: str
    open_interest_fp: str


class PastQuotes(msgspec.Struct, frozen=True):
    """One side's best prices within a period, in the historical tier."""

    open: str
    high: str
    low: str
    close: str


class PastPrices(msgspec.Struct, frozen=True):
    """What was traded at within a period, in the historical tier."""

    open: str | None
    high: str | None
    low: str | None
    close: str | None
    mean: str | None


class PastWholeCandle(msgspec.Struct, frozen=True):
    """A candle of the historical tier."""

    end_period_ts: Seconds
    yes_bid: PastQuotes
    yes_ask: PastQuotes
    price: PastPrices
    volume: str
    open_interest: str


class PastCandlesReply(msgspec.Struct, frozen=True):
    """`GET /historical/markets/{t}/candlesticks`."""

    candlesticks: list[PastWholeCandle]


class MarketCandles(msgspec.Struct, frozen=True):
    """One market's candles in the reply for many."""

    market_ticker: str
    candlesticks: list[WholeCandle]


class ManyCandlesReply(msgspec.Struct, frozen=True):
    """`GET /markets/candlesticks`."""

    markets: list[MarketCandles]


def candle_row(
    series: str, ticker: str, period_min: int, candle: WholeCandle | PastWholeCandle
) -> dict[str, Any]:
    """Return a candle as a row of the store. Raises ValueError for a bad number."""
    if isinstance(candle, PastWholeCandle):
        volume, interest = candle.volume, candle.open_interest
    else:
        volume, interest = candle.volume_fp, candle.open_interest_fp
    ended_at = candle.end_period_ts * SECOND
    return {
        "series_ticker": series,
        "ticker": ticker,
        "period_min": period_min,
        "ended_at": ended_at,
        **_quotes("bid", candle.yes_bid),
        **_quotes("ask", candle.yes_ask),
        **{f"price_{part}": _price(getattr(candle.price, part)) for part in Prices.__struct_fields__},
        "volume": decode_count(volume),
        "open_interest": decode_count(interest),
        "known_at": ended_at,
    }


def _quotes(side: str, quotes: Quotes | PastQuotes) -> dict[str, Price | None]:
    # An empty side is written as 0 or 1.
    return {f"{side}_{part}": decode_quote(getattr(quotes, part)) for part in Quotes.__struct_fields__}


def _price(text: str | None) -> Price | None:
    return None if text is None else decode_price(text)
