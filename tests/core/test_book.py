"""The book: equal to a naive one after every event, and silent whenever it isn't vouched for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.core.book import Book, Ladder
from daemon.core.events import BookDeltaReceived, BookSnapshotReceived, Level
from daemon.core.units import PRICE_ONE, Price, Qty, Side

TICKER = "KXBTC15M-26SEP251515-15"
SIDES: tuple[Side, Side] = ("yes", "no")
sides = st.sampled_from(SIDES)
# Few prices, so that levels meet; both ends of the range among them.
prices = st.sampled_from((1, 2, 40, 4_999, 5_000, 5_001, 9_998, 9_999))
sizes = st.integers(1, 5)
ladders = st.dictionaries(prices, sizes, max_size=8)


def snapshot(
    yes: tuple[Level, ...] = (), no: tuple[Level, ...] = (), received_at: int = 1, sent_at: int | None = None
) -> BookSnapshotReceived:
    """Return a snapshot of the market under test."""
    return BookSnapshotReceived(TICKER, yes, no, received_at, sent_at)


def delta(
    side: Side, price: Price, change: Qty, received_at: int = 2, sent_at: int | None = None
) -> BookDeltaReceived:
    """Return a delta of the market under test."""
    return BookDeltaReceived(TICKER, side, price, change, received_at, sent_at)


def synced(yes: tuple[Level, ...] = (), no: tuple[Level, ...] = ()) -> Book:
    """Return a book that a snapshot has synced."""
    book = Book(TICKER)
    book.apply_snapshot(snapshot(yes, no))
    return book


class BookMachine(RuleBasedStateMachine):
    """A book and a naive one, dicts by side, fed the same events."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(TICKER)
        self.naive: dict[Side, dict[Price, Qty]] | None = None
        self.now = 0
        self.changed_at: int | None = None

    @initialize()
    def start(self) -> None:
        """A book that was never told anything."""
        assert not self.book.is_synced

    @rule(yes=ladders, no=ladders)
    def take_snapshot(self, yes: dict[Price, Qty], no: dict[Price, Qty]) -> None:
        """A snapshot replaces everything, synced or not."""
        self.now += 1
        self.book.apply_snapshot(snapshot(tuple(yes.items()), tuple(no.items()), self.now, self.now - 1))
        self.naive = {"yes": dict(yes), "no": dict(no)}
        self.changed_at = self.now

    @rule(side=sides, price=prices, change=st.integers(-5, 5))
    def take_delta(self, side: Side, price: Price, change: Qty) -> None:
        """A delta changes one level; an impossible one loses the book; an unsynced book ignores it."""
        self.now += 1
        self.book.apply_delta(delta(side, price, change, self.now, self.now - 1))
        if self.naive is None:
            return
        levels = self.naive[side]
        is_possible = levels.get(price, 0) + change >= 0 and (price in levels or change > 0)
        if not is_possible:
            self.naive = None
            return
        levels[price] = levels.get(price, 0) + change
        if not levels[price]:
            del levels[price]
        self.changed_at = self.now

    @precondition(lambda self: self.naive is not None and any(self.naive.values()))
    @rule(draw=st.data())
    def clear_level(self, draw: st.DataObject) -> None:
        """A whole level goes, as most deltas at the top of a real book make it do."""
        assert self.naive is not None
        side = draw.draw(st.sampled_from([side for side in SIDES if self.naive[side]]))
        price = draw.draw(st.sampled_from(sorted(self.naive[side])))
        self.take_delta(side, price, -self.naive[side][price])

    @rule()
    def lose(self) -> None:
        """A gap loses the book."""
        self.book.lose("gap")
        self.naive = None

    @invariant()
    def agrees_with_the_naive_book(self) -> None:
        """Every answer of the book is the naive one's, and None when there is none."""
        book, naive = self.book, self.naive
        assert (naive is not None) is book.is_synced
        levels = naive or {"yes": {}, "no": {}}
        for side in SIDES:
            assert levels[side] == book.ladder(side).sizes
            assert sorted(levels[side]) == book.ladder(side).prices
            for count in (9, *range(1, 10)):  # the one that was asked last comes first: it is remembered
                best = sorted(levels[side], reverse=True)[:count]
                assert sum(levels[side][price] for price in best) == book.ladder(side).depth(count)
        yes, no = levels["yes"], levels["no"]
        assert max(yes, default=None) == book.bid
        assert (PRICE_ONE - max(no) if no else None) == book.ask
        assert (yes[max(yes)] if yes else None) == book.bid_size
        assert (no[max(no)] if no else None) == book.ask_size

    @invariant()
    def tells_its_age_only_while_synced(self) -> None:
        """Age counts from the last change, by each clock; an unsynced book has none."""
        if self.naive is None:
            assert (None, None) == (self.book.age(self.now + 5), self.book.sent_age(self.now + 5))
        else:
            assert self.changed_at is not None
            age = self.now + 5 - self.changed_at
            assert (age, age + 1) == (self.book.age(self.now + 5), self.book.sent_age(self.now + 5))


TestBookMachine = BookMachine.TestCase


def test_a_new_book_knows_nothing() -> None:
    """Before the first snapshot all answers are None, and the reason is named."""
    book = Book(TICKER)
    assert (None,) * 6 == (book.bid, book.ask, book.bid_size, book.ask_size, book.age(9), book.sent_age(9))
    assert "no snapshot yet" == book.lost_reason


def test_a_delta_before_the_snapshot_is_ignored() -> None:
    """An unsynced book stays empty, whatever it is told to add."""
    book = Book(TICKER)
    book.apply_delta(delta("yes", 5_000, 100))
    assert not book.is_synced
    assert book.yes.sizes == {}


def test_a_no_bid_is_a_yes_ask() -> None:
    """The best NO bid at 0.45 is a YES ask at 0.55."""
    book = synced(yes=((5_200, 300), (5_000, 100)), no=((4_000, 50), (4_500, 200)))
    assert (5_200, 300, 5_500, 200) == (book.bid, book.bid_size, book.ask, book.ask_size)


@pytest.mark.parametrize(
    ("price", "change"), [(5_000, -101), (4_999, -1), (4_999, 0), (0, 10), (PRICE_ONE, 10), (-100, 10)]
)
def test_an_impossible_delta_loses_the_book(price: Price, change: Qty) -> None:
    """Below zero, from nothing, or outside the prices: the past was not what we think, so we know nothing."""
    book = synced(yes=((5_000, 100),), no=((4_000, 100),))
    book.apply_delta(delta("yes", price, change))
    assert not book.is_synced
    assert "impossible delta" == book.lost_reason
    assert (None, None) == (book.bid, book.ask)


@pytest.mark.parametrize(
    "levels",
    [((5_000, 0),), ((5_000, -1),), ((5_000, 1), (5_000, 2)), ((0, 1),), ((PRICE_ONE, 1),), ((-1, 1),)],
)
@pytest.mark.parametrize("side", SIDES)
def test_an_impossible_snapshot_loses_the_book(levels: tuple[Level, ...], side: Side) -> None:
    """No size below one, no price twice, none outside the prices: on either side."""
    book = synced(yes=((5_000, 100),))
    good: tuple[Level, ...] = ((4_000, 100),)
    book.apply_snapshot(snapshot(levels, good) if side == "yes" else snapshot(good, levels))
    assert not book.is_synced
    assert "impossible snapshot" == book.lost_reason
    assert (None, None) == (book.bid, book.ask)


def test_a_lost_book_comes_back_with_a_snapshot_only() -> None:
    """Deltas after a loss change nothing; the next snapshot replaces all."""
    book = synced(yes=((5_000, 100),))
    book.lose("gap")
    book.apply_delta(delta("yes", 5_100, 100))
    assert book.bid is None
    book.apply_snapshot(snapshot(yes=((5_200, 1),), received_at=9))
    assert 5_200 == book.bid


def test_an_empty_snapshot_is_a_synced_empty_book() -> None:
    """Nobody bidding is knowledge: the book is synced, and has no prices."""
    book = synced()
    assert book.is_synced
    assert (None, None) == (book.bid, book.ask)
    assert 4 == book.age(5)


def test_age_by_the_exchange_needs_its_stamp() -> None:
    """A change that the exchange did not stamp has no age by its clock."""
    book = synced(yes=((5_000, 100),))
    assert book.sent_age(10) is None
    book.apply_delta(delta("yes", 5_000, 1, received_at=5, sent_at=3))
    assert (5, 7) == (book.age(10), book.sent_age(10))


@given(st.dictionaries(st.integers(1, PRICE_ONE - 1), sizes, max_size=40))
def test_a_ladder_built_by_deltas_equals_one_replaced_at_once(levels: dict[Price, Qty]) -> None:
    """Incremental equals rebuilt."""
    added, replaced = Ladder(), Ladder()
    for price, size in levels.items():
        assert added.add(price, size)
    assert replaced.replace(tuple(levels.items()))
    assert (replaced.prices, replaced.sizes) == (added.prices, added.sizes)


@given(ladders, ladders)
def test_the_best_of_both_sides_are_told_together(yes: dict[Price, Qty], no: dict[Price, Qty]) -> None:
    """As one by one; None for an empty side, and before the first snapshot."""
    book = Book(TICKER)
    assert (None, None) == book.best()
    book.apply_snapshot(snapshot(tuple(sorted(yes.items())), tuple(sorted(no.items()))))
    assert (book.bid, book.ask) == book.best()
