"""Made-up events, for the tests of what is fitted: a market that the normal distribution nearly explains."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from daemon.core.units import MINUTE, SECOND
from daemon.lab.fitting.rows import FitRows, Floats, fit_rows
from daemon.lab.folds import Rule

NAMES = ("strike_distance_sigma", "top_imbalance", "ofi_10s", "seconds_to_close")
RULE = Rule(purge=0, embargo=5 * SECOND)
PER_EVENT = 3
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Made:
    """Rows with the chance that each event had, by which it was drawn."""

    rows: FitRows
    chance: Floats


def made_rows(seed: int = 1, events: int = 400, *, own: float = 0.8, strength: float = 1.0) -> Made:
    """Three rows per event, one minute apart, a quarter of an hour from event to event.

    YES has the chance Phi(strength (distance + own x imbalance)); flow is noise, and a tenth of it unknown.
    """
    rng = np.random.default_rng(seed)
    count = events * PER_EVENT
    distance, imbalance = (np.repeat(rng.normal(size=events), PER_EVENT) for _ in range(2))
    chance = np.array([_NORMAL.cdf(strength * z) for z in distance + own * imbalance])
    y = np.repeat(rng.random(events) < chance[::PER_EVENT], PER_EVENT).astype(float)
    flow = rng.normal(size=count) * 100
    flow[rng.random(count) < 0.1] = np.nan
    event = np.repeat(np.arange(events), PER_EVENT)
    at = 1_700_000_000 * SECOND + event * 15 * MINUTE + np.tile(np.arange(PER_EVENT), events) * MINUTE
    ends = 1_700_000_000 * SECOND + (event + 1) * 15 * MINUTE - 30 * SECOND
    left = (ends - at) / SECOND
    x = np.column_stack((distance, imbalance, flow, left))
    rows = fit_rows(NAMES, x, y, at, ends, event, weight=np.full(count, 1 / PER_EVENT))
    return Made(rows, chance)


def log_loss(said: Floats, rows: FitRows) -> float:
    """The weighted log-loss in nats."""
    return float(np.average(-np.log(np.where(rows.y == 1, said, 1 - said)), weights=rows.weight))
