"""Flatten: one order at a time that only reduces, none beyond the slippage, none bigger than what is held."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.flatten import APART, Flattening
from daemon.core.strategy import Target
from daemon.core.units import PRICE_ONE, PriceGrid
from tests.core.worlds import LIMITS, NOW, TICKER, snapshot, spec

GRID = PriceGrid(spec().bands)
WISH = e.FlattenRequested("away", 200, NOW)


def book(bid: int = 4_000, size: int = 40_000, ask: int = 4_200) -> Book:
    """A book with a level behind its best one on either side."""
    subject = Book(TICKER)
    yes, no = PRICE_ONE - bid, PRICE_ONE - ask
    assert yes > no
    subject.apply_snapshot(
        snapshot(NOW, yes=((bid - 100, 500), (bid, size)), no=((no - 100, 500), (no, size)))
    )
    return subject


def flattening() -> Flattening:
    """Orders of 100 contracts at most, 10 cents from the best price at most."""
    return Flattening(LIMITS)


def test_a_long_position_is_sold_down_to_the_slippage() -> None:
    """All of it, where the book shows enough up to there."""
    target = flattening().target(WISH, book(), GRID, 7_000, NOW)
    assert target == Target("ask", 3_800, 7_000, "take", "flatten: away")


def test_a_short_position_is_bought_back() -> None:
    """NO is held: YES is bought, up to the best ask and the slippage."""
    target = flattening().target(WISH, book(), GRID, -7_000, NOW)
    assert target == Target("bid", 4_400, 7_000, "take", "flatten: away")


def test_an_order_is_no_bigger_than_what_the_book_shows_within_the_limit_and_than_any_may_be() -> None:
    """What lies beyond the slippage is not counted on."""
    near = e.FlattenRequested("away", 50, NOW)
    thin = flattening().target(near, book(size=300), GRID, 7_000, NOW)
    assert isinstance(thin, Target)
    assert (thin.qty, thin.price) == (300, 4_000)
    big = flattening().target(WISH, book(), GRID, 70_000, NOW)
    assert isinstance(big, Target)
    assert big.qty == 10_000


def test_the_slippage_counts_from_the_first_price_and_not_from_each_order() -> None:
    """A book that is followed down one slippage at a time would be sold at any price."""
    subject = flattening()
    assert isinstance(subject.target(WISH, book(), GRID, 7_000, NOW), Target)
    later = subject.target(WISH, book(bid=3_900), GRID, 5_000, NOW + APART)
    assert isinstance(later, Target)
    assert later.price == 3_800
    assert subject.target(WISH, book(bid=3_700), GRID, 5_000, NOW + 2 * APART) == "slippage_limit"
    again = e.FlattenRequested("further", 200, NOW + 3 * APART)
    further = subject.target(again, book(bid=3_700), GRID, 5_000, NOW + 3 * APART)
    assert isinstance(further, Target)
    assert further.price == 3_500


def test_one_order_a_moment() -> None:
    """Whatever became of the last one: the book that it took is to be seen first."""
    subject = flattening()
    subject.target(WISH, book(), GRID, 7_000, NOW)
    assert subject.target(WISH, book(), GRID, 7_000, NOW + APART - 1) == "just_tried"


def test_without_a_price_it_says_why() -> None:
    """A lost book is not an empty one."""
    empty = Book(TICKER)
    assert flattening().target(WISH, empty, GRID, 7_000, NOW) == "book_unsynced"
    empty.apply_snapshot(snapshot(NOW, yes=()))
    assert flattening().target(WISH, empty, GRID, 7_000, NOW) == "nobody_opposite"


@given(
    st.integers(-50_000, 50_000).filter(bool),
    st.integers(0, 3_000),
    st.lists(st.integers(1_200, 8_000).map(lambda price: price // 100 * 100), min_size=1, max_size=8),
    st.integers(1, 60_000),
)
def test_it_only_reduces_and_never_beyond_the_first_price_less_the_slippage(
    position: int, slippage: int, bids: list[int], size: int
) -> None:
    """Whatever the book does between two orders."""
    subject, wish = flattening(), e.FlattenRequested("away", slippage, NOW)
    for step, bid in enumerate(bids):
        ask = bid + 200
        target = subject.target(wish, book(bid, size, ask), GRID, position, NOW + step * APART)
        if isinstance(target, str):
            assert target == "slippage_limit"
            continue
        assert GRID.contains(target.price)
        assert 1 <= target.qty <= min(abs(position), 10_000)
        if position > 0:
            assert (target.side, target.price >= bids[0] - slippage, target.price <= bid) == (
                "ask",
                True,
                True,
            )
        else:
            assert (target.side, target.price <= bids[0] + 200 + slippage, target.price >= ask) == (
                "bid",
                True,
                True,
            )
