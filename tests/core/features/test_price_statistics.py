"""The price's features by hand; against their twins in test_catalogue and test_parity."""

from __future__ import annotations

from math import log, sqrt

import pytest

from daemon.core.units import DAY, HOUR, MINUTE, SECOND
from tests.core.features.told import START, Told, two_sided


def test_an_hour_ago_from_the_last_whole_minute() -> None:
    """Long windows are bucketed: the mid of an hour ago is that of the last whole minute before."""
    told = Told(now=START + 20 * SECOND)
    for back in range(70):
        told.candle((told.now // MINUTE - back) * MINUTE, 3_000 + 10 * back, 3_200 + 10 * back)
    two_sided(told)
    assert told.row()["mid_momentum_3600s"] == pytest.approx(0.41 - 0.37)


def test_momentum_over_momentum() -> None:
    """Up 1c in a minute and 2c in five: half. Nothing moved: no ratio."""
    told = Told()
    two_sided(told)
    told.now += 240 * SECOND
    assert told.row()["momentum_ratio_5s_60s"] is None
    told.snapshot(((4_100, 1_000),), ((5_700, 3_000),))
    told.now += 60 * SECOND
    told.snapshot(((4_200, 1_000),), ((5_600, 3_000),))
    assert told.row()["momentum_ratio_60s_300s"] == 0.5


def test_a_candle_of_its_own_by_hand() -> None:
    """A minute between 40c and 50c: ln(5/4) / (2 sqrt(ln 2))."""
    told = Told(now=START - START % MINUTE)
    for bid in (3_900, 4_900, 4_400):
        told.snapshot(((bid, 1_000),), ((9_800 - bid, 3_000),))
        told.now += 20 * SECOND
    assert told.row()["parkinson_vol_1m"] == pytest.approx(log(5 / 4) / (2 * sqrt(log(2))), rel=1e-12)
    assert told.row()["parkinson_vol_5m"] is None


def test_distance_from_the_edges_of_twenty_minutes() -> None:
    """Mids from 30c to 49c, now 41c: 11c above the lowest, 8c below the highest."""
    told = Told(now=START + 20 * SECOND)
    for back in range(20):
        told.candle((told.now // MINUTE - back) * MINUTE, 2_900 + 100 * back, 3_100 + 100 * back)
    two_sided(told)
    row = told.row()
    assert row["low_distance_20m"] == pytest.approx(0.11)
    assert row["high_distance_20m"] == pytest.approx(-0.08)
    assert row["distance_50"] == -0.18


def test_a_week_of_hourly_candles_warms_the_mean() -> None:
    """A mean of 53c, now 41c: 12 points below. An hour without a mid is left out; an absent one is a hole."""
    told = Told(now=START)
    two_sided(told)
    hours = [(told.now // HOUR - back) * HOUR for back in range(7 * 24 + 1)]
    for hour in hours[1:]:
        told.candle(hour, 5_200, 5_400, HOUR)
    assert told.row()["mean_deviation_7d"] is None
    told.candle(hours[0], None, 5_400, HOUR)
    assert told.row()["mean_deviation_7d"] == -0.12
    assert told.row()["mean_deviation_1d"] == -0.12


def test_a_mean_of_less_than_half_the_hours_is_none() -> None:
    """A market that was one-sided for most of the day has no mean to be far from."""
    told = Told(now=START)
    two_sided(told)
    for back in range(DAY // HOUR):
        told.candle((told.now // HOUR - back) * HOUR, 5_200 if back < 11 else None, 5_400, HOUR)
    assert told.row()["mean_deviation_1d"] is None
