"""The venue's token budget, as a bucket that is told the time.

A request passes if the bucket holds its cost. New orders may not touch the `reserve`, so that cancels
always find tokens. Costs and sizes come from the venue (`/account/limits`, `/account/endpoint_costs`).
"""

from __future__ import annotations

from daemon.core.units import SECOND, Ns

_SCALE = SECOND  # tokens are kept in 1e-9, so that refill is exact integer arithmetic


class Pacer:
    """One token bucket with continuous refill and a reserve for what must always pass."""

    def __init__(self, capacity: int, refill_per_s: int, reserve: int) -> None:
        assert 0 <= reserve < capacity, f"a reserve of {reserve} in a bucket of {capacity}"
        assert refill_per_s > 0, f"a refill of {refill_per_s} tokens/s"
        self.capacity = capacity
        self.refill_per_s = refill_per_s
        self.reserve = reserve
        self._level = capacity * _SCALE
        self._at: Ns | None = None

    def _refill(self, now: Ns) -> None:
        if self._at is not None and now > self._at:
            self._level = min(self.capacity * _SCALE, self._level + (now - self._at) * self.refill_per_s)
        if self._at is None or now > self._at:
            self._at = now

    def tokens(self, now: Ns) -> int:
        """Return the whole tokens in the bucket."""
        self._refill(now)
        return self._level // _SCALE

    def ready_at(self, cost: int, now: Ns, *, may_use_reserve: bool) -> Ns:
        """Return the instant at which a request of this cost may go; `now` if it may go at once.

        A cost above what the bucket can ever offer waits for a full bucket, not for ever.
        """
        self._refill(now)
        floor = 0 if may_use_reserve else self.reserve
        wanted = min(cost + floor, self.capacity) * _SCALE
        missing = wanted - self._level
        return now if missing <= 0 else now + -(-missing // self.refill_per_s)

    def take(self, cost: int, now: Ns, *, may_use_reserve: bool) -> bool:
        """Take the tokens of one request; False, with nothing taken, when it must wait."""
        if self.ready_at(cost, now, may_use_reserve=may_use_reserve) > now:
            return False
        self._level -= cost * _SCALE
        return True

    def empty(self, now: Ns) -> None:
        """Take note that the venue found its bucket empty (429): ours held tokens that did not exist."""
        self._refill(now)
        self._level = 0
