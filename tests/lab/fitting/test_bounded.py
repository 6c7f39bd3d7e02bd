"""Bounded logistic regression against scikit-learn's where no bound holds; at the bound where one does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")

from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from daemon.lab.fitting.bounded import fit_bounded
from daemon.lab.fitting.rows import NotFitted


def drawn(seed: int, slopes: list[float], rows: int = 500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(slopes)))
    y = (rng.random(rows) < 1 / (1 + np.exp(-(0.3 + x @ slopes)))).astype(float)
    return x, y, rng.uniform(0.2, 1, rows)


@settings(max_examples=20)
@given(seed=st.integers(0, 1_000), slope=st.floats(0.5, 2))
def test_without_a_bound_it_is_the_librarys(seed: int, slope: float) -> None:
    """The same line as an unpenalised logistic regression."""
    x, y, weight = drawn(seed, [slope, 1.0])
    intercept, slopes = fit_bounded(x, y, weight, slope_max=100.0)
    line = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(x, y, sample_weight=weight)
    assert [*line.coef_[0], *line.intercept_] == pytest.approx([*slopes, intercept], abs=1e-4)


def test_a_slope_below_zero_stays_at_zero() -> None:
    """And the others are as if that column were not there."""
    x, y, weight = drawn(1, [1.0, -1.0])
    _, slopes = fit_bounded(x, y, weight, slope_max=100.0)
    _, alone = fit_bounded(x[:, :1], y, weight, slope_max=100.0)
    assert 0.0 == slopes[1]
    assert alone[0] == pytest.approx(slopes[0], abs=1e-4)


def test_separated_outcomes_end_at_the_bound() -> None:
    """No line is steepest: the bound is where the search ends."""
    x = np.linspace(-1, 1, 100)[:, None]
    _, slopes = fit_bounded(x, (x[:, 0] > 0).astype(float), np.ones(100), slope_max=50.0)
    assert 50.0 == slopes[0]


def test_unknown_values_are_refused() -> None:
    """A NaN in a column is no number to fit."""
    with pytest.raises(NotFitted, match="finite"):
        fit_bounded(np.array([[0.0], [np.nan]]), np.array([0.0, 1.0]), np.ones(2), 10.0)
