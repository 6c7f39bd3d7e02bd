"""ADWIN: the change points of the published implementation, and a window that a later life goes on with."""

from __future__ import annotations

import random
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.adwin import Adwin

ADWIN: Any = import_module("river.drift").ADWIN
"""Theirs, which has no types."""


def stream(seed: int) -> list[float]:
    """A few stretches, each with a mean and a spread of its own."""
    rng = random.Random(seed)
    values: list[float] = []
    for _ in range(rng.randint(1, 5)):
        mean, spread = rng.uniform(-0.3, 0.3), rng.choice([0.01, 0.1, 0.3])
        values += [rng.gauss(mean, spread) for _ in range(rng.randint(20, 700))]
    return values


@pytest.mark.parametrize("delta", [0.002, 0.05])
def test_the_change_points_are_those_of_the_published_implementation(delta: float) -> None:
    """On 60 streams each, at every step: the same changes, and the same mean of the window."""
    changes = 0
    for seed in range(60):
        theirs, ours = ADWIN(delta=delta), Adwin(delta)
        for value in stream(seed):
            theirs.update(value)
            change = ours.update(value)
            assert theirs.drift_detected == (change is not None)
            changes += change is not None
            if change is None:
                assert theirs.estimation == pytest.approx(ours.mean, abs=1e-9)
    assert changes > 20


@given(st.lists(st.floats(-1, 1), max_size=200), st.integers(0, 200))
def test_a_window_that_was_kept_goes_on_as_it_was(values: list[float], cut: int) -> None:
    """Told and taken over in the middle: the same changes and, bit for bit, the same window."""
    whole = Adwin(0.3)
    changes = [whole.update(value) for value in values]
    first = Adwin(0.3)
    before = [first.update(value) for value in values[:cut]]
    second = Adwin(0.3, first.told())
    after = [second.update(value) for value in values[cut:]]
    assert changes == before + after
    assert whole.told() == second.told()


def test_a_change_says_from_what_to_what() -> None:
    """The means on both sides of it, as far as the window's blocks can tell; the window is empty after it."""
    subject = Adwin(0.002)
    assert None is subject.mean
    changes = [subject.update(value) for value in [0.0] * 320 + [0.5] * 32]
    found = changes[-1]
    assert found is not None
    assert [None] * 351 == changes[:-1]
    assert 0.0 == found.before
    assert found.after == pytest.approx(0.5)
    assert 0 == subject.width
