"""The sandbox's time: the wall's, faster, or standing; never back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import SECOND, Ns
from daemon.sandbox.clock import SandboxClock


class Readings:
    """A clock that tells what it was set to."""

    def __init__(self) -> None:
        self.at: Ns = 100 * SECOND

    def __call__(self) -> Ns:
        """Return it."""
        return self.at


def clock_of(speed: float | None) -> tuple[SandboxClock, Readings]:
    readings = Readings()
    return SandboxClock(100 * SECOND, speed=speed, wall=readings, ticks=readings), readings


def test_at_speed_one_it_is_the_walls() -> None:
    """Whoever signs by the machine's time signs by it."""
    clock, wall = clock_of(1.0)
    wall.at += 7
    assert (wall.at, True, False) == (clock.now(), clock.is_wall, clock.is_standing)


def test_n_times_as_fast_is_n_seconds_a_second() -> None:
    """From where it began."""
    clock, wall = clock_of(20.0)
    wall.at += 3 * SECOND
    assert (160 * SECOND, False) == (clock.now(), clock.is_wall)


def test_a_standing_clock_moves_by_set_alone() -> None:
    """And an earlier instant changes nothing."""
    clock, wall = clock_of(None)
    wall.at += SECOND
    assert (100 * SECOND, True) == (clock.now(), clock.is_standing)
    clock.set(105 * SECOND)
    clock.set(104 * SECOND)
    assert 105 * SECOND == clock.now()


def test_a_clock_that_is_set_back_stands_until_time_has_caught_up() -> None:
    """Three seconds back: three seconds of standing, and three behind from then on."""
    clock, wall = clock_of(1.0)
    clock.shift(-3 * SECOND)
    readings = []
    for _ in range(5):
        readings.append(clock.now() // SECOND)
        wall.at += SECOND
    assert [100, 100, 100, 100, 101] == readings


def test_a_standing_clock_is_not_set_back() -> None:
    """It would stand for ever."""
    clock, _ = clock_of(None)
    with pytest.raises(ValueError, match="set back"):
        clock.shift(-1)
    clock.shift(2)
    assert 100 * SECOND + 2 == clock.now()


@given(
    st.sampled_from([1.0, 20.0, None]),
    st.lists(st.tuples(st.sampled_from(["wall", "shift", "set"]), st.integers(-9, 9)), max_size=30),
)
def test_whatever_happens_it_never_goes_back(speed: float | None, acts: list[tuple[str, int]]) -> None:
    """The wall may jump, faults may shift it, steps may come late."""
    clock, wall = clock_of(speed)
    last = clock.now()
    for act, by in acts:
        if act == "wall":
            wall.at += by * SECOND
        elif act == "set":
            clock.set(last + by)
        elif not (clock.is_standing and by < 0):
            clock.shift(by * SECOND)
        now = clock.now()
        assert now >= last
        last = now
