"""Who is better than whom, by how much, and how sure that is: overall, per fold and per event.

Skill is 1 - loss / loss of the rival; gain is the rival's loss minus ours. Both compare the same rows, and
their intervals draw whole blocks of independent outcomes.
"""

from __future__ import annotations

import msgspec
import numpy as np

from daemon.lab.judging.arrays import Floats
from daemon.lab.judging.blocks import (
    BLOCKS_MIN,
    Blocks,
    Interval,
    mean_interval,
    paired_difference,
    skill_interval,
)
from daemon.lab.judging.calibration import Line, ZTest, calibration_line, spiegelhalter
from daemon.lab.judging.reliability import CalibrationError, ece_against_null
from daemon.lab.judging.rows import JudgedRows
from daemon.lab.judging.scores import auc, brier_losses, log_losses


class ForecastFigures(msgspec.Struct, frozen=True):
    """One forecaster by itself. `z` and `line` take blocks as independent, not rows."""

    name: str
    brier: Interval
    log_loss: Interval
    auc: float | None
    said_mean: float
    calibration_error: CalibrationError
    z: ZTest
    line: Line


class Comparison(msgspec.Struct, frozen=True):
    """One forecaster against a rival on the same rows: above 0 is better."""

    ours: str
    rival: str
    brier_skill: Interval
    brier_gain: Interval
    log_loss_gain: Interval

    @property
    def is_better(self) -> bool:
        """Whether the whole interval of the Brier gain is above 0, with enough blocks."""
        return self.brier_gain.is_above_zero


class FoldFigures(msgspec.Struct, frozen=True):
    """One fold: Brier scores by forecaster, and the model's gain over the market."""

    fold: int
    rows: int
    blocks: int
    brier: dict[str, float]
    gain_over_market: Interval


class EventFigures(msgspec.Struct, frozen=True):
    """One block of rows: Brier scores by forecaster, and the share of its rows that were YES."""

    event: str
    rows: int
    yes_rate: float
    brier: dict[str, float]


def forecast_figures(rows: JudgedRows, name: str, seed: int) -> ForecastFigures:
    """Return the figures of one forecaster, by its name."""
    said, y, blocks = rows.forecasts[name], rows.outcomes, rows.blocks
    return ForecastFigures(
        name=name,
        brier=mean_interval(brier_losses(said, y), blocks, seed),
        log_loss=mean_interval(log_losses(said, y), blocks, seed),
        auc=auc(said, y),
        said_mean=float(said.mean()),
        calibration_error=ece_against_null(said, y, seed, blocks),
        z=spiegelhalter(said, y, blocks),
        line=calibration_line(said, y, blocks),
    )


def compare(rows: JudgedRows, ours: str, rival: str, seed: int) -> Comparison:
    """Return how one forecaster did against another."""
    y, blocks = rows.outcomes, rows.blocks
    our_brier, their_brier = (brier_losses(rows.forecasts[name], y) for name in (ours, rival))
    our_log, their_log = (log_losses(rows.forecasts[name], y) for name in (ours, rival))
    return Comparison(
        ours=ours,
        rival=rival,
        brier_skill=skill_interval(our_brier, their_brier, blocks, seed),
        brier_gain=paired_difference(our_brier, their_brier, blocks, seed),
        log_loss_gain=paired_difference(our_log, their_log, blocks, seed),
    )


def market_of(rows: JudgedRows) -> str:
    """Return which mid is the market's word: the one with the lower Brier score, the harder to beat."""
    names = [name for name in ("mid normalised", "mid") if name in rows.forecasts]
    return min(names, key=lambda name: float(brier_losses(rows.forecasts[name], rows.outcomes).mean()))


def fold_figures(rows: JudgedRows, seed: int) -> tuple[FoldFigures, ...]:
    """Return the figures of each fold, in order."""
    losses = _losses(rows)
    market = market_of(rows)
    found = []
    for fold in np.unique(rows.folds):
        chosen = rows.folds == fold
        blocks = rows.blocks.only(chosen)
        found.append(
            FoldFigures(
                fold=int(fold),
                rows=int(chosen.sum()),
                blocks=blocks.count,
                brier={name: float(values[chosen].mean()) for name, values in losses.items()},
                gain_over_market=paired_difference(
                    losses["model"][chosen], losses[market][chosen], blocks, seed
                ),
            )
        )
    return tuple(found)


def event_figures(rows: JudgedRows) -> tuple[EventFigures, ...]:
    """Return the figures of each block, in the order of its name."""
    blocks: Blocks = rows.blocks
    counts = blocks.sums(np.ones(rows.count))
    means = {name: blocks.sums(values) / counts for name, values in _losses(rows).items()}
    yes = blocks.sums(rows.outcomes) / counts
    return tuple(
        EventFigures(
            event=event,
            rows=int(counts[number]),
            yes_rate=float(yes[number]),
            brier={name: float(values[number]) for name, values in means.items()},
        )
        for number, event in enumerate(blocks.names)
    )


def _losses(rows: JudgedRows) -> dict[str, Floats]:
    return {name: brier_losses(said, rows.outcomes) for name, said in rows.forecasts.items()}


def headline(comparisons: tuple[Comparison, ...], market: str) -> str:
    """Return the report's first line: whether anything beats the market, and how sure that is.

    Args:
        comparisons: of every forecaster with the market, the model's first.
        market: its name among the rivals.
    """
    against = [found for found in comparisons if found.rival == market]
    blocks = against[0].brier_gain.blocks
    better = [found for found in against if found.is_better]
    if blocks < BLOCKS_MIN:
        return (
            f"Whether anything beats the market's {market} can't be told: {blocks} independent outcomes,"
            f" {BLOCKS_MIN} are needed."
        )
    if better:
        names = " and ".join(f"the {found.ours} ({_said(found.brier_gain)})" for found in better)
        return f"Beats the market's {market}: {names}, Brier gain over {blocks} independent outcomes."
    of_model = against[0]
    worse = " The model is worse than it." if of_model.brier_gain.is_below_zero else ""
    return (
        f"Nothing here beats the market's {market}: the {of_model.ours}'s Brier gain is"
        f" {_said(of_model.brier_gain)} over {blocks} independent outcomes.{worse}"
    )


def _said(gain: Interval) -> str:
    if gain.value is None or gain.low is None or gain.high is None:
        return "unknown"
    return f"{gain.value:+.5f} [{gain.low:+.5f}, {gain.high:+.5f}]"
