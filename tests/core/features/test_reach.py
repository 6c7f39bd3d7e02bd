"""How far back is read."""

from __future__ import annotations

from daemon.core.features.reach import Reach, reach_of
from daemon.core.units import DAY, HOUR, MINUTE, SECOND


def test_each_source_is_read_as_far_back_as_a_feature_looks() -> None:
    """An hour's momentum needs minutes, a week's mean hours, twenty periods of trades their trades."""
    names = ("mid", "ofi_1s", "mid_momentum_3600s", "mean_deviation_7d", "volume_z_60s", "trade_flow_10s")
    assert reach_of(names) == Reach(HOUR + 2 * MINUTE, 7 * DAY + HOUR, 21 * MINUTE)


def test_a_schema_without_a_past_reads_none() -> None:
    """What is of one instant, or of some seconds of the live book, asks for nothing."""
    assert reach_of(("mid", "ofi_10s", "strike_distance")) == Reach(0, 0, 0)
    assert reach_of(("trade_flow_60s",)).trades == 2 * MINUTE
    assert reach_of(("mid_momentum_300s",)).minutes == 7 * MINUTE
    assert reach_of(("realised_vol_300s",)).hours == 0 * SECOND


def test_whole_periods_are_read_from_where_the_first_of_them_began() -> None:
    """Twenty hours of the clock begin up to twenty-one before now, and must all be known."""
    assert reach_of(("volume_z_3600s",)).trades == 21 * HOUR
    assert reach_of(("volume_z_120s",)).trades == 42 * MINUTE
    assert reach_of(("volume_z_1s",)).trades == MINUTE + 20 * SECOND
