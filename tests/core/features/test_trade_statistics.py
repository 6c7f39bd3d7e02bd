"""The trades' features by hand; against their twins in test_catalogue and test_parity."""

from __future__ import annotations

import pytest

from daemon.core.units import MINUTE, SECOND
from tests.core.features.told import Told, two_sided


def observed() -> Told:
    """A book and a stream of trades, whole for a while."""
    told = Told()
    told.connect()
    two_sided(told)
    told.now += 5 * MINUTE
    return told


def test_flow_rate_and_distance_by_hand() -> None:
    """YES 3 contracts at 53c, NO 1 at 51c: flow 2, two trades, average 52.5c, mid 41c."""
    told = observed()
    told.trade(300, "yes")
    told.trade(100, "no")
    row = told.row()
    assert row["trade_flow_60s"] == 2.0
    assert row["trade_rate_60s"] == 2 / 60
    assert row["vwap_distance_60s"] == -0.115


def test_a_minute_without_trades_has_no_average_price() -> None:
    """Nothing flowed: that is known. What the average would have been is not."""
    told = observed()
    row = told.row()
    assert (row["trade_flow_60s"], row["trade_rate_60s"], row["vwap_distance_60s"]) == (0.0, 0.0, None)


def test_the_last_period_against_twenty() -> None:
    """Nineteen periods of one contract and one of twenty-one: (21 - 2) / sqrt(19) deviations."""
    told = observed()
    told.now += -told.now % (5 * SECOND)
    for _ in range(19):
        told.trade(100, "yes")
        told.now += 5 * SECOND
    assert told.row()["volume_z_5s"] is not None
    told.trade(2_100, "yes")
    told.now += 5 * SECOND
    assert told.row()["volume_z_5s"] == pytest.approx(19**0.5, rel=1e-12)


def test_twenty_equal_periods_say_nothing() -> None:
    """Without deviation there is no score: None, and no division by zero."""
    assert observed().row()["volume_z_5s"] is None
