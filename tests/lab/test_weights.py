"""Weights: by hand, and what they add up to."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import SECOND
from daemon.lab.weights import overlap_weights, shared_weights


def test_labels_of_one_result_share_it() -> None:
    """1/n each within a group; a row without a label has no weight and takes none."""
    weight = shared_weights(np.array([0, 0, 1, 0]), np.array([True, True, True, False]))

    assert [0.5, 0.5, 1.0, None] == [None if np.isnan(one) else one for one in weight]


def test_overlapping_labels_by_hand() -> None:
    """Two spans that overlap by half: each is alone for one half and shares the other."""
    begin = np.array([0, 1, 5]) * SECOND
    weight = overlap_weights(np.array([0, 0, 0]), begin, begin + 2 * SECOND, np.array([True, True, True]))

    assert [0.75, 0.75, 1.0] == weight.tolist()


def test_groups_do_not_see_each_other() -> None:
    """The same spans in two settlements are two labels; twice in one, they are one."""
    begin, known = np.array([0, 0]), np.array([True, True])

    assert [1.0, 1.0] == overlap_weights(np.array([0, 1]), begin, begin + SECOND, known).tolist()
    assert [0.5, 0.5] == overlap_weights(np.array([0, 0]), begin, begin + SECOND, known).tolist()


@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.booleans()), min_size=1, max_size=40),
    horizon=st.integers(1, 20),
)
def test_weights_add_up_to_the_time_covered(rows: list[tuple[int, int, bool]], horizon: int) -> None:
    """Each group's weights sum to the union of its spans, in horizons; rows without a label count nothing."""
    group, begin, known = (np.array(column) for column in zip(*rows, strict=True))
    weight = overlap_weights(group, begin * SECOND, (begin + horizon) * SECOND, known)

    for number in range(3):
        covered = {
            second
            for its, at, is_known in rows
            if its == number and is_known
            for second in range(at, at + horizon)
        }
        total = float(np.nansum(weight[group == number]))
        assert abs(len(covered) / horizon - total) < 1e-9
    assert np.isnan(weight[~known]).all()
    assert (weight[known] > 0).all()
    assert (weight[known] <= 1 + 1e-12).all()


def test_no_rows_have_no_weights() -> None:
    """An empty dataset is no error here."""
    empty = np.array([], dtype=np.int64)

    assert 0 == len(shared_weights(empty, empty.astype(bool)))
    assert 0 == len(overlap_weights(empty, empty, empty, empty.astype(bool)))
