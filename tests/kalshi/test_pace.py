"""The command rate after the venue complained of it."""

from __future__ import annotations

from daemon.core.units import SECOND
from daemon.kalshi.pace import CALM, INTERVAL_FIRST, INTERVAL_MAX, Pace


def test_commands_leave_freely_until_the_venue_complains() -> None:
    """Without a complaint all that wait may leave at once."""
    assert 1_000 == Pace().allowed(1_000, 5)


def test_each_complaint_doubles_the_interval_up_to_its_maximum() -> None:
    """The rate that the venue allows is found by asking more slowly."""
    pace = Pace()
    intervals = []
    for _ in range(9):
        pace.slow_down(SECOND)
        intervals.append(pace.interval)
    assert [INTERVAL_FIRST, 2 * INTERVAL_FIRST, 4 * INTERVAL_FIRST] == intervals[:3]
    assert INTERVAL_MAX == intervals[-1]


def test_no_more_than_one_per_interval_leaves() -> None:
    """Whatever waits: what the elapsed time allows, and nothing for time that was used already."""
    pace = Pace()
    pace.slow_down(SECOND)
    assert 0 == pace.allowed(50, SECOND)
    assert 10 == pace.allowed(50, 2 * SECOND)
    pace.sent(2 * SECOND)
    assert 0 == pace.allowed(40, 2 * SECOND)
    assert 1 == pace.allowed(40, 2 * SECOND + INTERVAL_FIRST)


def test_a_calm_minute_halves_the_interval_until_it_is_gone() -> None:
    """The venue's mood of an hour ago does not slow a recovery down for ever."""
    pace = Pace()
    pace.slow_down(0)
    pace.slow_down(0)
    pace.allowed(1, CALM)
    assert INTERVAL_FIRST == pace.interval
    assert 9 == pace.allowed(9, 2 * CALM)


def test_a_new_connection_starts_freely() -> None:
    """Rates are counted by subscription: a new one has none."""
    pace = Pace()
    pace.slow_down(0)
    pace.reset()
    assert 9 == pace.allowed(9, 0)
