"""What is known of how a model's world drifts: the terms, the figures, and what a restart must not forget.

It stands in the day's record (`DayRecord`), for the next life.
"""

from __future__ import annotations

from math import sqrt
from typing import Literal, TypeAlias

import msgspec

from daemon.core.adwin import AdwinTold
from daemon.core.units import Ns

Verdict: TypeAlias = Literal["steady", "warn", "alarm"]


class DriftConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The terms. A window is of `events`; `alarm_delta` is ADWIN's; above `warn_z` and `warn_psi` we warn."""

    events: int = 500
    alarm_delta: float = 0.002
    warn_z: float = 3.0
    warn_psi: float = 0.25


class Interval(msgspec.Struct, frozen=True):
    """A mean of events, and between what it lies."""

    mean: float
    low: float
    high: float


class Figures(msgspec.Struct, frozen=True, array_like=True):
    """Sums over events that have ended, one independent outcome each: the mean over its markets' instants.

    `excess` is the model's Brier score less the mid's, positive where the model is worse. `miss` is the
    numerator of Spiegelhalter's Z, (outcome - p)(1 - 2p), whose mean is 0 for a calibrated model. `expected`
    sums the probabilities, `paid` the outcomes. `has_worsened`: ADWIN found the excess to rise meanwhile.
    """

    events: int = 0
    brier: float = 0.0
    excess: float = 0.0
    excess_squares: float = 0.0
    miss: float = 0.0
    miss_squares: float = 0.0
    expected: float = 0.0
    paid: float = 0.0
    has_worsened: bool = False

    def __add__(self, other: Figures) -> Figures:
        """Return the figures of both."""
        return Figures(
            self.events + other.events,
            self.brier + other.brier,
            self.excess + other.excess,
            self.excess_squares + other.excess_squares,
            self.miss + other.miss,
            self.miss_squares + other.miss_squares,
            self.expected + other.expected,
            self.paid + other.paid,
            self.has_worsened or other.has_worsened,
        )

    def interval(self, z: float) -> Interval | None:
        """Return the mean excess with `z` standard errors to both sides; None below two events."""
        if self.events < 2:
            return None
        mean = self.excess / self.events
        variance = max(0.0, self.excess_squares - self.excess * mean) / (self.events - 1)
        error = z * sqrt(variance / self.events)
        return Interval(mean, mean - error, mean + error)

    @property
    def z(self) -> float | None:
        """How many standard errors the reliability is off; None while nothing is known of its spread.

        Source: Spiegelhalter, Probabilistic prediction in patient management, 1986; here the variance is that
        of the events' own sums, for the instants of one event are not independent.
        """
        return self.miss / sqrt(self.miss_squares) if self.miss_squares > 0 else None


class WatchRecord(msgspec.Struct, frozen=True, array_like=True):
    """One model's watch. `blocks` are the last full ones, of `blocks_total`; `current` the one that fills.

    `counts` are sampled rows by feature and bin, over `counted` events; `psi` of the last full window.
    """

    slot: str
    sha256: str
    events: int
    window: AdwinTold
    blocks: tuple[Figures, ...]
    blocks_total: int
    current: Figures
    counts: tuple[tuple[int, ...], ...]
    counted: int
    psi: tuple[tuple[str, float], ...]
    verdict: Verdict
    since: Ns | None
    reasons: tuple[str, ...]


class Alarm(msgspec.Struct, frozen=True, array_like=True):
    """A model that is not to trade in a slot again before a person says so. `model` is its name/version."""

    slot: str
    sha256: str
    model: str
    at: Ns
    reason: str


class DriftRecord(msgspec.Struct, frozen=True, array_like=True):
    """All watches, and the alarms that stand."""

    watches: tuple[WatchRecord, ...] = ()
    alarms: tuple[Alarm, ...] = ()
