"""Figures of events: sums that add up, and what can be said of them."""

from __future__ import annotations

import random
from math import sqrt
from statistics import fmean, stdev

import msgspec
import pytest

from daemon.core.drift_record import DriftRecord, Figures, Interval


def one(excess: float, miss: float = 0.0) -> Figures:
    """The figures of one event."""
    return Figures(1, 0.2, excess, excess * excess, miss, miss * miss, 0.4, 1.0)


def test_the_interval_is_that_of_the_events() -> None:
    """The mean with its standard errors, as from the events one by one."""
    rng = random.Random(1)
    values = [rng.gauss(0.01, 0.1) for _ in range(200)]
    figures = sum(map(one, values), Figures())
    found = figures.interval(2.0)
    assert found is not None
    error = 2 * stdev(values) / sqrt(200)
    expected = Interval(fmean(values), fmean(values) - error, fmean(values) + error)
    assert msgspec.structs.astuple(expected) == pytest.approx(msgspec.structs.astuple(found))
    assert (200, 80.0) == (figures.events, pytest.approx(figures.expected))


def test_nothing_is_said_of_too_few() -> None:
    """One event has no interval, and none has no reliability."""
    assert (None, None) == (one(0.1).interval(2.0), Figures().z)


def test_a_calibrated_model_has_a_z_of_about_one() -> None:
    """In 400 draws its spread is 1, though the instants of an event are all but the same."""
    found = []
    for seed in range(400):
        rng, figures = random.Random(seed), Figures()
        for _ in range(100):
            p = rng.uniform(0.05, 0.95)
            outcome = float(rng.random() < p)
            figures += one(0.0, (outcome - p) * (1 - 2 * p))
        assert figures.z is not None
        found.append(figures.z)
    assert stdev(found) == pytest.approx(1.0, abs=0.1)
    assert fmean(found) == pytest.approx(0.0, abs=0.15)


def test_a_block_remembers_that_it_became_worse() -> None:
    """Its sum with others does too."""
    assert (Figures(1, has_worsened=True) + one(0.0)).has_worsened
    assert not (one(0.0) + one(0.0)).has_worsened


def test_an_older_record_is_read() -> None:
    """Structs are arrays: what is not there yet has its default."""
    assert DriftRecord() == msgspec.msgpack.decode(msgspec.msgpack.encode([]), type=DriftRecord)
