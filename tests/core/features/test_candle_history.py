"""Past minutes one by one: each is its own minute, and the windows of others are what they were."""

from __future__ import annotations

import math

import pytest

from daemon.core.features import FeatureSet, ReferenceFeatures, definition_of
from daemon.core.features.reach import reach_of
from daemon.core.scorer import FeatureSchema
from daemon.core.units import MINUTE, SECOND
from tests.core.features.told import START, Told, market, two_sided


def told_of(*names: str) -> Told:
    """A market of which these features are kept and nothing else."""
    told = Told(now=START + 30 * SECOND)
    told.features = FeatureSet(FeatureSchema(names), market(), told.reference)
    return told


def test_a_minute_of_the_reference_is_its_own() -> None:
    """Closes 100, 102, 101 and an empty minute: their returns, the latest first, and 0 where none traded."""
    told = told_of(*(f"reference_candle_{kind}_{ago}" for kind in ("return", "range") for ago in (1, 2, 3)))
    for back, close in ((5, 100_000), (4, 102_000), (3, 101_000), (1, 101_000)):
        told.reference_candle(back, close, 10 * back)
    returns_and_ranges = told.features.row(told.now)
    expected = [0.0, 0.0, math.log(101 / 102), math.log(101_010 / 101_000), 0.0, math.log(101_030 / 101_000)]
    assert expected == pytest.approx(returns_and_ranges, rel=1e-9)


def test_the_oldest_step_needs_the_candle_before_it() -> None:
    """A return has two closes: with sixty candles the sixtieth range is known, and its return not yet."""
    told = told_of("reference_candle_return_60", "reference_candle_range_60", "reference_candle_return_59")
    for back in range(60, 0, -1):
        told.reference_candle(back, 100_000)
    assert [None, 0.0, 0.0] == told.features.row(told.now)


def test_a_loss_of_the_reference_makes_the_past_unknown() -> None:
    """Until the candle that follows is in: minutes may be missing."""
    told = told_of("reference_candle_return_1")
    for back in (3, 2, 1):
        told.reference_candle(back, 100_000)
    told.lose_reference()
    assert [None] == told.features.row(told.now)
    told.reference_candle(1, 100_000)
    assert [0.0] == told.features.row(told.now)


def test_mids_are_those_of_whole_minutes() -> None:
    """From backfilled candles before the book's snapshot, from the book after it."""
    told = told_of("candle_mid_1", "candle_mid_2", "candle_mid_3")
    minute = told.now // MINUTE
    told.candle((minute - 1) * MINUTE, 3_000, 3_200)
    two_sided(told)
    told.now += MINUTE
    assert [0.41, None, 0.31] == told.features.row(told.now)


def test_volumes_are_those_of_whole_minutes_and_known_as_far_as_trades_are() -> None:
    """What trades in the minute that goes on is in none; a minute that was not watched whole is unknown."""
    told = told_of("candle_volume_1", "candle_volume_2", "candle_volume_3")
    told.connect()
    told.now += MINUTE
    told.trade(700, "yes")
    told.trade(300, "no")
    told.now += MINUTE
    told.trade(900, "yes")
    assert [10.0, None, None] == told.features.row(told.now)
    told.now += MINUTE
    assert [9.0, 10.0, None] == told.features.row(told.now)


def test_another_window_over_minutes_is_not_changed_by_it() -> None:
    """The z-score of twenty minutes needs twenty minutes, whether or not sixty are kept beside it."""
    told = told_of("candle_volume_1", "volume_z_60s")
    told.connect()
    for qty in range(100, 2_300, 100):
        told.trade(qty, "yes")
        told.now += MINUTE
    alone = FeatureSet(FeatureSchema(("volume_z_60s",)), market(), ReferenceFeatures())
    assert None not in told.features.row(told.now)
    assert [None] == alone.row(told.now)


def test_a_start_reads_an_hour_back_for_sixty_steps() -> None:
    """Minute candles and trades are backfilled as far as the oldest step."""
    reach = reach_of(("candle_mid_60", "candle_volume_60"))
    assert (62 * MINUTE, 0, 61 * MINUTE) == (reach.minutes, reach.hours, reach.trades)


@pytest.mark.parametrize("name", ["candle_mid_0", "candle_volume_61", "reference_candle_return_61"])
def test_there_are_sixty_steps(name: str) -> None:
    """From 1, the last closed minute, to 60; anything else says what is allowed."""
    with pytest.raises(ValueError, match="minutes ago from 1 to 60"):
        definition_of(name)


def test_a_source_without_candles_knows_none() -> None:
    """Nothing is known before the first candle."""
    names = ("reference_candle_return_1", "reference_candle_range_60")
    assert [None, None] == FeatureSet(FeatureSchema(names), market(), ReferenceFeatures()).row(START)
