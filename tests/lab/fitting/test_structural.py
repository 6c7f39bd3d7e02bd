"""The structural model fitted: the daemon's own formula, and a line through its logit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")


from daemon.lab.fitting.rows import NotFitted
from daemon.lab.fitting.structural import fit_structural, formula_says
from daemon.scoring.structural import Above, Move, normal_cdf, read_form
from tests.lab.fitting.made_rows import log_loss, made_rows

FORM = Above(distance="strike_distance_sigma")


def test_the_formula_is_the_daemons() -> None:
    """Phi of the distance, and NaN where it is unknown."""
    rows = made_rows(events=20).rows
    rows.x[3, 0] = np.nan
    said = formula_says(FORM, rows)
    assert np.isnan(said[3])
    assert normal_cdf(rows.x[0, 0]) == said[0]


def test_two_parameters_make_it_calibrated() -> None:
    """Where the truth is half as steep as the formula, so is the line, and the loss is less."""
    made, new = made_rows(events=2_000, own=0.0, strength=0.5), made_rows(seed=3, own=0.0, strength=0.5)
    fitted = fit_structural(FORM, made.rows)
    assert 0.5 == pytest.approx(fitted.line.slope, abs=0.08)
    assert log_loss(fitted.predict(new.rows), new.rows) < log_loss(formula_says(FORM, new.rows), new.rows)


def test_what_it_writes_is_read_by_the_daemon() -> None:
    """The file's form is the fitted one."""
    fitted = fit_structural(FORM, made_rows(events=100).rows)
    assert FORM == read_form(fitted.content, Path("structural.json"))
    assert ("strike_distance_sigma",) == fitted.names


def test_logits_are_those_of_what_it_says() -> None:
    """A residual starts from the calibrated logit; unknown stays unknown."""
    rows = made_rows(events=50).rows
    rows.x[0, 0] = np.nan
    fitted = fit_structural(FORM, rows)
    logits = fitted.logits(rows)
    assert np.isnan(logits[0])
    assert fitted.predict(rows)[1:].tolist() == pytest.approx((1 / (1 + np.exp(-logits[1:]))).tolist())


def test_a_missing_feature_is_named() -> None:
    """The form's volatilities are none of these rows'."""
    form = Move(volatilities=("reference_parkinson_60m",), move=0.01, horizon_s=3_600)
    with pytest.raises(NotFitted, match="reference_parkinson_60m"):
        fit_structural(form, made_rows(events=50).rows)
