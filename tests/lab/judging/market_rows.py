"""Rows of a made-up market, for the tests of what is built on them."""

from __future__ import annotations

import numpy as np

from daemon.core.markets import Fees
from daemon.lab.judging.rows import JudgedRows, judged_rows


def market_rows(
    seed: int = 1, events: int = 120, model_noise: float = 0.0, mid_noise: float = 0.3, books: bool = True
) -> JudgedRows:
    """Four rows per event; model and mid are the truth's logit with noise of their own, in 3 folds."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.normal(size=events), 4)
    happened = np.repeat((rng.random(events) < 1 / (1 + np.exp(-truth[::4]))).astype(float), 4)
    model, mid = (
        np.clip(1 / (1 + np.exp(-(truth + noise * rng.normal(size=len(truth))))), 0.02, 0.98)
        for noise in (model_noise, mid_noise)
    )
    labels = [f"E{number:03d}" for number in np.repeat(np.arange(events), 4)]
    return judged_rows(
        outcomes=happened,
        model=model,
        mid=mid,
        mid_normalised=mid,
        structural=np.clip(mid + 0.01, 0, 1),
        base_rate=np.full(len(mid), 0.5),
        independent=labels,
        folds=np.repeat(np.arange(events) * 3 // events, 4),
        bid=np.floor(mid * 10_000 - 50) if books else None,
        ask=np.ceil(mid * 10_000 + 50) if books else None,
        fees=Fees("quadratic", 1_000_000) if books else None,
    )
