"""Fees that change at a time known beforehand. Pure: told the venue's list and the time.

The venue drops a change from its list when it takes place, and what it then lists may be a cached page of
the time before. So a change is put in force by ourselves, AHEAD of its time, and held for a while; then
the venue's word counts again.
"""

from __future__ import annotations

from collections.abc import Sequence

from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kalshi.bodies import FeeChange

AHEAD: Ns = SECOND
"""A change is in force for us this long before its time: an order sent now may be matched then."""
HOLD: Ns = MINUTE
"""The change outlives contradicting listings for so long: several ages of a cached page (15 s, sheet 1.6)."""


class FeeCalendar:
    """The scheduled changes, and those of them that are in force by our own word."""

    def __init__(self) -> None:
        self._planned: tuple[FeeChange, ...] = ()
        self._held: dict[str, FeeChange] = {}

    def plan(self, changes: Sequence[FeeChange]) -> None:
        """Take the venue's list instead of the last one; what is held stays held."""
        self._planned = tuple(sorted(changes, key=lambda change: (change.at, change.series_ticker)))

    def take_due(self, now: Ns) -> tuple[FeeChange, ...]:
        """Return, once, the changes whose time has come, in their order; they are held from now on.

        What lies further back than it would be held for is left to the venue's listings.
        """
        due = tuple(change for change in self._planned if change.at <= now + AHEAD)
        self._planned = self._planned[len(due) :]
        fresh = tuple(
            change
            for change in due
            if now < change.at + HOLD and self._held.get(change.series_ticker) != change
        )
        self._held |= {change.series_ticker: change for change in fresh}
        return fresh

    def release(self, now: Ns) -> bool:
        """End the holds whose time is over; whether there was one, for then fees are to be read again."""
        over = [series for series, change in self._held.items() if now >= change.at + HOLD]
        for series in over:
            del self._held[series]
        return bool(over)

    def held(self, series_ticker: str) -> FeeChange | None:
        """Return the change that is in force by our own word; None when the venue's listing counts."""
        return self._held.get(series_ticker)
