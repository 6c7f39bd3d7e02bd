"""The features from candles: of the source in force, and after all others in the catalogue."""

from __future__ import annotations

import math

import pytest

from daemon.core.units import MINUTE
from tests.core.features.told import Told

NAMES = ("reference_return_5m", "reference_return_15m", "reference_volatility_15m")


def test_they_are_known_from_backfilled_candles_at_once() -> None:
    """A quarter of an hour of candles over REST, and nothing has to warm up."""
    told = Told()
    for back in range(17, 0, -1):
        told.reference_candle(back, 100_000 - back)
    row = told.row()
    last = 100_000 - (2 if told.now % MINUTE < 5 * 10**9 else 1)
    assert row["reference_return_5m"] == pytest.approx(math.log(last / (last - 5)))
    assert row["reference_return_15m"] == pytest.approx(math.log(last / (last - 15)))
    assert row["reference_volatility_15m"] == pytest.approx(1 / last)


def test_they_are_unknown_after_a_loss() -> None:
    """Until the candles that were missed are in."""
    told = Told()
    for back in range(20, 0, -1):
        told.reference_candle(back, 100_000)
    told.lose_reference()
    assert [told.row()[name] for name in NAMES] == [None] * 3
    told.reference_candle(1, 100_000)
    assert None not in [told.row()[name] for name in NAMES]
