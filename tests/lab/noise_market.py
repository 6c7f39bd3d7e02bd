"""A model of pure noise, made the whole way: fitted, calibrated later, weighed later still."""

from __future__ import annotations

import numpy as np

from daemon.lab.calibrating import calibrate, check_slices
from daemon.lab.fitting.rows import FitRows
from daemon.lab.fitting.trees import fit_trees
from daemon.lab.folds import later_slices
from daemon.lab.promotion import Evidence, weigh
from tests.lab.fitting.made_rows import RULE, made_rows

SMALL = {"num_leaves": 7, "min_data_in_leaf": 20, "learning_rate": 0.1}


def noise_evidence(seed: int, *, strength: float = 1.0, events: int = 240, trials: int = 1) -> Evidence:
    """Weigh trees that saw random numbers against a formula and a market, by a seed.

    Args:
        seed: of the events and of the numbers.
        strength: of the events' causes; 0 makes every event a coin, and the market says one half.
        events: how many.
        trials: so many such models are said to have been tried.
    """
    made = made_rows(seed, events, strength=strength)
    rng = np.random.default_rng([seed, 1])
    rows = made.rows
    noise = FitRows(rows.names, rng.normal(size=rows.x.shape), rows.y, rows.weight, rows.span)
    slices = later_slices(rows.span, np.arange(rows.count), (0.4, 0.3, 0.3), RULE)
    check_slices(rows.span, slices, RULE)
    fit, later, judged = (noise.only(some) for some in slices)
    fitted = fit_trees("classifier", fit, SMALL, 20, seed)
    calibration = calibrate(fitted.predict(later.x), later.y, later.weight, later.span.group)
    truth = np.log(made.chance[slices[2]] / (1 - made.chance[slices[2]]))
    mid, champion = (
        1 / (1 + np.exp(-(truth + strength * spread * rng.normal(size=len(truth))))) for spread in (0.3, 0.6)
    )
    return weigh(
        outcomes=judged.y,
        challenger=calibration.apply(fitted.predict(judged.x)),
        champion=champion,
        mid=mid,
        independent=judged.span.group,
        challenger_sha256="1" * 64,
        champion_sha256="0" * 64,
        seed=seed,
        trials=trials,
    )
