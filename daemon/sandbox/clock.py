"""The sandbox's time: the wall's, N times as fast, or standing until it is moved.

It never goes back, because nothing on an exchange may: a clock that is set back stands still until time has
caught up with it.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns, time_ns

from daemon.core.units import Ns


class SandboxClock:
    """See the module's head.

    Args:
        start_at: its first reading.
        speed: sandbox seconds per second; exactly 1 follows the wall clock, None stands still until `set`.
        wall: reads the wall clock.
        ticks: reads a clock that never jumps.
    """

    def __init__(
        self,
        start_at: Ns,
        *,
        speed: float | None,
        wall: Callable[[], Ns] = time_ns,
        ticks: Callable[[], Ns] = monotonic_ns,
    ) -> None:
        self._now = start_at
        self._start_at = start_at
        self._speed = speed
        self._wall = wall
        self._ticks = ticks
        self._began = ticks()
        self._shifted: Ns = 0

    @property
    def is_standing(self) -> bool:
        """Whether it moves by `set` alone."""
        return self._speed is None

    @property
    def is_wall(self) -> bool:
        """Whether clients that sign by their machine's time sign by this one's."""
        return self._speed == 1.0

    def now(self) -> Ns:
        """Return the time."""
        if self._speed is not None:
            if self.is_wall:
                due = self._wall()
            else:
                due = self._start_at + int((self._ticks() - self._began) * self._speed)
            self._now = max(self._now, due + self._shifted)
        return self._now

    def set(self, now: Ns) -> None:
        """Go on to an instant; an earlier one changes nothing."""
        self._now = max(self._now, now)

    def shift(self, by: Ns) -> None:
        """Go wrong by so much, from now on: a clock fault, and its opposite the repair.

        Raises:
            ValueError: a standing clock can't be set back.
        """
        if self._speed is None:
            if by < 0:
                raise ValueError("a standing clock can't be set back: it would stand for ever")
            self._now += by
        self._shifted += by
