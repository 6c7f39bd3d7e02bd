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
        self._reasons: dict[str, dict[str, str]] = {}
        """By strategy and market: what was said last and still stands; empty where nothing does."""

    def is_said(self, ticker: str, strategy: str, reason: str) -> bool:
        """Whether an idle decision for this reason would repeat the last of its market and strategy."""
        reasons = self._reasons.get(strategy)
        return reasons is not None and reasons.get(ticker) == reason

    def note(self, decision: Decision) -> None:
        """Keep a decision; one that repeats the last of its market and strategy is not kept."""
        reasons, ticker = self._reasons.setdefault(decision.strategy, {}), decision.ticker
        is_standing = decision.outcome in _STANDING
        # The figures of a refusal change with every tick; it is the same one.
        reason = decision.reason.partition(":")[0] if decision.outcome == "refused" else decision.reason
        if is_standing and reasons.get(ticker) == reason:
            return
        reasons[ticker] = reason if is_standing else ""
        self.noted_total += 1
        self.last.append(decision)

    def forget_gone(self, markets: Container[str], most: int) -> None:
        """Forget what was said of markets that are no more, once more than `most` are remembered."""
        if sum(map(len, self._reasons.values())) > most:
            for reasons in self._reasons.values():
                for ticker in [ticker for ticker in reasons if ticker not in markets]:
                    del reasons[ticker]
