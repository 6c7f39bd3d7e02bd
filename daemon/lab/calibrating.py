"""Calibrators fitted on a later slice than the model's own, by a method that the outcomes can carry.

| independent outcomes | method | why |
|---|---|---|
| below 1,000 | Platt, two parameters | at 500 isotonic costs nine times the log-loss of Platt |
| below 10,000 | beta, three | cheap and dear may be wrong in different ways, and now that can be seen |
| from there | isotonic, clipped to [1/(n+2), 1-1/(n+2)] | else it says 0 and 1, on which Kelly stakes all |

Rows of one event are one outcome, whatever their number. Slopes below 0 are not allowed: a model that is
wrong the other way round is not turned around, it is said to know nothing.

Sources: Platt, Probabilistic outputs for support vector machines, 1999 (the targets too); Kull, Silva Filho,
Flach, Beta calibration, 2017; Zadrozny, Elkan 2002; the table is measured on simulated outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

import msgspec
import numpy as np
from sklearn.isotonic import IsotonicRegression

from daemon.lab.fitting.bounded import fit_bounded
from daemon.lab.fitting.rows import Floats, NotFitted, check_outcomes
from daemon.lab.folds import LeakFound, Rows, Rule, Span
from daemon.scoring.calibrators import P_MIN, Beta, Calibrator, Isotonic, Platt

Method: TypeAlias = Literal["platt", "beta", "isotonic"]

OUTCOMES_MIN = 20
BETA_FROM = 1_000
ISOTONIC_FROM = 10_000
_SLOPE_MAX = 1_000.0
_POINTS_MAX = 10_000


class Calibration(msgspec.Struct, frozen=True):
    """A calibrator, and the number of independent outcomes that it was fitted on."""

    calibrator: Calibrator
    method: Method
    outcomes: int

    @property
    def content(self) -> bytes:
        """What `calibrator.json` holds."""
        return msgspec.json.encode(self.calibrator)

    def apply(self, said: Floats) -> Floats:
        """Return calibrated probabilities, shape (rows,), as the daemon's calibrator says them."""
        return np.array([self.calibrator.apply(p) for p in said.tolist()])


def method_for(outcomes: int) -> Method:
    """Return the method that so many independent outcomes can carry.

    Raises:
        NotFitted: they are too few for any.
    """
    if outcomes < OUTCOMES_MIN:
        raise NotFitted(f"{outcomes} independent outcomes are too few to calibrate by: {OUTCOMES_MIN} needed")
    if outcomes < BETA_FROM:
        return "platt"
    return "beta" if outcomes < ISOTONIC_FROM else "isotonic"


def calibrate(said: Floats, y: Floats, weight: Floats, group: Rows) -> Calibration:
    """Return the calibrator of a later slice.

    Args:
        said: the model's P(YES), shape (rows,).
        y: 1 for YES, 0 for NO.
        weight: what each row counts, above 0.
        group: number of the row's independent outcome.

    Raises:
        NotFitted: too few outcomes, all of them the same, or a probability that is none.
    """
    _check(said, y, weight, group)
    outcomes = len(np.unique(group))
    method = method_for(outcomes)
    calibrator: Calibrator
    if method == "platt":
        calibrator = fit_platt(said, y, weight, group)
    elif method == "beta":
        calibrator = fit_beta(said, y, weight, group)
    else:
        calibrator = fit_isotonic(said, y, weight, group)
    return Calibration(calibrator, method, outcomes)


def fit_platt(said: Floats, y: Floats, weight: Floats, group: Rows) -> Platt:
    """Return Platt's line. Arguments and errors as `calibrate`, but for the number of outcomes."""
    _check(said, y, weight, group)
    clipped = np.clip(said, P_MIN, 1 - P_MIN)
    column = np.log(clipped) - np.log1p(-clipped)
    intercept, (slope,) = fit_bounded(column[:, None], _targets(y, weight, group), weight, _SLOPE_MAX)
    return Platt(slope=float(slope), intercept=intercept)


def fit_beta(said: Floats, y: Floats, weight: Floats, group: Rows) -> Beta:
    """Return beta calibration. Arguments and errors as `fit_platt`."""
    _check(said, y, weight, group)
    clipped = np.clip(said, P_MIN, 1 - P_MIN)
    columns = np.column_stack((np.log(clipped), -np.log1p(-clipped)))
    intercept, (a, b) = fit_bounded(columns, _targets(y, weight, group), weight, _SLOPE_MAX)
    return Beta(a=float(a), b=float(b), c=intercept)


def fit_isotonic(said: Floats, y: Floats, weight: Floats, group: Rows) -> Isotonic:
    """Return the rising line of least squares. Arguments and errors as `fit_platt`."""
    _check(said, y, weight, group)
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit(said, y, sample_weight=weight)
    places = np.asarray(fitted.X_thresholds_, dtype=np.float64)
    heights = np.maximum.accumulate(np.asarray(fitted.y_thresholds_, dtype=np.float64))
    if len(places) > _POINTS_MAX:
        kept = np.unique(np.linspace(0, len(places) - 1, _POINTS_MAX).round().astype(np.intp))
        places, heights = places[kept], heights[kept]
    points = tuple(zip(places.tolist(), heights.tolist(), strict=True))
    return Isotonic(outcomes=len(np.unique(group)), points=points)


def check_slices(span: Span, slices: Sequence[Rows], rule: Rule) -> None:
    """Pass slices of which each is later than the one before: to fit, to calibrate, to stack.

    Args:
        span: of all rows.
        slices: row numbers, in the order of use.
        rule: the gaps between them.

    Raises:
        LeakFound: two slices share a row or an outcome, or one begins before all that was fitted was known.
    """
    for number, (before, later) in enumerate(pairwise(slices), start=1):
        place = f"slice {number}"
        shared = np.intersect1d(span.group[before], span.group[later])
        if shared.size:
            raise LeakFound(f"{place}: {shared.size} outcomes are in the slice before it too")
        begins = int(span.at[later].min())
        known = max(int(span.label_at[before].max()), int(span.at[before].max()) + rule.purge)
        if known > begins:
            raise LeakFound(f"{place}: begins at {begins}, before {known}, when the one before it was known")
        if begins - rule.embargo < int(span.label_at[before].max()):
            raise LeakFound(f"{place}: a feature window at {begins} reaches into the slice before it")


def _check(said: Floats, y: Floats, weight: Floats, group: Rows) -> None:
    if not (said.shape == y.shape == weight.shape == group.shape and said.ndim == 1):
        shapes = [one.shape for one in (said, y, weight, group)]
        raise NotFitted(f"said, y, weight and group are of shapes {shapes}, where one length is allowed")
    wrong = ~((said >= 0) & (said <= 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise NotFitted(f"said[{row}] is {said[row]}, where 0 .. 1 is allowed")
    check_outcomes(y)


def _targets(y: Floats, weight: Floats, group: Rows) -> Floats:
    """Platt's targets: a little short of 0 and 1, by the number of independent outcomes of each kind.

    Without them a slice in which the outcomes are separated has no best line.
    """
    outcomes = len(np.unique(group))
    yes = outcomes * float(np.average(y, weights=weight))
    return np.where(y == 1, (yes + 1) / (yes + 2), 1 / (outcomes - yes + 2))
