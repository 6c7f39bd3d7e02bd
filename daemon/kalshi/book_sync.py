"""Which watched books are synced, and which must be asked for again, and when. Sans-I/O, told the time.

A book is lost when frames of its stream are missing or can't be read, and is synced again by the next
snapshot. The first loss asks at once. A book that is lost again within a second, or whose snapshot does
not come, is asked for at growing intervals, so that a stream that keeps failing costs few commands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from daemon.core.events import BookLost, Event
from daemon.core.units import SECOND, Ns

PATIENCE: Ns = 2 * SECOND
"""How long a snapshot may be under way before it is asked for again; doubles up to the maximum."""
PATIENCE_MAX: Ns = 60 * SECOND
CALM: Ns = SECOND
"""A loss this long after the one before is a new one, and asks at once."""


class _Awaited:
    """When a book was last lost, when its snapshot was last asked for, and how long to wait for that."""

    __slots__ = ("asked_at", "lost_at", "patience")

    def __init__(self) -> None:
        self.asked_at: Ns | None = None
        self.lost_at: Ns | None = None
        self.patience = PATIENCE


class BookSync:
    """The sync state of all watched books. What it costs grows with the books that are not synced."""

    def __init__(self) -> None:
        self.watched: dict[str, _Awaited] = {}
        """In the order in which they were named; a dict, because iteration over sets is not an order."""
        self.synced: dict[str, None] = {}
        self._unsynced: dict[str, None] = {}
        self._due_at: Ns | None = None
        """No book is due before; None while none is awaited."""

    def watch(self, tickers: Iterable[str]) -> None:
        """Take markets in, unsynced."""
        for ticker in tickers:
            if ticker not in self.watched:
                self.watched[ticker] = _Awaited()
                self._unsynced[ticker] = None
                self._due_at = 0

    def unwatch(self, tickers: Iterable[str]) -> None:
        """Take markets out."""
        for ticker in tickers:
            self.watched.pop(ticker, None)
            self.synced.pop(ticker, None)
            self._unsynced.pop(ticker, None)

    def restart(self) -> None:
        """Unsync everything, as a new connection does."""
        self.synced.clear()
        for ticker in self.watched:
            self.watched[ticker] = _Awaited()
        self._unsynced = dict.fromkeys(self.watched)
        self._due_at = 0

    def snapshot(self, ticker: str) -> None:
        """Take note of a watched market's snapshot."""
        self.synced[ticker] = None
        self._unsynced.pop(ticker, None)
        self.watched[ticker].patience = PATIENCE

    def lose(self, tickers: Iterable[str], reason: str, now: Ns) -> list[Event]:
        """Unsync these books; return their `BookLost`. Markets that are not watched are left out."""
        events: list[Event] = []
        for ticker in tickers:
            awaited = self.watched.get(ticker)
            if awaited is None:
                continue
            self.synced.pop(ticker, None)
            self._unsynced[ticker] = None
            if awaited.lost_at is None or now - awaited.lost_at >= CALM:
                awaited.asked_at = None
            awaited.lost_at = now
            events.append(BookLost(ticker, reason, now))
        if events:
            self._due_at = 0
        return events

    def asked(self, tickers: Iterable[str], now: Ns) -> None:
        """Take note that these books' snapshots are under way."""
        for ticker in tickers:
            self.watched[ticker].asked_at = now
            self._due_at = 0

    def due(self, members: Collection[str], now: Ns) -> list[str]:
        """Return the books to ask for now, out of `members`, and take note that they were asked for."""
        if self._due_at is None or now < self._due_at:
            return []
        due: list[str] = []
        next_at: Ns | None = None
        for ticker in self._unsynced:
            if ticker not in members:
                continue  # it becomes one by being asked for, which leads here again
            awaited = self.watched[ticker]
            due_at = None if awaited.asked_at is None else awaited.asked_at + awaited.patience
            if due_at is None or now >= due_at:
                if due_at is not None:
                    awaited.patience = min(awaited.patience * 2, PATIENCE_MAX)
                awaited.asked_at = now
                due_at = now + awaited.patience
                due.append(ticker)
            next_at = due_at if next_at is None else min(next_at, due_at)
        self._due_at = next_at
        return due
