"""The population stability index: are the features that we see those that a model was trained on?

    PSI = sum over the bins of (seen - trained) ln(seen / trained), both as shares

Bins are by the training's quantiles. With n independent observations of either side and B bins, it is about
(B - 1)(1/n + 1/m) where nothing has changed: it says nothing before some hundreds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import log

import msgspec


class Bins(msgspec.Struct, frozen=True):
    """One feature's training: the bins end at `cuts`, each within; one more is open above.

    `shares` are of the training's known values, one more than the cuts.
    """

    name: str
    cuts: tuple[float, ...]
    shares: tuple[float, ...]


class Stability:
    """Counts the values of a model's features by bin; a value that is not known counts nowhere."""

    def __init__(self, bins: Sequence[Bins], places: Mapping[str, int]) -> None:
        """Build.

        Args:
            bins: of the features that have them.
            places: where in a row a feature stands, by name.
        """
        self._bins = tuple((one, places[one.name]) for one in bins)
        self._counts = [[0] * len(one.shares) for one in bins]

    def add(self, row: Sequence[float | None]) -> None:
        """Count one row."""
        for (one, place), counts in zip(self._bins, self._counts, strict=True):
            value = row[place]
            if value is not None and value == value:  # NaN
                counts[bisect_left(one.cuts, value)] += 1

    def indices(self) -> tuple[tuple[str, float], ...]:
        """Return (feature, index), the highest first; a feature that was never known has none."""
        found = [
            (one.name, index(counts, one.shares))
            for (one, _), counts in zip(self._bins, self._counts, strict=True)
            if any(counts)
        ]
        return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))

    def told(self) -> tuple[tuple[int, ...], ...]:
        """Return the counts, for who goes on with them."""
        return tuple(tuple(counts) for counts in self._counts)

    def recover(self, told: Sequence[Sequence[int]]) -> None:
        """Go on with counts of the same model."""
        self._counts = [list(counts) for counts in told]

    def clear(self) -> None:
        """Begin a new window."""
        self._counts = [[0] * len(counts) for counts in self._counts]


def index(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return the index of counts, not all 0, against shares; an empty bin counts as half a value."""
    total = sum(counts)
    least = 0.5 / total
    pairs = [
        (max(count / total, least), max(share, least)) for count, share in zip(counts, shares, strict=True)
    ]
    return sum((seen - trained) * log(seen / trained) for seen, trained in pairs)
