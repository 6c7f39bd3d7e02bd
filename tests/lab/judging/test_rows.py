"""Rows are compared where all is known, and refused where they don't fit."""

from __future__ import annotations

from math import nan

import pytest

from daemon.core.markets import Fees
from daemon.lab.judging.arrays import NotJudged
from daemon.lab.judging.rows import judged_rows


def test_rows_without_a_mid_are_left_out() -> None:
    """And counted: a model isn't compared where the market said nothing."""
    found = judged_rows(
        outcomes=[1, 0, 1],
        model=[0.6, 0.5, 0.7],
        mid=[0.5, nan, 0.6],
        base_rate=[0.5] * 3,
        independent=["a", "b", "c"],
        folds=[0, 0, 1],
    )
    assert (2, 1, ("a", "c"), [0, 1]) == (
        found.count,
        found.left_out,
        found.blocks.names,
        found.folds.tolist(),
    )
    assert ["model", "mid", "base rate"] == list(found.forecasts)
    assert [0.6, 0.7] == found.forecasts["model"].tolist()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": [0.5, nan]}, r"model\[1\] is nan"),
        ({"mid": [nan, nan]}, "no row has a model, a mid"),
        ({"mid": [0.5, 1.2]}, r"mid\[1\] is 1.2"),
        ({"independent": ["a"]}, "independent: 1 rows"),
        ({"folds": [0]}, "folds: 1 rows"),
        ({"bid": [1, 1]}, "bid, ask and fees: some are missing"),
        ({"bid": [1, 1], "ask": [2, 2]}, "all three or none are allowed"),
    ],
)
def test_what_does_not_fit_is_named(changed: dict[str, object], said: str) -> None:
    """The argument, and what it should be."""
    given: dict[str, object] = {
        "outcomes": [1, 0],
        "model": [0.5, 0.5],
        "mid": [0.5, 0.5],
        "base_rate": [0.5, 0.5],
        "independent": ["a", "b"],
        "folds": [0, 0],
    }
    with pytest.raises(NotJudged, match=said):
        judged_rows(**(given | changed))  # type: ignore[arg-type]


def test_books_stay_beside_their_rows() -> None:
    """An empty side is no reason to leave a row out."""
    found = judged_rows(
        outcomes=[1, 0],
        model=[0.5, 0.5],
        mid=[nan, 0.5],
        base_rate=[0.5, 0.5],
        independent=["a", "b"],
        folds=[0, 0],
        bid=[100, nan],
        ask=[200, 300],
        fees=Fees("quadratic", 1_000_000),
    )
    assert found.ask is not None
    assert found.ask.tolist() == [300]
