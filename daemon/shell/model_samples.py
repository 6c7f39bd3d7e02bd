"""What a scrape shows of models and strategies."""

from __future__ import annotations

from typing import get_args

from daemon.core.attribution import Result
from daemon.core.engine import Engine
from daemon.core.model_slot import Doubt
from daemon.core.models import Models
from daemon.core.units import MONEY_ONE, SECOND, Ns
from daemon.shell.metrics import Sample
from daemon.shell.model_status import drift_states

OUTCOMES: tuple[str, ...] = ("scored", *get_args(Doubt))
"""What comes of a row that a model is asked to score."""


def model_samples(models: Models) -> dict[str, Sample | None]:
    """Return the samples of all slots; a figure of ended events is not there before the first one."""
    scores: dict[tuple[str, ...], float] = {
        (name, outcome): float(slot.counts[outcome])
        for name, slot in models.slots.items()
        for outcome in OUTCOMES
    }
    loaded = {name: slot.model for name, slot in models.slots.items() if slot.model is not None}
    infos: dict[tuple[str, ...], float] = {
        (name, f"{model.scorer.name}/{model.scorer.version}", model.sha256[:12]): 1.0
        for name, model in loaded.items()
    }
    figures = {name: watch.figures for name, watch in models.drift.watches.items() if watch.figures.events}
    return {
        "kalshid_model_scores_total": scores,
        "kalshid_model_info": infos,
        "kalshid_model_trained_timestamp_seconds": _known(
            {name: model.trained_until for name, model in loaded.items()}
        ),
        "kalshid_model_scored_timestamp_seconds": _known(
            {name: slot.scored_at for name, slot in models.slots.items()}
        ),
        "kalshid_model_members_absent": {
            name: float(slot.members_absent)
            for name, slot in models.slots.items()
            if slot.members_absent is not None
        },
        "kalshid_model_challenger_difference": models.record.difference_mean,
        "kalshid_model_brier": models.record.brier(),
        "kalshid_model_drift_state": drift_states(models),
        "kalshid_model_brier_excess": {name: one.excess / one.events for name, one in figures.items()},
        "kalshid_model_calibration_error_ratio": {
            name: abs(one.expected - one.paid) / one.events for name, one in figures.items()
        },
        "kalshid_model_psi_max": {
            name: watch.psi[0][1] for name, watch in models.drift.watches.items() if watch.psi
        },
        "kalshid_model_swaps_total": {
            "done": float(models.swaps),
            "refused": float(models.swaps_refused),
        },
    }


def strategy_samples(engine: Engine) -> dict[str, Sample | None]:
    """Return the samples of all strategies, in dollars where it is money."""
    record, results = engine.gathering.strategies, engine.state.attribution.results
    names = [slot.strategy.name for slot in engine.slots]
    traded = {name: results.get(name, Result()) for name in names}
    return {
        "kalshid_strategy_on": {name: float(not engine.state.switches.is_off(name)) for name in names},
        "kalshid_strategy_orders_total": {name: float(record.orders[name]) for name in names},
        "kalshid_strategy_fills_total": {name: float(one.fills) for name, one in traded.items()},
        "kalshid_strategy_pnl_dollars": {name: record.pnl(name) / MONEY_ONE for name in names},
        "kalshid_strategy_realized_dollars": {
            name: (one.realized - one.fees) / MONEY_ONE for name, one in traded.items()
        },
        "kalshid_strategy_staked_dollars": {name: record.staked(name) / MONEY_ONE for name in names},
    }


def _known(instants: dict[str, Ns | None]) -> dict[str, float]:
    """Return instants in seconds; what is not known is left out."""
    return {name: instant / SECOND for name, instant in instants.items() if instant is not None}
