"""The features of the market's own price, which is its mid, over minutes, an hour, a week."""

# `Statistic` documents `get` once for all overrides.
# ruff: noqa: ARG002, D102

from __future__ import annotations

from abc import abstractmethod
from math import log, log1p, sqrt
from typing import ClassVar

from daemon.core.features.definition import Bounds, Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.statistic import AT_ONCE, WHOLE_WINDOW, Changes, Reading, Statistic, window_of
from daemon.core.features.totals import FINE_MAX
from daemon.core.units import DAY, HOUR, MINUTE, PRICE_ONE, SECOND, Ns

_SECONDS = Bounds("seconds", 1, 3_600)
_MINUTES = Bounds("minutes", 1, 60)
_AT_MINUTES = "the mid is known at those whole minutes, live or from one-minute candles"


class MidChange:
    """The doubled mid now minus the one a window ago; what momentum and its ratios are made of."""

    __slots__ = ("_inputs", "_lag", "_window")

    def __init__(self, inputs: MarketInputs, window: Ns) -> None:
        self._inputs = inputs
        self._window = window
        self._lag = inputs.mids.lag(window) if window <= FINE_MAX else None
        if window >= MINUTE:
            inputs.minutes.keep(window // MINUTE + 2)

    def get(self, now: Ns) -> int | None:
        """Return the change; None when unknown."""
        inputs = self._inputs
        double_mid = inputs.top.double_mid
        if double_mid is None:
            return None
        then, lag = now - self._window, self._lag
        if lag is None:
            inputs.minutes.sample(now)
        else:
            began_at = inputs.mids.began_at
            if began_at is not None and began_at <= then:
                past = lag.get(now)
                return None if past is None else double_mid - past
            if self._window < MINUTE:
                return None
        past = inputs.minutes.known.get(then // MINUTE)
        return None if past is None else double_mid - past

    def due_at(self, now: Ns) -> Ns:
        """Return when the time alone may end what `get(now)` has just said."""
        then, lag = now - self._window, self._lag
        next_minute = (then // MINUTE + 1) * MINUTE + self._window
        if lag is None:
            return next_minute
        began_at = self._inputs.mids.began_at
        if began_at is None:
            return next_minute
        return lag.due_at() if began_at <= then else min(began_at + self._window, next_minute)


class MidStatistic(Statistic):
    """A feature of the mid and its past."""

    __slots__ = ()
    changes: ClassVar[Changes] = "mid"


class MidMomentum(MidStatistic):
    """The mid now minus the mid a window ago.

    Windows over five minutes take the mid at the last whole minute of that instant. So do windows from a
    minute on where the live book doesn't reach back so far, from the closing quotes of a backfilled
    candle: a value up to a minute older than asked.
    """

    __slots__ = ("_change",)
    families = (
        Family(
            name="mid_momentum_#s",
            unit="$",
            numbers=(_SECONDS,),
            documented=((5,), (10,), (30,), (60,), (300,), (900,), (3_600,)),
            window_unit=SECOND,
            source="book",
            warm_up=f"{WHOLE_WINDOW}; from a minute on, or a candle ended just before it",
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        self._change = MidChange(inputs, window_of(definition))

    def get(self, now: Ns) -> float | None:
        change = self._change.get(now)
        return None if change is None else change / (2 * PRICE_ONE)

    def due_at(self, now: Ns) -> Ns:
        return self._change.due_at(now)


class MomentumRatio(MidStatistic):
    """The change of the mid over one window divided by that over another; None if that is none."""

    __slots__ = ("_changes",)
    families = (
        Family(
            name="momentum_ratio_#s_#s",
            unit="1",
            numbers=(_SECONDS, _SECONDS),
            documented=((5, 60), (60, 300), (300, 900)),
            window_unit=SECOND,
            source="book",
            warm_up="as mid_momentum of both windows",
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        one, other = definition.numbers
        self._changes = MidChange(inputs, one * SECOND), MidChange(inputs, other * SECOND)

    def get(self, now: Ns) -> float | None:
        one, other = self._changes
        base = other.get(now)
        if not base:
            return None
        change = one.get(now)
        return None if change is None else change / base

    def due_at(self, now: Ns) -> Ns:
        return min([change.due_at(now) for change in self._changes])


class RealisedVolatility(MidStatistic):
    """Root mean square of the mid's one-minute changes over a window, per square root of a minute.

    Sampled at whole minutes, because that is what candles can backfill: live samples where the book
    was synced, closing quotes of one-minute candles before that.
    """

    __slots__ = ("_computed", "_count", "_revision", "_until")
    families = (
        Family(
            name="realised_vol_#s",
            unit="$ per sqrt(minute)",
            numbers=(Bounds("seconds", 60, 3_600, step=60),),
            documented=((300,), (900,), (3_600,)),
            window_unit=SECOND,
            source="book",
            warm_up=_AT_MINUTES,
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        self._count = window_of(definition) // MINUTE
        inputs.minutes.keep(self._count + 2)
        self._until: Ns = -1
        self._revision = -1
        self._computed: float | None = None

    def get(self, now: Ns) -> float | None:
        minutes = self._inputs.minutes
        if now > self._until or minutes.revision != self._revision:
            self._computed = self._compute(now)
            # A minute's own instant is sampled just after it.
            self._until = -(-now // MINUTE) * MINUTE
            self._revision = minutes.revision
        return self._computed

    def due_at(self, now: Ns) -> Ns:
        return self._until + 1

    def _compute(self, now: Ns) -> float | None:
        total = 0
        before: int | None = None
        for place, mid in enumerate(self._inputs.minutes.last(now, self._count + 1)):
            if mid is None:
                return None
            if place and before is not None:
                total += (mid - before) ** 2
            before = mid
        return sqrt(total / self._count) / (2 * PRICE_ONE)


class ParkinsonVolatility(Statistic):
    """Parkinson's volatility of the mid over the last whole minutes, per square root of a minute.

    The root of the mean of ln(high / low)^2 / (4 ln 2) over the minutes' ranges; of one minute: that
    candle's own. A minute's range covers the mid that was carried into it. Candles of the venue have no
    range of the mid, so this is not backfilled.
    """

    __slots__ = ("_computed", "_computed_for", "_count")
    families = (
        Family(
            name="parkinson_vol_#m",
            unit="per sqrt(minute)",
            numbers=(_MINUTES,),
            documented=((1,), (5,), (15,), (60,)),
            window_unit=MINUTE,
            source="book",
            warm_up="the book has been synced for those whole minutes of the clock, with a mid in each",
            citation="Parkinson 1980, The Extreme Value Method for Estimating the Variance of the Rate"
            " of Return",
            is_exact=False,
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        (self._count,) = definition.numbers
        inputs.ranges.keep(self._count)
        self._computed_for: tuple[int, int] | None = None
        self._computed: float | None = None

    def get(self, now: Ns) -> float | None:
        ranges = self._inputs.ranges
        key = (now // MINUTE, ranges.revision)
        if key != self._computed_for:
            known = ranges.last(now, self._count)
            # Looking closes minutes that are over: the key is that of what was read.
            self._computed_for = (key[0], ranges.revision)
            self._computed = None if known is None else self._compute(known)
        return self._computed

    def _compute(self, known: list[tuple[int, int]]) -> float:
        squares = sum(log1p((high - low) / low) ** 2 for low, high in known)
        return sqrt(squares / (4 * log(2) * self._count))


class _RangeDistance(Statistic):
    __slots__ = ("_computed_for", "_count", "_edge")

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        (self._count,) = definition.numbers
        inputs.minutes.keep(self._count + 1)
        self._computed_for: tuple[int, int] | None = None
        self._edge: int | None = None

    @staticmethod
    @abstractmethod
    def _of(mids: list[int]) -> int:
        """Return the edge of so many mids."""

    def get(self, now: Ns) -> float | None:
        inputs = self._inputs
        minutes, double_mid = inputs.minutes, inputs.top.double_mid
        minutes.sample(now)
        key = ((now - 1) // MINUTE, minutes.revision)
        if key != self._computed_for:
            self._computed_for = key
            known = [mid for mid in minutes.last(now, self._count) if mid is not None]
            self._edge = self._of(known) if len(known) == self._count else None
        edge = self._edge
        return None if edge is None or double_mid is None else (double_mid - edge) / (2 * PRICE_ONE)


def _range_family(name: str) -> Family:
    return Family(
        name=name,
        unit="$",
        numbers=(_MINUTES,),
        documented=((20,),),
        window_unit=MINUTE,
        source="book",
        warm_up=_AT_MINUTES,
    )


class LowDistance(_RangeDistance):
    """The mid minus the lowest of the mids at the last whole minutes; negative on a new low."""

    families = (_range_family("low_distance_#m"),)

    @staticmethod
    def _of(mids: list[int]) -> int:
        return min(mids)


class HighDistance(_RangeDistance):
    """The mid minus the highest of the mids at the last whole minutes; positive on a new high."""

    families = (_range_family("high_distance_#m"),)

    @staticmethod
    def _of(mids: list[int]) -> int:
        return max(mids)


class DistanceTo50(Reading):
    """(mid - 0.50) / 0.50: -1 .. 1, 0 where the market doesn't know."""

    families = (Family(name="distance_50", unit="1", source="book", warm_up=AT_ONCE),)
    changes: ClassVar[Changes] = "quote"

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        double_mid = inputs.top.double_mid
        return None if double_mid is None else (double_mid - PRICE_ONE) / PRICE_ONE


class MeanDeviation(Statistic):
    """The mid minus the mean of the mids at the whole hours of the last days.

    Hours at which a side of the book was missing are left out of the mean.
    """

    __slots__ = ("_computed_for", "_count", "_total")
    families = (
        Family(
            name="mean_deviation_#d",
            unit="$",
            numbers=(Bounds("days", 1, 30),),
            documented=((7,),),
            window_unit=DAY,
            source="book",
            warm_up="the quotes at all whole hours of the window are known, live or from hourly candles,"
            " and at half of them there was a mid",
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        self._count = window_of(definition) // HOUR
        inputs.hours.keep(self._count)
        self._computed_for: tuple[int, int] | None = None
        self._total: tuple[int, int] | None = None

    def get(self, now: Ns) -> float | None:
        inputs = self._inputs
        hours, double_mid = inputs.hours, inputs.top.double_mid
        hours.sample(now)
        key = ((now - 1) // HOUR, hours.revision)
        if key != self._computed_for:
            self._computed_for = key
            self._total = self._sum(key[0])
        if self._total is None or double_mid is None:
            return None
        total, count = self._total
        return (double_mid * count - total) / (2 * PRICE_ONE * count)

    def _sum(self, last: int) -> tuple[int, int] | None:
        """Return the sum of the known mids and their number; None while the window isn't whole."""
        known = self._inputs.hours.known
        hours = range(last - self._count + 1, last + 1)
        if any(hour not in known for hour in hours):
            return None
        mids = [mid for hour in hours if (mid := known[hour]) is not None]
        return (sum(mids), len(mids)) if 2 * len(mids) >= self._count else None
