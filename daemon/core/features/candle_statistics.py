"""The features of the reference price that reach back further than its stream: from closed candles.

They are those of the source in force, never of two sources, and change once a minute.
"""

# The hooks are documented once, in `Statistic`.
# ruff: noqa: D102

from __future__ import annotations

from math import sqrt

from daemon.core.features.candles import PARKINSON_MAX
from daemon.core.features.definition import Bounds, Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.statistic import Statistic
from daemon.core.units import MINUTE, Ns

_WARM_UP = "closed one-minute candles of the source in force for the whole window, without a hole"


class CandleReturn(Statistic):
    """Log return of the reference price between closed one-minute candles."""

    __slots__ = ("_minutes",)
    families = tuple(
        Family(
            name=f"reference_return_{minutes}m",
            unit="1",
            window=minutes * MINUTE,
            source="reference",
            warm_up=_WARM_UP,
            is_exact=False,
        )
        for minutes in (5, 15)
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        assert definition.window is not None
        self._minutes = definition.window // MINUTE

    def get(self, now: Ns) -> float | None:
        return self._inputs.spot.candles.log_return(self._minutes, now)


class CandleVolatility(Statistic):
    """Root mean square of the reference's last fifteen one-minute changes, relative to the last close."""

    families = (
        Family(
            name="reference_volatility_15m",
            unit="per sqrt(minute)",
            window=15 * MINUTE,
            source="reference",
            warm_up=_WARM_UP,
        ),
    )

    def get(self, now: Ns) -> float | None:
        return self._inputs.spot.candles.volatility(now)


class CandleParkinson(Statistic):
    """The reference's volatility by the ranges of its one-minute candles: the root of their mean variance."""

    __slots__ = ("_minutes",)
    families = (
        Family(
            name="reference_parkinson_#m",
            unit="per sqrt(minute)",
            numbers=(Bounds("minutes", 1, PARKINSON_MAX),),
            documented=((5,), (15,), (60,), (240,)),
            window_unit=MINUTE,
            source="reference",
            warm_up=_WARM_UP,
            citation="Parkinson 1980",
            is_exact=False,
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        self._minutes = definition.numbers[0]

    def get(self, now: Ns) -> float | None:
        variance = self._inputs.spot.candles.parkinson(self._minutes, now)
        return None if variance is None else sqrt(variance)
