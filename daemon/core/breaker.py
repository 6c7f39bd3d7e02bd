"""The circuit breaker: three failures in a row, and nothing new leaves until the venue answers again.

    closed ──3 failures in a row──▶ open ──a probe is answered──▶ half_open ──a request is answered──▶ closed
                                     ▲                               │
                                     └────────── a failure ──────────┘

Opening asks for cancel-all. While open only probes, cancels and reads go out. Half open, one new order
at a time goes out. A failure is a request that the venue did not answer; a rejection is an answer.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from daemon.core.units import Ns

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]


class Breaker:
    """Counts failures in a row and says what may go out."""

    def __init__(self, failures_max: int) -> None:
        self.failures_max = failures_max
        self.state: BreakerState = "closed"
        self.failures = 0
        self.opened_at: Ns | None = None
        self.opened_total = 0

    def fail(self, at: Ns) -> bool:
        """Take in one failure; True when it opens the breaker."""
        self.failures += 1
        opens = self.state == "half_open" or (self.state == "closed" and self.failures >= self.failures_max)
        if opens:
            self.state = "open"
            self.opened_at = at
            self.opened_total += 1
        return opens

    def answer(self, *, is_probe: bool) -> None:
        """Take in one answer. An open breaker listens to probes only: late answers prove nothing now."""
        if self.state == "open":
            if is_probe:
                self.state = "half_open"
                self.failures = 0
            return
        self.failures = 0
        if not is_probe:
            self.state = "closed"
