"""Every market in its turn, and never too many at one time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.sweep import AT_ONCE, EACH, Sweep
from daemon.core.units import MILLISECOND, SECOND, Ns

START: Ns = 1_000 * SECOND


def names(count: int) -> list[str]:
    """Return so many tickers."""
    return [f"M-{number}" for number in range(count)]


def test_a_few_markets_are_decided_together_with_every_heartbeat() -> None:
    """At the start, and a heartbeat later; not in between."""
    sweep, few = Sweep(SECOND), names(3)
    assert 0 == sweep.wake_at()
    assert (True, few) == (sweep.beats(START), sweep.take(few, START))
    assert START + SECOND == sweep.wake_at()
    early, late = START + SECOND - 1, START + SECOND
    assert (False, []) == (sweep.beats(early), sweep.take(few, early))
    assert (True, few) == (sweep.beats(late), sweep.take(few, late))


@given(count=st.integers(0, 3_000), steps=st.lists(st.integers(1, 200), max_size=60))
def test_a_round_takes_every_market_once_and_never_too_many(count: int, steps: list[int]) -> None:
    """In the order given, however time goes by; whoever wakes when told is done in time."""
    sweep, now, many = Sweep(SECOND), START, names(count)
    sweep.beats(now)
    taken = sweep.take(many, now)
    for step in steps:
        if len(taken) < count:
            now += step * MILLISECOND
            share = sweep.take(many, now)
            assert len(share) <= AT_ONCE
            taken += share
    while len(taken) < count:
        now = max(now, sweep.wake_at())
        sweep.beats(now)
        taken += sweep.take(many, now)
    assert many == taken
    assert now <= START + max(SECOND, EACH * count) + sum(steps) * MILLISECOND


def test_the_turns_of_a_thousand_are_spread_over_the_heartbeat() -> None:
    """A tenth of the time is a tenth of the markets, beyond those of the first turn."""
    sweep, many = Sweep(SECOND), names(10 * AT_ONCE)
    sweep.beats(START)
    assert AT_ONCE == len(sweep.take(many, START))
    assert START < sweep.wake_at() <= START + SECOND // 10
    assert AT_ONCE == len(sweep.take(many, START + SECOND // 10))
    assert [] == sweep.take(many, START + SECOND // 10)


def test_what_the_clock_asks_for_has_a_bound() -> None:
    """Ten thousand markets take ten seconds for a round; the heartbeat goes on beating."""
    sweep, many = Sweep(SECOND), names(10_000)
    beats, taken, now = 0, 0, START
    while now < START + 5 * SECOND:
        beats += sweep.beats(now)
        taken += len(sweep.take(many, now))
        now = max(now + 1, sweep.wake_at())
    assert 5 == beats
    assert 5_000 <= taken <= 5_000 + AT_ONCE


def test_a_round_that_is_behind_is_ended_first() -> None:
    """Nobody is left out because a decision came late."""
    sweep, many = Sweep(SECOND), names(2 * AT_ONCE)
    sweep.take(many, START)
    late = START + 5 * SECOND
    assert many[AT_ONCE:] == sweep.take(many, late)
    assert many[:AT_ONCE] == sweep.take(many, late)


def test_only_where_there_are_many_a_turn_is_spared() -> None:
    """A market of ten thousand that was decided within the heartbeat needs no turn; one of a few has it."""
    few, many = Sweep(SECOND), Sweep(SECOND)
    few.take(names(3), START)
    many.take(names(10_000), START)
    assert START == few.spared_since(START)
    assert START - SECOND == many.spared_since(START)


@given(
    count=st.integers(0, 300),
    steps=st.lists(st.integers(0, 3 * SECOND // 2), min_size=1, max_size=60),
)
def test_nothing_is_missed_by_asking_first_whether_anything_is_due(count: int, steps: list[int]) -> None:
    """While it isn't due no heartbeat comes, and no market's turn."""
    sweep, tickers, now = Sweep(SECOND), [f"M{number}" for number in range(count)], 0
    for passed in steps:
        now += passed
        is_due = sweep.is_due(now)
        found = sweep.beats(now) or bool(sweep.take(tickers, now))
        assert is_due or not found


@given(count=st.integers(0, 3_000), steps=st.lists(st.integers(0, SECOND // 2), min_size=1, max_size=60))
def test_a_turn_that_has_come_is_due(count: int, steps: list[int]) -> None:
    """Whoever asks first, and takes only what is due, takes what one who doesn't ask takes then."""
    asking, taking, tickers, now = Sweep(SECOND), Sweep(SECOND), names(count), START
    for passed in steps:
        now += passed
        expected = (taking.beats(now), taking.take(tickers, now))
        assert expected == (
            (asking.beats(now), asking.take(tickers, now)) if asking.is_due(now) else (False, [])
        )


@given(count=st.integers(0, 300), steps=st.lists(st.integers(0, 400), max_size=40))
def test_nothing_is_due_before_it_says_so(count: int, steps: list[int]) -> None:
    """Whoever doesn't ask before `due_at` misses nothing."""
    sweep, now, many = Sweep(SECOND), START, names(count)
    assert (0, True) == (sweep.due_at, sweep.is_due(now))
    for step in steps:
        sweep.beats(now)
        sweep.take(many, now)
        now += step * MILLISECOND
        assert now >= sweep.due_at or not sweep.is_due(now)
