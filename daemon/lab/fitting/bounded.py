"""Logistic regression of a few columns with bounded coefficients: what calibrators and stacks are made of.

The loss is convex and the bounds are a box, so the minimum is the only one. Scikit-learn's has no bounds, and
a slope below 0 would turn a model around.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from daemon.lab.fitting.rows import Floats, NotFitted

INTERCEPT_MAX = 100.0


def fit_bounded(
    columns: Floats, target: Floats, weight: Floats, slope_max: float, slope_min: float = 0.0
) -> tuple[float, Floats]:
    """Return intercept and slopes of least weighted log-loss, slopes within their bounds.

    Args:
        columns: shape (rows, k), finite.
        target: shape (rows,), the share of YES, 0 .. 1.
        weight: shape (rows,), above 0.
        slope_max: no slope is above it.
        slope_min: nor below it.

    Raises:
        NotFitted: a value is not finite, or the search did not end.
    """
    if not np.isfinite(columns).all():
        raise NotFitted("columns: a value is unknown or infinite, where only finite ones are allowed")
    design = np.column_stack((np.ones(len(target)), columns))
    share = weight / weight.sum()

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        eta = design @ line
        fitted = 1 / (1 + np.exp(-np.clip(eta, -500, 500)))
        value = float(share @ (np.logaddexp(0.0, eta) - target * eta))
        slope: NDArray[np.float64] = design.T @ (share * (fitted - target))
        return value, slope

    width = columns.shape[1]
    start = np.concatenate(([0.0], np.full(width, min(slope_max, max(slope_min, 1.0 / width)))))
    bounds = [(-INTERCEPT_MAX, INTERCEPT_MAX), *[(slope_min, slope_max)] * width]
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2_000}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    # "Abnormal" is how the search says that rounding hides any further step: then the slope is flat enough.
    if not found.success and np.abs(_free(found.x, found.jac, bounds)).max() > 1e-5:
        raise NotFitted(f"logistic regression of {len(target)} rows did not end: {found.message}")
    return float(found.x[0]), np.asarray(found.x[1:], dtype=np.float64)


def _free(line: Floats, slope: Floats, bounds: list[tuple[float, float]]) -> Floats:
    """The loss's slope, without what a bound holds back."""
    low, high = np.array(bounds).T
    held = ((line <= low) & (slope > 0)) | ((line >= high) & (slope < 0))
    return np.where(held, 0.0, slope)
