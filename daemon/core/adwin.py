"""ADWIN: has the mean of a stream changed? A window that grows while it has not, and is new once it has.

The window is kept as sums of ever larger blocks (1, 2, 4, … values, the newest smallest), so that it costs
the logarithm of its length. Every `CLOCK` values each cut between an older and a newer part is tried: means
further apart than `_bound` are a change, and the window begins anew.

Source: Bifet and Gavalda, Learning from time-changing data with adaptive windowing, SDM 2007, with the bound
and the constants of river 0.26 (`river.drift.ADWIN`), whose change points are these.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log, sqrt

import msgspec

CLOCK = 32
"""A cut is looked for every so many values."""
BLOCKS_MAX = 5
"""Blocks of one size; one more, and the two oldest become one of twice the size."""
PART_MIN = 5
"""Values in the shorter part of a cut."""
GRACE = 10
"""Values before the first look."""


class Change(msgspec.Struct, frozen=True):
    """A change: the means before and after the cut where it is plainest."""

    before: float
    after: float


class AdwinTold(msgspec.Struct, frozen=True, array_like=True):
    """A window as it is kept: per size, from 1 up, its blocks as (sum, squared deviations), oldest first."""

    ticks: int = 0
    total: float = 0.0
    deviations: float = 0.0
    rows: tuple[tuple[tuple[float, float], ...], ...] = ((),)


class Adwin:
    """One stream's window. `delta` is how unlikely a found change must be, where there was none."""

    def __init__(self, delta: float, told: AdwinTold | None = None) -> None:
        """Build.

        Args:
            delta: of the test, between 0 and 1.
            told: a window to go on with; None for an empty one.
        """
        self._delta = delta
        told = told or AdwinTold()
        self._ticks, self._total, self._deviations = told.ticks, told.total, told.deviations
        self._rows = [list(row) for row in told.rows]
        self._width = sum(len(row) << power for power, row in enumerate(self._rows))

    @property
    def width(self) -> int:
        """How many values are in the window."""
        return self._width

    @property
    def mean(self) -> float | None:
        """The window's mean; None while it is empty."""
        return self._total / self._width if self._width else None

    def told(self) -> AdwinTold:
        """Return the window, for who goes on with it."""
        rows = tuple(tuple(row) for row in self._rows)
        return AdwinTold(self._ticks, self._total, self._deviations, rows)

    def update(self, value: float) -> Change | None:
        """Take a value; return the change that it shows, if any. The window is empty after one."""
        self._add(value)
        self._ticks += 1
        if self._ticks % CLOCK or self._width <= GRACE:
            return None
        change = self._cut()
        if change is not None:
            self._ticks, self._total, self._deviations, self._rows, self._width = 0, 0.0, 0.0, [[]], 0
        return change

    def _add(self, value: float) -> None:
        if self._width:
            away = value - self._total / self._width
            self._deviations += self._width * away * away / (self._width + 1)
        self._width += 1
        self._total += value
        self._rows[0].append((value, 0.0))
        for power, row in enumerate(self._rows):
            if len(row) <= BLOCKS_MAX:
                break
            if power + 1 == len(self._rows):
                self._rows.append([])
            (total, deviations), (other, others), *row[:] = row
            apart = (total - other) / (1 << power)
            deviations += others + (1 << power) * apart * apart / 2
            self._rows[power + 1].append((total + other, deviations))

    def _cut(self) -> Change | None:
        """The plainest cut whose sides are too far apart; None where there is none."""
        older, sum_of_older = 0, 0.0
        found, plainest = None, 1.0
        for size, total in self._oldest_first():
            older += size
            sum_of_older += total
            newer = self._width - older
            if older < PART_MIN or newer < PART_MIN:
                continue
            before, after = sum_of_older / older, (self._total - sum_of_older) / newer
            plain = abs(before - after) / self._bound(older, newer)
            if plain > plainest:
                found, plainest = Change(before, after), plain
        return found

    def _oldest_first(self) -> Iterator[tuple[int, float]]:
        """The blocks as (values, sum): after each a cut is tried."""
        for power in range(len(self._rows) - 1, -1, -1):
            for total, _ in self._rows[power]:
                yield 1 << power, total

    def _bound(self, older: int, newer: int) -> float:
        confidence = log(2 * log(self._width) / self._delta)
        parts = 1 / (older - PART_MIN + 1) + 1 / (newer - PART_MIN + 1)
        variance = self._deviations / self._width
        return sqrt(2 * parts * variance * confidence) + 2 / 3 * confidence * parts
