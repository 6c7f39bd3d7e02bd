"""What a reader may ask of the reference's lookalike, and the texts that refuse it (protocol sheet 8.1)."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from daemon.sandbox.reference.rest import INTERVALS

CHANNELS: Final = ("trade", "ticker", "ohlc")


class Request(msgspec.Struct):
    """A request as it arrives."""

    method: str
    params: dict[str, Any] = {}
    req_id: int | None = None


class Topic(msgspec.Struct, frozen=True):
    """A channel with its settings: minutes of candles, what triggers a ticker; 0 and "" elsewhere."""

    channel: str
    interval: int = 0
    event_trigger: Literal["", "trades", "bbo"] = ""

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from another subscription of the same symbol."""
        return self.channel, self.interval

    def granted(self) -> dict[str, Any]:
        """Return its part of an answer's `result`."""
        granted: dict[str, Any] = {"channel": self.channel}
        if self.event_trigger:
            granted["event_trigger"] = self.event_trigger
        if self.interval:
            granted["interval"] = self.interval
        return granted


class Asked(msgspec.Struct, frozen=True):
    """A topic for some symbols."""

    topic: Topic
    symbols: tuple[str, ...]
    has_snapshot: bool


_decode = msgspec.json.Decoder(Request).decode


def decode_request(text: str | bytes) -> Request | None:
    """Return a reader's message; None when it is none."""
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def topic_of(params: dict[str, Any]) -> Asked | str:
    """Return what a subscribe or unsubscribe names, or the text that refuses it."""
    channel, symbols = params.get("channel"), params.get("symbol")
    if channel not in CHANNELS:
        return f"Subscription {channel} not supported"
    if not isinstance(symbols, list) or not symbols or not all(isinstance(name, str) for name in symbols):
        return "Symbol(s) missing"
    # Kraken's default differs by channel: trades of before are shown on request only.
    has_snapshot = params.get("snapshot", channel != "trade")
    if not isinstance(has_snapshot, bool):
        return "Malformed request"
    topic = Topic(channel)
    if channel == "ohlc":
        interval = params.get("interval")
        if interval is None:
            return "Subscription ohlc requires interval"
        if type(interval) is not int or interval not in INTERVALS:
            return "Subscription ohlc interval not supported"
        topic = Topic(channel, interval)
    elif channel == "ticker":
        trigger = params.get("event_trigger", "trades")
        if trigger not in {"trades", "bbo"}:
            return "Event trigger not supported"
        topic = Topic(channel, 0, trigger)
    return Asked(topic, tuple(dict.fromkeys(symbols)), has_snapshot)
