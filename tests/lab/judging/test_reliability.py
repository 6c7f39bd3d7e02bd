"""Bins hold what they say, and ECE is judged by its null: the biases of published simulations come out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.lab.judging.arrays import NotJudged
from daemon.lab.judging.blocks import blocks_of
from daemon.lab.judging.reliability import bin_edges, ece, ece_against_null, null_outcomes, reliability_bins


def uniform_sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    said = rng.random(n)
    return said, (rng.random(n) < said).astype(float)


def test_bins_by_hand() -> None:
    """Counts, means and rates of two bins; a bin without rows isn't there."""
    blocks = blocks_of([0, 1, 2, 3])
    low, high = reliability_bins([0.1, 0.15, 0.95, 1.0], [0, 1, 1, 1], blocks, seed=1)
    assert (0.1, 0.2, 2, 2, 0.125, 0.5) == (low.low, low.high, low.rows, low.blocks, low.said, low.rate)
    assert (0.0, 1.0) == (low.rate_low, low.rate_high)
    assert (0.9, 1.0, 2, 1.0) == (high.low, high.high, high.rows, high.rate)


def test_a_bin_of_one_event_has_no_band() -> None:
    """However many rows it has."""
    (only,) = reliability_bins([0.55] * 9, [1] * 9, blocks_of(["e"] * 9), seed=1)
    assert (9, 1, None, None) == (only.rows, only.blocks, only.rate_low, only.rate_high)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50), st.integers(1, 12))
def test_no_row_is_lost(rows: list[tuple[float, bool]], bins: int) -> None:
    """Every row is in one bin that spans it, and ECE is the bins' own mean distance."""
    said = np.array([p for p, _ in rows])
    happened = np.array([float(y) for _, y in rows])
    for rule in ("width", "count"):
        edges = bin_edges(said, bins, "width" if rule == "width" else "count")
        found = reliability_bins(said, happened, blocks_of(np.arange(len(rows))), 1, edges)
        assert len(rows) == sum(one.rows for one in found)
        assert all(one.low - 1e-12 <= one.said <= one.high + 1e-12 for one in found)
        distance = sum(one.rows * abs(one.said - one.rate) for one in found) / len(rows)
        assert ece(said, happened, edges) == pytest.approx(distance, abs=1e-9)


def test_bins_of_equal_count_share_the_rows() -> None:
    """Where no probability repeats, each holds its tenth."""
    said, happened = uniform_sample(1000, 3)
    found = reliability_bins(said, happened, blocks_of(np.arange(1000)), 1, bin_edges(said, 10, "count"))
    assert [100] * 10 == [one.rows for one in found]


def test_bins_are_counted_from_one() -> None:
    """No bins are no diagram."""
    with pytest.raises(NotJudged, match="bins is 0"):
        bin_edges([0.5], 0)


@pytest.mark.parametrize(
    ("n", "mean", "high"),
    [(100, 0.111, 0.155), (500, 0.050, 0.069), (2000, 0.025, 0.036), (10_000, 0.011, 0.015)],
)
def test_a_perfect_model_has_an_ece(n: int, mean: float, high: float) -> None:
    """The published biases of ten bins: .111 at 100 rows to .011 at 10,000, 95 % below .155 to .015."""
    said, happened = uniform_sample(n, n)
    found = ece_against_null(said, happened, seed=1, draws=300)
    assert found.null_mean == pytest.approx(mean, rel=0.15)
    assert found.null_high == pytest.approx(high, rel=0.15)


def test_calibrated_models_pass_and_shrunk_ones_do_not() -> None:
    """Of 100 calibrated samples some 5 are below .05; probabilities shrunk by half are found at 500 rows."""
    below = 0
    for seed in range(100):
        said, happened = uniform_sample(300, seed)
        below += ece_against_null(said, happened, seed, draws=100).p_value < 0.05
    assert 0 <= below <= 12
    said, happened = uniform_sample(500, 1)
    assert ece_against_null(0.25 + said / 2, happened, 1, draws=200).p_value < 0.01


def test_rows_of_one_event_widen_the_null() -> None:
    """500 rows of 25 events show an ECE that 500 independent rows would not."""
    rng = np.random.default_rng(2)
    events = np.repeat(np.arange(25), 20)
    said = np.repeat(rng.random(25), 20)
    happened = np.repeat((rng.random(25) < said[::20]).astype(float), 20)
    apart = ece_against_null(said, happened, 1, draws=200)
    together = ece_against_null(said, happened, 1, blocks_of(events), draws=200)
    assert together.null_mean > 2 * apart.null_mean
    assert together.p_value > 0.05
    assert apart.p_value < 0.01


def test_the_null_keeps_every_probability() -> None:
    """A ladder's strikes settle in order, and each is YES as often as it says."""
    said = np.array([0.9, 0.5, 0.2])
    blocks = blocks_of(["e"] * 3)
    rng = np.random.default_rng(5)
    drawn = np.array([null_outcomes(said, blocks, rng) for _ in range(4000)])
    assert drawn.mean(axis=0) == pytest.approx(said, abs=0.03)
    assert (np.diff(drawn, axis=1) <= 0).all()
