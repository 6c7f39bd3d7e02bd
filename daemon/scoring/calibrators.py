"""Calibrators: what a model's probability p is worth, by what came of the like of it. From `calibrator.json`.

    {"method": "platt", "slope": 0.8, "intercept": -0.1}            sigmoid(intercept + slope logit(p))
    {"method": "beta", "a": 0.9, "b": 1.1, "c": 0.05}               sigmoid(c + a ln(p) - b ln(1 - p))
    {"method": "isotonic", "outcomes": 12000, "points": [[0.02, 0.01], [0.5, 0.47]]}
    {"method": "identity"}

They are fitted elsewhere, on a later slice than the model's own; here they are read and applied. Each is
monotone, and none ever says 0 or 1, on which a bet by Kelly's rule would be everything.

Which method: by the number of independent outcomes, Platt below a thousand, beta below ten thousand, isotonic
above. Sources: Platt, Probabilistic outputs for support vector machines, 1999; Kull, Silva Filho, Flach, Beta
calibration, 2017; Zadrozny, Elkan, Transforming classifier scores into accurate probability estimates, 2002.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import exp, isfinite, log
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec

from daemon.core.scorer import ArrayScorer, FeatureSchema, Output, Scorer
from daemon.scoring.metadata import ModelRefused

P_MIN = 1e-9
"""Nearer to 0 or 1 nothing is taken, nor said: a logarithm needs it, and nobody knows so much."""
_P_MAX = 1 - P_MIN
# Beyond, a parameter is a mistake; within, no product overflows.
_Slope = Annotated[float, msgspec.Meta(ge=0, le=1000)]
_Intercept = Annotated[float, msgspec.Meta(ge=-1000, le=1000)]
_P = Annotated[float, msgspec.Meta(ge=0, le=1)]


def sigmoid(z: float) -> float:
    """Return 1 / (1 + exp(-z)), kept `P_MIN` away from 0 and 1."""
    if z > 20.7:
        return _P_MAX
    if z < -20.7:
        return P_MIN
    return 1.0 / (1.0 + exp(-z))


def logit(p: float) -> float:
    """Return ln(p / (1 - p)), p first kept `P_MIN` away from 0 and 1."""
    if p < P_MIN:
        p = P_MIN
    elif p > _P_MAX:
        p = _P_MAX
    return log(p / (1.0 - p))


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="identity"):
    """As it is, but never 0 or 1."""

    def apply(self, p: float) -> float:
        """Return p, kept `P_MIN` away from 0 and 1."""
        if p < P_MIN:
            return P_MIN
        return _P_MAX if p > _P_MAX else p  # noqa: FURB136 - twice as fast as min()


class Platt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="platt"):
    """A line through the logits."""

    slope: _Slope
    intercept: _Intercept

    def apply(self, p: float) -> float:
        """Return sigmoid(intercept + slope logit(p))."""
        return sigmoid(self.intercept + self.slope * logit(p))


class Beta(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="beta"):
    """As Platt, with a slope for each end: what is cheap and what is dear may be wrong in different ways."""

    a: _Slope
    b: _Slope
    c: _Intercept

    def apply(self, p: float) -> float:
        """Return sigmoid(c + a ln(p) - b ln(1 - p))."""
        if p < P_MIN:
            p = P_MIN
        elif p > _P_MAX:
            p = _P_MAX
        return sigmoid(self.c + self.a * log(p) - self.b * log(1.0 - p))


class Isotonic(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="isotonic"):
    """Straight lines between points that only rise, level beyond the first and the last.

    `outcomes` is the number of independent outcomes that it was fitted on, n: what it says is kept within
    [1/(n+2), 1-1/(n+2)], the rule of succession, because a run of equal outcomes is no certainty.
    """

    outcomes: Annotated[int, msgspec.Meta(ge=1)]
    points: Annotated[tuple[tuple[_P, _P], ...], msgspec.Meta(min_length=1, max_length=10_000)]

    def __post_init__(self) -> None:
        for number, ((x, y), (x_next, y_next)) in enumerate(
            zip(self.points, self.points[1:], strict=False), start=1
        ):
            if x_next <= x:
                raise ValueError(
                    f"points[{number}] must lie to the right of the one before: {x_next} after {x}"
                )
            if y_next < y:
                raise ValueError(
                    f"points[{number}] must not be lower than the one before: {y_next} after {y}"
                )

    def apply(self, p: float) -> float:
        """Return the line's height at p, within what n outcomes can tell."""
        points = self.points
        # No height is above 1, so this is right of every point at p.
        place = bisect_right(points, (p, 2.0))
        if place == 0:
            y = points[0][1]
        elif place == len(points):
            y = points[-1][1]
        else:
            (x, y), (x_next, y_next) = points[place - 1], points[place]
            # Rounding must not carry it above the next point: it would not be monotone there.
            y += (p - x) / (x_next - x) * (y_next - y)
            y = y_next if y > y_next else y  # noqa: FURB136
        least = 1.0 / (self.outcomes + 2)
        if y < least:
            return least
        return 1.0 - least if y > 1.0 - least else y  # noqa: FURB136 - twice as fast as min()


Calibrator: TypeAlias = Identity | Platt | Beta | Isotonic


def read_calibrator(content: bytes, path: Path) -> Calibrator:
    """Return the calibrator that a file describes.

    Raises:
        ModelRefused: it is none; the message names the file, the place in it and what is allowed.
    """
    try:
        calibrator: Calibrator = msgspec.json.decode(content, type=Calibrator)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelRefused(f"{path}: {error}") from error
    return calibrator


class CalibratedScorer:
    """A model with its calibrator, as one scorer of probabilities."""

    def __init__(self, scorer: Scorer, calibrator: Calibrator) -> None:
        """Join. The model's output must be a probability."""
        assert scorer.output == "probability", "only a probability has a calibrator"
        self.name: str = scorer.name
        self.version: str = scorer.version
        self.schema: FeatureSchema = scorer.schema
        self.required: frozenset[str] = scorer.required
        self.output: Output = "probability"
        self._score = scorer.score
        self.reads_nan = isinstance(scorer, ArrayScorer) and scorer.reads_nan
        self._apply = calibrator.apply

    def score(self, row: Sequence[float | None]) -> float:
        """Return the calibrated P(YES) of one row.

        Raises as the model does, and ValueError where that says NaN.
        """
        p = self._score(row)
        if not isfinite(p):
            raise ValueError(f"{self.name}/{self.version} says {p!r}")
        return self._apply(p)
