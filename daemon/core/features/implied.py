"""What the quotes of an event's markets say of the number that they ask for: its distribution, by points.

A point is a number and the probability that the outcome lies above it. Two kinds of events have them:

    nested      above K1, above K2, … (or below): each market is a point by itself. Quotes contradict each
                other; they are repaired to the nearest sequence that never rises, least squares with equal
                weights, which is what pooling adjacent violators finds.
    partition   between K1 and K2, between K2 and K3, …, with a market below and one above all: mids are
                normalised by their sum (they add up to more than one) and summed from the top.

Source: Barlow, Bartholomew, Bremner, Brunk 1972, ch. 1 (isotonic regression); quant.md 4 (normalise over
the event).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import msgspec

from daemon.core.markets import MarketSpec
from daemon.core.units import PRICE_ONE, Money

Points: TypeAlias = tuple[tuple[Money, float], ...]
"""(number, probability of an outcome above it), the numbers ascending, the probabilities never rising."""

_ABOVE = frozenset({"greater", "greater_or_equal"})
_BELOW = frozenset({"less", "less_or_equal"})


class Quoted(msgspec.Struct, frozen=True):
    """A market and its doubled mid; None where its book says nothing."""

    spec: MarketSpec
    double_mid: int | None


def bound_of(spec: MarketSpec) -> tuple[Money, int] | None:
    """Return where a market stands among those of its event: its lowest number, and what orders equal ones.

    Below a number comes before what begins there. None when the number is not known, or there is none.
    """
    if spec.strike_type == "between":
        return None if spec.strike_range is None else (spec.strike_range[0], 1)
    if spec.strike is None:
        return None
    if spec.strike_type in _BELOW:
        return spec.strike, 0
    return (spec.strike, 2) if spec.strike_type in _ABOVE else None


def survival(quoted: Sequence[Quoted]) -> Points | None:
    """Return the distribution that markets imply; None when they don't tell one.

    All must say a number, and no two nested ones the same; a partition needs a quote of each, and no gap but
    the one step of what is counted, the same between all its ranges and no wider than they are.
    """
    if any(bound_of(one.spec) is None for one in quoted):
        return None
    if any(one.spec.strike_type == "between" for one in quoted):
        return _partition(quoted)
    return _nested(quoted)


def quantile(points: Points, above: float) -> float | None:
    """Return the number (in Money) that the outcome exceeds with a probability; None beyond the points.

    Linear between two points; where the probability stands still, the lowest such number.
    """
    if points[0][1] == above:
        return float(points[0][0])
    if points[0][1] < above:
        return None
    low, high = points[0]
    for number, probability in points:
        if probability <= above:
            return low + (high - above) / (high - probability) * (number - low)
        low, high = number, probability
    return None


def _nested(quoted: Sequence[Quoted]) -> Points | None:
    known = sorted(
        (
            one.spec.strike,
            2 * PRICE_ONE - one.double_mid if one.spec.strike_type in _BELOW else one.double_mid,
        )
        for one in quoted
        if one.double_mid is not None and one.spec.strike is not None
    )
    numbers = [number for number, _ in known]
    if len(known) < 2 or len(set(numbers)) < len(numbers):
        return None
    return tuple(zip(numbers, never_rising([double for _, double in known]), strict=True))


def never_rising(doubles: Sequence[int]) -> list[float]:
    """Return the nearest probabilities, in least squares, that never rise; from doubled mids."""
    pools: list[tuple[int, int]] = []
    for double in doubles:
        total, count = double, 1
        # Means are compared as whole numbers: a pool that stands above the one before it joins it.
        while pools and total * pools[-1][1] > pools[-1][0] * count:
            before = pools.pop()
            total, count = total + before[0], count + before[1]
        pools.append((total, count))
    return [total / (2 * PRICE_ONE * count) for total, count in pools for _ in range(count)]


def _partition(quoted: Sequence[Quoted]) -> Points | None:
    places = sorted(((bound_of(one.spec), one) for one in quoted), key=lambda place: place[0] or (0, 0))
    ordered = [one for _, one in places]
    doubles = [one.double_mid for one in ordered if one.double_mid is not None]
    total = sum(doubles)
    if len(doubles) < len(ordered) or not total or not _is_whole([one.spec for one in ordered]):
        return None
    points: list[tuple[Money, float]] = []
    above = total
    for one, double in zip(ordered, doubles, strict=True):
        bound = bound_of(one.spec)
        assert bound is not None, "all of them say a number"
        if bound[1]:
            points.append((bound[0], above / total))
        above -= double
    last = ordered[-1].spec
    if last.strike_range is not None:
        points.append((last.strike_range[1], 0.0))
    return tuple(points)


def _is_whole(specs: Sequence[MarketSpec]) -> bool:
    """Whether ordered markets are one partition: ranges that follow closely, a tail at each end at most."""
    kinds = [spec.strike_type for spec in specs]
    inner = specs[kinds[0] in _BELOW : len(specs) - (kinds[-1] in _ABOVE)]
    ranges = [spec.strike_range for spec in inner if spec.strike_range is not None]
    if len(ranges) < len(inner):
        return False
    # Between two ranges lies one step of what is counted (a cent, a degree) or nothing, everywhere the same:
    # where one range is not watched, the step is another than elsewhere, or as wide as a range.
    steps = [low - high for (_, high), (low, _) in pairwise(ranges)]
    width = min(high - low for low, high in ranges)
    if any(step != steps[0] for step in steps) or not all(0 <= step <= width for step in steps):
        return False
    if len(steps) == 1 and steps[0] == width:
        return False  # two ranges with as much between them: of degrees, or with one that is not watched
    tails = []
    if kinds[0] in _BELOW and specs[0].strike is not None:
        tails.append(ranges[0][0] - specs[0].strike)
    if kinds[-1] in _ABOVE and specs[-1].strike is not None:
        tails.append(specs[-1].strike - ranges[-1][1])
    return all(tail >= 0 and (tail <= steps[0] if steps else tail < width) for tail in tails)
