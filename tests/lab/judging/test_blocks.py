"""Intervals draw whole blocks: by hand, by coverage, and against rows that pretend to be independent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.lab.judging.arrays import NotJudged
from daemon.lab.judging.blocks import (
    BLOCKS_MIN,
    Interval,
    blocks_of,
    mean_interval,
    paired_difference,
    ratio_interval,
    seeded,
    skill_interval,
)


def test_blocks_count_labels_and_sum_rows() -> None:
    """Equal labels are one block; a sum per block is by hand."""
    blocks = blocks_of(["b", "a", "b"])
    assert (("a", "b"), 2) == (blocks.names, blocks.count)
    assert [5.0, 10.0] == blocks.sums([3, 5, 7]).tolist()
    kept = blocks.only(np.array([True, False, True]))
    assert (("b",), [0, 0]) == (kept.names, kept.index.tolist())


def test_no_rows_are_no_blocks() -> None:
    """Nothing to draw from is an error."""
    with pytest.raises(NotJudged, match="labels: no rows"):
        blocks_of([])


@given(
    st.lists(st.tuples(st.integers(0, 6), st.floats(-5, 5), st.floats(0.1, 5)), min_size=1, max_size=40),
    st.integers(0, 3),
)
def test_an_interval_is_around_its_figure(rows: list[tuple[int, float, float]], seed: int) -> None:
    """The figure is the ratio of all rows, its bounds are in order, and a seed repeats them."""
    labels, top, bottom = zip(*rows, strict=True)
    blocks = blocks_of(labels)
    found = ratio_interval(top, bottom, blocks, seed, draws=50)
    assert found.value == pytest.approx(sum(top) / sum(bottom), abs=1e-9)
    assert found == ratio_interval(top, bottom, blocks, seed, draws=50)
    if blocks.count < 2:
        assert (None, None) == (found.low, found.high)
    else:
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.high


def test_one_block_has_no_interval() -> None:
    """Ten rows of one event are one outcome: how sure that is can't be known."""
    assert Interval(2.0, None, None, 1) == mean_interval([1, 2, 3], blocks_of(["e"] * 3), 1)


def test_nothing_to_divide_by_is_unknown() -> None:
    """A ratio over 0 is None, never 0."""
    assert Interval(None, None, None, 2) == ratio_interval([1, 1], [0, 0], blocks_of([0, 1]), 1)


def test_copies_of_rows_add_no_certainty() -> None:
    """Each event's row told 50 times gives the same interval; as independent rows, one 7 times narrower."""
    values = np.random.default_rng(1).normal(size=40)
    once = mean_interval(values, blocks_of(np.arange(40)), 3)
    often = mean_interval(np.repeat(values, 50), blocks_of(np.repeat(np.arange(40), 50)), 3)
    pretended = mean_interval(np.repeat(values, 50), blocks_of(np.arange(2000)), 3)
    assert once.low is not None
    assert often.low == pytest.approx(once.low)
    assert once.high is not None
    assert pretended.high is not None
    assert pretended.low is not None
    assert (once.high - once.low) / (pretended.high - pretended.low) == pytest.approx(50**0.5, rel=0.15)


def test_intervals_cover_the_truth() -> None:
    """Of 200 samples of 60 events, the 95 % interval of the mean holds the truth in 88 to 99 of 100."""
    rng = np.random.default_rng(7)
    blocks = blocks_of(np.repeat(np.arange(60), 5))
    held = 0
    for seed in range(200):
        found = mean_interval(np.repeat(rng.normal(size=60), 5) + 0.3, blocks, seed)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.3 <= found.high
    assert 176 <= held <= 198


def test_a_gain_is_theirs_minus_ours() -> None:
    """Half the rival's loss is a skill of one half and a gain above 0."""
    blocks = blocks_of(np.arange(30))
    theirs = np.linspace(0.1, 0.3, 30)
    skill = skill_interval(theirs / 2, theirs, blocks, 1)
    gain = paired_difference(theirs / 2, theirs, blocks, 1)
    assert (0.5, 0.5, 0.5) == (skill.value, skill.low, skill.high)
    assert gain.value == pytest.approx(0.1)
    assert gain.is_above_zero
    assert not gain.is_below_zero
    assert paired_difference(theirs, theirs / 2, blocks, 1).is_below_zero


def test_few_blocks_decide_nothing() -> None:
    """An interval of fewer blocks than the least is on neither side of 0."""
    assert not Interval(1.0, 0.5, 1.5, BLOCKS_MIN - 1).is_above_zero
    assert Interval(1.0, 0.5, 1.5, BLOCKS_MIN).is_above_zero
    assert not Interval(1.0, None, None, 99).is_above_zero


def test_each_purpose_has_draws_of_its_own() -> None:
    """The same seed and purpose repeat, another purpose doesn't."""
    first, again, other = (seeded(1, name).random(4).tolist() for name in ("a", "a", "b"))
    assert first == again
    assert first != other
