"""What books stood at, at chosen instants, from the journals: one pass, one batch in memory.

A book that is lost has no mid, as in the core. Where an audit found another book at the venue it is not
believed until its next snapshot, which is sooner than the core gives it up. Feeds that dropped are told too.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.commands import Decided
from daemon.core.connections import FIRST_FEED
from daemon.core.units import MILLISECOND, SECOND, Ns, Price
from daemon.report.facts import Incident
from daemon.shell.journal import JournalUnreadable, Record, newest_first, read_journal

Asked: TypeAlias = tuple[Ns, str]
"""An instant and a market."""


class Mids:
    """The mids at the instants that were asked for.

    Attributes:
        then: by what was asked, the mid then; the price of what was determined; None where nobody knew it.
        last: by what was asked, the last mid that was known until then; None where none was.
        events: the event of each market that was listed.
        incidents: feeds that dropped, and journals that can't be read.
    """

    def __init__(self, asked: Iterable[Asked]) -> None:
        self.then: dict[Asked, Price | None] = {}
        self.last: dict[Asked, Price | None] = {}
        self.events: dict[str, str] = {}
        self.incidents: list[Incident] = []
        self._due = sorted(set(asked))
        heapq.heapify(self._due)
        self._watched = {ticker for _, ticker in self._due}
        self._known: dict[str, Price] = {}
        self._paid: dict[str, Price] = {}
        self._books: dict[str, Book] = {}
        self._routes: dict[str, e.Feed] = {}
        self._dropped: dict[e.Feed, e.FeedDropped] = {}

    def read(self, paths: Iterable[Path], until: Ns) -> None:
        """Go through journals, the oldest first, as far as an instant; answer all that was asked."""
        for path in paths:
            try:
                self.follow(read_journal(path), until)
            except (JournalUnreadable, OSError) as error:
                self.incidents.append(Incident(int(path.stem) * MILLISECOND, "journal", str(error)))
            # What nobody has seen since is no mid: the next life begins with books of its own.
            self._books.clear()
            self._routes.clear()
            for dropped in self._dropped.values():
                self._tell(dropped, None)
            self._dropped.clear()
        self._answer(None)

    def follow(self, batches: Iterable[Sequence[Record]], until: Ns) -> None:
        """Go through one run's records as far as an instant, and answer what lies before the last of them."""
        for batch in batches:
            for record in batch:
                if isinstance(record, Decided):
                    at = record.now
                elif isinstance(record, e.Fact):
                    at = record.received_at
                else:
                    continue  # a command is decided at an instant that stands beside it
                if self._due and self._due[0][0] < at:
                    self._answer(at)
                if at >= until:
                    return
                if isinstance(record, e.Fact):
                    self._apply(record)

    def _answer(self, before: Ns | None) -> None:
        """Answer what was asked of instants before this one; None answers all."""
        while self._due and (before is None or self._due[0][0] < before):
            asked = heapq.heappop(self._due)
            ticker = asked[1]
            self.then[asked] = self._paid.get(ticker, None if before is None else self._mid(ticker))
            self.last[asked] = self._paid.get(ticker, self._known.get(ticker))

    def _mid(self, ticker: str) -> Price | None:
        book = self._books.get(ticker)
        if book is None or book.bid is None or book.ask is None:
            return None
        return (book.bid + book.ask) // 2

    def _apply(self, event: e.Event) -> None:
        match event:
            case e.BookDeltaReceived() | e.BookSnapshotReceived():
                if event.ticker in self._watched:
                    self._move(event)
            case e.BookLost() | e.MarketDropped():
                self._books.pop(event.ticker, None)
            case e.BookAudited():
                if not event.is_equal:
                    self._books.pop(event.ticker, None)
            case e.MarketRouted():
                self._routes[event.ticker] = event.feed
                self._books.pop(event.ticker, None)
            case e.FeedConnected() | e.FeedDropped():
                self._change_feed(event)
            case e.MarketListed():
                self.events[event.spec.ticker] = event.spec.event_ticker
            case e.MarketDetermined():
                self._paid[event.ticker] = event.settlement_price
            case e.SettlementCorrected():
                self._paid[event.ticker] = event.settlement_price
            case _:
                pass

    def _move(self, event: e.BookDeltaReceived | e.BookSnapshotReceived) -> None:
        ticker = event.ticker
        book = self._books.get(ticker)
        if isinstance(event, e.BookSnapshotReceived):
            book = self._books[ticker] = Book(ticker)
            book.apply_snapshot(event)
        elif book is None:
            return
        else:
            book.apply_delta(event)
        mid = self._mid(ticker)
        if mid is not None:
            self._known[ticker] = mid

    def _change_feed(self, event: e.FeedConnected | e.FeedDropped) -> None:
        """Lose the books of a connection that came or went; remember since when it is away."""
        lost = [ticker for ticker in self._books if self._routes.get(ticker, FIRST_FEED) == event.feed]
        for ticker in lost:
            del self._books[ticker]
        if isinstance(event, e.FeedDropped):
            self._dropped.setdefault(event.feed, event)
        elif event.feed in self._dropped:
            self._tell(self._dropped.pop(event.feed), event.received_at)

    def _tell(self, dropped: e.FeedDropped, back_at: Ns | None) -> None:
        away = (
            "until the run's end" if back_at is None else f"{(back_at - dropped.received_at) / SECOND:.1f} s"
        )
        words = f"{dropped.feed} away {away}: {dropped.reason}"
        self.incidents.append(Incident(dropped.received_at, "feed", words))


def journals_between(folder: Path, epochs: Iterable[int], since: Ns, until: Ns) -> Iterator[Path]:
    """Yield the journals of these runs that may hold what happened in a period, the oldest first."""
    wanted = set(epochs)
    paths = newest_first(folder)
    ends: Ns | None = None
    found = []
    for path in paths:
        began = int(path.stem) * MILLISECOND
        if int(path.stem) in wanted and began < until and (ends is None or ends > since):
            found.append(path)
        ends = began
    yield from reversed(found)
