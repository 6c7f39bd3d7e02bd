"""Rows to fit: what goes together, and what is refused with its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from daemon.lab.fitting.rows import NotFitted, check_outcomes, fit_rows
from tests.lab.fitting.made_rows import NAMES, made_rows


def test_a_choice_of_rows_keeps_what_belongs_to_them() -> None:
    """Features, labels, weights and instants of the chosen rows, in the order asked for."""
    rows = made_rows(events=4).rows
    some = rows.only(np.array([5, 0]))
    assert [rows.y[5], rows.y[0]] == some.y.tolist()
    assert [rows.span.at[5], rows.span.at[0]] == some.span.at.tolist()
    assert [1, 0] == some.span.group.tolist()
    assert (4, 2) == (rows.outcomes, some.outcomes)


def test_a_feature_is_found_by_its_name() -> None:
    """And an unknown name is refused with those that there are."""
    rows = made_rows(events=4).rows
    np.testing.assert_array_equal(rows.x[:, 1], rows.column("top_imbalance"))
    with pytest.raises(NotFitted, match=r"no feature 'mid'.*strike_distance_sigma"):
        rows.column("mid")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x": np.zeros((3, 3))}, r"x is of shape \(3, 3\)"),
        ({"y": [0, np.nan, 1]}, r"y\[1\] is nan"),
        ({"weight": [1, 1, 0]}, r"weight\[2\] is 0"),
        ({"weight": [1, 1]}, r"weight of \(2,\)"),
        ({"names": ("a", "a")}, "named twice"),
        ({"x": [[0, 0], [0, np.inf], [0, 0]]}, r"b\[1\] is inf"),
    ],
)
def test_what_does_not_go_together_is_refused(change: dict[str, Any], said: str) -> None:
    """The place is named, and what is allowed."""
    terms: dict[str, Any] = {"names": ("a", "b"), "x": np.zeros((3, 2)), "y": [0, 1, 1], "weight": None}
    terms |= change
    names, x, y = (terms[name] for name in ("names", "x", "y"))
    with pytest.raises(NotFitted, match=said):
        fit_rows(names, x, y, [1, 2, 3], [2, 3, 4], [0, 1, 2], weight=terms["weight"])


def test_unknown_features_are_allowed() -> None:
    """NaN is what a feature says that is not known."""
    assert np.isnan(made_rows(events=50).rows.x[:, NAMES.index("ofi_10s")]).any()


@pytest.mark.parametrize(("y", "said"), [([0, 0.5], r"y\[1\]"), ([1, 1], "none of them"), ([], "0 rows")])
def test_outcomes_are_yes_and_no(y: list[float], said: str) -> None:
    """Both of them must be there, and nothing between."""
    with pytest.raises(NotFitted, match=said):
        check_outcomes(np.array(y))
