"""Sums over windows against recomputation, and their edges by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.features.totals import FINE_MAX, AmountStream, grain_of
from daemon.core.units import HOUR, MINUTE, SECOND

EVENTS = st.lists(st.tuples(st.integers(0, 9), st.integers(-50, 50)), max_size=200)


@given(events=EVENTS)
def test_each_window_is_the_sum_of_what_lies_in_it(events: list[tuple[int, int]]) -> None:
    """Several windows over one stream, after every event: (now - window, now], exactly."""
    stream = AmountStream()
    windows = {length: stream.window(length) for length in (1, 7, 20, 300)}
    stream.begin(0)
    now, seen = 0, []
    for passed, amount in events:
        now += passed
        stream.add(now, amount)
        seen.append((now, amount))
        for length, window in windows.items():
            expected = sum(a for at, a in seen if now - length < at <= now) if now >= length else None
            assert expected == window.get(now)


@given(events=EVENTS)
def test_a_coarse_window_begins_at_a_whole_step(events: list[tuple[int, int]]) -> None:
    """Over five minutes, the steps are sixtieths of the window: what lies after the step before counts."""
    stream = AmountStream()
    window = stream.window(HOUR)
    stream.begin(0)
    now, seen = 0, []
    for passed, amount in events:
        now += passed * 37 * SECOND
        stream.add(now, amount)
        seen.append((now, amount))
        start = (now - HOUR) // MINUTE * MINUTE
        assert (sum(a for at, a in seen if at >= start) if start >= 0 else None) == window.get(now)


@pytest.mark.parametrize(("began_at", "whole_at"), [(0, HOUR), (1, HOUR + MINUTE), (MINUTE, HOUR + MINUTE)])
def test_a_coarse_window_is_whole_once_its_first_step_is(began_at: int, whole_at: int) -> None:
    """A step in whose middle the stream began is missing a part."""
    stream = AmountStream()
    window = stream.window(HOUR)
    stream.begin(began_at)
    assert (None, 0) == (window.get(whole_at - 1), window.get(whole_at))


@given(events=EVENTS, late=EVENTS)
def test_amounts_of_the_past_are_as_if_they_had_come_in_time(
    events: list[tuple[int, int]], late: list[tuple[int, int]]
) -> None:
    """What a backfill tells is counted where it happened."""
    stream, other = AmountStream(), AmountStream()
    window, expected = stream.window(20), other.window(20)
    stream.begin(0)
    other.begin(0)
    now, seen = 0, []
    for passed, amount in events:
        now += passed
        stream.add(now, amount)
        seen.append((now, amount))
    past = [(max(0, now - passed * 5), amount) for passed, amount in late]
    stream.insert(past)
    for at, amount in sorted([*seen, *past], key=lambda one: one[0]):
        other.add(at, amount)
    for later in range(25):
        assert expected.get(now + later) == window.get(now + later)


def test_a_window_empties_though_nothing_happens() -> None:
    """Time alone takes an amount out of the window, at the instant when it is a window old."""
    stream = AmountStream()
    window = stream.window(10)
    stream.begin(0)
    stream.add(5, 7)
    assert [window.get(now) for now in (9, 10, 14, 15)] == [None, 7, 7, 0]


def test_an_end_forgets_and_a_beginning_warms_up_anew() -> None:
    """Nothing of before a loss is in a window after it."""
    stream = AmountStream()
    window = stream.window(10)
    stream.begin(0)
    stream.add(5, 7)
    stream.end()
    assert window.get(12) is None
    stream.begin(12)
    assert (window.get(21), window.get(22)) == (None, 0)


def test_an_active_hour_is_sixty_entries_and_minutes_go_as_they_pass() -> None:
    """Memory is bounded by the windows, read or not."""
    stream = AmountStream()
    stream.window(HOUR)
    stream.window(MINUTE)
    stream.begin(0)
    for tenth in range(3 * 36_000):
        stream.add(tenth * SECOND // 10, 1)
    fine, coarse = sorted((len(log) for log in stream._logs), reverse=True)
    assert fine <= 1_300
    assert coarse <= 128


def test_steps_of_windows() -> None:
    """Exact up to five minutes; then a sixtieth, in whole seconds."""
    assert [grain_of(window) for window in (SECOND, FINE_MAX)] == [0, 0]
    assert [grain_of(window) for window in (301 * SECOND, HOUR)] == [5 * SECOND, MINUTE]


def test_an_absurd_amount_is_counted_and_breaks_nothing() -> None:
    """A frame may name any number: sums stay exact beyond 64 bits."""
    stream = AmountStream()
    window = stream.window(10)
    stream.begin(0)
    stream.add(5, 1)
    stream.add(11, 10**30)
    stream.add(12, -7)
    assert window.get(12) == 10**30 - 6


def test_a_backfill_after_much_has_passed_keeps_what_is_left() -> None:
    """What was dropped stays dropped, and the first entry that is kept keeps its amount."""
    stream = AmountStream()
    window = stream.window(10)
    stream.begin(0)
    for at in range(64):  # as many as make the record drop what has passed
        stream.add(at, 1)
    stream.insert([(60, 5)])
    assert window.get(63) == 15
