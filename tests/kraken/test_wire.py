"""Kraken's messages."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from daemon.kraken.wire import Message, Status, Trade

FIXTURES = Path(__file__).parents[2] / "../shared/fixtures/kalshi/kraken"


def test_every_recorded_message_decodes() -> None:
    """What Kraken really sent: status, heartbeat, acks, tickers, trades, candles."""
    path = FIXTURES / "ws_v2_public.jsonl"
    if not path.exists():
        pytest.skip("RECORDINGS ABSENT: the Kraken frames do not lie beside the checkout")
    messages = [msgspec.json.decode(line, type=Message) for line in path.read_bytes().splitlines()]
    channels = [message.channel for message in messages]
    assert channels == ["status", "heartbeat", None, "ticker", "trade", *["ohlc"] * 4]
    (status,) = msgspec.json.decode(messages[0].data, type=list[Status])
    assert status.system == "online"
    (trade,) = msgspec.json.decode(messages[4].data, type=list[Trade])
    assert (bytes(trade.price), trade.trade_id) == (b"71749.0", 97_184_416)
