"""Kraken's WebSocket v2 messages, as structs with only the fields that we use.

Prices are JSON numbers. They are kept as their text and become exact Money: as a binary float 71749.1
would not be what was sent. Source: protocol sheet 8.1.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Raw

from daemon.core.units import MONEY_ONE, Money, parse_decimal

PRICE_MAX: Money = 10**9 * MONEY_ONE
VOLUME_E8_MAX = 10**18
_EXPONENT_MAX = 30


class Subscribed(msgspec.Struct, frozen=True):
    """What a subscribe was granted: one answer comes per symbol. `interval` (minutes) is a candle's."""

    channel: str
    symbol: str
    interval: int | None = None


class Message(msgspec.Struct, frozen=True):
    """Anything that the server sends: a message of a channel, or the answer to a method."""

    channel: str | None = None
    type: str | None = None
    data: Raw = Raw()
    method: str | None = None
    success: bool | None = None
    error: str | None = None
    symbol: str | None = None
    result: Raw = Raw()
    time_out: str | None = None


class Trade(msgspec.Struct, frozen=True):
    """One trade on the spot market."""

    symbol: str
    price: Raw
    trade_id: int
    timestamp: str


class Ticker(msgspec.Struct, frozen=True):
    """A summary of a symbol: its last price and when. Old frames have no timestamp."""

    symbol: str
    last: Raw
    timestamp: str | None = None


class Ohlc(msgspec.Struct, frozen=True):
    """The running candle so far, whole from its beginning; `interval` in minutes."""

    symbol: str
    open: Raw
    high: Raw
    low: Raw
    close: Raw
    volume: Raw
    trades: int
    interval_begin: str
    interval: int


class Status(msgspec.Struct, frozen=True):
    """The state of the trading system: online, maintenance, cancel_only, post_only."""

    system: str


def decode_units(text: str, places: int) -> int:
    """Return a number's text as an exact integer count of 10**-places units.

    JSON also allows an exponent, which small volumes may be written with.

    Raises:
        ValueError: not a number, or finer than `places` digits can hold.
    """
    if "e" not in text and "E" not in text:
        return parse_decimal(text, places)
    try:
        scaled = Decimal(text).scaleb(places)
    except InvalidOperation:
        raise ValueError(f"not a number: {text!r}") from None
    if not scaled.is_finite() or abs(scaled.adjusted()) > _EXPONENT_MAX or scaled != int(scaled):
        raise ValueError(f"more than {places} decimal places, or absurd: {text!r}")
    return int(scaled)


def decode_price(text: str) -> Money:
    """Return a price above zero as Money. Raises ValueError when it isn't one."""
    price = decode_units(text, 6)
    if not 0 < price <= PRICE_MAX:
        raise ValueError(f"not a price: {text!r}")
    return price


def decode_volume(text: str) -> int:
    """Return a volume in 1e-8 units. Raises ValueError when it isn't one."""
    volume = decode_units(text, 8)
    if not 0 <= volume <= VOLUME_E8_MAX:
        raise ValueError(f"not a volume: {text!r}")
    return volume


def raw_text(raw: Raw) -> str:
    """Return a JSON number as it was written."""
    return bytes(raw).decode()
