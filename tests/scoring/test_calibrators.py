"""Calibrators: monotone, never certain, equal to the fits that they stand for, strict about their file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.scorer import FeatureSchema, Output
from daemon.scoring.calibrators import (
    Beta,
    CalibratedScorer,
    Calibrator,
    Identity,
    Isotonic,
    Platt,
    logit,
    read_calibrator,
    sigmoid,
)
from daemon.scoring.metadata import ModelRefused

PATH = Path("m/1/calibrator.json")
P = st.floats(0, 1)
SLOPES, INTERCEPTS = st.floats(0, 1000), st.floats(-1000, 1000)


@st.composite
def isotonics(draw: st.DrawFn) -> Isotonic:
    xs = sorted(draw(st.sets(P, min_size=1, max_size=20)))
    ys = sorted(draw(st.lists(P, min_size=len(xs), max_size=len(xs))))
    return Isotonic(outcomes=draw(st.integers(1, 100_000)), points=tuple(zip(xs, ys, strict=True)))


CALIBRATORS = st.one_of(
    st.just(Identity()),
    st.builds(Platt, slope=SLOPES, intercept=INTERCEPTS),
    st.builds(Beta, a=SLOPES, b=SLOPES, c=INTERCEPTS),
    isotonics(),
)


@given(CALIBRATORS, P)
def test_what_it_says_is_never_certain(calibrator: Calibrator, p: float) -> None:
    """Whatever the parameters and the input, 0 and 1 included, the output lies strictly between 0 and 1."""
    assert 0 < calibrator.apply(p) < 1


@given(CALIBRATORS, P, P)
def test_it_is_monotone(calibrator: Calibrator, p: float, q: float) -> None:
    """A greater probability never becomes a smaller one."""
    assert calibrator.apply(min(p, q)) <= calibrator.apply(max(p, q))


@given(CALIBRATORS)
def test_it_survives_its_file(calibrator: Calibrator) -> None:
    """What is written is read back equal."""
    assert calibrator == read_calibrator(msgspec.json.encode(calibrator), PATH)


@given(SLOPES, INTERCEPTS, P)
def test_beta_with_equal_slopes_is_platt(slope: float, intercept: float, p: float) -> None:
    """Platt's is the special case: a ln p - a ln(1 - p) is a logit p."""
    expected = Platt(slope=slope, intercept=intercept).apply(p)
    assert expected == pytest.approx(Beta(a=slope, b=slope, c=intercept).apply(p), rel=1e-6)


@given(P)
def test_the_identity_changes_nothing_but_certainty(p: float) -> None:
    """Within a billionth of 0 and 1 it is cut; elsewhere it is the input."""
    assert min(max(p, 1e-9), 1 - 1e-9) == Identity().apply(p)


@given(st.floats(-20, 20))
def test_logit_undoes_sigmoid(z: float) -> None:
    """The two are inverses where neither is cut."""
    assert z == pytest.approx(logit(sigmoid(z)), abs=1e-6)


def _overconfident(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are too sure and biased, and outcomes that are drawn from the truth."""
    rng = np.random.default_rng(11)
    truth = rng.normal(0, 1.2, count)
    outcomes = rng.random(count) < 1 / (1 + np.exp(-truth))
    return 1 / (1 + np.exp(-(2 * truth + 0.7))), outcomes.astype(float)


def _fit(columns: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """Maximum likelihood of a logistic regression, by Newton's steps; the last one is the constant."""
    x = np.column_stack([columns, np.ones(len(outcomes))])
    theta = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ theta))
        theta += np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]), x.T @ (outcomes - p))
    return theta


def _log_loss(p: np.ndarray, outcomes: np.ndarray) -> float:
    return float(-np.mean(outcomes * np.log(p) + (1 - outcomes) * np.log(1 - p)))


def test_a_fitted_platt_undoes_too_much_confidence() -> None:
    """A logistic regression on the logits, written as a file, gives that regression's own probabilities."""
    scores, outcomes = _overconfident(20_000)
    logits = np.log(scores / (1 - scores))
    slope, intercept = _fit(logits[:, None], outcomes)
    calibrator = Platt(slope=float(slope), intercept=float(intercept))
    expected = 1 / (1 + np.exp(-(slope * logits + intercept)))
    actual = np.array([calibrator.apply(float(p)) for p in scores])
    np.testing.assert_allclose(actual, expected, rtol=1e-9)
    # The scores were made with a slope of 2 and a shift of 0.7.
    assert (0.5, -0.35) == pytest.approx((slope, intercept), abs=0.05)
    assert _log_loss(actual, outcomes) < _log_loss(scores, outcomes) - 0.05


def test_a_fitted_beta_gives_its_regressions_probabilities() -> None:
    """A logistic regression on ln p and -ln(1 - p), written as a file, gives its own probabilities."""
    scores, outcomes = _overconfident(20_000)
    columns = np.column_stack([np.log(scores), -np.log(1 - scores)])
    theta = _fit(columns, outcomes)
    calibrator = Beta(a=float(theta[0]), b=float(theta[1]), c=float(theta[2]))
    expected = 1 / (1 + np.exp(-(columns @ theta[:2] + theta[2])))
    actual = [calibrator.apply(float(p)) for p in scores]
    np.testing.assert_allclose(actual, expected, rtol=1e-9)


def _pool_adjacent(ordered: Sequence[float]) -> list[float]:
    """The closest rising sequence (Ayer and others, 1955)."""
    blocks: list[list[float]] = []
    for outcome in ordered:
        blocks.append([outcome, 1.0])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            value, weight = blocks.pop()
            blocks[-1] = [
                (blocks[-1][0] * blocks[-1][1] + value * weight) / (blocks[-1][1] + weight),
                blocks[-1][1] + weight,
            ]
    return [value for value, weight in blocks for _ in range(int(weight))]


def test_a_fitted_isotonic_is_its_line_clipped() -> None:
    """Between its points it is numpy's interpolation, kept away from 0 and 1 by what n outcomes can tell."""
    scores, outcomes = _overconfident(3_000)
    order = np.argsort(scores)
    xs, ys = scores[order], _pool_adjacent(outcomes[order].tolist())
    assert (0.0, 1.0) == (ys[0], ys[-1]), "the ends of a fit are certain, which is why they are clipped"
    calibrator = Isotonic(outcomes=3_000, points=tuple(zip(xs.tolist(), ys, strict=True)))
    asked = np.concatenate([np.linspace(0, 1, 501), xs])
    expected = np.clip(np.interp(asked, xs, ys), 1 / 3_002, 1 - 1 / 3_002)
    np.testing.assert_allclose([calibrator.apply(float(p)) for p in asked], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"method": "magic"}', r"Invalid value 'magic' - at `\$\.method`"),
        ('{"slope": 1, "intercept": 0}', r"missing required field `method`"),
        ('{"method": "platt", "slope": 1}', r"missing required field `intercept`"),
        ('{"method": "platt", "slope": -1, "intercept": 0}', r">= 0.*\$\.slope"),
        ('{"method": "platt", "slope": 1e400, "intercept": 0}', r"out of range"),
        ('{"method": "platt", "slope": 1e9, "intercept": 0}', r"<= 1000.*\$\.slope"),
        ('{"method": "platt", "slope": NaN, "intercept": 0}', r"malformed"),
        ('{"method": "platt", "slope": 1, "intercept": 0, "x": 1}', r"unknown field `x`"),
        ('{"method": "beta", "a": 1, "b": -0.1, "c": 0}', r">= 0.*\$\.b"),
        ('{"method": "isotonic", "outcomes": 0, "points": [[0, 0]]}', r">= 1.*\$\.outcomes"),
        ('{"method": "isotonic", "outcomes": 9, "points": []}', r"length >= 1.*\$\.points"),
        ('{"method": "isotonic", "outcomes": 9, "points": [[0, 1.5]]}', r"<= 1.0.*\$\.points\[0\]\[1\]"),
        ('{"method": "isotonic", "outcomes": 9, "points": [[0.5, 0], [0.5, 1]]}', r"points\[1\] must lie to"),
        ('{"method": "isotonic", "outcomes": 9, "points": [[0, 0.5], [1, 0.4]]}', r"points\[1\] must not be"),
        ("[" * 100_000, "calibrator"),
    ],
)
def test_a_wrong_file_is_refused_by_place(content: str, message: str) -> None:
    """The error names the file, the place in it and what is allowed."""
    with pytest.raises(ModelRefused, match=r"m/1/calibrator\.json: ") as refused:
        read_calibrator(content.encode(), PATH)
    assert refused.match(message)


class Says:
    """A model that says one thing."""

    name, version = "says", "1"
    schema = FeatureSchema(("mid",))
    required = frozenset({"mid"})
    output: Output = "probability"

    def __init__(self, value: float) -> None:
        self.value = value

    def score(self, row: Sequence[float | None]) -> float:  # noqa: ARG002 - whatever is asked
        return self.value


def test_a_calibrated_model_is_the_model_seen_through_its_calibrator() -> None:
    """It has the model's name, schema and required features, and the calibrated score."""
    scorer = CalibratedScorer(Says(0.8), Platt(slope=0.5, intercept=0.1))
    assert ("says", "1", FeatureSchema(("mid",)), frozenset({"mid"}), "probability") == (
        scorer.name, scorer.version, scorer.schema, scorer.required, scorer.output,
    )  # fmt: skip
    assert 1 / (1 + math.exp(-(0.1 + 0.5 * math.log(4)))) == pytest.approx(scorer.score([0.5]), rel=1e-12)


def test_a_model_that_says_nan_stays_without_a_score() -> None:
    """A calibrator never makes a probability out of what is none."""
    with pytest.raises(ValueError, match="says/1 says nan"):
        CalibratedScorer(Says(math.nan), Identity()).score([0.5])
