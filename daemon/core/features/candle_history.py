"""Past minutes one by one: what a model of sequences reads, a candle a step and a family a channel.

The number in a name says how many minutes ago the candle was: 1 is the last one that has closed. Of a model's
sequence the oldest stands first, so `candle_mid_60` comes before `candle_mid_59`. What nobody names is not
kept, and what all markets of one underlying share is computed once a minute.
"""

# `Statistic` documents `get` once for all overrides.
# ruff: noqa: D102

from __future__ import annotations

from daemon.core.features.candles import HISTORY_STEPS
from daemon.core.features.definition import Bounds, Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.statistic import Statistic
from daemon.core.units import MINUTE, PRICE_ONE, QTY_ONE, Ns

_AGO = Bounds("minutes ago", 1, HISTORY_STEPS)
_DOCUMENTED = ((1,), (15,), (HISTORY_STEPS,))
_CLOSED = "closed one-minute candles of the source in force from the one before it on, without a hole"


class CandleMid(Statistic):
    """The mid at the end of the whole minute so many minutes ago, live or from a backfilled candle."""

    __slots__ = ("_ago",)
    families = (
        Family(
            name="candle_mid_#",
            unit="$",
            numbers=(_AGO,),
            documented=_DOCUMENTED,
            window_unit=MINUTE,
            source="book",
            warm_up="the mid is known at that whole minute, live or from a one-minute candle",
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        (self._ago,) = definition.numbers
        inputs.minutes.keep(self._ago + 1)

    def get(self, now: Ns) -> float | None:
        minutes = self._inputs.minutes
        minutes.sample(now)
        mid = minutes.known.get((now - 1) // MINUTE - self._ago + 1)
        return None if mid is None else mid / (2 * PRICE_ONE)


class CandleVolume(Statistic):
    """Contracts traded in the whole minute of the clock so many minutes ago."""

    __slots__ = ("_ago", "_volumes")
    families = (
        Family(
            name="candle_volume_#",
            unit="contracts",
            numbers=(_AGO,),
            documented=((1,), (15,)),
            window_unit=MINUTE,
            source="trades",
            warm_up="every trade since that minute began was streamed, or backfilled",
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        (self._ago,) = definition.numbers
        # One record for all minutes of the market, whichever of them is named.
        self._volumes = inputs.trades.volumes(MINUTE, HISTORY_STEPS)

    def get(self, now: Ns) -> float | None:
        qty = self._volumes.back(now, self._ago)
        return None if qty is None else qty / QTY_ONE


class ReferenceCandleReturn(Statistic):
    """Log return of the reference price over the closed minute so many minutes ago."""

    __slots__ = ("_place",)
    families = (
        Family(
            name="reference_candle_return_#",
            unit="1",
            numbers=(_AGO,),
            documented=_DOCUMENTED,
            window_unit=MINUTE,
            source="reference",
            warm_up=_CLOSED,
            is_exact=False,
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        self._place = definition.numbers[0] - 1

    def get(self, now: Ns) -> float | None:
        return self._inputs.spot.candles.history(now).returns[self._place]


class ReferenceCandleRange(Statistic):
    """ln(high / low) of the reference's closed minute so many minutes ago; 0 for one without trades."""

    __slots__ = ("_place",)
    families = (
        Family(
            name="reference_candle_range_#",
            unit="1",
            numbers=(_AGO,),
            documented=_DOCUMENTED,
            window_unit=MINUTE,
            source="reference",
            warm_up=_CLOSED,
            is_exact=False,
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        self._place = definition.numbers[0] - 1

    def get(self, now: Ns) -> float | None:
        return self._inputs.spot.candles.history(now).ranges[self._place]
