"""What a streamed book was, at every moment of a while: the pure half of the book audit.

A book over REST passes a cache, so nobody knows of which moment it is: only that it lies between
`asked_at - CACHE_AGE` and the reply. A witness keeps the streamed book as it was at its start and every
change since. If the REST book equals none of these states, one of the two is wrong. The deltas are
replayed against the REST book by the number of levels in which the two differ: one step per delta.
"""

from __future__ import annotations

from typing import TypeAlias

from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.units import Price, Qty, Side

Levels: TypeAlias = dict[tuple[Side, Price], Qty]


class Witness:
    """The states of one market's book since a moment; lost when the book is, for then there is no verdict.

    Args:
        book: the streamed book now; it must be synced, and is copied.
    """

    def __init__(self, book: Book) -> None:
        assert book.is_synced, f"{book.ticker}: a lost book witnesses nothing"
        self.ticker = book.ticker
        self.is_lost = False
        self._start = _levels(tuple(book.yes.sizes.items()), tuple(book.no.sizes.items()))
        self._changes: list[e.BookDeltaReceived | e.BookSnapshotReceived] = []

    def apply(self, event: e.Event) -> None:
        """Take in one event that the core handled, of whatever market."""
        match event:
            case e.BookDeltaReceived() | e.BookSnapshotReceived():
                if event.ticker == self.ticker:
                    self._changes.append(event)
            case e.BookLost() | e.MarketRouted() | e.MarketDropped():
                self.is_lost = self.is_lost or event.ticker == self.ticker
            case e.FeedDropped():
                # Whichever connection it was: one audit less is cheaper than one of a half-known book.
                self.is_lost = True

    def has_seen(self, told: e.BookSnapshotReceived) -> bool:
        """Whether the streamed book was like this at the start or after any change since.

        Args:
            told: the whole book over REST.
        """
        assert not self.is_lost, f"{self.ticker}: there is no verdict on a lost book"
        book, wanted = dict(self._start), _levels(told.yes, told.no)
        unlike = _count_unlike(book, wanted)
        for change in self._changes:
            if not unlike:
                return True
            if isinstance(change, e.BookSnapshotReceived):
                book = _levels(change.yes, change.no)
                unlike = _count_unlike(book, wanted)
                continue
            level = (change.side, change.price)
            old, goal = book.get(level, 0), wanted.get(level, 0)
            new = book[level] = old + change.delta
            unlike += (new != goal) - (old != goal)
        return not unlike


def _levels(yes: tuple[e.Level, ...], no: tuple[e.Level, ...]) -> Levels:
    levels: Levels = {("yes", price): qty for price, qty in yes}
    levels |= {("no", price): qty for price, qty in no}
    return levels


def _count_unlike(book: Levels, wanted: Levels) -> int:
    return sum(book.get(level, 0) != wanted.get(level, 0) for level in {**book, **wanted})
