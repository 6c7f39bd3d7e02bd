"""Importance: exact contributions of held-out rows, and nothing for what the model never asked."""

from __future__ import annotations

import itertools

import lightgbm
import numpy as np
import pytest

from daemon.lab.fitting.rows import Floats, NotFitted
from daemon.lab.fitting.trees import FittedTrees, fit_trees
from daemon.lab.judging.importance import tree_importance
from tests.lab.fitting.made_rows import NAMES, made_rows

SMALL = {"num_leaves": 4, "learning_rate": 0.2, "min_data_in_leaf": 20}
ROWS = made_rows(events=400).rows
FITTED = fit_trees("classifier", ROWS, SMALL, 15, 1)


def by_name(x: Floats, fitted: FittedTrees = FITTED, weight: Floats | None = None) -> dict[str, float]:
    return {one.feature: one.shap for one in tree_importance(fitted, NAMES, x, weight)}


def test_the_features_that_matter_come_first() -> None:
    """Distance and imbalance made the outcomes, flow is noise; shares of gain are shares."""
    found = tree_importance(FITTED, NAMES, made_rows(seed=2, events=200).rows.x)
    assert {"strike_distance_sigma", "top_imbalance"} == {one.feature for one in found[:2]}
    assert 1.0 == pytest.approx(sum(one.gain for one in found))
    assert [one.shap for one in found] == sorted((one.shap for one in found), reverse=True)


def test_contributions_are_shapley_values() -> None:
    """A stump's whole effect is its feature's; against the definition over all coalitions, to rounding.

    Of one tree on two features the value of a coalition is its expectation over the training rows that a
    path may lead to: what TreeSHAP computes by its cover counts.
    """
    y = (np.arange(400) % 4 == 3).astype(float)
    x = np.column_stack((np.arange(400) // 2 % 2, np.arange(400) % 2)).astype(float)  # YES where both are 1
    booster = lightgbm.train(
        {"objective": "binary", "num_leaves": 4, "min_data_in_leaf": 1, "learning_rate": 0.5, "verbosity": -1,
         "num_threads": 1, "boost_from_average": False, "min_sum_hessian_in_leaf": 0.0},
        lightgbm.Dataset(x, y, feature_name=["a", "b"], params={"min_data_in_bin": 1}),
        1,
    )  # fmt: skip
    fitted = FittedTrees("classifier", booster.model_to_string().encode(), 1, {})
    cells = list(itertools.product((0.0, 1.0), repeat=2))
    leaf = dict(zip(cells, np.asarray(booster.predict(np.array(cells), raw_score=True)), strict=True))
    mean = np.mean(list(leaf.values()))
    shapley = {"a": 0.0, "b": 0.0}
    for a, b in cells:
        of_a, of_b = np.mean([leaf[a, 0.0], leaf[a, 1.0]]), np.mean([leaf[0.0, b], leaf[1.0, b]])
        shapley["a"] += abs((of_a - mean) + (leaf[a, b] - of_b)) / 8
        shapley["b"] += abs((of_b - mean) + (leaf[a, b] - of_a)) / 8
    found = {one.feature: one.shap for one in tree_importance(fitted, ("a", "b"), np.array(cells))}
    assert shapley == pytest.approx(found, rel=1e-9)


def test_a_feature_that_no_tree_asks_has_none() -> None:
    """Neither gain nor SHAP, and it stays in the list."""
    x = ROWS.x.copy()
    x[:, 2] = 1.0
    rows = ROWS.__class__(ROWS.names, x, ROWS.y, ROWS.weight, ROWS.span)
    found = tree_importance(fit_trees("classifier", rows, SMALL, 5, 1), NAMES, x)
    assert [(0.0, 0.0)] == [(one.gain, one.shap) for one in found if one.feature == "ofi_10s"]


def test_rows_count_by_their_weight() -> None:
    """A row of weight two is that row twice."""
    x = ROWS.x[:40]
    weight = np.where(np.arange(40) < 10, 2.0, 1.0)
    assert by_name(np.concatenate((x, x[:10]))) == pytest.approx(by_name(x, weight=weight))


def test_other_features_or_no_rows_are_refused() -> None:
    """What is not the booster's is never taken for it."""
    with pytest.raises(NotFitted, match="names: the booster has others: strike_distance_sigma, top_imb"):
        tree_importance(FITTED, NAMES[::-1], ROWS.x)
    with pytest.raises(NotFitted, match=r"x is of shape \(0, 4\)"):
        tree_importance(FITTED, NAMES, ROWS.x[:0])
