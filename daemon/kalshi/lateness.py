"""Whether a connection hands us old messages: a slow consumer, told from a quiet market.

Each second the newest stamped message is looked at: how much later it reached us than the best of the last
minutes (`core/lag`, which needs no common clock). A quiet market brings no message, so there is nothing to
look at, and nothing is said. When one look after the other shows a lag above the limit, what we read lies in
buffers: only a new connection, whose books start from snapshots, brings us back to the present.
"""

from __future__ import annotations

from daemon.core.lag import TransportLag
from daemon.core.units import MILLISECOND, SECOND, Ns

LOOK_EVERY: Ns = SECOND
SLOW_FOR: Ns = 5 * SECOND
"""How long every look must show a lag above the limit."""
SLOW_LOOKS_MIN = 5
"""And how many looks: two late messages with a quiet minute between them are no slow consumer."""


class Lateness:
    """The lag of one connection. Told the time, no clock."""

    __slots__ = ("_lag", "_looked_at", "_slow_looks", "_slow_since", "lag_max")

    def __init__(self, lag_max: Ns | None) -> None:
        """Build; with `lag_max` None no connection is ever found slow."""
        self._lag = TransportLag()
        self.lag_max = lag_max
        self._looked_at: Ns | None = None
        self._slow_since: Ns | None = None
        self._slow_looks = 0

    @property
    def lag(self) -> Ns | None:
        """How late the last message looked at was, above the best one; None before the first."""
        return self._lag.lag

    def reset(self) -> None:
        """Forget everything: the connection is a new one."""
        self._lag.reset()
        self._looked_at = self._slow_since = None
        self._slow_looks = 0

    def look(self, received_at: Ns, sent_at: Ns) -> str | None:
        """Take in the newest stamped message; return why the connection is slow, None while it isn't.

        To be called as often as one likes: one message per second is looked at.
        """
        if self._looked_at is not None and received_at - self._looked_at < LOOK_EVERY:
            return None
        self._looked_at = received_at
        self._lag.observe(received_at, sent_at)
        lag = self._lag.lag
        assert lag is not None, "a lag that was just observed is known"
        if self.lag_max is None or lag <= self.lag_max:
            self._slow_since, self._slow_looks = None, 0
            return None
        if self._slow_since is None:
            self._slow_since = received_at
        self._slow_looks += 1
        if self._slow_looks < SLOW_LOOKS_MIN or received_at - self._slow_since < SLOW_FOR:
            return None
        seconds = (received_at - self._slow_since) // SECOND
        return f"slow consumer: messages came {lag // MILLISECOND} ms late for {seconds} s"
