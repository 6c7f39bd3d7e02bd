"""Tests of one market's book of orders."""

from __future__ import annotations

import pytest

from daemon.core.units import PRICE_ONE
from daemon.exchange.matching import MatchingBook, Order, Pull, Trade, outcome, own_price
from tests.exchange.venues import TICKER, order_of


def book_of(*orders: Order) -> MatchingBook:
    book = MatchingBook(TICKER)
    for order in orders:
        book.rest(order)
    return book


def test_an_ask_is_shown_as_a_no_bid() -> None:
    """An ask at p stands on the NO side at 1 - p."""
    book = book_of(order_of("1", "a", "ask", 6000, 100))
    assert ((), ((4000, 100),)) == (book.levels("yes"), book.levels("no"))
    assert (None, 6000) == (book.bid, book.ask)


def test_own_price_is_its_own_inverse() -> None:
    """Turning a price to the other scale twice changes nothing."""
    assert ("yes", "no") == (outcome("bid"), outcome("ask"))
    assert 6000 == own_price("ask", own_price("ask", 6000))
    assert PRICE_ONE - 6000 == own_price("ask", 6000)


def test_better_prices_come_first_then_earlier_orders() -> None:
    """A plan takes the best price first and, within it, the first to come."""
    late, early, best = (
        order_of("late", "b", "ask", 6000, 100),
        order_of("early", "a", "ask", 6000, 100),
        order_of("best", "b", "ask", 5900, 100),
    )
    plan = book_of(early, late, best).plan("bid", 6000, 250, "c", "taker_at_cross")
    assert (
        Trade(best, 4100, 5900, 100),
        Trade(early, 4000, 6000, 100),
        Trade(late, 4000, 6000, 50),
    ) == plan.steps
    assert (250, False) == (plan.filled, plan.is_self_crossed)


def test_a_plan_stops_at_the_limit() -> None:
    """Levels beyond the limit are not touched."""
    plan = book_of(order_of("1", "a", "bid", 4000, 100), order_of("2", "a", "bid", 3900, 100)).plan(
        "ask", 4000, 500, "c", "taker_at_cross"
    )
    assert 100 == plan.filled


def test_an_own_order_stops_the_taker() -> None:
    """With taker_at_cross what was matched before the own order stands, and no more is."""
    first, own = order_of("1", "b", "ask", 5900, 100), order_of("2", "a", "ask", 6000, 100)
    plan = book_of(first, own).plan("bid", 6000, 300, "a", "taker_at_cross")
    assert ((Trade(first, 4100, 5900, 100),), 100, True) == plan


def test_an_own_order_is_pulled() -> None:
    """With maker the own resting order is cancelled and matching goes on behind it."""
    own, behind = order_of("1", "a", "ask", 5900, 100), order_of("2", "b", "ask", 6000, 100)
    plan = book_of(own, behind).plan("bid", 6000, 100, "a", "maker")
    assert ((Pull(own), Trade(behind, 4000, 6000, 100)), 100, False) == plan


def test_shrinking_keeps_the_queue_place() -> None:
    """An order that shrinks stays where it was; one that is gone leaves no level."""
    first, second = order_of("1", "a", "bid", 4000, 100), order_of("2", "b", "bid", 4000, 100)
    book = book_of(first, second)
    book.shrink(first, 60)
    assert (0, 40) == (book.ahead(first), book.ahead(second))
    book.shrink(first, 40)
    book.shrink(second, 100)
    assert ((), []) == (book.levels("yes"), book.orders())


def test_there_is_no_depth_without_orders() -> None:
    """Depth of nobody is a tape's; taking it here is a mistake of the program."""
    with pytest.raises(AssertionError, match="no depth without orders"):
        MatchingBook(TICKER).take_depth("yes", 4000, 100)


def test_an_order_comes_back_from_its_state() -> None:
    """An order made from a state has that state."""
    state = order_of("1", "a", "bid", 4000, 100).state()
    assert state == Order.from_state(state).state()
