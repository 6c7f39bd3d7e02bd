"""Kraken's messages and numbers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from daemon.core.events import FrameRefused
from daemon.core.units import SECOND
from daemon.kraken.session import Session
from daemon.kraken.wire import Message, Ohlc, Status, Ticker, Trade, decode_price, decode_units, decode_volume

FIXTURES = Path(__file__).parents[2] / "../shared/fixtures/kalshi/kraken"


def recorded() -> list[bytes]:
    path = FIXTURES / "ws_v2_public.jsonl"
    if not path.exists():
        pytest.skip("RECORDINGS ABSENT: the Kraken frames do not lie beside the checkout")
    return path.read_bytes().splitlines()


def test_every_recorded_message_decodes() -> None:
    """What Kraken really sent: status, heartbeat, acks, tickers, trades, candles."""
    messages = [msgspec.json.decode(line, type=Message) for line in recorded()]
    channels = [message.channel for message in messages]
    assert channels == ["status", "heartbeat", None, "ticker", "trade", *["ohlc"] * 4]
    (status,) = msgspec.json.decode(messages[0].data, type=list[Status])
    assert status.system == "online"
    (ticker,) = msgspec.json.decode(messages[3].data, type=list[Ticker])
    assert bytes(ticker.last) == b"71770.4"
    (trade,) = msgspec.json.decode(messages[4].data, type=list[Trade])
    assert (bytes(trade.price), trade.trade_id) == (b"71749.0", 97_184_416)
    (candle,) = msgspec.json.decode(messages[5].data, type=list[Ohlc])
    assert (bytes(candle.volume), candle.interval, candle.trades) == (b"0.06060006", 1, 14)


def test_a_session_refuses_only_what_it_did_not_ask_for() -> None:
    """The recordings also hold candles of a day, and of another symbol."""
    session = Session()
    session.connected(0)
    refused = [
        line
        for line in recorded()
        if any(isinstance(event, FrameRefused) for event in session.receive(line, SECOND * session.frames))
    ]
    assert [b'"interval":1440' in line or b"ETH/USD" in line for line in refused] == [True, True]


@pytest.mark.parametrize(
    ("text", "units"), [("759.97804600", 75_997_804_600), ("5e-7", 50), ("1E2", 10**10), ("0", 0)]
)
def test_a_volume_is_exact_however_it_is_written(text: str, units: int) -> None:
    """JSON numbers may have an exponent."""
    assert units == decode_volume(text)


@pytest.mark.parametrize("text", ["1e-9", "0.000000001", "1e999", "1e40", "nan", "e", "Infinity", "-1e-8"])
def test_what_is_no_volume_is_refused(text: str) -> None:
    """Too fine, too large, no number, below zero."""
    with pytest.raises(ValueError, match=r"decimal|number|volume"):
        decode_volume(text)


def test_prices_are_above_zero_and_below_absurd() -> None:
    """A price of nothing is no price."""
    assert 71_749_100_000 == decode_price("71749.1")
    for text in ("0", "0.0", "-1", "1000000001"):
        with pytest.raises(ValueError, match="price"):
            decode_price(text)


def test_exponents_and_digits_agree() -> None:
    """The same number, the same units."""
    assert decode_units("1.5e3", 6) == decode_units("1500", 6)
