"""The features of the clock and the calendar: time left, time of day and week, what is released next."""

# `Statistic` documents the hooks once for all overrides.
# ruff: noqa: ARG002, D102

from __future__ import annotations

from bisect import bisect_left
from math import cos, pi, sin

from daemon.core.features.definition import Family
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.statistic import Reading
from daemon.core.units import DAY, SECOND, Ns


class SecondsToClose(Reading):
    """Seconds until the market closes; negative after it."""

    families = (Family(name="seconds_to_close", unit="s", source="clock", warm_up="none"),)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        return (inputs.spec.close_at - now) / SECOND


class TimeOfDaySine(Reading):
    """Sine of the UTC time of day as an angle."""

    families = (Family(name="tod_sin", unit="1", source="clock", warm_up="none", is_exact=False),)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        return sin(now % DAY / DAY * 2 * pi)


class TimeOfDayCosine(Reading):
    """Cosine of the UTC time of day as an angle."""

    families = (Family(name="tod_cos", unit="1", source="clock", warm_up="none", is_exact=False),)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        return cos(now % DAY / DAY * 2 * pi)


def _weekday_angle(now: Ns) -> float:
    return (now // DAY + _MONDAY_SHIFT) % _WEEK / _WEEK * 2 * pi


_WEEK = 7
_MONDAY_SHIFT = 3
"""The first day of the Unix epoch was a Thursday; Monday is day 0."""


class WeekdaySine(Reading):
    """Sine of the UTC weekday as an angle, Monday at 0; it steps at midnight."""

    families = (Family(name="weekday_sin", unit="1", source="clock", warm_up="none", is_exact=False),)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        return sin(_weekday_angle(now))


class WeekdayCosine(Reading):
    """Cosine of the UTC weekday as an angle, Monday at 0; it steps at midnight."""

    families = (Family(name="weekday_cos", unit="1", source="clock", warm_up="none", is_exact=False),)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        return cos(_weekday_angle(now))


class SecondsToRelease(Reading):
    """Seconds until the next scheduled release of the market's series, by `[calendar]`; None when none is."""

    families = (
        Family(
            name="seconds_to_release",
            unit="s",
            source="calendar",
            warm_up="none; None where no release of the series is still to come",
        ),
    )

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        releases = inputs.releases
        place = bisect_left(releases, now)
        return None if place == len(releases) else (releases[place] - now) / SECOND
