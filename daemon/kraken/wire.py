"""Kraken's WebSocket v2 messages, as structs with only the fields that we use.

Prices are JSON numbers. They are kept as their text and become exact Money: as a binary float 71749.1
would not be what was sent. Source: protocol sheet 8.1.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw


class Subscribed(msgspec.Struct, frozen=True):
    """What a subscribe was granted: one answer comes per symbol."""

    channel: str
    symbol: str


class Message(msgspec.Struct, frozen=True):
    """Anything that the server sends: a message of a channel, or the answer to a method."""

    channel: str | None = None
    type: str | None = None
    data: Raw = Raw()
    method: str | None = None
    success: bool | None = None
    error: str | None = None
    result: Raw = Raw()


class Trade(msgspec.Struct, frozen=True):
    """One trade on the spot market."""

    symbol: str
    price: Raw
    trade_id: int
    timestamp: str


class Status(msgspec.Struct, frozen=True):
    """The state of the trading system: online, maintenance, cancel_only, post_only."""

    system: str
