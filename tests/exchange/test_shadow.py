"""Tests of the queue rule of a tape's book."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import PRICE_ONE, Price, Qty, Side
from daemon.exchange.shadow import Reached, ShadowBook
from tests.exchange.venues import TICKER, order_of


def book_of(yes: tuple[tuple[Price, Qty], ...], no: tuple[tuple[Price, Qty], ...]) -> ShadowBook:
    book = ShadowBook(TICKER)
    book.apply_snapshot(yes, no)
    return book


def test_a_book_without_a_snapshot_is_unknown() -> None:
    """Before its first recorded snapshot a book says that it has none."""
    assert not ShadowBook(TICKER).has_snapshot
    assert book_of((), ()).has_snapshot


def test_an_order_stands_behind_the_recorded_size() -> None:
    """A resting order starts behind everything that is shown at its price."""
    book = book_of(((4000, 300),), ())
    order = order_of("1", "a", "bid", 4000, 100)
    book.rest(order)
    assert (300, ((4000, 400),)) == (book.ahead(order), book.levels("yes"))


def test_cancels_are_assumed_to_be_behind_us() -> None:
    """The place gets better only when the level is smaller than it."""
    book = book_of(((4000, 300),), ())
    book.apply_delta("yes", 4000, 200)
    order = order_of("1", "a", "bid", 4000, 100)
    book.rest(order)
    assert 500 == book.ahead(order)
    book.apply_delta("yes", 4000, 100)
    book.apply_delta("yes", 4000, -100)
    assert 500 == book.ahead(order)
    book.apply_delta("yes", 4000, -350)
    assert 150 == book.ahead(order)


def test_what_was_taken_stays_taken_until_the_next_snapshot() -> None:
    """Own impact persists over deltas and ends with a snapshot."""
    book = book_of((), ((4000, 300),))
    book.take_depth("no", 4000, 300)
    assert () == book.levels("no")
    assert 50 == book.apply_delta("no", 4000, 50)
    assert ((4000, 50),) == book.levels("no")
    book.apply_snapshot((), ((4000, 300),))
    assert ((4000, 300),) == book.levels("no")


def test_what_the_recording_takes_away_was_ours_first() -> None:
    """A recorded decrease of what we took already is no change to see."""
    book = book_of((), ((4000, 300),))
    book.take_depth("no", 4000, 200)
    assert -100 == book.apply_delta("no", 4000, -300)
    assert () == book.levels("no")


def test_a_level_that_crosses_reaches_the_order() -> None:
    """A book that later crosses a resting order fills it for as much as crosses."""
    book = book_of((), ())
    order = order_of("1", "a", "bid", 4000, 100)
    book.rest(order)
    book.apply_delta("no", PRICE_ONE - 4100, 70)
    assert book.reached() is None
    book.apply_delta("no", PRICE_ONE - 3900, 70)
    assert Reached(order, 70, PRICE_ONE - 3900) == book.reached()


def test_a_print_through_the_price_fills_and_one_at_it_eats_the_queue() -> None:
    """Prints beyond fill at once; prints at the price wait for the queue."""
    book = book_of(((4000, 300),), ())
    order = order_of("1", "a", "bid", 4000, 100)
    book.rest(order)
    assert [] == book.printed(4000, 250, "no")
    assert 50 == book.ahead(order)
    assert [Reached(order, 20, None)] == book.printed(4000, 70, "no")
    assert [Reached(order, 100, None)] == book.printed(3900, 500, "no")
    assert [] == book.printed(3900, 500, "yes")


def test_an_impossible_delta_is_passed_on_and_counted() -> None:
    """What a gap made impossible is told as recorded, so that listeners notice; the book stays possible."""
    book = book_of(((4000, 100),), ())
    assert -300 == book.apply_delta("yes", 4000, -300)
    assert ((), 1) == (book.levels("yes"), book.clamped_total)


LEVELS = st.dictionaries(st.integers(1, 49), st.integers(1, 500), max_size=5)


@given(
    LEVELS,
    LEVELS,
    st.lists(
        st.tuples(st.sampled_from(("yes", "no")), st.integers(1, 49), st.integers(-200, 200)), max_size=40
    ),
)
def test_without_our_orders_it_shows_what_was_recorded(
    yes: dict[int, int], no: dict[int, int], deltas: list[tuple[Side, int, int]]
) -> None:
    """Without orders of ours the shown book is the recorded one, and its changes are the recorded ones."""
    book = book_of(tuple(yes.items()), tuple(no.items()))
    recorded = {"yes": dict(yes), "no": dict(no)}
    for side, price, delta in deltas:
        new = recorded[side].get(price, 0) + delta
        if new < 0 or not delta:
            continue
        assert delta == book.apply_delta(side, price, delta)
        recorded[side][price] = new
    for side in ("yes", "no"):
        kept = sorted((price, size) for price, size in recorded[side].items() if size)
        assert kept == list(book.levels(side))
