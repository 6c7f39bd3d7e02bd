"""Comparisons say who is better only where it is so; the first line repeats it in words."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.lab.judging.blocks import Interval
from daemon.lab.judging.scores import brier
from daemon.lab.judging.skill import (
    Comparison,
    compare,
    event_figures,
    fold_figures,
    forecast_figures,
    headline,
    market_of,
)
from tests.lab.judging.market_rows import market_rows


def against(low: float, high: float, ours: str = "model", blocks: int = 50) -> Comparison:
    gain = Interval((low + high) / 2, low, high, blocks)
    return Comparison(ours, "mid", gain, gain, gain)


def test_the_truth_beats_a_noisy_mid_and_not_the_other_way() -> None:
    """With 600 events both directions are seen, and they are each other's mirror."""
    rows = market_rows(events=600, mid_noise=1.0)
    better, worse = compare(rows, "model", "mid", 1), compare(rows, "mid", "model", 1)
    assert (True, False) == (better.is_better, worse.is_better)
    assert better.brier_gain.value is not None
    assert worse.brier_gain.value == pytest.approx(-better.brier_gain.value)
    assert worse.brier_gain.is_below_zero
    assert better.log_loss_gain.is_above_zero


def test_noise_beats_no_market() -> None:
    """Of 200 models that are the market and noise, none is better than it."""
    better = 0
    for seed in range(200):
        rows = market_rows(seed, events=40, model_noise=0.6, mid_noise=0.0, books=False)
        better += compare(rows, "model", "mid", seed).is_better
    assert 0 == better


def test_one_forecaster_by_itself() -> None:
    """Its scores are those of its rows; the base rate is the mean that it said."""
    rows = market_rows()
    found = forecast_figures(rows, "base rate", 1)
    assert (0.25, 0.25, 0.5) == (found.brier.value, found.brier.low, found.said_mean)
    assert found.auc == 0.5
    assert forecast_figures(rows, "model", 1).brier.value == pytest.approx(
        brier(rows.forecasts["model"], rows.outcomes)
    )


def test_folds_and_events_add_up() -> None:
    """Each row is in one fold and one event, and their weighted means are the whole's."""
    rows = market_rows()
    whole = brier(rows.forecasts["model"], rows.outcomes)
    folds, events = fold_figures(rows, 1), event_figures(rows)
    assert ([0, 1, 2], 120) == ([found.fold for found in folds], len(events))
    assert [480, 480] == [sum(found.rows for found in part) for part in (folds, events)]
    for part in (folds, events):
        scores = np.average([one.brier["model"] for one in part], weights=[one.rows for one in part])
        assert scores == pytest.approx(whole)
    assert {0.0, 1.0} == {found.yes_rate for found in events}


def test_the_market_is_the_harder_of_its_mids() -> None:
    """A normalisation that makes the mid worse gives nobody an easy win."""
    rows = market_rows()
    worse = rows.forecasts | {"mid normalised": np.full(rows.count, 0.5)}
    object.__setattr__(rows, "forecasts", worse)
    assert "mid" == market_of(rows)
    object.__setattr__(rows, "forecasts", rows.forecasts | {"mid normalised": rows.outcomes})
    assert "mid normalised" == market_of(rows)


@pytest.mark.parametrize(
    ("comparisons", "said"),
    [
        ((against(0.01, 0.03),), "Beats the market's mid: the model"),
        ((against(-0.01, 0.03),), "Nothing here beats the market's mid: the model's Brier gain is +0.01000"),
        ((against(-0.03, -0.01),), "Nothing here beats the market's mid"),
        ((against(-0.03, 0.01), against(0.01, 0.02, "structural")), "Beats the market's mid: the structural"),
        ((against(0.01, 0.03, blocks=5),), "Whether anything beats the market's mid can't be told: 5"),
    ],
)
def test_the_first_line_says_it(comparisons: tuple[Comparison, ...], said: str) -> None:
    """Whether anything beats the mid, by how much, or that it can't be told."""
    assert headline(comparisons, "mid").startswith(said)


def test_a_model_that_is_worse_is_told_so() -> None:
    """Not beaten is one thing, beaten by the market another."""
    assert headline((against(-0.03, -0.01),), "mid").endswith("The model is worse than it.")
    assert "worse" not in headline((against(-0.03, 0.01),), "mid")
