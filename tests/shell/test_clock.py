"""Our clock: it follows the machine's wall clock, but never goes back."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import HOUR, MILLISECOND, MINUTE, SECOND, Ns
from daemon.shell.clock import AGREED, SLEW_PPM_MAX, Drift, FollowedClock, SystemClock

START: Ns = 1_790_000_000 * SECOND


class Machine:
    """The two clocks of a machine, moved by hand."""

    def __init__(self) -> None:
        self.wall = START
        self.monotonic = 5 * SECOND

    def run(self, elapsed: Ns, *, wall_ppm: int = 0) -> None:
        """Let time pass; the wall clock may run at another speed."""
        self.monotonic += elapsed
        self.wall += elapsed + elapsed * wall_ppm // 1_000_000

    def clock(self) -> SystemClock:
        """Return a clock that reads these two."""
        return SystemClock(lambda: self.wall, lambda: self.monotonic)


def test_the_clock_of_this_machine_tells_unix_time() -> None:
    """With the real clocks it lies between two readings of the wall clock, give or take a second."""
    clock = SystemClock()
    before, now, after = time.time_ns(), clock.now(), time.time_ns()
    assert before - SECOND <= now <= after + SECOND
    assert clock.now() >= now


def test_it_runs_with_the_machine() -> None:
    """With two clocks that agree, it is the wall clock."""
    machine = Machine()
    clock = machine.clock()
    for elapsed in (0, 1, MILLISECOND, 3 * SECOND, HOUR):
        machine.run(elapsed)
        assert machine.wall == clock.now()
    assert Drift(0, 0, 0) == clock.drift()


@given(
    st.lists(
        st.tuples(st.integers(0, 10 * SECOND), st.integers(-5 * MINUTE, 5 * MINUTE) | st.just(0)), max_size=40
    )
)
def test_it_never_goes_back(steps: list[tuple[Ns, Ns]]) -> None:
    """However the wall clock is set, each reading is at least the one before."""
    machine = Machine()
    clock = machine.clock()
    last = clock.now()
    for elapsed, jump in steps:
        machine.run(elapsed)
        machine.wall += jump
        now = clock.now()
        assert last <= now
        last = now


def test_a_jump_ahead_is_followed_at_once_and_counted() -> None:
    """A machine that slept, or a clock that was set right, is not argued with."""
    machine = Machine()
    clock = machine.clock()
    machine.run(SECOND)
    machine.wall += HOUR
    assert machine.wall == clock.now()
    assert Drift(0, 1, 0) == clock.drift()


def test_a_jump_back_is_worked_off_at_half_speed_and_counted_once() -> None:
    """Ten seconds back take twenty: time goes on, durations stay positive, and then both agree."""
    machine = Machine()
    clock = machine.clock()
    machine.run(SECOND)
    machine.wall -= 10 * SECOND
    before = clock.now()
    assert Drift(-10 * SECOND, 0, 1) == clock.drift()
    for _ in range(10):
        machine.run(SECOND)
        now = clock.now()
        assert SECOND // 2 == now - before
        before = now
    for _ in range(15):
        machine.run(SECOND)
        clock.now()
    drift = clock.drift()
    assert (0, 1) == (drift.jumps_ahead, drift.jumps_back)
    assert abs(drift.offset) <= AGREED


def test_a_small_difference_is_slewed_not_jumped() -> None:
    """Half a second of drift is worked off at 500 ppm at most, and is no jump."""
    machine = Machine()
    clock = machine.clock()
    machine.run(SECOND)
    machine.wall += SECOND // 2
    before = clock.now()
    for _ in range(1_100):
        machine.run(SECOND)
        now = clock.now()
        assert now - before <= SECOND + SECOND * SLEW_PPM_MAX // 1_000_000
        before = now
    assert machine.wall == before
    assert Drift(0, 0, 0) == clock.drift()


def test_a_wall_clock_of_another_speed_is_followed() -> None:
    """An oscillator 50 ppm off costs no more than a fraction of a millisecond, for ever."""
    machine = Machine()
    clock = machine.clock()
    for _ in range(3_600):
        machine.run(SECOND, wall_ppm=50)
        assert abs(machine.wall - clock.now()) <= MILLISECOND
    assert (0, 0) == (clock.drift().jumps_ahead, clock.drift().jumps_back)


def test_a_correction_stops_at_its_goal_when_nobody_asks() -> None:
    """A long silence in the middle of working off a jump does not carry the clock past the wall."""
    machine = Machine()
    clock = machine.clock()
    machine.run(SECOND)
    machine.wall -= 10 * SECOND
    clock.now()
    machine.run(HOUR)
    assert machine.wall == clock.now()


def test_a_followed_clock_stands_where_it_was_told() -> None:
    """It says the last word of the clock that it follows, and ignores words from the past."""
    clock = FollowedClock(START)
    assert START == clock.now()
    clock.advance(START + SECOND)
    clock.advance(START)
    assert START + SECOND == clock.now()
