"""The samples of models and strategies: by slot and by name, true to what the core keeps of them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.models import CHALLENGER, DEFAULT, Model
from daemon.core.units import PRICE_ONE, SECOND
from daemon.shell.model_samples import OUTCOMES, model_samples, strategy_samples
from tests.core.test_drift import OURS, warn
from tests.core.test_drift import lived as watched
from tests.core.test_models import Members, Said
from tests.core.test_models import lived as scoring
from tests.core.worlds import NOW, TICKER, Scripted, engine
from tests.shell.beliefs import LATER, lived


def test_models_are_told_by_slot() -> None:
    """What came of their scores, when the last one was, and how the pair did."""
    trained = msgspec.structs.replace(Model(Said(0.9)), trained_until=7 * SECOND)
    subject = scoring({DEFAULT: Model(Said(0.5)), CHALLENGER: trained})
    subject.decide(NOW)
    subject.handle(e.MarketDetermined(TICKER, "yes", PRICE_ONE, LATER))
    samples = model_samples(subject.models)
    scores = samples["kalshid_model_scores_total"]
    assert isinstance(scores, Mapping)
    assert {("default", "scored"), ("challenger", "scored")} == {name for name, n in scores.items() if n}
    seconds = NOW / SECOND
    assert {"default": seconds, "challenger": seconds} == samples["kalshid_model_scored_timestamp_seconds"]
    assert {"challenger": 7.0} == samples["kalshid_model_trained_timestamp_seconds"]
    assert pytest.approx(0.4) == samples["kalshid_model_challenger_difference"]
    brier = samples["kalshid_model_brier"]
    assert isinstance(brier, Mapping)
    assert {"model", "mid", "challenger"} == set(brier)
    assert {"done": 0.0, "refused": 0.0} == samples["kalshid_model_swaps_total"]


def test_every_outcome_of_a_score_is_there_from_the_start() -> None:
    """A first doubt is a rise from 0, which a rate shows, and no series that begins at 1."""
    scores = model_samples(engine(Scripted()).models)["kalshid_model_scores_total"]
    assert {(slot, outcome): 0.0 for slot in (DEFAULT, CHALLENGER) for outcome in OUTCOMES} == scores


def test_drift_is_told_by_slot() -> None:
    """The verdict's number, the means of the window, and the highest index once there is one.

    Model and mid said 0.8 of events of which none paid: the score is 0.8 from what came true.
    """
    subject = watched({DEFAULT: OURS})
    warn(subject)
    samples = model_samples(subject.models)
    assert {"default": 1.0} == samples["kalshid_model_drift_state"]
    assert {"default": 0.0} == samples["kalshid_model_brier_excess"]
    assert {"default": pytest.approx(0.8)} == samples["kalshid_model_calibration_error_ratio"]
    assert {} == samples["kalshid_model_psi_max"]


def test_what_is_absent_of_an_ensemble_is_told_by_slot() -> None:
    """Only of ensembles; another model has no members."""
    subject = scoring({DEFAULT: Model(Members(0.5)), CHALLENGER: Model(Said(0.9))})
    subject.decide(NOW)
    assert {"default": 1.0} == model_samples(subject.models)["kalshid_model_members_absent"]


def test_strategies_are_told_by_name() -> None:
    """Bought 4 at 40 c for a fee of $0.0168, worth 41 by the mid; 10 more may come."""
    subject = lived()
    found = strategy_samples(subject)
    expected = {
        "on": 1.0, "orders_total": 1.0, "fills_total": 1.0, "realized_dollars": -0.0168,
        "pnl_dollars": 0.0232, "staked_dollars": 5.6,
    }  # fmt: skip
    for name, value in expected.items():
        assert {"scripted": value} == found[f"kalshid_strategy_{name}"]
    subject.handle(e.StrategySwitched("scripted", False, "losing", LATER))
    assert {"scripted": 0.0} == strategy_samples(subject)["kalshid_strategy_on"]
