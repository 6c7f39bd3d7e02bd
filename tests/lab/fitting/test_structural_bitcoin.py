"""January 2022 of bitcoin, minute by minute: two parameters against trees, and what re-weighting does.

The table of `quant.md` 3.1 and 3.2: moves of more than the training rows' 85th percentile within an hour,
walk-forward in five folds with an hour's purge. Brier .154 for the formula, .165 for 200 trees, .227 with
re-weighted classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs the extra `lab`")
pytest.importorskip("scipy", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")

import lightgbm
import pyarrow.parquet as pq

from daemon.core.units import MINUTE
from daemon.lab.calibrating import calibrate, check_slices
from daemon.lab.fitting.rows import FitRows, Floats, fit_rows
from daemon.lab.fitting.structural import fit_structural
from daemon.lab.fitting.trees import fit_trees
from daemon.lab.folds import Rule, even_boundaries, later_slices, walk_forward
from daemon.scoring.structural import Move
from tests.lab.judging.published import SHARED, needs

MINUTES = SHARED / "btc_1m/perp_2022_01.parquet"
HOUR = 60
VOLATILITIES = ("reference_parkinson_60m", "reference_parkinson_240m")
NAMES = (
    *VOLATILITIES,
    "reference_parkinson_5m",
    "reference_parkinson_15m",
    "return_5",
    "return_15",
    "hour_sin",
    "hour_cos",
)
RULE = Rule(purge=HOUR * MINUTE, embargo=0)
TREES = {"num_leaves": 15, "learning_rate": 0.05}


@dataclass(frozen=True)
class Said:
    """What was said of all tested rows, and what happened."""

    y: Floats
    by: dict[str, Floats]

    def brier(self, name: str) -> float:
        return float(np.mean(np.square(self.by[name] - self.y)))


def month() -> tuple[FitRows, Floats]:
    """Rows whose label is the absolute return over the next hour, each minute a group of its own."""
    table = pq.read_table(MINUTES).to_pydict()
    high, low, close = (np.array(table[name]) for name in ("high", "low", "close"))
    at = np.array([int(one.timestamp()) for one in table["ts"]]) * 10**9 + MINUTE
    variance = np.concatenate(([0.0], np.cumsum(np.square(np.log(high / low)) / (4 * np.log(2)))))

    def parkinson(minutes: int) -> Floats:
        found = np.full(len(close), np.nan)
        found[minutes - 1 :] = np.sqrt((variance[minutes:] - variance[:-minutes]) / minutes)
        return found

    def back(minutes: int) -> Floats:
        found = np.full(len(close), np.nan)
        found[minutes:] = np.log(close[minutes:] / close[:-minutes])
        return found

    day = 2 * np.pi * (at // MINUTE % 1_440) / 1_440
    x = np.column_stack([*map(parkinson, (60, 240, 5, 15)), *map(back, (5, 15)), np.sin(day), np.cos(day)])
    moved = np.abs(np.log(close[HOUR:] / close[:-HOUR]))
    kept = np.arange(240, len(close) - HOUR)
    rows = fit_rows(NAMES, x[kept], moved[kept], at[kept], at[kept] + HOUR * MINUTE, kept)
    return rows, moved[kept]


@pytest.fixture(scope="module")
def said() -> Said:
    """Every fold fitted on what was over before it."""
    rows, moved = month()
    folds = walk_forward(rows.span, even_boundaries(rows.span, 5, 0.4), RULE)
    y: list[Floats] = []
    by: dict[str, list[Floats]] = {}
    for fold in folds:
        threshold = float(np.quantile(moved[fold.train], 0.85))
        labelled = replace(rows, y=(moved > threshold).astype(float))
        train, test = labelled.only(fold.train), labelled.only(fold.test)
        formula = fit_structural(Move(VOLATILITIES, move=threshold, horizon_s=HOUR * 60), train)
        slices = later_slices(labelled.span, fold.train, (0.75, 0.25), RULE)
        check_slices(labelled.span, slices, RULE)
        fit, later = (labelled.only(some) for some in slices)
        trees = fit_trees("classifier", train, TREES, 200, 1)
        earlier = fit_trees("classifier", fit, TREES, 200, 1)
        # One draw per hour: labels of an hour that overlap are one outcome, and so many carry Platt's only.
        hours = later.span.at // (HOUR * MINUTE)
        line = calibrate(earlier.predict(later.x), later.y, later.weight, hours)
        unbalanced = lightgbm.train(
            {**TREES, "objective": "binary", "is_unbalance": True, "verbosity": -1, "num_threads": 1},
            lightgbm.Dataset(train.x, train.y), 200,
        )  # fmt: skip
        y.append(test.y)
        for name, values in {
            "formula": formula.predict(test),
            "trees": trees.predict(test.x),
            "calibrated trees": line.apply(earlier.predict(test.x)),
            "unbalanced": np.asarray(unbalanced.predict(test.x), dtype=np.float64),
            "base rate": np.full(test.count, train.y.mean()),
        }.items():
            by.setdefault(name, []).append(values)
    return Said(np.concatenate(y), {name: np.concatenate(parts) for name, parts in by.items()})


@pytest.mark.full
@needs(MINUTES)
def test_two_parameters_beat_the_trees(said: Said) -> None:
    """By the published order: formula, trees, base rate; the formula at the published score."""
    assert 0.154 == pytest.approx(said.brier("formula"), abs=0.01)
    assert said.brier("formula") < said.brier("trees")
    assert said.brier("formula") < said.brier("base rate")


@pytest.mark.full
@needs(MINUTES)
def test_reweighting_ruins_the_probabilities(said: Said) -> None:
    """The mean is far above the rate of what happened, and the score is worse than the base rate's."""
    assert said.by["unbalanced"].mean() > said.y.mean() + 0.1
    assert said.brier("unbalanced") > said.brier("base rate") > said.brier("calibrated trees")
