"""A channel that fell silent against its own habit."""

from __future__ import annotations

from daemon.core.events import ChannelQuieted
from daemon.core.units import MINUTE, SECOND
from daemon.kalshi.channel_history import HEARD_MIN, ChannelHistory
from daemon.kalshi.channels import BOOKS, TRADES

QUIET_MAX = 5 * MINUTE


def _habitual(every: int = SECOND, count: int = 2 * HEARD_MIN) -> tuple[ChannelHistory, int]:
    """Return the history of a connection whose books and trades spoke regularly, and the time now."""
    history = ChannelHistory("kalshi", QUIET_MAX)
    for number in range(count):
        history.heard(BOOKS, number * every)
        history.heard(TRADES, number * every)
    return history, (count - 1) * every


def test_a_channel_that_falls_silent_while_others_speak_is_told_once() -> None:
    """Past the limit, once; and again when it speaks."""
    history, now = _habitual()
    told = []
    for second in range(1, 600):
        history.heard(BOOKS, now + second * SECOND)
        told += history.check(now + second * SECOND)
    assert told == [ChannelQuieted("kalshi", TRADES, QUIET_MAX + SECOND, now + QUIET_MAX + SECOND)]
    speaks_at = now + 600 * SECOND
    assert history.heard(TRADES, speaks_at) == [ChannelQuieted("kalshi", TRADES, None, speaks_at)]
    assert history.heard(TRADES, speaks_at + 1) == []


def test_when_all_are_silent_nothing_is_told() -> None:
    """Then the connection is ill, or the night is quiet: not one channel."""
    history, now = _habitual()
    assert [] == history.check(now + 100 * MINUTE)


def test_a_channel_that_is_often_silent_is_measured_by_its_habit() -> None:
    """A pause of ten minutes is usual for this one: only twice as long is worth a word."""
    history, now = _habitual(every=10 * MINUTE)
    history.heard(BOOKS, now + 19 * MINUTE)
    assert [] == history.check(now + 19 * MINUTE)
    history.heard(BOOKS, now + 21 * MINUTE)
    assert [TRADES] == [getattr(event, "channel", None) for event in history.check(now + 21 * MINUTE)]


def test_a_channel_without_a_history_has_no_habit() -> None:
    """A few messages are no regularity."""
    history = ChannelHistory("kalshi", QUIET_MAX)
    history.heard(TRADES, 0)
    for minute in range(60):
        history.heard(BOOKS, minute * MINUTE)
        assert [] == history.check(minute * MINUTE)


def test_what_was_told_is_not_learnt() -> None:
    """An outage of an hour does not make hours of silence usual."""
    history, now = _habitual()
    for outage in range(2):
        start = now + outage * 120 * MINUTE
        history.heard(TRADES, start)
        history.heard(BOOKS, start + 60 * MINUTE)
        assert 1 == len(history.check(start + 60 * MINUTE))


def test_the_time_without_a_connection_is_no_silence() -> None:
    """Silences count from the new connection on."""
    history, now = _habitual()
    history.restarted(now + 60 * MINUTE)
    history.heard(BOOKS, now + 61 * MINUTE)
    assert [] == history.check(now + 61 * MINUTE)
    history.heard(BOOKS, now + 70 * MINUTE)
    assert 1 == len(history.check(now + 70 * MINUTE))


def test_our_own_channels_are_compared_with_each_other_only() -> None:
    """That the market speaks says nothing of our fills; that our orders change might."""
    history, now = _habitual()
    for number in range(2 * HEARD_MIN):
        history.heard("fill", now + number)
    history.heard(BOOKS, now + 60 * MINUTE)
    history.heard(TRADES, now + 60 * MINUTE)
    assert [] == history.check(now + 60 * MINUTE)
    history.heard("user_orders", now + 61 * MINUTE)
    assert ["fill"] == [getattr(event, "channel", None) for event in history.check(now + 61 * MINUTE)]


def test_a_channel_that_we_left_is_forgotten() -> None:
    """Unsubscribed: its silence is our own doing."""
    history, now = _habitual()
    history.forget(TRADES)
    history.heard(BOOKS, now + 60 * MINUTE)
    assert [] == history.check(now + 60 * MINUTE)


def test_a_silence_that_outlives_its_connection_is_told_again() -> None:
    """The core forgets what it was told of a connection with that connection."""
    history, now = _habitual()
    history.heard(BOOKS, now + 60 * MINUTE)
    assert 1 == len(history.check(now + 60 * MINUTE))
    history.restarted(now + 60 * MINUTE)
    history.heard(BOOKS, now + 120 * MINUTE)
    assert 1 == len(history.check(now + 120 * MINUTE))


def test_a_silent_channel_that_we_left_is_taken_back() -> None:
    """It was told to be silent, and would be so for ever: told once that it is not."""
    history, now = _habitual()
    history.heard(BOOKS, now + 60 * MINUTE)
    history.check(now + 60 * MINUTE)
    history.forget(TRADES)
    told = history.check(now + 61 * MINUTE)
    assert [ChannelQuieted("kalshi", TRADES, None, now + 61 * MINUTE)] == told
    assert [] == history.check(now + 62 * MINUTE)


def test_without_a_limit_nothing_is_told() -> None:
    """A tape may be silent as it likes."""
    history = ChannelHistory("kalshi", None)
    for number in range(100):
        history.heard(TRADES, number)
    history.heard(BOOKS, 60 * MINUTE)
    assert [] == history.check(60 * MINUTE)
