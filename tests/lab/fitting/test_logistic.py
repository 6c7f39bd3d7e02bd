"""The logistic baseline: in the features' own units, and served as a network of one layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra `lab`")
pytest.importorskip("onnx", reason="needs the extra `lab`")


from daemon.core.scorer import FeatureSchema
from daemon.lab.fitting.logistic import fit_logistic
from daemon.lab.fitting.rows import NotFitted
from tests.lab.fitting.made_rows import made_rows

TAKEN = ("strike_distance_sigma", "top_imbalance", "seconds_to_close")


def test_it_finds_the_line() -> None:
    """The ratio of the weights is that of the truth, and what says nothing weighs next to nothing."""
    fitted = fit_logistic(made_rows(events=4_000, own=0.5).rows, TAKEN)
    assert 0.5 == pytest.approx(fitted.weights[1] / fitted.weights[0], abs=0.08)
    assert abs(fitted.weights[2]) * 60 < 0.1


def test_a_features_origin_does_not_matter() -> None:
    """Measured from another zero, it says the same, and its mean is the rate of what happened."""
    rows = made_rows(events=200).rows
    said = fit_logistic(rows, TAKEN).predict(rows)
    rows.x[:, 0] += 100.0
    assert said.tolist() == pytest.approx(fit_logistic(rows, TAKEN).predict(rows).tolist(), abs=1e-6)
    assert rows.y.mean() == pytest.approx(said.mean(), abs=1e-3)


def test_the_network_says_what_was_fitted() -> None:
    """Through onnxruntime as the daemon runs it, the same probabilities; the same bytes twice."""
    pytest.importorskip("onnxruntime")
    from daemon.scoring.onnx import OnnxScorer

    rows = made_rows(events=100).rows
    fitted = fit_logistic(rows, TAKEN)
    scorer = OnnxScorer(
        fitted.content, Path("model.onnx"), name="m", version="1", schema=FeatureSchema(TAKEN)
    )
    x = np.column_stack([rows.column(name) for name in TAKEN])
    said = [scorer.score(row) for row in x[:40].tolist()]
    assert said == pytest.approx(fitted.predict(rows)[:40].tolist(), abs=1e-12)
    assert fitted.content == fit_logistic(rows, TAKEN).content


def test_rows_that_lack_a_feature_are_left_out() -> None:
    """Of fitting, and nothing is said of them."""
    rows = made_rows(events=200).rows
    fitted = fit_logistic(rows, ("strike_distance_sigma", "ofi_10s"))
    np.testing.assert_array_equal(np.isnan(rows.column("ofi_10s")), np.isnan(fitted.predict(rows)))


def test_what_allows_no_line_is_refused() -> None:
    """No penalty, or a feature that never varies."""
    rows = made_rows(events=50).rows
    with pytest.raises(NotFitted, match="strength is 0"):
        fit_logistic(rows, TAKEN, 0.0)
    rows.x[:, 1] = 1.0
    with pytest.raises(NotFitted, match="top_imbalance: the same in all 150 rows"):
        fit_logistic(rows, TAKEN)
