"""How well scores did: the default model, its challenger and the market's own mid, on the same instants.

Each probability is judged by the square of its distance to what the market paid (Brier): 0 is perfect, and
always saying one half is 0.25. Of an open market only sums are kept, for while it is open nobody knows what
it pays; a market counts once, by its mean, however often it ticked.

Source: Brier, Verification of forecasts expressed in terms of probability, 1950.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container

import msgspec

from daemon.core.units import PRICE_ONE, Ns, Price

KEPT = 200
"""Judged markets that are kept for whoever looks."""


class Judged(msgspec.Struct, frozen=True):
    """One market that has ended: mean Brier scores over the instants at which all were scored.

    `challenger` is None where there was none. `outcome` is what one YES contract paid, in dollars.
    """

    at: Ns
    ticker: str
    instants: int
    outcome: float
    model: float
    mid: float
    challenger: float | None


class _Sums:
    """Of one source in one open market: the sums that give its Brier score for any outcome."""

    __slots__ = ("squares", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self.squares = 0.0

    def add(self, p: float) -> None:
        self.total += p
        self.squares += p * p

    def brier(self, outcome: float, count: int) -> float:
        return (self.squares - 2 * outcome * self.total) / count + outcome * outcome


class _Tally:
    """One open market."""

    __slots__ = ("challenger", "count", "mid", "model")

    def __init__(self) -> None:
        self.count = 0
        self.model, self.mid, self.challenger = _Sums(), _Sums(), _Sums()


class ModelRecord:
    """The record of a pair of models; whoever exchanges one of them begins a new one.

    `has_challenger` says whether there is a second model: then an instant counts only where both have scores.
    """

    def __init__(self, *, has_challenger: bool = False) -> None:
        self.has_challenger = has_challenger
        self.comparisons = 0
        """Instants at which both models had a score."""
        self.difference_total = 0.0
        """Sum of the absolute differences between the two over these."""
        self.last: deque[Judged] = deque(maxlen=KEPT)
        self.judged_total = 0
        """Markets that were judged."""
        self.brier_total = {"model": 0.0, "mid": 0.0, **({"challenger": 0.0} if has_challenger else {})}
        """Sums of the markets' Brier scores, by source."""
        self._open: dict[str, _Tally] = {}

    @property
    def difference_mean(self) -> float | None:
        """Mean absolute difference between the two models; None before the first comparison."""
        return self.difference_total / self.comparisons if self.comparisons else None

    def brier(self) -> dict[str, float]:
        """Return the mean Brier score over all judged markets by source; empty before the first one."""
        if not self.judged_total:
            return {}
        return {source: total / self.judged_total for source, total in self.brier_total.items()}

    def compare(self, model: float, challenger: float) -> None:
        """Count the difference of two scores of one row."""
        self.comparisons += 1
        self.difference_total += abs(model - challenger)

    def add(self, ticker: str, model: float, challenger: float | None, mid: float) -> None:
        """Take the probabilities of one instant; where there is a challenger, none counts without its own."""
        if self.has_challenger and challenger is None:
            return
        tally = self._open.get(ticker)
        if tally is None:
            tally = self._open[ticker] = _Tally()
        tally.count += 1
        tally.model.add(model)
        tally.mid.add(mid)
        if challenger is not None:
            tally.challenger.add(challenger)

    def judge(self, ticker: str, paid: Price, at: Ns) -> None:
        """Take what one YES contract of a market paid; a market without scores, or judged before, is none."""
        tally = self._open.pop(ticker, None)
        if tally is None:
            return
        outcome, count = paid / PRICE_ONE, tally.count
        judged = Judged(
            at, ticker, count, outcome, tally.model.brier(outcome, count), tally.mid.brier(outcome, count),
            tally.challenger.brier(outcome, count) if self.has_challenger else None,
        )  # fmt: skip
        self.judged_total += 1
        self.last.append(judged)
        for source in self.brier_total:
            self.brier_total[source] += getattr(judged, source)

    def forget_gone(self, markets: Container[str]) -> None:
        """Forget the sums of markets that are no more."""
        self._open = {ticker: tally for ticker, tally in self._open.items() if ticker in markets}
