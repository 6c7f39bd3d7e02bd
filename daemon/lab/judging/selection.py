"""How much of a record is luck: PSR, DSR with the trial count, and PBO.

Ratios here are per period, not annualised. Sources: Bailey and López de Prado 2012 (PSR), 2014 (DSR); Bailey,
Borwein, López de Prado, Zhu 2017 (PBO by combinatorially symmetric cross-validation).
"""

from __future__ import annotations

from itertools import combinations
from math import e, sqrt
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from daemon.lab.judging.arrays import Floats, NotJudged, vector

EULER_GAMMA = 0.5772156649015329
SPLIT_BLOCKS = 16
_NORMAL = NormalDist()


def sharpe_probability(
    ratio: float, benchmark: float, periods: int, skew: float = 0.0, kurtosis: float = 3.0
) -> float | None:
    """Return the probability that the true ratio is above a benchmark, both per period.

    Args:
        ratio: observed.
        benchmark: to be above.
        periods: that were observed.
        skew: of the returns.
        kurtosis: of the returns; 3 is normal.

    Returns:
        None with fewer than 2 periods, or where the moments leave no variance.
    """
    variance = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    if periods < 2 or variance <= 0:
        return None
    return _NORMAL.cdf((ratio - benchmark) * sqrt(periods - 1) / sqrt(variance))


def moments(returns: ArrayLike) -> tuple[float, float, float] | None:
    """Return (ratio, skew, kurtosis) of returns; None with fewer than 2 of them or constant ones."""
    values = vector(returns, "returns")
    if len(values) < 2:
        return None
    centred = values - values.mean()
    spread = float(np.sqrt(np.mean(centred**2)))
    if spread <= 1e-12 * max(1.0, abs(float(values.mean()))):
        return None
    ratio = float(values.mean() / values.std(ddof=1))
    return ratio, float(np.mean(centred**3)) / spread**3, float(np.mean(centred**4)) / spread**4


def psr(returns: ArrayLike, benchmark: float = 0.0) -> float | None:
    """Return the probability that the true Sharpe ratio is above a benchmark, per period."""
    shape = moments(returns)
    return None if shape is None else sharpe_probability(shape[0], benchmark, np.size(returns), *shape[1:])


def luckiest(trials: int) -> float:
    """Return the ratio, in standard deviations, expected of the best of so many worthless trials.

    0 for one trial: nothing was chosen.

    Raises:
        NotJudged: fewer than 1 trial.
    """
    if trials < 1:
        raise NotJudged(f"trials is {trials}, where 1 or more is allowed")
    if trials == 1:
        return 0.0
    first, second = _NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * e))
    return (1 - EULER_GAMMA) * first + EULER_GAMMA * second


def dsr(returns: ArrayLike, trials: int, variance: float | None = None) -> float | None:
    """Return the probability that the true ratio is above the luckiest of `trials` worthless ones.

    Args:
        returns: of the trial that was chosen.
        trials: how many were tried, all of them.
        variance: of the trials' ratios per period; 1 / periods when None, that of worthless trials.
    """
    periods = np.size(returns)
    return psr(returns, sqrt(1 / periods if variance is None else variance) * luckiest(trials))


class Overfitting(msgspec.Struct, frozen=True):
    """`pbo` is the share of splits in which the best of one half is below the other half's median."""

    pbo: float
    splits: int
    trials: int


def pbo(returns: ArrayLike, blocks: int = SPLIT_BLOCKS) -> Overfitting:
    """Return the probability of backtest overfitting, over all halves of `blocks` blocks of time.

    Args:
        returns: shape (periods, trials), one column per trial of the sweep.
        blocks: even; 16 give 12,870 splits. Periods beyond a multiple of it are left out, at the end.

    Raises:
        NotJudged: fewer than 2 trials, an odd or too small count of blocks, or fewer than 2 periods a block.
    """
    table = np.asarray(returns, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise NotJudged(f"returns: shape {table.shape}, where (periods, 2 or more trials) is allowed")
    if blocks < 2 or blocks % 2:
        raise NotJudged(f"blocks is {blocks}, where even numbers from 2 are allowed")
    size = len(table) // blocks
    if size < 2:
        raise NotJudged(f"returns: {len(table)} periods, where {blocks} blocks need {2 * blocks}")
    parts = table[: size * blocks].reshape(blocks, size, -1)
    sums, squares = parts.sum(axis=1), np.square(parts).sum(axis=1)
    chosen = list(combinations(range(blocks), blocks // 2))
    halves = np.zeros((len(chosen), blocks))
    halves[np.arange(len(chosen))[:, None], np.array(chosen)] = 1
    inside = _ratios(halves, sums, squares, size * blocks // 2)
    outside = _ratios(1 - halves, sums, squares, size * blocks // 2)
    best = outside[np.arange(len(chosen)), inside.argmax(axis=1)]
    # The rank of the best among the others' ratios, ties in the middle, as a share of 0 .. 1.
    below = (outside < best[:, None]).sum(axis=1) + ((outside == best[:, None]).sum(axis=1) - 1) / 2
    rank = (below + 1) / (table.shape[1] + 1)
    return Overfitting(float(np.mean(rank < 0.5)), len(chosen), table.shape[1])


def _ratios(halves: Floats, sums: Floats, squares: Floats, periods: int) -> Floats:
    """Sharpe ratios of each split (row) and trial (column); a constant trial has 0."""
    mean = halves @ sums / periods
    variance = np.maximum(halves @ squares / periods - mean**2, 0)
    spread = np.sqrt(variance)
    return np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 1e-12)
