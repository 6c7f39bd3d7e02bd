"""How long to wait before the next attempt: exponential, with full jitter, capped.

Full jitter (a delay drawn evenly from zero to the ceiling) keeps clients that lost the same server
apart from each other better than a jitter added to a fixed delay. Randomness is injected.
Source: Brooker, "Exponential Backoff And Jitter", 2015.
"""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """The delays between attempts at one thing."""

    def __init__(self, uniform: Callable[[], float], base_s: float = 0.5, cap_s: float = 30.0) -> None:
        """Build.

        Args:
            uniform: returns a number in 0 .. 1 each time.
            base_s: ceiling of the first delay, in seconds; it doubles with each attempt.
            cap_s: ceiling that no delay exceeds, in seconds.
        """
        assert 0 < base_s <= cap_s, f"a base of {base_s} s with a cap of {cap_s} s"
        self._uniform = uniform
        self._base_s = base_s
        self._cap_s = cap_s
        self._ceiling_s = base_s
        self.attempts = 0
        """How many delays were drawn since the start or the last reset."""

    def next_s(self) -> float:
        """Return the seconds to wait before the next attempt."""
        delay_s = self._uniform() * self._ceiling_s
        self._ceiling_s = min(self._ceiling_s * 2, self._cap_s)
        self.attempts += 1
        return delay_s

    def reset(self) -> None:
        """Start over: an attempt succeeded and stayed well."""
        self._ceiling_s = self._base_s
        self.attempts = 0
