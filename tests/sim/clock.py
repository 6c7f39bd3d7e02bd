"""Time that costs nothing: an event loop that jumps to the next timer instead of waiting for it.

No socket is ever looked at: whoever waits for one in here waits for ever, and the loop says so.
"""

from __future__ import annotations

import asyncio
import selectors

from daemon.core.units import SECOND, Ns

START_S = 1_000.0
"""What the loop's own clock shows first."""


class StoodStill(Exception):
    """Nothing is ready and no timer is set: nothing can ever happen again."""


class _Jumping(selectors.SelectSelector):
    """A selector that moves the clock by what it is asked to wait, and finds nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = START_S

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Move the clock. Raises StoodStill where a real one would wait for ever."""
        if timeout is None:
            raise StoodStill("every task waits, and no timer is set")
        self.now_s += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. `now` is its clock as an instant; it starts at `start_at`."""

    def __init__(self, start_at: Ns) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._start_at = start_at
        # What a float loses in adding up must not make it turn idly.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Return the seconds of the loop's own clock."""
        return self._jumping.now_s

    def now(self) -> Ns:
        """Return the instant."""
        return self._start_at + round((self._jumping.now_s - START_S) * SECOND)
