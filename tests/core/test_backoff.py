"""The delays between attempts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.backoff import Backoff


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    """With the largest draw each delay is its ceiling: 0.5 s doubling to 30 s."""
    backoff = Backoff(lambda: 1.0)
    assert [0.5, 1, 2, 4, 8, 16, 30, 30] == [backoff.next_s() for _ in range(8)]
    assert backoff.attempts == 8


def test_a_reset_starts_over() -> None:
    """After a reset the first ceiling is in force again."""
    backoff = Backoff(lambda: 1.0, base_s=2)
    backoff.next_s()
    backoff.next_s()
    backoff.reset()
    assert 0 == backoff.attempts
    assert 2 == backoff.next_s()


@given(st.lists(st.floats(0, 1), max_size=20))
def test_every_delay_lies_between_zero_and_the_cap(draws: list[float]) -> None:
    """Full jitter: from zero to the ceiling, never beyond the cap."""
    left = iter(draws)
    backoff = Backoff(lambda: next(left), base_s=0.1, cap_s=3)
    assert all(0 <= backoff.next_s() <= 3 for _ in draws)
