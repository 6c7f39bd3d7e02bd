"""Held-out figures by hand."""

from __future__ import annotations

import pytest

from daemon.lab.judging.held_out import Judged, figures, normal_cdf


def test_figures_of_two_markets_by_hand() -> None:
    """Brier scores, calibration and skill as computed on paper."""
    markets = [
        Judged(True, (0.9, 0.9), model=(0.8, 1.0), mid=(0.5, 0.5), formula=(0.5, 0.5)),
        Judged(False, (0.1, 0.1), model=(0.2, 0.0), mid=(0.5, 0.5), formula=(0.5, 0.5)),
    ]
    told = figures(markets, seed=1)
    assert pytest.approx(told["brier_model"]) == (0.08 / 4)
    assert (told["brier_mid"], told["brier_formula"], told["brier_base_rate"]) == (0.25, 0.25, 0.25)
    assert (told["base_rate"], told["mean_probability"]) == (0.5, 0.5)
    assert pytest.approx(told["skill_over_mid"]) == (1 - 0.02 / 0.25)
    assert told["skill_over_mid_low"] <= told["skill_over_mid"] <= told["skill_over_mid_high"]


def test_figures_repeat_with_their_seed() -> None:
    """The bootstrap is seeded: the same markets give the same interval."""
    markets = [Judged(n % 3 == 0, (0.5, 0.5), (0.3, n / 40), (0.4, 0.4), (0.5, 0.1)) for n in range(30)]
    assert figures(markets, seed=5) == figures(markets, seed=5)


def test_a_certain_mistake_costs_a_finite_amount() -> None:
    """A probability of exactly 0 for what happened is clipped, so that a loss can be compared."""
    told = figures([Judged(True, (0.0,), (0.0,), (0.0,), (0.0,))], seed=1)
    assert told["log_loss_model"] < 7


def test_nothing_to_judge_by_is_an_error() -> None:
    """No held-out rows: no figures, rather than zeros."""
    with pytest.raises(ValueError, match="no held-out rows"):
        figures([], seed=1)


def test_the_formula_is_symmetric() -> None:
    """At the strike it is a coin toss, and one sigma up is as likely as one down is unlikely."""
    assert normal_cdf(0) == 0.5
    assert normal_cdf(1) + normal_cdf(-1) == pytest.approx(1)
    assert normal_cdf(1.96) == pytest.approx(0.975, abs=1e-4)
