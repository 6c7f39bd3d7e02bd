"""Pacer: the venue's budget is never overdrawn, and cancels always find their reserve."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.pacer import Pacer
from daemon.core.units import SECOND

REQUESTS = st.lists(
    st.tuples(st.integers(0, SECOND), st.sampled_from([2, 10]), st.booleans()), min_size=1, max_size=200
)


@given(REQUESTS)
def test_what_passes_in_any_window_fits_the_bucket(requests: list[tuple[int, int, bool]]) -> None:
    """In every window the tokens taken are at most the capacity plus the refill of that window."""
    pacer = Pacer(capacity=100, refill_per_s=100, reserve=20)
    now, taken = 0, []
    for pause, cost, may_use_reserve in requests:
        now += pause
        if pacer.take(cost, now, may_use_reserve=may_use_reserve):
            taken.append((now, cost))
    for index, (start, _) in enumerate(taken):
        total = 0
        for at, cost in taken[index:]:
            total += cost
            assert total * SECOND <= 100 * SECOND + (at - start) * 100


@given(REQUESTS)
def test_new_orders_leave_the_reserve(requests: list[tuple[int, int, bool]]) -> None:
    """However many orders are asked for, a cancel-all passes at once."""
    pacer = Pacer(capacity=100, refill_per_s=100, reserve=20)
    now = 0
    for pause, cost, _ in requests:
        now += pause
        pacer.take(cost, now, may_use_reserve=False)
        assert pacer.tokens(now) >= 20
    assert pacer.take(2, now, may_use_reserve=True)


@given(REQUESTS)
def test_ready_at_is_exact(requests: list[tuple[int, int, bool]]) -> None:
    """A request passes at the instant that `ready_at` names, and not a nanosecond before."""
    pacer = Pacer(capacity=50, refill_per_s=10, reserve=10)
    now = 0
    for pause, cost, may_use_reserve in requests:
        now += pause
        ready_at = pacer.ready_at(cost, now, may_use_reserve=may_use_reserve)
        if ready_at > now:
            assert not pacer.take(cost, ready_at - 1, may_use_reserve=may_use_reserve)
        now = ready_at
        assert pacer.take(cost, now, may_use_reserve=may_use_reserve)


def test_a_clock_that_stands_still_refills_nothing() -> None:
    """Tokens come from time alone."""
    pacer = Pacer(capacity=10, refill_per_s=10, reserve=0)
    assert pacer.take(10, 5, may_use_reserve=True)
    assert not pacer.take(1, 5, may_use_reserve=True)


def test_a_reserve_that_leaves_nothing_is_a_programmer_error() -> None:
    """Limits on everything."""
    with pytest.raises(AssertionError):
        Pacer(capacity=10, refill_per_s=10, reserve=10)


def test_an_empty_bucket_of_the_venue_empties_ours() -> None:
    """After a 429 nothing goes, not even by the reserve, until the refill has brought its cost."""
    pacer = Pacer(capacity=100, refill_per_s=100, reserve=20)
    pacer.empty(SECOND)
    assert SECOND + SECOND // 50 == pacer.ready_at(2, SECOND, may_use_reserve=True)
    assert SECOND + 3 * SECOND // 10 == pacer.ready_at(10, SECOND, may_use_reserve=False)
