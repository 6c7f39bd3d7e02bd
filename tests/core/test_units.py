"""Units: exact integers from the wire's strings and back, and prices on a grid whose step varies."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import (
    PRICE_ONE,
    QTY_ONE,
    SECOND,
    Price,
    PriceBand,
    PriceGrid,
    format_decimal,
    format_money,
    format_price,
    format_qty,
    parse_decimal,
    parse_instant,
    parse_money,
    parse_price,
    parse_qty,
)

# Protocol sheet 3.2, all tick tables whose bands are documented: (start, end, step) in 1e-4 $.
TICK_TABLES = {
    "linear_cent": ((0, 10_000, 100),),
    "deci_cent": ((0, 10_000, 10),),
    "tapered_deci_cent": ((0, 1_000, 10), (1_000, 9_000, 100), (9_000, 10_000, 10)),
    "center_whole_edge_half_cent": ((0, 1_000, 50), (1_000, 9_000, 100), (9_000, 10_000, 50)),
    "center_whole_edge_quint_cent": ((0, 1_000, 20), (1_000, 9_000, 100), (9_000, 10_000, 20)),
    "center_half_edge_half_cent": ((0, 10_000, 50),),
    "center_half_edge_quint_cent": ((0, 1_000, 20), (1_000, 9_000, 50), (9_000, 10_000, 20)),
    "center_half_edge_deci_cent": ((0, 1_000, 10), (1_000, 9_000, 50), (9_000, 10_000, 10)),
    "center_quint_edge_quint_cent": ((0, 10_000, 20),),
    "center_quint_edge_deci_cent": ((0, 1_000, 10), (1_000, 9_000, 20), (9_000, 10_000, 10)),
    "center_centi_edge_centi_cent": ((0, 10_000, 1),),
    "center_deci_edge_centi_cent": ((0, 100, 1), (100, 9_900, 10), (9_900, 10_000, 1)),
}
GRIDS = {name: PriceGrid(tuple(PriceBand(*band) for band in bands)) for name, bands in TICK_TABLES.items()}


def order_prices(name: str) -> list[Price]:
    """Return a table's prices by listing them, the slow and obvious way."""
    listed = {price for start, end, step in TICK_TABLES[name] for price in range(start, end + 1, step)}
    return sorted(listed - {0, PRICE_ONE})


@given(st.integers(-(10**18), 10**18), st.integers(1, 9))
def test_what_is_formatted_parses_back_to_itself(units: int, places: int) -> None:
    """Parsing undoes formatting, for every scale."""
    assert units == parse_decimal(format_decimal(units, places), places)


@given(st.decimals(-(10**9), 10**9, places=6))
def test_money_agrees_with_decimal_arithmetic(amount: Decimal) -> None:
    """A Money is the decimal times a million, exactly."""
    assert int(amount * 10**6) == parse_money(f"{amount:f}")


def test_every_centi_price_survives_the_wire() -> None:
    """All 9,999 prices parse from the text that the wire uses, where floats would miss some."""
    assert list(range(1, PRICE_ONE)) == [parse_price(f"0.{price:04d}") for price in range(1, PRICE_ONE)]
    assert [f"0.{price:04d}" for price in range(1, PRICE_ONE)] == [
        format_price(price) for price in range(1, PRICE_ONE)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.96", 9_600),
        ("0.9600", 9_600),
        ("1", 10_000),
        ("1.0000", 10_000),
        ("0.35000000", 3_500),
        ("007", 70_000),
    ],
)
def test_short_and_long_forms_of_a_price_are_one_price(text: str, expected: Price) -> None:
    """Missing decimals are zeros, and surplus zeros lose nothing."""
    assert expected == parse_price(text)


def test_counts_and_money_have_their_own_scales() -> None:
    """A count has two decimals, money six, both signed."""
    assert -5_400 == parse_qty("-54.00")
    assert 17_500 == parse_money("0.017500")
    assert "-54.00" == format_qty(-5_400)
    assert "-0.000001" == format_money(-1)
    assert PRICE_ONE * QTY_ONE == parse_money("1")


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "+1", "1.", ".5", "1e3", "1_000", "1,5", "--1", "nan", "inf", "0x1", "٣", "1\n"]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    """Nothing is guessed from a malformed number."""
    with pytest.raises(ValueError, match="not a decimal number"):
        parse_price(text)


def test_finer_than_the_scale_is_refused() -> None:
    """A fifth decimal of a price is an error, never rounded away."""
    with pytest.raises(ValueError, match="more than 4 decimal places"):
        parse_price("0.12345")


def test_instants_keep_every_digit() -> None:
    """Fractions of 0 to 9 digits become nanoseconds exactly."""
    assert 0 == parse_instant("1970-01-01T00:00:00Z")
    assert 1_781_538_522 * SECOND + 603_230_000 == parse_instant("2026-06-15T15:48:42.60323Z")
    assert 1 == parse_instant("1970-01-01T00:00:00.000000001Z")


@pytest.mark.parametrize(
    "text", ["", "2026-06-15", "2026-06-15T15:48:42", "2026-06-15T15:48:42+02:00", "2026-13-15T15:48:42Z"]
)
def test_an_instant_outside_utc_or_the_calendar_is_refused(text: str) -> None:
    """A zone is never guessed."""
    with pytest.raises(ValueError, match=r"instant|month"):
        parse_instant(text)


@pytest.mark.parametrize("name", TICK_TABLES)
def test_a_grid_holds_exactly_the_listed_prices(name: str) -> None:
    """Membership equals the list, for each of the 10,001 prices and some outside."""
    listed = set(order_prices(name))
    assert listed == {price for price in range(-200, PRICE_ONE + 201) if GRIDS[name].contains(price)}


@pytest.mark.parametrize("name", TICK_TABLES)
@given(price=st.integers(-200, PRICE_ONE + 200))
def test_floor_and_ceil_are_the_nearest_grid_prices(name: str, price: Price) -> None:
    """Floor is the highest price not above, ceil the lowest not below; None where there is none."""
    listed, grid = order_prices(name), GRIDS[name]
    assert max((at for at in listed if at <= price), default=None) == grid.floor(price)
    assert min((at for at in listed if at >= price), default=None) == grid.ceil(price)


@pytest.mark.parametrize("name", TICK_TABLES)
def test_grid_prices_are_their_own_floor_and_ceil(name: str) -> None:
    """Rounding a price that is on the grid changes nothing."""
    grid = GRIDS[name]
    assert all(grid.floor(price) == price == grid.ceil(price) for price in order_prices(name))


@given(
    st.integers(0, PRICE_ONE - 1).flatmap(
        lambda start: st.tuples(st.just(start), st.integers(start + 1, PRICE_ONE), st.integers(1, 500))
    ),
    st.integers(0, PRICE_ONE),
)
def test_a_band_that_its_step_does_not_divide_rounds_into_itself(
    band: tuple[int, int, int], price: Price
) -> None:
    """Any band: what floor and ceil return is on the grid and on their side of the price."""
    grid = PriceGrid((PriceBand(*band),))
    floor, ceil = grid.floor(price), grid.ceil(price)
    assert floor is None or (grid.contains(floor) and floor <= price)
    assert ceil is None or (grid.contains(ceil) and ceil >= price)
    assert not grid.contains(price) or floor == price == ceil


def test_bands_may_come_in_any_order() -> None:
    """A grid sorts its bands."""
    bands = tuple(PriceBand(*band) for band in TICK_TABLES["tapered_deci_cent"])
    assert bands == PriceGrid(bands[::-1]).bands


@pytest.mark.parametrize(
    "band", [(0, 10_000, 0), (0, 10_001, 10), (-10, 10_000, 10), (500, 500, 10), (600, 500, 10)]
)
def test_a_band_that_is_none_is_refused(band: tuple[int, int, int]) -> None:
    """A grid is never built from nonsense."""
    with pytest.raises(ValueError, match="not a price band"):
        PriceGrid((PriceBand(*band),))


def test_a_grid_without_bands_is_refused() -> None:
    """No band is an error, not a market without prices."""
    with pytest.raises(ValueError, match="at least one band"):
        PriceGrid(())


def test_bands_that_overlap_are_no_grid() -> None:
    """Two bands share a border at most: else there is no one answer to what a price rounds to."""
    with pytest.raises(ValueError, match="overlap"):
        PriceGrid((PriceBand(0, 1_000, 10), PriceBand(900, 10_000, 100)))
