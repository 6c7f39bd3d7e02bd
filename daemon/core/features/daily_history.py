"""One market's past days: a bar each, of which a day's features are made.

Days are UTC days, counted from the Unix epoch. Features of a day know the days before it and nothing of it:
the last bar they read is yesterday's, and until that is in, they are unknown.
"""

from __future__ import annotations

from fractions import Fraction

from daemon.core.events import DailyBarRead
from daemon.core.units import Money, Qty

DAYS_KEPT = 21
"""Twenty for the range, one more for the oldest return."""


class DailyHistory:
    """The last days' bars, in any order of arrival; a day that is told again replaces what it was."""

    __slots__ = ("_bars", "is_read", "revision")

    def __init__(self) -> None:
        self._bars: dict[int, DailyBarRead] = {}
        self.is_read = False
        """Whether any feature reads it: else nothing is kept."""
        self.revision = 0

    def on_bar(self, bar: DailyBarRead) -> None:
        """Take a day's bar."""
        if not self.is_read:
            return
        self._bars[bar.day] = bar
        self.revision += 1
        oldest = max(self._bars) - DAYS_KEPT
        for day in [day for day in self._bars if day <= oldest]:
            del self._bars[day]

    def price(self, day: int) -> Fraction | None:
        """Return a day's mean price in 1e-4 $, weighted by size; None where nothing was traded or known."""
        bar = self._bars.get(day)
        return None if bar is None or not bar.qty else Fraction(bar.turnover, bar.qty)

    def qty(self, day: int) -> Qty | None:
        """Return the contracts that a day traded; None when unknown."""
        bar = self._bars.get(day)
        return None if bar is None else bar.qty

    def values(self, day: int) -> tuple[Money, Money] | None:
        """Return what takers of YES and takers of NO paid on a day; None when unknown."""
        bar = self._bars.get(day)
        return None if bar is None else (bar.yes_value, bar.no_value)
