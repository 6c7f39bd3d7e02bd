"""Made-up sequences, for the tests of what is fitted to them: bitcoin's minutes, and a market on them."""

from __future__ import annotations

import numpy as np

from daemon.core.units import MINUTE, SECOND
from daemon.lab.fitting.rows import FitRows, Floats, fit_rows

STEPS = 12
CHANNELS = ("reference_candle_return_#", "reference_candle_range_#")
NAMES = tuple(channel.replace("#", str(ago)) for ago in range(STEPS, 0, -1) for channel in CHANNELS)


def made_sequences(seed: int = 1, events: int = 600, *, strength: float = 3.0) -> FitRows:
    """A row per event, a quarter of an hour apart: YES is likelier after a rise in the last four minutes.

    Volatility differs from event to event by a factor of ten; ranges tell it. A twentieth lacks a step.
    """
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.uniform(np.log(1e-4), np.log(1e-3), size=(events, 1)))
    returns = rng.normal(size=(events, STEPS)) * scale
    ranges = np.abs(rng.normal(size=(events, STEPS))) * scale
    trend: Floats = returns[:, -4:].sum(axis=1) / (2 * scale[:, 0])
    y = (rng.random(events) < 1 / (1 + np.exp(-strength * trend))).astype(float)
    x = np.stack((returns, ranges), axis=2).reshape(events, -1)
    x[rng.random(events) < 0.05, 3] = np.nan
    at = 1_700_000_000 * SECOND + np.arange(events) * 15 * MINUTE
    return fit_rows(NAMES, x, y, at, at + 10 * MINUTE, np.arange(events))
