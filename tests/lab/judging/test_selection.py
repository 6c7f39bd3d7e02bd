"""PSR, DSR and PBO against published check numbers, and against simulated luck."""

from __future__ import annotations

from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.lab.judging.arrays import NotJudged
from daemon.lab.judging.selection import dsr, luckiest, moments, pbo, psr, sharpe_probability


@pytest.mark.parametrize(
    ("trials", "formula", "simulated"),
    [(10, 1.575, 1.546), (50, 2.276, 2.248), (200, 2.766, 2.747), (1000, 3.255, 3.237)],
)
def test_the_luckiest_trial(trials: int, formula: float, simulated: float) -> None:
    """The formula's check numbers, and the mean of simulated maxima beside them."""
    assert round(luckiest(trials), 3) == pytest.approx(formula, abs=1e-3)
    drawn = np.random.default_rng(1).normal(size=(4000, trials)).max(axis=1).mean()
    assert drawn == pytest.approx(simulated, abs=0.03)


def test_one_trial_chose_nothing() -> None:
    """Then DSR is PSR; none at all is an error."""
    returns = np.random.default_rng(2).normal(0.1, 1, 100)
    assert dsr(returns, 1) == psr(returns)
    with pytest.raises(NotJudged, match="trials is 0"):
        luckiest(0)


def test_a_published_sharpe_deflates() -> None:
    """A Sharpe of 2.81 a year (252) over 83 days, best of 50 trials, is above luck with probability 0.26."""
    chance = sharpe_probability(2.81 / sqrt(252), luckiest(50) / sqrt(83), 83)
    assert chance is not None
    assert 0.26 == round(chance, 2)


def test_psr_by_hand() -> None:
    """Ratio .1 over 401 normal periods is nearly 2 standard errors; skew below 0 makes it less sure."""
    plain = sharpe_probability(0.1, 0, 401)
    assert plain == pytest.approx(0.9770, abs=1e-3)
    skewed = sharpe_probability(0.1, 0, 401, skew=-3, kurtosis=12)
    assert plain is not None
    assert skewed is not None
    assert skewed < plain
    assert sharpe_probability(0.1, 0.1, 401) == 0.5
    assert sharpe_probability(0.1, 0, 1) is None


def test_constant_returns_have_no_moments() -> None:
    """Nor has one return: probabilities are unknown then."""
    assert [None, None, None] == [moments([0.1]), psr([0.1] * 9), dsr([0.0] * 9, 5)]


@given(st.integers(0, 200), st.integers(2, 500))
def test_more_trials_deflate_more(seed: int, trials: int) -> None:
    """The same record is worth less the more it was chosen from."""
    returns = np.random.default_rng(seed).normal(0.05, 1, 60)
    few, many = dsr(returns, trials), dsr(returns, trials + 1)
    assert few is not None
    assert many is not None
    assert many <= few


def test_psr_is_uniform_for_worthless_records() -> None:
    """Of 500 records of pure noise some 5 % have a PSR above .95."""
    rng = np.random.default_rng(4)
    found = [psr(rng.normal(size=250)) for _ in range(500)]
    assert 0.02 < np.mean([one is not None and one > 0.95 for one in found]) < 0.09


def test_noise_is_overfitted_and_skill_is_not() -> None:
    """Of 12,870 splits, the best of worthless trials is below the median in some half; a real one in none."""
    rng = np.random.default_rng(6)
    noise = [pbo(rng.normal(size=(320, 20))).pbo for _ in range(8)]
    assert 0.3 < np.mean(noise) < 0.7
    returns = rng.normal(size=(320, 20))
    returns[:, 7] += 0.5
    found = pbo(returns)
    assert (comb(16, 8), 20) == (found.splits, found.trials)
    assert found.splits == 12_870
    assert found.pbo < 0.01


def test_pbo_by_hand() -> None:
    """Two blocks, two trials, each the best of the half in which the other is worst: always overfitted."""
    returns = [[1, -1], [3, -3], [-1, 1], [-3, 3]]
    assert 1.0 == pbo(returns, blocks=2).pbo


def test_pbo_says_what_it_needs() -> None:
    """Two trials, an even count of blocks, two periods a block."""
    with pytest.raises(NotJudged, match="2 or more trials"):
        pbo([[1.0], [2.0]])
    with pytest.raises(NotJudged, match="blocks is 3"):
        pbo(np.zeros((40, 2)), blocks=3)
    with pytest.raises(NotJudged, match="10 periods, where 16 blocks need 32"):
        pbo(np.zeros((10, 2)))
