"""How fast one peer may ask: a bucket of tokens for each, filled by the second, told the time."""

from __future__ import annotations

from collections import OrderedDict


class Buckets:
    """A peer may ask `burst` times at once, and `rate_per_s` times a second for ever."""

    def __init__(self, rate_per_s: float, burst: int, peers_max: int = 4_096) -> None:
        """Start with every bucket full.

        Args:
            rate_per_s: tokens a second.
            burst: tokens in a full bucket.
            peers_max: how many peers are remembered; whoever asked least lately is forgotten first.
        """
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._peers_max = peers_max
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, peer: str, now_s: float) -> float:
        """Take a token and return 0, or take none and return in how many seconds there will be one."""
        tokens, at_s = self._filled.pop(peer, (float(self._burst), now_s))
        tokens = min(float(self._burst), tokens + (now_s - at_s) * self._rate_per_s)
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) / self._rate_per_s
        self._filled[peer] = (tokens - 1 if wait_s == 0 else tokens, now_s)
        if len(self._filled) > self._peers_max:
            self._filled.popitem(last=False)
        return wait_s
