"""A slow consumer is told from a quiet market."""

from __future__ import annotations

from daemon.core.units import MILLISECOND, MINUTE, SECOND
from daemon.kalshi.lateness import SLOW_FOR, SLOW_LOOKS_MIN, Lateness

SKEW = 37 * SECOND
"""Their clock against ours: it must not matter."""
LAG_MAX = 500 * MILLISECOND


def _looks(lateness: Lateness, lags_ms: list[int], start: int = 0, step: int = SECOND) -> list[str | None]:
    """Look at messages that come `step` apart, each so late; return what is said of each."""
    reasons = []
    for number, lag_ms in enumerate(lags_ms):
        at = start + number * step
        reasons.append(lateness.look(at, at - lag_ms * MILLISECOND - SKEW))
    return reasons


def test_messages_that_come_ever_later_make_a_slow_consumer() -> None:
    """After some seconds of nothing but late messages the connection is given up, with the reason."""
    lateness = Lateness(LAG_MAX)
    reasons = _looks(lateness, [0, *range(600, 3_600, 300)])
    first = next(number for number, reason in enumerate(reasons) if reason is not None)
    assert first >= SLOW_FOR // SECOND
    assert "slow consumer" in str(reasons[first])
    assert 3_300 * MILLISECOND == lateness.lag


def test_one_late_message_is_none() -> None:
    """A hiccup ends with the next message that is in time."""
    assert {None} == set(_looks(Lateness(LAG_MAX), [0, 900, 900, 900, 10, 900, 900, 900, 900, 10]))


def test_a_quiet_market_is_none() -> None:
    """Few messages, each in time, however long nothing comes between them."""
    assert {None} == set(_looks(Lateness(LAG_MAX), [0, 5, 10, 0, 5], step=MINUTE))


def test_two_late_messages_with_a_quiet_time_between_them_are_none() -> None:
    """The time in which nothing came proves nothing."""
    lags = [0, *([900] * (SLOW_LOOKS_MIN - 1))]
    assert {None} == set(_looks(Lateness(LAG_MAX), lags, step=MINUTE))


def test_many_messages_within_a_second_are_one_look() -> None:
    """A burst that is worked off within a second is no slow consumer."""
    assert {None} == set(_looks(Lateness(LAG_MAX), [0, *([900] * 500)], step=MILLISECOND))


def test_a_new_connection_is_measured_anew() -> None:
    """What was late on the old one is forgotten, and the clocks are compared again."""
    lateness = Lateness(LAG_MAX)
    _looks(lateness, [0, 900, 900, 900])
    lateness.reset()
    assert lateness.lag is None
    assert {None} == set(_looks(lateness, [900, 900, 900, 900, 900, 900], start=10 * SECOND))


def test_without_a_limit_nothing_is_slow() -> None:
    """A tape's clock runs as it likes."""
    assert {None} == set(_looks(Lateness(None), [0, *([9_000] * 20)]))
