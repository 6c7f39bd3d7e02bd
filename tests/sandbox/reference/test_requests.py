"""Tests of what a reader may ask."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.sandbox.reference.requests import Asked, Topic, decode_request, topic_of


def asked(channel: str, **params: Any) -> Asked | str:
    return topic_of({"channel": channel, "symbol": ["BTC/USD"], **params})


def test_each_channel_has_its_settings_and_defaults() -> None:
    """Snapshots come unasked but for trades."""
    assert Asked(Topic("trade"), ("BTC/USD",), has_snapshot=False) == asked("trade")
    assert Asked(Topic("ticker", 0, "trades"), ("BTC/USD",), has_snapshot=True) == asked("ticker")
    assert Asked(Topic("ohlc", 5), ("BTC/USD",), has_snapshot=False) == asked(
        "ohlc", interval=5, snapshot=False
    )


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"channel": "book"}, "Subscription book not supported"),
        ({"channel": "trade", "symbol": []}, "Symbol(s) missing"),
        ({"channel": "trade", "symbol": "BTC/USD"}, "Symbol(s) missing"),
        ({"channel": "ohlc"}, "Subscription ohlc requires interval"),
        ({"channel": "ohlc", "interval": 2}, "Subscription ohlc interval not supported"),
        ({"channel": "ohlc", "interval": True}, "Subscription ohlc interval not supported"),
        ({"channel": "ticker", "event_trigger": "all"}, "Event trigger not supported"),
        ({"channel": "trade", "snapshot": "yes"}, "Malformed request"),
    ],
)
def test_what_can_not_be_asked_is_refused_by_a_text(params: dict[str, Any], text: str) -> None:
    """Names what is wrong."""
    assert text == topic_of({"symbol": ["BTC/USD"], **params})


def test_an_answer_grants_what_was_asked() -> None:
    """Only the settings that the channel has."""
    assert {"channel": "trade"} == Topic("trade").granted()
    assert {"channel": "ohlc", "interval": 5} == Topic("ohlc", 5).granted()
    assert {"channel": "ticker", "event_trigger": "bbo"} == Topic("ticker", 0, "bbo").granted()


@pytest.mark.parametrize("text", ["", "[]", '{"params":{}}', '{"method":1}', b"\xff"])
def test_what_is_no_request_is_none(text: str | bytes) -> None:
    """Without a method there is nothing to answer to."""
    assert decode_request(text) is None
