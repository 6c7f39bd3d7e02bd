"""The population stability index: the published sum, and nothing where nothing has changed."""

from __future__ import annotations

import random
from math import log, nan

import pytest

from daemon.core.stability import Bins, Stability, index

BINS = Bins("mid", (0.25, 0.5), (0.25, 0.25, 0.5))


def test_the_index_is_the_published_sum() -> None:
    """(0.5 - 0.25) ln 2 twice, and nothing from the bin that has not changed."""
    expected = 0.25 * log(0.5 / 0.25) + (0.25 - 0.5) * log(0.25 / 0.5)
    assert index((50, 25, 25), (0.25, 0.25, 0.5)) == pytest.approx(expected)
    assert index((25, 25, 50), (0.25, 0.25, 0.5)) == 0.0


def test_an_empty_bin_is_finite() -> None:
    """It counts as half a value."""
    expected = (0.005 - 0.5) * log(0.005 / 0.5) + (1 - 0.5) * log(1 / 0.5)
    assert index((0, 100), (0.5, 0.5)) == pytest.approx(expected)


def test_without_a_change_it_is_small() -> None:
    """About (B - 1)/m: 0.018 for ten bins and 500 values, far below a warning in each of 50 draws."""
    found = []
    for seed in range(50):
        rng = random.Random(seed)
        counts = [0] * 10
        for _ in range(500):
            counts[rng.randrange(10)] += 1
        found.append(index(counts, (0.1,) * 10))
    assert sum(found) / 50 == pytest.approx(0.018, rel=0.2)
    assert max(found) < 0.06


def test_values_are_counted_by_bin() -> None:
    """A cut is within the bin below it; what is not known counts nowhere, and has no index."""
    other = Bins("spread", (0.1,), (0.5, 0.5))
    subject = Stability((BINS, other), {"spread": 0, "mid": 2})
    for mid in (0.2, 0.25, 0.26, 0.9, None, nan):
        subject.add((None, 7.0, mid))
    assert ((2, 1, 1), (0, 0)) == subject.told()
    assert ["mid"] == [name for name, _ in subject.indices()]
    subject.clear()
    assert () == subject.indices()


def test_counts_go_on() -> None:
    """The highest index first."""
    subject = Stability((BINS, Bins("spread", (0.1,), (0.5, 0.5))), {"mid": 0, "spread": 1})
    subject.recover(((25, 25, 50), (90, 10)))
    assert ["spread", "mid"] == [name for name, _ in subject.indices()]
