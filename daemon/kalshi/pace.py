"""How fast commands may leave a connection: freely, until the venue says "Too many requests" (code 27).

Then at most one per interval, and the interval doubles with each further complaint. A minute without one
halves it again. The rate that the venue allows is not published (sheet 2.4), so it is found by asking.
"""

from __future__ import annotations

from daemon.core.units import MILLISECOND, SECOND, Ns

INTERVAL_FIRST: Ns = 100 * MILLISECOND
INTERVAL_MAX: Ns = 5 * SECOND
CALM: Ns = 60 * SECOND


class Pace:
    """The command rate of one connection. Told the time, no clock."""

    __slots__ = ("_changed_at", "_sent_at", "interval")

    def __init__(self) -> None:
        self.interval: Ns = 0
        """Least time between two commands; 0 while the venue has not complained."""
        self._changed_at: Ns = 0
        self._sent_at: Ns = 0

    def slow_down(self, now: Ns) -> None:
        """Take note of a complaint."""
        self.interval = min(max(2 * self.interval, INTERVAL_FIRST), INTERVAL_MAX)
        self._changed_at = self._sent_at = now

    def allowed(self, waiting: int, now: Ns) -> int:
        """Return how many of the waiting commands may leave now."""
        if self.interval and now - self._changed_at >= CALM:
            self.interval = self.interval // 2 if self.interval > INTERVAL_FIRST else 0
            self._changed_at = now
        if not self.interval:
            return waiting
        return min(waiting, max(0, now - self._sent_at) // self.interval)

    def sent(self, now: Ns) -> None:
        """Take note that commands left."""
        self._sent_at = now

    def reset(self) -> None:
        """Start over, as a new connection does."""
        self.interval = 0
