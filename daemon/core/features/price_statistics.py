"""The features of the market's own price, which is its mid, over minutes."""

# `Statistic` documents the hooks once for all overrides, and most features of one instant need no `now`.
# ruff: noqa: D102

from __future__ import annotations

from math import sqrt

from daemon.core.features.definition import Bounds, Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.statistic import WHOLE_WINDOW, Statistic
from daemon.core.features.windows import Lag
from daemon.core.units import MINUTE, PRICE_ONE, SECOND, Ns

_VOL_MINUTES = 5


class MidMomentum(Statistic):
    """The mid now minus the mid a window ago.

    Where the live book doesn't reach back so far, windows of a minute and more take the closing quotes
    of the backfilled one-minute candle in force at that instant: a value up to a minute older than asked.
    """

    __slots__ = ("_has_candles", "_lag", "_window")
    families = (
        Family(
            name="mid_momentum_#s",
            unit="$",
            numbers=(Bounds("seconds", 1, 300),),
            documented=((5,), (60,), (300,)),
            window_unit=SECOND,
            source="book",
            warm_up=f"{WHOLE_WINDOW}; from a minute on, or a candle ended just before it",
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        assert definition.window is not None
        self._window = definition.window
        self._has_candles = definition.window >= MINUTE
        self._lag = Lag(definition.window)

    def on_end(self) -> None:
        self._lag.end()

    def on_mid(self, at: Ns) -> None:
        self._lag.add(at, self._inputs.top.double_mid)

    def get(self, now: Ns) -> float | None:
        inputs = self._inputs
        double_mid = inputs.top.double_mid
        if double_mid is None:
            return None
        past = self._lag.get(now)
        if past is None and self._has_candles:
            then = now - self._window
            began_at = self._lag.began_at
            if began_at is None or began_at > then:
                past = inputs.minutes.known.get(then // MINUTE)
        return None if past is None else (double_mid - past) / (2 * PRICE_ONE)


class RealisedVolatility(Statistic):
    """Root mean square of the mid's last five one-minute changes, per square root of a minute.

    Sampled at whole minutes, because that is what candles can backfill: live samples where the book
    was synced, closing quotes of one-minute candles before that.
    """

    __slots__ = ("_computed", "_minute", "_revision")
    families = (
        Family(
            name="realised_vol_300s",
            unit="$ per sqrt(minute)",
            window=_VOL_MINUTES * MINUTE,
            source="book",
            warm_up="the mid is known at the last six whole minutes, live or from candles",
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        self._minute = -1
        self._revision = -1
        self._computed: float | None = None

    def get(self, now: Ns) -> float | None:
        minutes = self._inputs.minutes
        minutes.sample(now)
        last = (now - 1) // MINUTE
        if last != self._minute or minutes.revision != self._revision:
            self._minute, self._revision = last, minutes.revision
            self._computed = self._compute(last)
        return self._computed

    def _compute(self, last: int) -> float | None:
        known = self._inputs.minutes.known
        total = 0
        before = known.get(last - _VOL_MINUTES)
        for minute in range(last - _VOL_MINUTES + 1, last + 1):
            mid = known.get(minute)
            if mid is None or before is None:
                return None
            total += (mid - before) ** 2
            before = mid
        return sqrt(total / _VOL_MINUTES) / (2 * PRICE_ONE)
