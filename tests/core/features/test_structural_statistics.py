"""The structural fair value, by hand; against its twin it is compared in test_catalogue."""

from __future__ import annotations

import math
from statistics import NormalDist

import msgspec
import pytest

from daemon.core.features import FeatureSet
from daemon.core.scorer import FeatureSchema
from daemon.core.units import MINUTE, MONEY_ONE, SECOND
from tests.core.features.told import START, STRIKE, Told, market

NAMES = FeatureSchema(("structural_fair_value", "move_probability_50bp"))
PHI = NormalDist().cdf


@pytest.fixture
def told() -> Told:
    """Four hours of candles that range over 0.1 %, the price at the strike, fifteen minutes left."""
    subject = Told()
    for back in range(246, 0, -1):
        subject.reference_candle(back, STRIKE, STRIKE // 1_000)
    subject.price(STRIKE)
    return subject


DEVIATION = math.log(1.001) / math.sqrt(4 * math.log(2)) * math.sqrt(15)


def test_candles_give_the_deviation(told: Told) -> None:
    """At the strike it is one half; half a percent is so many deviations of the quarter hour away."""
    row = told.row()
    assert row["reference_parkinson_60m"] == pytest.approx(DEVIATION / math.sqrt(15))
    assert row["structural_fair_value"] == pytest.approx(0.5)
    assert row["move_probability_50bp"] == pytest.approx(2 * (1 - PHI(0.005 / DEVIATION)))


def test_each_kind_of_strike_has_its_own_value(told: Told) -> None:
    """Above and below sum to one; a range is the difference of two; what asks for no number has none."""
    told.price(STRIKE + 100 * MONEY_ONE)
    spec = market()
    low, high = STRIKE - 200 * MONEY_ONE, STRIKE + 300 * MONEY_ONE

    def value(**changes: object) -> float | None:
        one = msgspec.structs.replace(spec, **changes)
        return FeatureSet(NAMES, one, told.reference).row(told.now)[0]

    above, below = value(strike_type="greater"), value(strike_type="less_or_equal")
    assert above == pytest.approx(PHI(math.log((STRIKE + 100 * MONEY_ONE) / STRIKE) / DEVIATION))
    assert above is not None
    assert below == pytest.approx(1 - above)
    within = value(strike=None, strike_type="between", strike_range=(low, high))
    ends = value(strike=low), value(strike=high)
    assert ends[0] is not None
    assert ends[1] is not None
    assert within == pytest.approx(ends[0] - ends[1])
    assert value(strike_type="custom") is None
    assert value(strike=None) is None


def test_without_candles_the_stream_stands_in() -> None:
    """One-second changes, scaled to the time that is left: the settlement index has no candles."""
    told = Told()
    for second in range(12):
        told.now = START + second * SECOND
        told.price(STRIKE + (second % 2) * STRIKE // 10_000)
    told.now += SECOND
    deviation = told.row()["reference_vol_300s"]
    assert deviation is not None
    left = (START + 15 * MINUTE - told.now) / SECOND
    expected = 2 * (1 - PHI(0.005 / (deviation * math.sqrt(left))))
    assert told.row()["move_probability_50bp"] == pytest.approx(expected)


def test_nothing_is_known_at_the_close_or_of_a_price_that_stands_still(told: Told) -> None:
    """No time and no deviation divide nothing."""
    told.now = START + 15 * MINUTE
    assert told.row()["structural_fair_value"] is None
    still = Told()
    for back in range(246, 0, -1):
        still.reference_candle(back, STRIKE)
    still.price(STRIKE)
    assert still.row()["reference_parkinson_240m"] == 0
    assert still.row()["structural_fair_value"] is None
