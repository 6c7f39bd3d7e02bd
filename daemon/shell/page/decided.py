"""What was decided, as a person looks at it: what was done or refused, in order, and what stands now.

The core notes hundreds of "nothing to do" for each order. Here only the last of a market and strategy is kept
of those: it says why nothing happens now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container

from daemon.core.decisions import Decision, Decisions

ACTS_KEPT = 60


class Decided:
    """What was decided lately.

    `acts` are the decisions that did something, or were refused, oldest first. `missed` counts those that the
    core had noted and forgotten between two looks.
    """

    def __init__(self) -> None:
        self.acts: deque[Decision] = deque(maxlen=ACTS_KEPT)
        self.missed = 0
        self._standing: dict[tuple[str, str], Decision] = {}
        self._noted = 0

    def take(self, decisions: Decisions) -> None:
        """Take what the core has noted since the last time."""
        new = decisions.noted_total - self._noted
        self._noted = decisions.noted_total
        if not new:
            return
        last = list(decisions.last)
        self.missed += max(0, new - len(last))
        for decision in last[-new:]:
            self._standing[decision.ticker, decision.strategy] = decision
            if decision.outcome != "idle":
                self.acts.append(decision)

    def standing(self, ticker: str) -> tuple[Decision, ...]:
        """Return the last decision of each strategy in a market, by the strategy's name."""
        return tuple(self._standing[key] for key in sorted(self._standing) if key[0] == ticker)

    def forget(self, markets: Container[str]) -> None:
        """Forget what stood in all markets but these."""
        self._standing = {key: one for key, one in self._standing.items() if key[0] in markets}
