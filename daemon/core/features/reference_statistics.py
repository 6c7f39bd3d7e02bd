"""The features of the reference price's stream, alone and against the strike."""

# `Statistic` documents the hooks once for all overrides.
# ruff: noqa: ARG002, D102

from __future__ import annotations

from math import log1p, sqrt
from typing import ClassVar

from daemon.core.features.definition import Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.reference import RETURN_WINDOWS
from daemon.core.features.statistic import Changes, Reading
from daemon.core.units import SECOND, Ns

_STRIKES_BELOW_YES = frozenset({"greater", "greater_or_equal"})
"""Strike types whose YES is a price above the strike. For any other one the distance is unknown."""


class ReferenceReturn(Reading):
    """Log return of the reference price over a window."""

    __slots__ = ("_place",)
    changes: ClassVar[Changes] = "past"
    families = tuple(
        Family(
            name=f"reference_return_{window // SECOND}s",
            unit="1",
            window=window,
            source="reference",
            warm_up="a reference price at least a window old",
            is_exact=False,
        )
        for window in RETURN_WINDOWS
    )

    def __init__(self, definition: FeatureDefinition) -> None:
        super().__init__(definition)
        assert definition.window is not None
        self._place = RETURN_WINDOWS.index(definition.window)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        return inputs.spot.past(now)[self._place]


class ReferenceVolatility(Reading):
    """Root mean square of one-second relative changes of the reference price over up to five minutes."""

    families = (
        Family(
            name="reference_vol_300s",
            unit="per sqrt(second)",
            window=300 * SECOND,
            source="reference",
            warm_up="ten one-second changes; the window grows from there to 300",
        ),
    )
    changes: ClassVar[Changes] = "past"

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        return inputs.spot.past(now)[-1]


def _strike_distance(inputs: MarketInputs) -> float | None:
    spec = inputs.spec
    strike, price = spec.strike, inputs.spot.price
    if strike is None or strike <= 0 or price is None or spec.strike_type not in _STRIKES_BELOW_YES:
        return None
    return log1p((price - strike) / strike)


class StrikeDistance(Reading):
    """ln(reference price / strike): positive when the market would settle YES now.

    None unless the strike is known and YES means a price above it.
    """

    families = (
        Family(
            name="strike_distance",
            unit="1",
            source="reference",
            warm_up="none: known with the strike and the first reference price",
            is_exact=False,
        ),
    )
    changes: ClassVar[Changes] = "spot"

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        return _strike_distance(inputs)


class StrikeDistanceSigma(Reading):
    """The strike distance in standard deviations of the time that is left, by `reference_vol_300s`."""

    families = (
        Family(
            name="strike_distance_sigma",
            unit="1",
            window=300 * SECOND,
            source="reference",
            warm_up="as reference_vol_300s; None at and after the close, and while nothing moves",
            citation="Black, Scholes 1973 (d2 without drift)",
            is_exact=False,
        ),
    )

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        left = inputs.spec.close_at - now
        if left <= 0:
            return None
        distance = _strike_distance(inputs)
        volatility = inputs.spot.volatility(now)
        if distance is None or not volatility:
            return None
        return distance / (volatility * sqrt(left / SECOND))


class ReferenceBasis(Reading):
    """The price in force less the settlement index, as a part of the index; 0 where the index is in force."""

    families = (
        Family(
            name="reference_basis",
            unit="1",
            source="reference",
            warm_up="none: known while a source is in force and the index is well",
        ),
    )

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        index, price = inputs.reference.index(now), inputs.spot.price
        if index is None or index.price is None or price is None:
            return None
        return (price - index.price) / index.price
