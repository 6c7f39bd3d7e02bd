"""The clock and the calendar, by hand; against their twin they are compared in test_catalogue."""

from __future__ import annotations

import math

import pytest

from daemon.core.features import FeatureSet, ReferenceFeatures
from daemon.core.scorer import FeatureSchema
from daemon.core.units import DAY, SECOND, parse_instant
from tests.core.features.told import market

NAMES = FeatureSchema(("weekday_sin", "weekday_cos", "seconds_to_release", "seconds_to_close"))


@pytest.mark.parametrize(("date", "weekday"), [("2026-11-16", 0), ("2026-11-19", 3), ("2026-11-22", 6)])
def test_the_weekday_is_that_of_the_calendar(date: str, weekday: int) -> None:
    """Monday stands at the angle 0, all of the day in UTC."""
    features = FeatureSet(NAMES, market(), ReferenceFeatures())
    for time in ("00:00:00", "23:59:59"):
        row = features.row(parse_instant(f"{date}T{time}Z"))
        angle = 2 * math.pi * weekday / 7
        assert row[:2] == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-12)


def test_the_next_release_counts_down_to_its_instant() -> None:
    """At the instant itself it is 0; after the last one nothing is known."""
    at = 20_000 * DAY
    features = FeatureSet(NAMES, market(), ReferenceFeatures(), None, (at, at + DAY))
    found = [features.row(now)[2] for now in (at - 90 * SECOND, at, at + 1, at + DAY + 1)]
    assert found == [90.0, 0.0, (DAY - 1) / SECOND, None]
