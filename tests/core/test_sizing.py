"""Kelly with fees: the notes' own examples, the numeric optimum, the no-trade band and the caps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.book import Book
from daemon.core.events import BookSnapshotReceived
from daemon.core.markets import Fees
from daemon.core.sizing import (
    Room,
    Sized,
    edge,
    kelly_fraction,
    kelly_qty,
    kelly_through_book,
    offers_of,
    price_for_edge,
    shrinkage,
)
from daemon.core.units import MONEY_ONE, PRICE_ONE, BookSide, PriceBand, PriceGrid

FEES = Fees("quadratic", 1_000_000)
EQUITY = 10_000 * MONEY_ONE


@pytest.mark.parametrize(
    ("price", "q", "side", "expected"),
    [
        (5_000, 0.55, "bid", 0.0674),
        (1_000, 0.15, "bid", 0.0489),
        (9_000, 0.95, "bid", 0.4664),
        (6_800, 0.46, "ask", 0.308),
    ],
)
def test_the_published_examples(price: int, q: float, side: BookSide, expected: float) -> None:
    """Full Kelly fractions as in the notes, taker fees included."""
    assert expected == pytest.approx(
        kelly_fraction(q, price, side, FEES, True), abs=6e-4 if side == "ask" else 5e-5
    )


def test_a_maker_without_fees_gets_the_textbook_fraction() -> None:
    """Without a fee an even-money contract believed at 0.55 is worth a tenth of the wealth."""
    assert pytest.approx(kelly_fraction(0.55, 5_000, "bid", FEES, False)) == 0.1


@given(price=st.integers(100, 9_900), q=st.floats(0, 1))
def test_inside_the_fee_band_nothing_is_bought(price: int, q: float) -> None:
    """Without spread, q within the fee of the price is worth neither YES nor NO; outside it, one of them."""
    fee = 0.07 * (price / PRICE_ONE) * (1 - price / PRICE_ONE)
    away = abs(q - price / PRICE_ONE) - fee
    both = [kelly_fraction(q, price, side, FEES, True) for side in ("bid", "ask")]
    if away < -1e-12:
        assert both == [0.0, 0.0]
    elif away > 1e-12:
        assert sum(fraction > 0 for fraction in both) == 1


def growth(q: float, cost: float, wealth: float, held: float, bought: float) -> float:
    """Expected log wealth after buying contracts at a cost, with some held already."""
    cash = wealth - bought * cost
    return q * math.log(cash + held + bought) + (1 - q) * math.log(cash)


@given(
    price=st.integers(500, 9_500),
    gain=st.floats(0.02, 0.3),
    held_share=st.floats(0, 0.2),
    side=st.sampled_from(["bid", "ask"]),
)
def test_no_other_size_grows_faster(price: int, gain: float, held_share: float, side: BookSide) -> None:
    """Full Kelly is the optimum of expected log wealth, also beside an existing position."""
    own = price / PRICE_ONE if side == "bid" else 1 - price / PRICE_ONE
    cost = own + 0.07 * own * (1 - own)
    win = min(cost + gain, 0.995)
    q = win if side == "bid" else 1 - win
    cash = 1_000.0
    held = float(round(held_share * cash))
    equity = round((cash + cost * held) * MONEY_ONE)
    qty = kelly_qty(q, price, side, FEES, True, equity, 1.0, 10**9, held=round(held * 100)) / 100
    best = growth(win, cost, cash, held, qty)
    for other in (qty - 1, qty - 0.1, qty + 0.1, qty + 1):
        if 0 <= other < cash / cost:
            assert growth(win, cost, cash, held, other) <= best + 1e-6


def test_a_fraction_scales_and_the_result_is_floored() -> None:
    """A quarter of Kelly's 0.0674 of 10,000 dollars at 0.5175 a contract, floored to a hundredth."""
    full = kelly_fraction(0.55, 5_000, "bid", FEES, True)
    assert math.floor(0.25 * full * 10_000 / 0.5175 * 100) == kelly_qty(
        0.55, 5_000, "bid", FEES, True, EQUITY, 0.25, 10**9
    )


def test_caps_and_what_is_held() -> None:
    """Never more than the cap; what is held counts; the other outcome is bought back on top."""
    free = kelly_qty(0.55, 5_000, "bid", FEES, True, EQUITY, 0.25, 10**9)
    assert kelly_qty(0.55, 5_000, "bid", FEES, True, EQUITY, 0.25, 1_000) == 1_000
    assert free - 700 == kelly_qty(0.55, 5_000, "bid", FEES, True, EQUITY, 0.25, 10**9, held=700)
    assert free + 700 == kelly_qty(0.55, 5_000, "bid", FEES, True, EQUITY, 0.25, 10**9, held=-700)
    assert kelly_qty(0.55, 5_000, "bid", FEES, True, EQUITY, 0.25, 10**9, held=free + 1) == 0


def test_without_equity_nothing_is_bought() -> None:
    """No wealth, no stake."""
    assert kelly_qty(0.9, 5_000, "bid", FEES, True, 0, 0.25, 10**9) == 0
    assert kelly_qty(0.9, 5_000, "bid", FEES, True, -1, 0.25, 10**9) == 0


def test_edges_of_both_sides() -> None:
    """The edge is probability minus cost: buying YES at 0.50, and NO at 0.50, at the taker's fee."""
    assert pytest.approx(edge(0.55, 5_000, "bid", FEES, True)) == 0.0325
    assert pytest.approx(edge(0.55, 5_000, "ask", FEES, True)) == -0.0675
    assert pytest.approx(edge(0.55, 5_000, "bid", FEES, False)) == 0.05


@pytest.mark.parametrize(
    ("q", "price", "fraction", "message"),
    [
        (math.nan, 5_000, 0.25, "not a probability"),
        (1.01, 5_000, 0.25, "not a probability"),
        (0.5, 0, 0.25, "not an order price"),
        (0.5, 10_000, 0.25, "not an order price"),
        (0.5, 5_000, 1.5, "not a fraction of Kelly"),
    ],
)
def test_nonsense_is_refused(q: float, price: int, fraction: float, message: str) -> None:
    """A sizer that is fed nonsense says so; it never bets on it."""
    with pytest.raises(ValueError, match=message):
        kelly_qty(q, price, "bid", FEES, True, EQUITY, fraction, 100)


# --- through the book, with errors, caps and prices ----------------------------------------------

DEEP = 10**9


@given(
    price=st.integers(500, 9_500),
    q=st.floats(0.01, 0.99),
    side=st.sampled_from(["bid", "ask"]),
    fraction=st.floats(0.01, 1),
    held=st.integers(-50_000, 50_000),
)
def test_one_deep_level_is_kellys_closed_form(
    price: int, q: float, side: BookSide, fraction: float, held: int
) -> None:
    """Formula 4 on a book of one level is formula 3."""
    found = kelly_through_book(q, ((price, DEEP),), side, FEES, EQUITY, fraction, 10**7, held)
    expected = kelly_qty(q, price, side, FEES, True, EQUITY, fraction, 10**7, held)
    assert abs(expected - found.qty) <= 1
    assert found.price == (price if found.qty else None)


def test_through_the_book_is_the_numeric_optimum() -> None:
    """Two levels: the first is bought whole, the second until its cost is worth it; growth is the highest."""
    offers = ((5_000, 20_000), (5_100, 30_000), (5_900, DEEP))
    found = kelly_through_book(0.58, offers, "bid", FEES, 2_000 * MONEY_ONE, 1.0, DEEP)
    assert (5_100, 20_000 < found.qty < 50_000) == (found.price, True)

    def growth_of(qty: float) -> float:
        spent = 0.0
        left = qty
        for price, size in offers:
            taken = min(left, size / 100)
            own = price / PRICE_ONE
            spent += taken * (own + 0.07 * own * (1 - own))
            left -= taken
        return 0.58 * math.log(2_000 - spent + qty) + 0.42 * math.log(2_000 - spent)

    best = growth_of(found.qty / 100)
    assert all(growth_of(found.qty / 100 + other) <= best + 1e-9 for other in (-50, -1, -0.1, 0.1, 1, 50))


def test_a_book_bounds_what_is_bought_and_the_last_level_names_the_price() -> None:
    """No more than is offered where it is worth it; of NO the YES bids are the offers, highest first."""
    book = Book("T")
    book.apply_snapshot(BookSnapshotReceived("T", ((4_000, 700), (3_900, 900)), ((5_700, 300),), 1, 1))
    assert (((4_300, 300),), ((4_000, 700), (3_900, 900))) == (
        offers_of(book, "bid", 5),
        offers_of(book, "ask", 5),
    )
    assert ((4_000, 700),) == offers_of(book, "ask", 1)
    assert Sized(1_600, 3_900) == kelly_through_book(
        0.1, offers_of(book, "ask", 5), "ask", FEES, EQUITY, 0.25, DEEP
    )
    assert Sized(0, None) == kelly_through_book(0.5, (), "bid", FEES, EQUITY, 0.25, DEEP)
    assert Sized(250, 4_300) == kelly_through_book(
        0.9, offers_of(book, "bid", 5), "bid", FEES, EQUITY, 0.25, 250
    )


@pytest.mark.parametrize(
    ("error", "kept"), [(0.0, 1.0), (0.02, 0.81), (0.04, 0.51), (0.08, 0.20)], ids=["0", "2", "4", "8"]
)
def test_the_published_shrinkage(error: float, kept: float) -> None:
    """Formula 6: an edge of 4 points with a standard error of 2, 4 and 8, of the contract's own variance."""
    variance = (0.52 * 0.48) / (0.56 * 0.44)
    assert kept == pytest.approx(shrinkage(0.04, error) * (variance if error else 1), abs=0.011)


def test_an_error_shrinks_the_stake_and_no_edge_keeps_none() -> None:
    """Half of the edge in doubt keeps its share of the contracts."""
    known = kelly_through_book(0.6, ((5_000, DEEP),), "bid", FEES, EQUITY, 0.25, DEEP)
    doubted = kelly_through_book(0.6, ((5_000, DEEP),), "bid", FEES, EQUITY, 0.25, DEEP, error=0.0825)
    assert doubted.qty == pytest.approx(known.qty / 2, abs=1)
    assert (0.0, 0.0) == (shrinkage(0.0, 0.1), shrinkage(-0.1, 0.0))


def test_room_is_the_least_of_the_caps() -> None:
    """Dollars of event, settlement, strategy and total, contracts of the market; None is no cap."""
    assert (None, None) == (Room().stake, Room().qty_max(5_000, "bid", FEES, is_taker=True))
    room = Room(
        event=30 * MONEY_ONE, settlement=20 * MONEY_ONE, strategy=25 * MONEY_ONE, total=MONEY_ONE * 99
    )
    assert 20 * MONEY_ONE == room.stake
    assert math.floor(20 / 0.5175 * 100) == room.qty_max(5_000, "bid", FEES, is_taker=True)
    assert 4_000 == room.qty_max(5_000, "ask", FEES, is_taker=False)
    assert 100 == Room(market=100, total=99 * MONEY_ONE).qty_max(5_000, "bid", FEES, is_taker=True)
    assert 0 == Room(total=-5).stake
    assert 0 == Room(market=-5).qty_max(5_000, "bid", FEES, is_taker=True)


GRID = PriceGrid((PriceBand(0, 10_000, 100),))


@given(
    q=st.floats(0, 1),
    gain=st.floats(0, 0.3),
    side=st.sampled_from(["bid", "ask"]),
    is_taker=st.booleans(),
)
def test_the_price_for_an_edge_has_it_and_the_next_one_has_not(
    q: float, gain: float, side: BookSide, is_taker: bool
) -> None:
    """On the grid; one tick worse for us would leave too little."""
    fees = Fees("quadratic_with_maker_fees", 1_000_000)
    price = price_for_edge(q, side, fees, gain, GRID, is_taker=is_taker)
    worst = [at for at in range(100, 10_000, 100) if edge(q, at, side, fees, is_taker) >= gain - 1e-9]
    assert price == ((max(worst) if side == "bid" else min(worst)) if worst else None)
