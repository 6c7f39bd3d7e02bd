"""Intervals from blocks of independent outcomes: events are drawn, never rows.

The rows of one event share an outcome: 10,000 rows of 30 events are 30 coin tosses. Every figure here is a
ratio of sums over rows; the rows are summed by block once, and a draw of the bootstrap adds whole blocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from daemon.lab.judging.arrays import Floats, NotJudged, matched, vector

DRAWS = 2_000
COVERAGE = 0.95
_DRAWN_AT_ONCE = 1_000_000
BLOCKS_MIN = 20
"""With fewer independent outcomes a percentile interval is too narrow to decide anything by."""


class Interval(msgspec.Struct, frozen=True):
    """A figure with its interval: `low` and `high` bound it in 95 of 100 draws of `blocks` blocks.

    None is unknown: `value` where there is nothing to divide by, the bounds where fewer than 2 blocks are.
    """

    value: float | None
    low: float | None
    high: float | None
    blocks: int

    @property
    def is_above_zero(self) -> bool:
        """Whether the whole interval is above 0, with at least `BLOCKS_MIN` blocks behind it."""
        return self.low is not None and self.low > 0 and self.blocks >= BLOCKS_MIN

    @property
    def is_below_zero(self) -> bool:
        """Whether the whole interval is below 0, with at least `BLOCKS_MIN` blocks behind it."""
        return self.high is not None and self.high < 0 and self.blocks >= BLOCKS_MIN


@dataclass(frozen=True)
class Blocks:
    """Which rows share an outcome: `index` of shape (rows,) counts blocks from 0, in the order of `names`."""

    index: NDArray[np.intp]
    names: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return len(self.names)

    def sums(self, values: ArrayLike) -> Floats:
        """Return the sum of a row figure per block, shape (blocks,)."""
        row_values = matched(values, "values", len(self.index))
        summed: Floats = np.bincount(self.index, weights=row_values, minlength=self.count).astype(np.float64)
        return summed

    def only(self, rows: NDArray[np.bool_]) -> Blocks:
        """Return the blocks of chosen rows; a block without such a row is gone."""
        kept, index = np.unique(self.index[rows], return_inverse=True)
        return Blocks(index, tuple(self.names[number] for number in kept))


def blocks_of(labels: Sequence[object] | NDArray[np.generic]) -> Blocks:
    """Return the blocks of row labels (event tickers, settlement instants); equal labels are one block.

    Raises:
        NotJudged: no rows.
    """
    if not len(labels):
        raise NotJudged("labels: no rows, where at least 1 is needed")
    names, index = np.unique(np.asarray(labels), return_inverse=True)
    return Blocks(index, tuple(str(name) for name in names))


def seeded(seed: int, purpose: str) -> np.random.Generator:
    """Return a generator of its own for one purpose: another figure added moves no draw of this one."""
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big")
    return np.random.default_rng([seed, word])


def drawn_sums(sums: Floats, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
    """Return the column sums of `draws` bootstrap samples of whole blocks.

    Args:
        sums: shape (blocks, columns).
        rng: of the draws.
        draws: how many.

    Returns:
        Shape (draws, columns).
    """
    count = len(sums)
    drawn = np.empty((draws, sums.shape[1]))
    at_once = max(1, _DRAWN_AT_ONCE // count)
    for first in range(0, draws, at_once):
        some = min(at_once, draws - first)
        # How often each block was drawn, all samples of a batch in one count.
        chosen = rng.integers(0, count, (some, count)) + np.arange(some)[:, None] * count
        times = np.bincount(chosen.ravel(), minlength=some * count).reshape(some, count)
        drawn[first : first + some] = times @ sums
    return drawn


def _bounds(drawn: Floats) -> tuple[float | None, float | None]:
    known = drawn[np.isfinite(drawn)]
    if not known.size:
        return None, None
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def ratio_interval(
    numerator: ArrayLike, denominator: ArrayLike, blocks: Blocks, seed: int, draws: int = DRAWS
) -> Interval:
    """Return sum(numerator) / sum(denominator) over rows, with the interval of whole blocks.

    Both are of shape (rows,). The value is None where the denominator sums to 0.
    """
    sums = np.column_stack((blocks.sums(numerator), blocks.sums(denominator)))
    top, bottom = sums.sum(axis=0)
    value = float(top / bottom) if bottom else None
    if blocks.count < 2 or value is None:
        return Interval(value, None, None, blocks.count)
    drawn = drawn_sums(sums, seeded(seed, "ratio"), draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = _bounds(drawn[:, 0] / drawn[:, 1])
    return Interval(value, low, high, blocks.count)


def mean_interval(values: ArrayLike, blocks: Blocks, seed: int, weights: ArrayLike | None = None) -> Interval:
    """Return the (weighted) mean of a row figure of shape (rows,), with the interval of whole blocks."""
    row_values = vector(values, "values")
    row_weights = (
        np.ones(len(row_values)) if weights is None else matched(weights, "weights", len(row_values))
    )
    return ratio_interval(row_values * row_weights, row_weights, blocks, seed)


def paired_difference(ours: ArrayLike, theirs: ArrayLike, blocks: Blocks, seed: int) -> Interval:
    """Return the mean of theirs - ours, losses of the same rows: above 0 is our gain.

    Pairing is what makes it sharp: an easy event is easy for both.
    """
    our_losses = vector(ours, "ours")
    return mean_interval(matched(theirs, "theirs", len(our_losses)) - our_losses, blocks, seed)


def skill_interval(ours: ArrayLike, theirs: ArrayLike, blocks: Blocks, seed: int) -> Interval:
    """Return 1 - sum(ours) / sum(theirs), losses of the same rows: above 0 is our gain, 1 is perfect."""
    ratio = ratio_interval(ours, theirs, blocks, seed)
    if ratio.value is None:
        return ratio
    low = None if ratio.high is None else 1 - ratio.high
    high = None if ratio.low is None else 1 - ratio.low
    return Interval(1 - ratio.value, low, high, ratio.blocks)
