"""How far probabilities were from what happened: Brier with its parts, log-loss, AUC.

Losses come per row (`*_losses`, for pairing and for blocks) and as weighted means. Weights are what a row
counts, such as its number of trades, or 1 / its number of overlapping labels.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from daemon.lab.judging.arrays import Floats, judged_pair, weights_of

PROBABILITY_MIN = 1e-4
"""One unit of the price scale: no price says less, so a 0 that was wrong costs as much as that."""


def brier_losses(said: ArrayLike, outcomes: ArrayLike) -> Floats:
    """Return (p - y)^2 per row, shape (rows,). Raises NotJudged for what is no probability or outcome."""
    p, y = judged_pair(said, outcomes)
    losses: Floats = np.square(p - y)
    return losses


def log_losses(said: ArrayLike, outcomes: ArrayLike) -> Floats:
    """Return -ln of the probability of what happened per row, in nats, clipped at `PROBABILITY_MIN`."""
    p, y = judged_pair(said, outcomes)
    losses: Floats = -np.log(np.clip(np.where(y == 1, p, 1 - p), PROBABILITY_MIN, 1.0))
    return losses


def brier(said: ArrayLike, outcomes: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the mean of (p - y)^2: 0 is perfect, 0.25 is what a coin says."""
    losses = brier_losses(said, outcomes)
    return float(np.average(losses, weights=weights_of(weights, len(losses))))


def log_loss(said: ArrayLike, outcomes: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the mean log-loss in nats: 0 is perfect, 0.693 is what a coin says."""
    losses = log_losses(said, outcomes)
    return float(np.average(losses, weights=weights_of(weights, len(losses))))


class BrierParts(msgspec.Struct, frozen=True):
    """brier = reliability - resolution + uncertainty + within, exactly.

    `within` is what the bins' width leaves over: variance of p minus twice its covariance with the outcome,
    inside the bins. Source: Murphy 1973; Stephenson, Coelho, Jolliffe 2008 for `within`.
    """

    brier: float
    reliability: float
    """Mean square distance of what was said and what happened, by bin: 0 is calibrated."""
    resolution: float
    """How far the bins' rates are from the base rate: the more, the better."""
    uncertainty: float
    """Base rate x (1 - base rate): how hard the rows are."""
    within: float


def brier_parts(
    said: ArrayLike, outcomes: ArrayLike, bins: int = 10, weights: ArrayLike | None = None
) -> BrierParts:
    """Return the Brier score in its parts, over bins of equal width."""
    p, y = judged_pair(said, outcomes)
    w = weights_of(weights, len(p))
    w = w / w.sum()
    bin_of = np.minimum((p * bins).astype(np.intp), bins - 1)
    share = np.bincount(bin_of, weights=w, minlength=bins)
    full = share > 0
    safe = np.where(full, share, 1.0)
    said_mean = np.bincount(bin_of, weights=w * p, minlength=bins) / safe
    rate = np.bincount(bin_of, weights=w * y, minlength=bins) / safe
    base = min(1.0, float(w @ y))  # rounded weights may sum to a trifle more than 1
    spread = p - said_mean[bin_of]
    return BrierParts(
        brier=float(w @ np.square(p - y)),
        reliability=float(share @ np.square(said_mean - rate)),
        resolution=float(share @ (np.square(rate - base) * full)),
        uncertainty=base * (1 - base),
        within=float(w @ (np.square(spread) - 2 * spread * (y - rate[bin_of]))),
    )


def auc(said: ArrayLike, outcomes: ArrayLike) -> float | None:
    """Return the chance that a row that was YES got more than one that was NO, ties counting half.

    None where all outcomes are the same.
    """
    p, y = judged_pair(said, outcomes)
    yes = int(y.sum())
    no = len(y) - yes
    if not yes or not no:
        return None
    _, index, counts = np.unique(p, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    rank = (ends - (counts - 1) / 2)[index]
    return float((rank[y == 1].sum() - yes * (yes + 1) / 2) / (yes * no))


def excess_win_rate(price: ArrayLike, outcomes: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the win rate minus the price, both as shares of 1: what buyers gained before fees."""
    p, y = judged_pair(price, outcomes)
    return float(np.average(y - p, weights=weights_of(weights, len(p))))
