"""Kraken's rows as it writes them: prices and sizes are JSON numbers, exact, without needless zeros.

Source: protocol sheet 8.1, 8.2.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec import Raw

from daemon.core.units import MINUTE, SECOND, Money, Ns, format_decimal
from daemon.sandbox.flow import SpotPrinted
from daemon.sandbox.reference.spot_bars import TICK, Bar, SpotBars


def stamp(at: Ns, digits: int = 6) -> str:
    """Return an instant with so many digits of a second: 6 in rows and replies, 9 in envelopes."""
    seconds, rest = divmod(at, SECOND)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{rest:09d}"[: len(whole) + 1 + digits] + "Z"


def number(units: int, places: int) -> Raw:
    """Return an exact JSON number with at least one digit behind the point."""
    text = format_decimal(units, places).rstrip("0")
    return Raw((text + "0" if text.endswith(".") else text).encode())


def on_tick(price: Money) -> Money:
    """Return a price on the market's step, rounded half up."""
    return (price + TICK // 2) // TICK * TICK


def trade_row(spot: SpotPrinted) -> dict[str, Any]:
    """Return a spot trade as a row of the trade channel."""
    return {
        "ord_type": "market",
        "price": number(spot.price, 6),
        "qty": number(spot.qty_e8, 8),
        "side": "buy" if spot.is_buy else "sell",
        "symbol": spot.symbol,
        "timestamp": stamp(spot.at),
        "trade_id": spot.trade_id,
    }


def ticker_row(bars: SpotBars) -> dict[str, Any] | None:
    """Return the state of a symbol as a row of the ticker channel; None before its first print."""
    spot, quote = bars.last, bars.quote
    day = None if spot is None else bars.day(spot.at)
    if spot is None or quote is None or day is None:
        return None
    change = spot.price - day.first
    return {
        "ask": number(quote.ask, 6),
        "ask_qty": number(quote.ask_qty_e8, 8),
        "bid": number(quote.bid, 6),
        "bid_qty": number(quote.bid_qty_e8, 8),
        "change": number(change, 6),
        "change_pct": number((change * 20_000 + day.first) // (2 * day.first), 2),
        "high": number(day.bar.high, 6),
        "last": number(spot.price, 6),
        "low": number(day.bar.low, 6),
        "symbol": spot.symbol,
        "timestamp": stamp(spot.at),
        "volume": number(day.bar.volume_e8, 8),
        "vwap": number(on_tick(day.bar.vwap), 6),
    }


def ohlc_row(symbol: str, bar: Bar, minutes: int) -> dict[str, Any]:
    """Return a candle as a row of the ohlc channel."""
    return {
        "close": number(bar.close, 6),
        "high": number(bar.high, 6),
        "interval": minutes,
        "interval_begin": stamp(bar.began_at, 9),
        "low": number(bar.low, 6),
        "open": number(bar.open, 6),
        "symbol": symbol,
        "timestamp": stamp(bar.began_at + minutes * MINUTE),
        "trades": bar.trades,
        "volume": number(bar.volume_e8, 8),
        "vwap": number(on_tick(bar.vwap), 6),
    }


def ohlc_texts(bar: Bar) -> list[Any]:
    """Return a candle as REST writes it: numbers as texts, the time in seconds."""
    prices = [
        format_decimal(price // TICK, 1) for price in map(on_tick, (bar.open, bar.high, bar.low, bar.close))
    ]
    vwap, volume = format_decimal(on_tick(bar.vwap) // TICK, 1), format_decimal(bar.volume_e8, 8)
    return [bar.began_at // SECOND, *prices, vwap, volume, bar.trades]
