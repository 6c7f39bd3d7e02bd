"""Our clock: Unix nanoseconds that never jump back, though the machine's wall clock may.

`SystemClock` runs on the monotonic clock from one reading of the wall clock, and compares the two once a
second. Small differences (NTP slewing, two oscillators) are worked off slowly. A wall clock set ahead, or
a machine that slept, is followed at once. One set back can't be: time runs at half speed until the two
agree again, so that durations stay positive and nothing stands still. Both jumps are counted.

`FollowedClock` says what somebody else's clock said last: on a tape, the tape's.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from daemon.core.units import MILLISECOND, SECOND, Ns

CHECK_EVERY: Ns = SECOND
JUMP_MIN: Ns = SECOND
"""A difference above this is a jump, below it is drift."""
SLEW_PPM_MAX = 500
"""The speed at which drift is worked off: what NTP itself allows."""
BACK_PPM = 500_000
AGREED: Ns = MILLISECOND
"""A jump back is worked off when the difference is within this."""
_PPM = 1_000_000


class Drift(msgspec.Struct, frozen=True):
    """How the clock and the wall clock stand. `offset` is wall minus clock, at the last comparison."""

    offset: Ns
    jumps_ahead: int
    jumps_back: int


class SystemClock:
    """The machine's time in UTC, never going back.

    Args:
        wall: reads the wall clock in Unix nanoseconds.
        monotonic: reads a clock that is never set.
    """

    def __init__(
        self, wall: Callable[[], Ns] = time.time_ns, monotonic: Callable[[], Ns] = time.monotonic_ns
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._base_monotonic = monotonic()
        self._base = wall()
        self._offset: Ns = 0  # wall minus clock at the base
        self._ppm = 0  # how much faster than the monotonic clock we run, until `_offset` is worked off
        self._is_going_back = False
        self._jumps_ahead = 0
        self._jumps_back = 0

    def now(self) -> Ns:
        """Return Unix nanoseconds, never less than before."""
        elapsed = self._monotonic() - self._base_monotonic
        if elapsed < CHECK_EVERY:
            return self._at(elapsed)
        return self._compare()

    def drift(self) -> Drift:
        """Compare with the wall clock now, and return the difference and the jumps since the start."""
        self._compare()
        return Drift(self._offset, self._jumps_ahead, self._jumps_back)

    def _at(self, elapsed: Ns) -> Ns:
        correction = elapsed * self._ppm // _PPM
        # Not past the goal, however long nobody asked. Both bounds grow with time as long as ppm > -1e6.
        correction = min(correction, self._offset) if self._offset >= 0 else max(correction, self._offset)
        return self._base + elapsed + correction

    def _compare(self) -> Ns:
        """Start a new stretch from here, aimed at the wall clock; return the time."""
        monotonic, wall = self._monotonic(), self._wall()
        now = self._at(monotonic - self._base_monotonic)
        offset = wall - now
        if offset > JUMP_MIN:
            self._jumps_ahead += 1
            now, offset = wall, 0
        elif offset < -JUMP_MIN and not self._is_going_back:
            self._jumps_back += 1
            self._is_going_back = True
        if offset >= -AGREED:
            self._is_going_back = False
        floor_ppm = -BACK_PPM if self._is_going_back else -SLEW_PPM_MAX
        self._ppm = max(floor_ppm, min(SLEW_PPM_MAX, offset * _PPM // SECOND))
        self._base, self._base_monotonic, self._offset = now, monotonic, offset
        return now


class FollowedClock:
    """A clock that stands between two words of the one it follows.

    Args:
        start: the first time, in Unix nanoseconds.
    """

    def __init__(self, start: Ns) -> None:
        self._now = start

    def now(self) -> Ns:
        """Return the latest time that was told."""
        return self._now

    def advance(self, now: Ns) -> None:
        """Take in a time. One that lies before the latest changes nothing."""
        self._now = max(self._now, now)
