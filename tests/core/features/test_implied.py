"""The implied distribution: points by hand, repairs against the min-max formula, quantiles against a scan."""

from __future__ import annotations

import math
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.features.implied import Quoted, bound_of, never_rising, quantile, survival
from daemon.core.markets import MarketSpec
from daemon.core.units import MONEY_ONE
from tests.core.feature_twins.event import pooled
from tests.core.features.quoted import above, below, between

RANGES = (below("L", 10), between("A", 10, 20), between("B", 20, 30), above("H", 30))


def quoted(specs: tuple[MarketSpec, ...], *doubles: int | None) -> list[Quoted]:
    return [Quoted(spec, double) for spec, double in zip(specs, doubles, strict=True)]


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=12))
def test_the_repair_is_the_nearest_sequence_that_never_rises(doubles: list[int]) -> None:
    """Pooling adjacent violators equals the min-max formula of isotonic regression."""
    expected = [float(one) for one in pooled([Fraction(double, 20_000) for double in doubles])]
    assert expected == pytest.approx(never_rising(doubles), rel=1e-12)


def test_nested_markets_are_points_whichever_way_they_ask() -> None:
    """Above 20 at 0.60 and below 30 at 0.75 say that it ends above 30 at 0.25."""
    points = survival(quoted((above("A", 20), below("B", 30)), 12_000, 15_000))
    assert points == ((20 * MONEY_ONE, 0.6), (30 * MONEY_ONE, 0.25))


def test_one_without_any_quote_is_left_out_of_a_ladder() -> None:
    """It says nothing, and the others are points all the same; one point alone is no distribution."""
    ladder = (above("A", 20), above("B", 30), above("C", 40))
    assert survival(quoted(ladder, 12_000, None, 4_000)) == ((20 * MONEY_ONE, 0.6), (40 * MONEY_ONE, 0.2))
    assert survival(quoted(ladder, None, None, 4_000)) is None


def test_a_partition_is_normalised_by_its_sum() -> None:
    """Mids of 0.20, 0.60, 0.60, 0.20 sum to 1.60; each counts by its part of that."""
    points = survival(quoted(RANGES, 4_000, 12_000, 12_000, 4_000))
    assert points == ((10 * MONEY_ONE, 0.875), (20 * MONEY_ONE, 0.5), (30 * MONEY_ONE, 0.125))


def test_a_partition_without_tails_ends_where_its_ranges_do() -> None:
    """Above the lowest bound for certain, above the highest never."""
    points = survival(quoted(RANGES[1:3], 5_000, 15_000))
    assert points == ((10 * MONEY_ONE, 1.0), (20 * MONEY_ONE, 0.75), (30 * MONEY_ONE - 10_000, 0.0))


@pytest.mark.parametrize(
    ("specs", "doubles"),
    [
        (RANGES, (4_000, None, 12_000, 4_000)),
        (RANGES, (0, 0, 0, 0)),
        ((RANGES[0], RANGES[2], RANGES[3]), (4_000, 4_000, 4_000)),
        ((RANGES[0], RANGES[1], between("C", 15, 25)), (4_000, 4_000, 4_000)),
        ((RANGES[0], below("M", 15), RANGES[2]), (4_000, 4_000, 4_000)),
        ((above("A", 20), above("B", 20)), (4_000, 4_000)),
        ((above("A", 20), msgspec.structs.replace(above("B", 30), strike=None)), (4_000, 4_000)),
        ((above("A", 20), msgspec.structs.replace(above("B", 30), strike_type="custom")), (4_000, 4_000)),
    ],
    ids=[
        "no quote",
        "worthless",
        "a hole",
        "overlap",
        "two tails",
        "one number twice",
        "no strike",
        "no number",
    ],
)
def test_what_tells_no_distribution_is_unknown(
    specs: tuple[MarketSpec, ...], doubles: tuple[int | None, ...]
) -> None:
    """Ranges with a hole, an overlap or without a quote; markets without a number of their own."""
    assert survival(quoted(specs, *doubles)) is None


def plain(ticker: str, low: int, high: int) -> MarketSpec:
    """A range that ends where the next one begins."""
    bounds = (low * MONEY_ONE, high * MONEY_ONE)
    return msgspec.structs.replace(between(ticker, low, high), strike_range=bounds)


def test_a_range_that_is_not_watched_is_a_hole_however_ranges_are_written() -> None:
    """One in the middle, or next to a tail; degrees, which leave one between each two, are whole."""
    low, high = below("L", 10), above("H", 40)
    a, b, c = plain("A", 10, 20), plain("B", 20, 30), plain("C", 30, 40)
    assert survival(quoted((low, a, b, c, high), *[4_000] * 5)) is not None
    for lacking in ((low, a, c, high), (low, b, c, high), (low, a, b, high)):
        assert survival(quoted(lacking, *[4_000] * 4)) is None
    d = plain("D", 40, 50)
    assert survival(quoted((low, a, c, d), *[4_000] * 4)) is None
    degrees = (below("L", 70), plain("A", 70, 71), plain("B", 72, 73), plain("C", 74, 75), above("H", 75))
    assert survival(quoted(degrees, *[4_000] * 5)) is not None
    assert survival(quoted((*degrees[:2], *degrees[3:]), *[4_000] * 4)) is None


def test_quantiles_lie_between_the_points_and_never_beyond() -> None:
    """Linear between two; the lowest where the probability stands still; None outside."""
    points = ((10, 0.9), (20, 0.5), (30, 0.5), (40, 0.1))
    assert [quantile(points, one) for one in (0.9, 0.7, 0.5, 0.3, 0.1)] == [10, 15, 20, 35, 40]
    assert [quantile(points, one) for one in (0.95, 0.05)] == [None, None]


@given(st.lists(st.integers(0, 20_000), min_size=2, max_size=8), st.integers(1, 98))
def test_quantiles_rise_with_their_probability(doubles: list[int], percent: int) -> None:
    """Whatever the quotes: a higher quantile is never the lower number."""
    specs = tuple(above(f"M{place}", 10 * place + 10) for place in range(len(doubles)))
    points = survival(quoted(specs, *doubles))
    assert points is not None
    low, high = quantile(points, 1 - percent / 100), quantile(points, 1 - (percent + 1) / 100)
    assert low is None or high is None or low <= high or math.isclose(low, high)


def test_markets_are_ordered_by_their_lowest_number() -> None:
    """A tail below a number comes before the range that begins there, and that before what is above it."""
    bounds = [bound_of(spec) for spec in (below("L", 10), between("A", 10, 20), above("H", 10))]
    known = [bound for bound in bounds if bound is not None]
    assert len(known) == 3
    assert sorted(known) == known
