"""The features of the public trades over a window of our clock."""

# `Statistic` documents `get` once for all overrides.
# ruff: noqa: D102

from __future__ import annotations

from math import sqrt
from typing import ClassVar

from daemon.core.features.definition import Bounds, Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.statistic import Changes, Statistic, WindowSum, window_of
from daemon.core.units import PRICE_ONE, QTY_ONE, SECOND, Ns

_WARM_UP = "every trade of the whole window was streamed, or backfilled"
_SECONDS = Bounds("seconds", 1, 3_600)
PERIODS = 20


def _family(name: str, unit: str, documented: tuple[int, ...]) -> Family:
    return Family(
        name=name,
        unit=unit,
        numbers=(_SECONDS,),
        documented=tuple((seconds,) for seconds in documented),
        window_unit=SECOND,
        source="trades",
        warm_up=_WARM_UP,
    )


class TradeSum(WindowSum):
    """A sum over the trades alone."""

    __slots__ = ()
    changes: ClassVar[Changes] = "trades"


class TradeFlow(TradeSum):
    """Contracts that takers bought as YES minus those bought as NO, over a window."""

    __slots__ = ()
    families = (_family("trade_flow_#s", "contracts", (10, 60, 300)),)

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        signed = inputs.trades.window(inputs.trades.signed, window_of(definition))
        super().__init__(inputs, definition, signed, QTY_ONE)


class TradeRate(TradeSum):
    """Public trades per second, over a window."""

    __slots__ = ()
    families = (_family("trade_rate_#s", "per second", (60,)),)

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        (seconds,) = definition.numbers
        count = inputs.trades.window(inputs.trades.count, window_of(definition))
        super().__init__(inputs, definition, count, seconds)


class VwapDistance(Statistic):
    """The mid minus the volume-weighted average YES price of a window's trades; None without any."""

    __slots__ = ("_notional", "_volume")
    families = (_family("vwap_distance_#s", "$", (60, 300)),)

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        trades, window = inputs.trades, window_of(definition)
        self._volume = trades.window(trades.volume, window)
        self._notional = trades.window(trades.notional, window)

    def get(self, now: Ns) -> float | None:
        volume, double_mid = self._volume.get(now), self._inputs.top.double_mid
        if not volume or double_mid is None:
            return None
        notional = self._notional.get(now)
        assert notional is not None, "the trades' streams are whole together"
        return (double_mid * volume - 2 * notional) / (2 * PRICE_ONE * volume)


class VolumeZScore(Statistic):
    """The volume of the last whole period against the last twenty: (it - their mean) / their deviation.

    Periods are whole ones of the clock, so a period of 60 s begins with the minute. The twenty include the
    last one; the deviation is the population's. None while all of them had the same volume.
    """

    __slots__ = ("_computed", "_computed_for", "_volumes")
    families = (
        Family(
            name="volume_z_#s",
            unit="1",
            numbers=(Bounds("seconds", 1, 3_600),),
            documented=((60,),),
            window_unit=PERIODS * SECOND,
            source="trades",
            warm_up="every trade of the last twenty whole periods was streamed, or backfilled",
            is_exact=False,
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        self._volumes = inputs.trades.volumes(definition.numbers[0] * SECOND, PERIODS)
        self._computed_for: tuple[int, int] | None = None
        self._computed: float | None = None

    def get(self, now: Ns) -> float | None:
        volumes = self._volumes
        if not volumes.is_whole(now):
            return None
        key = (now // volumes.period, volumes.revision)
        if key != self._computed_for:
            self._computed_for = key
            self._computed = self._compute(now)
        return self._computed

    def _compute(self, now: Ns) -> float | None:
        last = self._volumes.last(now)
        total = sum(last)
        squared = PERIODS * sum(volume * volume for volume in last) - total * total
        return (PERIODS * last[-1] - total) / sqrt(squared) if squared else None
