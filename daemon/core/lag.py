"""How late the venue's messages reach us, without trusting either clock.

`received_at - sent_at` is transport delay plus the offset between two clocks. The smallest difference
of the last minutes is the offset plus the best delay; what a message shows above it is *lag*: a slow
consumer or a slow path. A lag that creeps up slower than the window forgets would hide in the offset,
so the offset itself is bounded too: with clocks that are kept by NTP it is a few milliseconds.
"""

from __future__ import annotations

from collections import deque

from daemon.core.units import MINUTE, Ns

BUCKET: Ns = MINUTE
BUCKETS = 10


class TransportLag:
    """The running clock-offset estimate of one connection, and the lag of its last message."""

    __slots__ = ("_bucket", "_least", "_minima", "lag", "offset")

    def __init__(self) -> None:
        self._minima: deque[list[Ns]] = deque()  # [bucket number, smallest difference]
        self._bucket: int | None = None
        """The last bucket's number; None before the first stamp."""
        self._least: Ns = 0
        """The smallest difference in it."""
        self.offset: Ns | None = None
        """Smallest `received_at - sent_at` of the last ten minutes; None before the first stamp."""
        self.lag: Ns | None = None
        """The last stamped message's delay above the best one; None before the first stamp."""

    def observe(self, received_at: Ns, sent_at: Ns) -> None:
        """Take in one stamped message."""
        difference = received_at - sent_at
        bucket = received_at // BUCKET
        if bucket != self._bucket or difference < self._least:
            self.offset = self._note(bucket, difference)
        assert self.offset is not None
        self.lag = difference - self.offset

    def _note(self, bucket: int, difference: Ns) -> Ns:
        """Take a bucket's first or smallest difference; return the smallest one of all buckets."""
        minima = self._minima
        if bucket != self._bucket:
            minima.append([bucket, difference])
            while minima[0][0] <= bucket - BUCKETS:
                minima.popleft()  # by the clock, not by their number: a quiet connection fills few of them
        minima[-1][1] = self._least = difference
        self._bucket = bucket
        return min(entry[1] for entry in minima)

    def reset(self) -> None:
        """Forget everything: the connection is a new one."""
        self._minima.clear()
        self._bucket = None
        self.offset = self.lag = None
