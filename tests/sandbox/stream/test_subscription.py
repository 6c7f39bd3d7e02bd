"""Tests of one subscription's numbers and limits."""

from __future__ import annotations

import pytest

from daemon.sandbox.stream.commands import CommandRefused
from daemon.sandbox.stream.subscription import RATE_WINDOW_MS, StreamLimits, Subscription
from tests.sandbox.stream.test_subscriptions import session_of


def subscription_of(channel: str) -> Subscription:
    return Subscription(session_of(), 3, channel)


def test_every_message_of_a_sequenced_channel_takes_a_number() -> None:
    """From 1; other channels have none."""
    trades, tickers = subscription_of("trade"), subscription_of("ticker")
    told = [one.message("x", b"{}", 5, 9) for one in (trades, trades, tickers)]
    assert [
        b'{"type":"x","id":9,"sid":3,"seq":1,"msg":{},"sending_ts_ms":5}\n',
        b'{"type":"x","id":9,"sid":3,"seq":2,"msg":{},"sending_ts_ms":5}\n',
        b'{"type":"x","id":9,"sid":3,"msg":{},"sending_ts_ms":5}\n',
    ] == told


def test_it_wants_what_it_names_or_everything() -> None:
    """No names at all are not everything."""
    one = subscription_of("trade")
    assert not one.wants("A")
    one.names = {"A": None}
    assert (True, False) == (one.wants("A"), one.wants("B"))
    one.names = None
    assert one.wants("B")


def test_limits_are_off_by_default() -> None:
    """The venue publishes no numbers."""
    one = subscription_of("trade")
    for _ in range(1_000):
        StreamLimits().check_rate(one, 5)
    StreamLimits().check_size(None, (str(number) for number in range(10_000)))


def test_a_size_counts_what_is_new() -> None:
    """Markets that it names already are no more; everything has no size."""
    limits, one = StreamLimits(markets_per_subscription=2), subscription_of("trade")
    one.names = {"A": None, "B": None}
    limits.check_size(one, ["A", "B"])
    with pytest.raises(CommandRefused) as refused:
        limits.check_size(one, ["A", "C"])
    assert (26, 3, "C") == (refused.value.code, refused.value.sid, refused.value.ticker)
    limits.check_size(one, None)


def test_a_rate_counts_the_last_second() -> None:
    """A refused command doesn't count."""
    limits, one = StreamLimits(commands_per_s=1), subscription_of("trade")
    limits.check_rate(one, 0)
    with pytest.raises(CommandRefused) as refused:
        limits.check_rate(one, RATE_WINDOW_MS - 1)
    assert (27, 3) == (refused.value.code, refused.value.sid)
    limits.check_rate(one, RATE_WINDOW_MS)
