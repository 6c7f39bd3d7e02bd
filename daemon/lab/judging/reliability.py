"""Whether what was said at 30 % happened in 30 %: bins with counts and bands, and ECE against its null.

The expected calibration error of a perfect model is not 0: over ten bins it is .111 with 100 rows and .011
with 10,000. So it is compared with what a calibrated model of the same probabilities would have shown, never
with a fixed threshold.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from daemon.lab.judging.arrays import Floats, NotJudged, judged_pair, probabilities, weights_of
from daemon.lab.judging.blocks import Blocks, ratio_interval, seeded

BINS = 10
NULL_DRAWS = 1_000
BANDS_DRAWS = 500


class ReliabilityBin(msgspec.Struct, frozen=True):
    """One bin of the diagram: rows said `low` .. `high`, on average `said`; `rate` of them were YES.

    `rate_low` and `rate_high` bound the rate in 95 of 100 draws of blocks; None with fewer than 2 of them.
    """

    low: float
    high: float
    rows: int
    blocks: int
    said: float
    rate: float
    rate_low: float | None
    rate_high: float | None


class CalibrationError(msgspec.Struct, frozen=True):
    """ECE beside what a calibrated model would show: `null_mean` and `null_high` (its 95th percentile).

    `p_value` is the share of draws of the null that show as much; below 0.05 the model is not calibrated.
    """

    ece: float
    null_mean: float
    null_high: float
    p_value: float


def bin_edges(said: ArrayLike, bins: int = BINS, rule: Literal["width", "count"] = "width") -> Floats:
    """Return edges from 0 to 1: of equal width, or with equal counts of rows (fewer where p repeats).

    Raises:
        NotJudged: fewer than 1 bin.
    """
    if bins < 1:
        raise NotJudged(f"bins is {bins}, where 1 or more is allowed")
    if rule == "width":
        return np.arange(bins + 1) / bins
    inner = np.quantile(probabilities(said, "said"), np.arange(1, bins) / bins)
    return np.unique(np.concatenate(([0.0], inner, [1.0])))


def _bin_of(p: Floats, edges: Floats) -> NDArray[np.intp]:
    # A bin holds its lower edge; the last one holds both.
    return np.minimum(np.searchsorted(edges, p, side="right") - 1, len(edges) - 2)


def reliability_bins(
    said: ArrayLike, outcomes: ArrayLike, blocks: Blocks, seed: int, edges: Floats | None = None
) -> tuple[ReliabilityBin, ...]:
    """Return the bins that have rows, in order, with bands from whole blocks."""
    p, y = judged_pair(said, outcomes)
    edges = bin_edges(p) if edges is None else edges
    bin_of = _bin_of(p, edges)
    found = []
    for number in range(len(edges) - 1):
        rows = bin_of == number
        if not rows.any():
            continue
        inside = blocks.only(rows)
        rate = ratio_interval(y[rows], np.ones(int(rows.sum())), inside, seed, BANDS_DRAWS)
        assert rate.value is not None, "a bin with rows has a rate"
        found.append(
            ReliabilityBin(
                low=float(edges[number]),
                high=float(edges[number + 1]),
                rows=int(rows.sum()),
                blocks=inside.count,
                said=float(p[rows].mean()),
                rate=rate.value,
                rate_low=rate.low,
                rate_high=rate.high,
            )
        )
    return tuple(found)


def ece(
    said: ArrayLike, outcomes: ArrayLike, edges: Floats | None = None, weights: ArrayLike | None = None
) -> float:
    """Return the expected calibration error: the mean over bins, by weight, of |mean p - rate|."""
    p, y = judged_pair(said, outcomes)
    edges = bin_edges(p) if edges is None else edges
    return _ece(_bin_of(p, edges), p - y, weights_of(weights, len(p)), len(edges) - 1)


def _ece(bin_of: NDArray[np.intp], excess: Floats, weights: Floats, bins: int) -> float:
    # |sum of w (p - y)| of a bin is its weight times |mean p - rate|.
    sums = np.bincount(bin_of, weights=weights * excess, minlength=bins)
    return float(np.abs(sums).sum() / weights.sum())


def null_outcomes(said: ArrayLike, blocks: Blocks | None, rng: np.random.Generator) -> Floats:
    """Return outcomes as a calibrated model would see them: each row is YES with the probability said.

    Rows of one block share one uniform draw: a row is YES if the draw is below what it said. That is exact
    for a ladder of strikes at one instant, and takes the rows of an event as dependent as they can be, which
    widens the null rather than narrowing it. Without blocks, rows are independent.
    """
    p = probabilities(said, "said")
    if blocks is None:
        return (rng.random(len(p)) < p).astype(np.float64)
    return (rng.random(blocks.count)[blocks.index] < p).astype(np.float64)


def ece_against_null(
    said: ArrayLike,
    outcomes: ArrayLike,
    seed: int,
    blocks: Blocks | None = None,
    edges: Floats | None = None,
    draws: int = NULL_DRAWS,
) -> CalibrationError:
    """Return ECE with its parametric-bootstrap null: the same probabilities, outcomes drawn from them."""
    p, y = judged_pair(said, outcomes)
    edges = bin_edges(p) if edges is None else edges
    bin_of, weights, bins = _bin_of(p, edges), np.ones(len(p)), len(edges) - 1
    shown = _ece(bin_of, p - y, weights, bins)
    rng = seeded(seed, "ece")
    null = np.array([_ece(bin_of, p - null_outcomes(p, blocks, rng), weights, bins) for _ in range(draws)])
    # The sample itself counts as one draw, so that no p-value is 0.
    at_least = (np.count_nonzero(null >= shown - 1e-12) + 1) / (draws + 1)
    return CalibrationError(shown, float(null.mean()), float(np.quantile(null, 0.95)), float(at_least))
