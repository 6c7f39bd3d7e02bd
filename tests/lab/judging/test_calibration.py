"""Spiegelhalter's Z and the calibration line: their properties, and what blocks change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.lab.judging.blocks import blocks_of
from daemon.lab.judging.calibration import NO_LINE, calibration_line, logit, spiegelhalter


def sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    said = rng.uniform(0.02, 0.98, n)
    return said, (rng.random(n) < said).astype(float)


def stretched(said: np.ndarray, factor: float) -> np.ndarray:
    return 1 / (1 + np.exp(-factor * logit(said)))


def test_z_by_hand() -> None:
    """Two rows on paper: terms 0.8 x -0.6 and -0.4 x 0.2 over the root of their variances."""
    terms = (1 - 0.2) * (1 - 0.4) + (0 - 0.6) * (1 - 1.2)
    variance = 0.6**2 * 0.16 + 0.2**2 * 0.24
    found = spiegelhalter([0.2, 0.6], [1, 0])
    assert found.z == pytest.approx(terms / variance**0.5)


def test_z_is_standard_normal_for_a_calibrated_model() -> None:
    """Over 400 samples its mean is near 0, its spread near 1, and 5 of 100 p-values are below .05."""
    found = [spiegelhalter(*sample(200, seed)) for seed in range(400)]
    z = np.array([one.z for one in found], dtype=float)
    assert abs(z.mean()) < 0.15
    assert z.std() == pytest.approx(1, abs=0.12)
    assert 0.02 < np.mean([one.p_value is not None and one.p_value < 0.05 for one in found]) < 0.09


def test_z_has_the_sign_of_the_error() -> None:
    """Over-confident is above 0, under-confident below."""
    said, happened = sample(3000, 1)
    over, under = spiegelhalter(stretched(said, 2.5), happened), spiegelhalter(stretched(said, 0.4), happened)
    assert over.z is not None
    assert under.z is not None
    assert over.z > 5
    assert under.z < -5


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_z_is_the_same_from_either_side(rows: list[tuple[float, bool]]) -> None:
    """Calling NO what was YES changes nothing: 1 - p against 1 - y."""
    said = np.array([p for p, _ in rows])
    happened = np.array([float(y) for _, y in rows])
    one, other = spiegelhalter(said, happened).z, spiegelhalter(1 - said, 1 - happened).z
    assert (one is None) == (other is None) or min(said.min(), (1 - said).min()) < 1e-12
    if one is not None and other is not None and abs(one) < 1e4:  # beyond, 1 - p has lost the digits of p
        assert one == pytest.approx(other, rel=1e-6, abs=1e-6)


def test_nothing_at_stake_is_unknown() -> None:
    """Where all is said to be even or certain there is no Z."""
    assert spiegelhalter([0.5, 0.5], [0, 1]).z is None


def test_copies_of_rows_are_no_evidence() -> None:
    """Fifty copies of each row make the naive Z seven times larger, and leave the blocks' Z as it was."""
    said, happened = sample(80, 11)
    often = np.repeat(said, 50), np.repeat(happened, 50)
    blocks = blocks_of(np.repeat(np.arange(80), 50))
    once, naive = spiegelhalter(said, happened), spiegelhalter(*often)
    assert once.z is not None
    assert naive.z == pytest.approx(once.z * 50**0.5)
    one_each = spiegelhalter(said, happened, blocks_of(np.arange(80))).z
    assert spiegelhalter(*often, blocks).z == pytest.approx(one_each)


def test_the_line_finds_a_stretch_and_a_shift() -> None:
    """Logits doubled give slope 1/2; a prior shift gives an intercept; the truth is inside the intervals."""
    said, happened = sample(20_000, 3)
    doubled = calibration_line(stretched(said, 2), happened)
    assert doubled.slope == pytest.approx(0.5, abs=0.03)
    shifted = calibration_line(1 / (1 + np.exp(-(logit(said) + 1))), happened)
    assert shifted.intercept == pytest.approx(-1, abs=0.06)
    assert shifted.slope_low is not None
    assert shifted.slope_high is not None
    assert shifted.slope_low < 1 < shifted.slope_high


def test_the_line_covers_calibration() -> None:
    """Of 200 calibrated samples the slope's interval holds 1 in 90 to 99 of 100, with blocks or without."""
    for blocks in (None, blocks_of(np.arange(400))):
        held = 0
        for seed in range(200):
            line = calibration_line(*sample(400, seed), blocks)
            assert line.slope_low is not None
            assert line.slope_high is not None
            held += line.slope_low <= 1 <= line.slope_high
        assert 180 <= held <= 198


def test_blocks_widen_the_line() -> None:
    """Fifty copies of each row leave the blocks' interval as it was."""
    said, happened = sample(100, 5)
    once = calibration_line(said, happened, blocks_of(np.arange(100)))
    blocks = blocks_of(np.repeat(np.arange(100), 50))
    often = calibration_line(np.repeat(said, 50), np.repeat(happened, 50), blocks)
    assert often.slope_low == pytest.approx(once.slope_low)
    assert often.intercept_high == pytest.approx(once.intercept_high)


def test_where_there_is_no_line_it_is_unknown() -> None:
    """One outcome only, one probability only, or outcomes that a step tells apart."""
    assert calibration_line([0.2, 0.7], [1, 1]) == NO_LINE
    assert calibration_line([0.4, 0.4], [0, 1]) == NO_LINE
    assert calibration_line([0.1, 0.2, 0.7, 0.8], [0, 0, 1, 1]) == NO_LINE
