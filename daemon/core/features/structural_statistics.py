"""What a price that moves as it did lately is worth: the structural fair value, and the chance of a move.

The variance per minute is the mean of the two Parkinson variances of the last 60 and 240 minutes, from the
candles of the source in force; where it has no candles (the settlement index has none), that of its
one-second changes, `reference_vol_300s`. No drift, normal log returns, independent of the past: two
parameters that beat trees on the months that we measured.

Source: quant.md 3.2; Black, Scholes 1973 (d2 without drift and interest).
"""

# The hooks are documented once, in `Statistic`.
# ruff: noqa: D102

from __future__ import annotations

from math import erfc, log, sqrt

from daemon.core.features.definition import Bounds, Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.reference import ReferenceFeatures
from daemon.core.features.statistic import Statistic
from daemon.core.markets import MarketSpec
from daemon.core.units import MINUTE, SECOND, Money, Ns

_WARM_UP = (
    "closed one-minute candles of the source in force for 240 minutes without a hole; where it has none for "
    "so long, as reference_vol_300s; None at and after the close, and while nothing moves"
)
_CITATION = "quant.md 3.2; Parkinson 1980; Black, Scholes 1973 (d2 without drift)"
_SPANS_MIN = (60, 240)
_BASIS_POINT = 1e-4
_SECONDS_PER_MINUTE = MINUTE // SECOND


def _below(deviations: float) -> float:
    """The chance that a standard normal is below a number of deviations."""
    return erfc(-deviations / sqrt(2)) / 2


def _deviation(spot: ReferenceFeatures, left: Ns, now: Ns) -> float | None:
    """Return the standard deviation of the log return over the time that is left; None when unknown or 0."""
    if left <= 0 or spot.price is None:
        return None
    variances = [spot.candles.parkinson(minutes, now) for minutes in _SPANS_MIN]
    known = [variance for variance in variances if variance is not None]
    if len(known) == len(_SPANS_MIN):
        variance = sum(known) / len(known)
    else:
        volatility = spot.volatility(now)
        if volatility is None:
            return None
        variance = volatility * volatility * _SECONDS_PER_MINUTE
    return sqrt(variance * (left / MINUTE)) or None


class StructuralFairValue(Statistic):
    """The probability of YES if the log price ends normally around what it is now.

    For strikes that it must end above or below, and for ranges; None for all others.
    """

    families = (
        Family(
            name="structural_fair_value",
            unit="probability",
            source="reference",
            warm_up=_WARM_UP,
            citation=_CITATION,
            is_exact=False,
        ),
    )

    def get(self, now: Ns) -> float | None:
        inputs = self._inputs
        spec, price = inputs.spec, inputs.spot.price
        deviation = _deviation(inputs.spot, spec.close_at - now, now)
        if deviation is None or price is None:
            return None
        return _fair_value(spec, price, deviation)


def _fair_value(spec: MarketSpec, price: Money, deviation: float) -> float | None:
    match spec.strike_type:
        case "greater" | "greater_or_equal" if spec.strike is not None and spec.strike > 0:
            return _below(log(price / spec.strike) / deviation)
        case "less" | "less_or_equal" if spec.strike is not None and spec.strike > 0:
            return _below(-log(price / spec.strike) / deviation)
        case "between" if spec.strike_range is not None and spec.strike_range[0] > 0:
            low, high = spec.strike_range
            return _below(log(high / price) / deviation) - _below(log(low / price) / deviation)
        case _:
            return None


class MoveProbability(Statistic):
    """The probability that the price ends more than so many basis points away from now, up or down.

    2 (1 - Phi(x / (sigma sqrt(time left)))), for markets on the size of a move.
    """

    __slots__ = ("_move",)
    families = (
        Family(
            name="move_probability_#bp",
            unit="probability",
            numbers=(Bounds("basis points", 1, 5_000),),
            documented=((50,), (100,)),
            source="reference",
            warm_up=_WARM_UP,
            citation=_CITATION,
            is_exact=False,
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        self._move = definition.numbers[0] * _BASIS_POINT

    def get(self, now: Ns) -> float | None:
        inputs = self._inputs
        deviation = _deviation(inputs.spot, inputs.spec.close_at - now, now)
        return None if deviation is None else 2 * _below(-self._move / deviation)
