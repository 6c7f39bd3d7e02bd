"""Lag: what a message's delay shows above the best one, whatever the clocks say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.lag import BUCKET, BUCKETS, TransportLag
from daemon.core.units import MILLISECOND, SECOND


def test_nothing_is_known_before_the_first_stamp() -> None:
    """Unknown is None."""
    lag = TransportLag()
    assert lag.lag is None
    assert lag.offset is None


@given(st.integers(-(10**10), 10**10), st.lists(st.integers(0, 10**9), min_size=1, max_size=50))
def test_a_constant_clock_skew_is_not_lag(skew: int, delays: list[int]) -> None:
    """Lag is the delay above the smallest one seen, independent of the offset between the clocks."""
    lag = TransportLag()
    best = None
    for index, delay in enumerate(delays):
        sent_at = index * MILLISECOND
        lag.observe(sent_at + skew + delay, sent_at)
        best = delay if best is None else min(best, delay)
        if len({(i * MILLISECOND + skew + d) // BUCKET for i, d in enumerate(delays)}) == 1:
            assert lag.offset == skew + best
            assert lag.lag == delay - best


def test_a_consumer_that_falls_behind_shows_growing_lag() -> None:
    """Messages that come later and later are seen as late."""
    lag = TransportLag()
    for step in range(100):
        lag.observe(step * SECOND + step * 10 * MILLISECOND, step * SECOND)
    assert lag.lag == 990 * MILLISECOND


def test_an_old_best_delay_is_forgotten() -> None:
    """The offset follows the clocks: a minimum counts for ten minutes."""
    lag = TransportLag()
    lag.observe(0, 0)
    for minute in range(1, BUCKETS + 1):
        lag.observe(minute * BUCKET + SECOND, minute * BUCKET)
    assert lag.offset == SECOND
    assert lag.lag == 0


def test_ten_minutes_are_ten_minutes_on_a_quiet_connection_too() -> None:
    """After our clock was set, one message in an hour must not be held against a minimum of hours ago."""
    lag = TransportLag()
    lag.observe(0, 2 * SECOND)
    for hour in range(1, BUCKETS):
        at = hour * 60 * BUCKET
        lag.observe(at + MILLISECOND, at)
        assert (lag.offset, lag.lag) == (MILLISECOND, 0)


def test_reset_forgets() -> None:
    """A new connection starts from nothing."""
    lag = TransportLag()
    lag.observe(5, 0)
    lag.reset()
    assert lag.lag is None
