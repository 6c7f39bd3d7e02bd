"""What can't be judged is refused with its place."""

from __future__ import annotations

from math import nan

import pytest

from daemon.lab.judging.arrays import NotJudged, judged_pair, matched, outcomes_of, probabilities, weights_of


def test_what_is_no_probability_is_named() -> None:
    """Argument, row, value and what is allowed; unknown is no probability either."""
    with pytest.raises(NotJudged, match=r"said\[1\] is 1\.5, where 0 \.\. 1 is allowed"):
        probabilities([0.5, 1.5], "said")
    with pytest.raises(NotJudged, match=r"said\[0\] is nan"):
        probabilities([nan], "said")


def test_shapes_are_checked() -> None:
    """One dimension, at least one row, and the length of the others."""
    with pytest.raises(NotJudged, match="mid: 2 dimensions"):
        matched([[0.5]], "mid", 1)
    with pytest.raises(NotJudged, match="mid: no rows"):
        matched([], "mid", 0)
    with pytest.raises(NotJudged, match="mid: 1 rows, where the others have 2"):
        matched([0.5], "mid", 2)


def test_an_outcome_is_yes_or_no() -> None:
    """Half a settlement is no outcome."""
    with pytest.raises(NotJudged, match=r"outcomes\[1\] is 0\.5, where 0 and 1 are allowed"):
        outcomes_of([1, 0.5], 2)
    with pytest.raises(NotJudged, match="outcomes: 1 rows"):
        judged_pair([0.5, 0.5], [1])


def test_weights_count_rows() -> None:
    """None counts each once; below 0, unknown or all 0 is refused."""
    assert [1.0, 1.0] == weights_of(None, 2).tolist()
    with pytest.raises(NotJudged, match=r"weights\[1\] is -1\.0"):
        weights_of([1, -1], 2)
    with pytest.raises(NotJudged, match=r"weights\[0\] is nan"):
        weights_of([nan, 1], 2)
    with pytest.raises(NotJudged, match="all are 0"):
        weights_of([0, 0], 2)
