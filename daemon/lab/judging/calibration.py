"""Tests of calibration that need no bins: Spiegelhalter's Z, and the line of outcome on what was said.

Both take blocks: rows of one event share an outcome, and what counts rows as independent finds everything
significant. With blocks, variances are those of the blocks' sums.
"""

from __future__ import annotations

from math import erfc, inf, isfinite, sqrt
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from daemon.lab.judging.arrays import Floats, judged_pair
from daemon.lab.judging.blocks import COVERAGE, Blocks
from daemon.lab.judging.scores import PROBABILITY_MIN

_Z95 = NormalDist().inv_cdf((1 + COVERAGE) / 2)
_STEPS_MAX = 50
_CONVERGED = 1e-10
_LINE_MAX = 50.0
"""Beyond this slope or intercept the outcomes are separated: there is no line, only a step."""


class ZTest(msgspec.Struct, frozen=True):
    """A standard normal figure and its two-sided p-value; None where nothing was at stake."""

    z: float | None
    p_value: float | None


def spiegelhalter(said: ArrayLike, outcomes: ArrayLike, blocks: Blocks | None = None) -> ZTest:
    """Return Spiegelhalter's Z: standard normal for a calibrated model, above 0 for an over-confident one.

    Z = sum((y - p)(1 - 2p)) / sqrt(sum((1 - 2p)^2 p (1 - p))). With blocks, the variance is the sum of
    squares of the blocks' sums. None where every p is 0, 1/2 or 1. Source: Spiegelhalter 1986.
    """
    p, y = judged_pair(said, outcomes)
    terms = (y - p) * (1 - 2 * p)
    if blocks is None:
        variance = float(np.sum(np.square(1 - 2 * p) * p * (1 - p)))
    else:
        variance = float(np.sum(np.square(blocks.sums(terms))))
    if not variance:
        return ZTest(None, None)
    z = float(terms.sum()) / sqrt(variance)
    return ZTest(z, erfc(abs(z) / sqrt(2)))


def logit(p: ArrayLike) -> Floats:
    """Return ln(p / (1 - p)), p clipped to `PROBABILITY_MIN` from either end."""
    clipped = np.clip(np.asarray(p, dtype=np.float64), PROBABILITY_MIN, 1 - PROBABILITY_MIN)
    return np.log(clipped) - np.log1p(-clipped)


class Line(msgspec.Struct, frozen=True):
    """logit P(YES) = intercept + slope x logit(said): calibrated is (0, 1), slope below 1 is over-confident.

    Each with its 95 % interval. All None where the outcomes allow no line: all the same, all that was said
    the same, or perfectly separated.
    """

    slope: float | None
    slope_low: float | None
    slope_high: float | None
    intercept: float | None
    intercept_low: float | None
    intercept_high: float | None


NO_LINE = Line(None, None, None, None, None, None)


def calibration_line(said: ArrayLike, outcomes: ArrayLike, blocks: Blocks | None = None) -> Line:
    """Return calibration slope and intercept by maximum likelihood, with sandwich intervals over blocks.

    Source: Cox 1958; the sandwich is Liang and Zeger 1986, with the factor B / (B - 1) for B blocks.
    """
    p, y = judged_pair(said, outcomes)
    x = logit(p)
    if y.min() == y.max() or x.min() == x.max():
        return NO_LINE
    design = np.column_stack((np.ones(len(x)), x))
    fitted = _newton(design, y)
    if fitted is None:
        return NO_LINE
    line, fitted_p = fitted
    hessian = design.T @ (design * (fitted_p * (1 - fitted_p))[:, None])
    bread = np.linalg.inv(hessian)
    spread = np.sqrt(np.diag(bread @ _meat(design * (y - fitted_p)[:, None], hessian, blocks) @ bread))
    (intercept, slope), (intercept_error, slope_error) = line, _Z95 * spread
    return Line(
        slope=float(slope),
        slope_low=float(slope - slope_error),
        slope_high=float(slope + slope_error),
        intercept=float(intercept),
        intercept_low=float(intercept - intercept_error),
        intercept_high=float(intercept + intercept_error),
    )


def _meat(scores: Floats, hessian: Floats, blocks: Blocks | None) -> NDArray[np.float64]:
    """The scores' variance: of whole blocks, or the model's own where rows are independent."""
    if blocks is None:
        return hessian
    sums = np.column_stack([blocks.sums(scores[:, column]) for column in range(scores.shape[1])])
    factor = blocks.count / (blocks.count - 1) if blocks.count > 1 else inf
    return factor * (sums.T @ sums) if isfinite(factor) else np.full((2, 2), np.nan)


def _newton(design: Floats, y: Floats) -> tuple[Floats, Floats] | None:
    """Logistic regression by Newton's steps; None where it does not converge."""
    line = np.array([0.0, 1.0])
    loss = inf
    step = np.zeros(2)
    for _ in range(_STEPS_MAX):
        eta = design @ line
        now = float(np.sum(np.logaddexp(0.0, eta) - y * eta))
        if now > loss + 1e-9:
            # Overshot: half the step back.
            step = step / 2
            line = line - step
            continue
        loss = now
        p = 1 / (1 + np.exp(-np.clip(eta, -500, 500)))
        hessian = design.T @ (design * (p * (1 - p))[:, None])
        if np.linalg.cond(hessian) > 1e14:
            return None
        step = np.linalg.solve(hessian, design.T @ (y - p))
        if np.abs(step).max() < _CONVERGED:
            return line, p
        line = line + step
        if np.abs(line).max() > _LINE_MAX:
            return None
    return None
