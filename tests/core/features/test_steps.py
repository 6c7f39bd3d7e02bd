"""Lags against recomputation, and their edges by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.features.steps import StepStream


@given(steps=st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 50)), max_size=300))
def test_each_lag_is_the_value_that_was_in_force(steps: list[tuple[int, int | None]]) -> None:
    """Several lags on one stream, after every step; unknown before the first one."""
    stream = StepStream()
    lags = {window: stream.lag(window) for window in (1, 7, 30)}
    now, seen = 0, []
    for passed, value in steps:
        now += passed
        stream.add(now, value)
        seen.append((now, value))
        for window, lag in lags.items():
            past = [value for at, value in seen if at <= now - window]
            assert (past[-1] if past else None) == lag.get(now)


def test_an_end_forgets_everything() -> None:
    """After a loss nothing of before is known."""
    stream = StepStream()
    lag = stream.lag(10)
    stream.add(0, 7)
    assert lag.get(10) == 7
    stream.end()
    assert lag.get(20) is None
    assert lag.began_at is None


def test_what_no_lag_reaches_is_dropped() -> None:
    """Memory is bounded by the longest lag, read or not."""
    stream = StepStream()
    stream.lag(100)
    for at in range(10_000):
        stream.add(at, at)
    assert len(stream.instants) <= 210
