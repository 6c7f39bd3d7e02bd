"""Every market in every heartbeat, and never too many at one time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.sweep import AT_ONCE, Sweep
from daemon.core.units import MILLISECOND, SECOND, Ns

START: Ns = 1_000 * SECOND


def names(count: int) -> list[str]:
    """Return so many tickers."""
    return [f"M-{number}" for number in range(count)]


def test_a_few_markets_are_decided_together() -> None:
    """At the start, and a heartbeat later; not in between."""
    sweep, few = Sweep(SECOND), names(3)
    assert 0 == sweep.wake_at()
    assert (True, few) == (sweep.begin(few, START), sweep.take(START))
    assert START + SECOND == sweep.wake_at()
    assert (False, []) == (sweep.begin(few, START + SECOND - 1), sweep.take(START + SECOND - 1))
    assert (True, few) == (sweep.begin(few, START + SECOND), sweep.take(START + SECOND))


@given(count=st.integers(0, 2_000), steps=st.lists(st.integers(1, 200), max_size=60))
def test_a_round_takes_every_market_once_and_never_too_many(count: int, steps: list[int]) -> None:
    """In the order given, however time goes by; whoever wakes when told is done in time."""
    sweep, now, many = Sweep(SECOND), START, names(count)
    sweep.begin(many, now)
    taken = sweep.take(now)
    for step in steps:
        now += step * MILLISECOND
        share = sweep.take(now)
        assert len(share) <= AT_ONCE
        taken += share
    assert many[: len(taken)] == taken
    while len(taken) < count:
        now = max(now, sweep.wake_at())
        share = sweep.take(now)
        assert share, "who wakes when told finds work"
        taken += share
    assert many == taken
    assert now <= START + max(SECOND, sum(steps) * MILLISECOND)


def test_the_turns_of_many_are_spread_over_the_heartbeat() -> None:
    """A tenth of the time is a tenth of the markets, beyond those of the first turn."""
    sweep, many = Sweep(SECOND), names(10 * AT_ONCE)
    sweep.begin(many, START)
    assert AT_ONCE == len(sweep.take(START))
    assert START < sweep.wake_at() <= START + SECOND // 10
    assert AT_ONCE == len(sweep.take(START + SECOND // 10))
    assert [] == sweep.take(START + SECOND // 10)


def test_a_round_that_is_behind_is_ended_first() -> None:
    """Nobody is left out because a decision came late."""
    sweep, many = Sweep(SECOND), names(2 * AT_ONCE)
    sweep.begin(many, START)
    sweep.take(START)
    late = START + 5 * SECOND
    assert not sweep.begin(many, late)
    assert many[AT_ONCE:] == sweep.take(late)
    assert sweep.begin(many, late)
