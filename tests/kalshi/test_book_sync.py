"""Which books are synced, and when they are asked for."""

from __future__ import annotations

import itertools

from daemon.core.events import BookLost
from daemon.core.units import SECOND
from daemon.kalshi.book_sync import CALM, PATIENCE, PATIENCE_MAX, BookSync


def test_the_first_loss_asks_at_once() -> None:
    """A synced book that is lost is due immediately, and then not again while the answer is under way."""
    books = BookSync()
    books.watch(["A", "B"])
    books.asked(["A", "B"], 0)
    books.snapshot("A")
    books.snapshot("B")
    assert books.due(["A", "B"], 1) == []
    assert books.lose(["A", "Z"], "gap", 1) == [BookLost("A", "gap", 1)]
    assert books.due(["A", "B"], 1) == ["A"]
    assert books.due(["A", "B"], 1 + PATIENCE - 1) == []
    assert books.due(["A", "B"], 1 + PATIENCE) == ["A"]


def test_a_stream_that_keeps_failing_is_asked_seldom() -> None:
    """Losses within a second of each other don't ask each time."""
    books = BookSync()
    books.watch(["A"])
    asked = 0
    for step in range(100):
        now = step * CALM // 100
        books.lose(["A"], "refused", now)
        asked += len(books.due(["A"], now))
        books.snapshot("A")
    assert asked == 1


def test_patience_grows_to_its_maximum() -> None:
    """A snapshot that never comes is asked for at doubling intervals, at most a minute apart."""
    books = BookSync()
    books.watch(["A"])
    asked_at = [now for now in range(0, 400 * SECOND, SECOND) if books.due(["A"], now)]
    gaps = [after - before for before, after in itertools.pairwise(asked_at)]
    assert gaps[:3] == [PATIENCE, 2 * PATIENCE, 4 * PATIENCE]
    assert max(gaps) == PATIENCE_MAX


def test_only_members_are_asked_for() -> None:
    """A market that the subscription doesn't hold yet brings its snapshot by being added."""
    books = BookSync()
    books.watch(["A", "B"])
    assert books.due(["B"], 0) == ["B"]


def test_unwatched_books_are_forgotten_and_a_restart_unsyncs() -> None:
    """After `unwatch` nothing is known of a market; after a restart nothing is synced."""
    books = BookSync()
    books.watch(["A", "B"])
    books.snapshot("A")
    books.unwatch(["A"])
    books.snapshot("B")
    books.restart()
    assert (list(books.watched), list(books.synced)) == (["B"], [])


def test_books_that_are_synced_cost_nothing() -> None:
    """However many markets there are: only those that are not synced are looked at, and only when due."""
    books = BookSync()
    tickers = [f"M{number}" for number in range(1_000)]
    books.watch(tickers)
    books.asked(tickers, 0)
    for ticker in tickers:
        books.snapshot(ticker)

    class Members(dict[str, None]):
        looked_at = 0

        def __contains__(self, ticker: object) -> bool:
            Members.looked_at += 1
            return super().__contains__(ticker)

    members = Members(dict.fromkeys(tickers))
    books.lose(["M7"], "refused", 1)
    assert ["M7"] == books.due(members, 1)
    for now in range(1, PATIENCE, PATIENCE // 100):
        assert [] == books.due(members, now)
    assert 1 == Members.looked_at


def test_the_earliest_book_decides_when_to_look_again() -> None:
    """Also when one that is due later was lost after it."""
    books = BookSync()
    books.watch(["A", "B"])
    books.asked(["A", "B"], 0)
    assert ["A", "B"] == books.due(["A", "B"], PATIENCE)
    books.snapshot("A")
    books.lose(["A"], "gap", 5 * SECOND)
    assert ["A"] == books.due(["A", "B"], 5 * SECOND)
    assert ["B"] == books.due(["A", "B"], 3 * PATIENCE)
