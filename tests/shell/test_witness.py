"""The witness of the book audit: a right book is never called wrong, a wrong level always is."""

from __future__ import annotations

from itertools import takewhile
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.units import Ns, Price, Qty, Side
from daemon.shell.witness import Witness
from tests.core.worlds import T0, TICKER, snapshot

OTHER = "KXBTC15M-OTHER-30"
State = dict[tuple[Side, Price], Qty]
WRONG_LEVEL: tuple[Side, Price] = ("no", 9_000)
"""A level that the generated deltas never touch."""


def book_of(event: e.BookSnapshotReceived) -> Book:
    book = Book(event.ticker)
    book.apply_snapshot(event)
    return book


def told(state: State) -> e.BookSnapshotReceived:
    """A whole book, as REST tells it."""
    sides = {
        side: tuple(sorted((price, qty) for (one, price), qty in state.items() if one == side and qty))
        for side in ("yes", "no")
    }
    return e.BookSnapshotReceived(TICKER, sides["yes"], sides["no"], T0, None)


def delta(side: Side, price: Price, change: Qty, at: Ns = T0, ticker: str = TICKER) -> e.BookDeltaReceived:
    return e.BookDeltaReceived(ticker, side, price, change, at, at)


class History(list[State]):
    """A true book's states, each with the delta or snapshot that led to it."""

    def __init__(self) -> None:
        super().__init__([{("yes", 4_000): 100, ("no", 5_000): 200}])
        self.changes: list[e.Event] = []


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A book that changes level by level, and is sent whole now and then."""
    history = History()
    for _ in range(draw(st.integers(0, 25))):
        state = dict(history[-1])
        if draw(st.integers(0, 9)) == 0:
            history.changes.append(told(state))
        else:
            side: Side = draw(st.sampled_from(("yes", "no")))
            price = draw(st.sampled_from((3_900, 4_000, 4_100, 5_000)))
            old = state.get((side, price), 0)
            change = draw(st.integers(-old, 5).filter(bool))
            state[side, price] = old + change
            history.changes.append(delta(side, price, change))
        history.append(state)
    return history


@given(histories(), st.randoms(use_true_random=False))
def test_a_right_book_is_never_called_wrong(history: History, random: Random) -> None:
    """Whichever moment since the witness's start the REST book is from, and whatever came after it."""
    started = random.randrange(len(history))
    witness = Witness(book_of(told(history[started])))
    for change in history.changes[started:]:
        witness.apply(change)
    assert all(witness.has_seen(told(state)) for state in history[started:])


@given(histories(), st.integers(1, 500))
def test_a_wrong_level_is_always_called_wrong(history: History, wrong: Qty) -> None:
    """A level too much in the streamed book, until a snapshot mends it: no state of the true one fits."""
    witness = Witness(book_of(told({**history[0], WRONG_LEVEL: wrong})))
    for change in takewhile(lambda change: isinstance(change, e.BookDeltaReceived), history.changes):
        witness.apply(change)
    assert not any(witness.has_seen(told(state)) for state in history)


def test_a_wrong_size_is_seen_even_when_the_prices_agree() -> None:
    """Every level's size is held against the other book's, not only the best prices."""
    witness = Witness(book_of(snapshot()))
    assert witness.has_seen(snapshot())
    assert not witness.has_seen(snapshot(yes=((3_900, 49_999), (4_000, 40_000))))
    assert not witness.has_seen(snapshot(yes=((4_000, 40_000),)))
    assert not witness.has_seen(snapshot(no=()))


def test_the_book_is_copied() -> None:
    """The core goes on changing its own; the witness keeps the state that it started from."""
    book = book_of(snapshot())
    witness = Witness(book)
    book.apply_delta(delta("yes", 4_000, -40_000))
    assert witness.has_seen(snapshot())


def test_other_markets_are_nothing_to_it() -> None:
    """Their deltas, snapshots and losses change no verdict."""
    witness = Witness(book_of(snapshot()))
    for event in (
        delta("yes", 4_000, 5, ticker=OTHER),
        snapshot(ticker=OTHER, yes=()),
        e.BookLost(OTHER, "gap", T0),
        e.MarketDropped(OTHER, T0),
    ):
        witness.apply(event)
    assert not witness.is_lost
    assert witness.has_seen(snapshot())


@pytest.mark.parametrize(
    "event",
    [
        e.BookLost(TICKER, "gap", T0),
        e.MarketRouted(TICKER, "kalshi-2", T0),
        e.MarketDropped(TICKER, T0),
        e.FeedDropped("kalshi", "cut", T0),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_lost_book_is_no_witness(event: e.Event) -> None:
    """Between the loss and the next snapshot the states are not known: there is no verdict at all."""
    witness = Witness(book_of(snapshot()))
    witness.apply(event)
    witness.apply(snapshot())
    assert witness.is_lost
    with pytest.raises(AssertionError, match="no verdict"):
        witness.has_seen(snapshot())


def test_an_unsynced_book_can_t_start_one() -> None:
    """That would be a programmer's error."""
    with pytest.raises(AssertionError, match="witnesses nothing"):
        Witness(Book(TICKER))
