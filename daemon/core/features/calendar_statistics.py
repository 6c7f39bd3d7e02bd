"""The features of the clock alone: the time that is left, and the time of day."""

# `Statistic` documents the hooks once for all overrides.
# ruff: noqa: D102

from __future__ import annotations

from math import cos, pi, sin

from daemon.core.features.definition import Family
from daemon.core.features.statistic import Statistic
from daemon.core.units import DAY, SECOND, Ns


class SecondsToClose(Statistic):
    """Seconds until the market closes; negative after it."""

    families = (Family(name="seconds_to_close", unit="s", source="clock", warm_up="none"),)

    def get(self, now: Ns) -> float | None:
        return (self._inputs.spec.close_at - now) / SECOND


class TimeOfDaySine(Statistic):
    """Sine of the UTC time of day as an angle."""

    families = (Family(name="tod_sin", unit="1", source="clock", warm_up="none", is_exact=False),)

    def get(self, now: Ns) -> float | None:
        return sin(now % DAY / DAY * 2 * pi)


class TimeOfDayCosine(Statistic):
    """Cosine of the UTC time of day as an angle."""

    families = (Family(name="tod_cos", unit="1", source="clock", warm_up="none", is_exact=False),)

    def get(self, now: Ns) -> float | None:
        return cos(now % DAY / DAY * 2 * pi)
