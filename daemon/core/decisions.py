"""What was decided for each market and why, for people: the last of it, and repetitions once."""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from typing import Literal, TypeAlias

import msgspec

from daemon.core.units import Ns

KEPT = 200
Outcome: TypeAlias = Literal["place", "amend", "cancel", "refused", "idle"]
_STANDING: tuple[Outcome, ...] = ("idle", "refused")
"""What is said once, however often it is decided again."""


class Decision(msgspec.Struct, frozen=True):
    """What was decided for one market and strategy, and why: for people, and for `why`."""

    at: Ns
    ticker: str
    strategy: str
    outcome: Outcome
    reason: str
    score: float | None


class Decisions:
    """The last decisions, and how many there were."""

    def __init__(self) -> None:
        self.last: deque[Decision] = deque(maxlen=KEPT)
        self.noted_total = 0
        """How many were ever kept in `last`."""
        self._reasons: dict[tuple[str, str], str] = {}

    def is_said(self, ticker: str, strategy: str, reason: str) -> bool:
        """Whether an idle decision for this reason would repeat the last of its market and strategy."""
        return self._reasons.get((ticker, strategy)) == reason

    def note(self, decision: Decision) -> None:
        """Keep a decision; one that repeats the last of its market and strategy is not kept."""
        key = (decision.ticker, decision.strategy)
        is_standing = decision.outcome in _STANDING
        # The figures of a refusal change with every tick; it is the same one.
        reason = decision.reason.partition(":")[0] if decision.outcome == "refused" else decision.reason
        if is_standing and self._reasons.get(key) == reason:
            return
        self._reasons[key] = reason if is_standing else ""
        self.noted_total += 1
        self.last.append(decision)

    def forget_gone(self, markets: Container[str], most: int) -> None:
        """Forget what was said of markets that are no more, once more than `most` are remembered."""
        if len(self._reasons) > most:
            self._reasons = {key: reason for key, reason in self._reasons.items() if key[0] in markets}
