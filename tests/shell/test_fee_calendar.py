"""Scheduled fees: in force a moment ahead of their time, once, and held against cached listings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.markets import Fees
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kalshi.bodies import FeeChange
from daemon.shell.fee_calendar import AHEAD, HOLD, FeeCalendar
from tests.core.worlds import T0

DEARER = Fees("quadratic", 2_000_000)
CHANGE = FeeChange("KXBTC15M", DEARER, T0)


def test_a_change_is_due_a_moment_ahead_and_once() -> None:
    """Also when the venue lists it again, as it may from a cached page."""
    subject = FeeCalendar()
    subject.plan([CHANGE])
    assert () == subject.take_due(T0 - AHEAD - 1)
    assert (CHANGE,) == subject.take_due(T0 - AHEAD)
    assert () == subject.take_due(T0)
    subject.plan([CHANGE])
    assert () == subject.take_due(T0 + SECOND)


def test_a_change_is_held_for_a_while() -> None:
    """Then the venue's word counts again, which is said once."""
    subject = FeeCalendar()
    subject.plan([CHANGE])
    subject.take_due(T0)
    assert CHANGE == subject.held("KXBTC15M")
    assert subject.held("KXBTCD") is None
    assert not subject.release(T0 + HOLD - 1)
    assert subject.release(T0 + HOLD)
    assert subject.held("KXBTC15M") is None
    assert not subject.release(T0 + HOLD)


def test_a_change_of_long_ago_is_the_listings_to_tell() -> None:
    """After a start in the middle of the day nothing old is put in force over what is listed now."""
    subject = FeeCalendar()
    subject.plan([CHANGE])
    assert () == subject.take_due(T0 + HOLD)
    assert subject.held("KXBTC15M") is None


def test_a_withdrawn_change_never_comes() -> None:
    """The venue's list replaces the last one."""
    subject = FeeCalendar()
    subject.plan([CHANGE])
    subject.plan([])
    assert () == subject.take_due(T0)


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 10 * MINUTE)), max_size=6, unique=True),
    st.lists(st.integers(1, MINUTE // 2), max_size=30),
)
def test_every_change_is_due_exactly_once_and_in_order(rows: list[tuple[str, Ns]], steps: list[Ns]) -> None:
    """However the clock steps (by less than a hold): never early by more than AHEAD, never left out."""
    changes = [FeeChange(series, DEARER, T0 + at) for series, at in rows]
    subject, now = FeeCalendar(), T0 - AHEAD
    came: list[FeeChange] = []
    subject.plan(changes)
    for step in [0, *steps]:
        now += step
        due = subject.take_due(now)
        assert all(change.at <= now + AHEAD for change in due)
        came += due
        subject.release(now)
    expected = sorted(
        (change for change in changes if change.at <= now + AHEAD),
        key=lambda one: (one.at, one.series_ticker),
    )
    assert expected == came
