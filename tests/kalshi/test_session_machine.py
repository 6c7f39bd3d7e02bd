"""Any interleaving of snapshots, deltas, duplicates, losses and broken frames, against a model."""

from __future__ import annotations

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from daemon.core.book import Book
from daemon.core.events import BookDeltaReceived, BookLost, BookSnapshotReceived
from daemon.core.units import SECOND, Side
from daemon.kalshi.session import Session
from tests.kalshi.frames import delta, snapshot, subscribed

TICKERS = ("A", "B", "C")
PRICES = st.sampled_from((1000, 2500, 2510, 9990))
SIDES = st.sampled_from(("yes", "no"))


class Venue(RuleBasedStateMachine):
    """A venue with true books and one numbered stream; the client sees what the wire lets through."""

    def __init__(self) -> None:
        super().__init__()
        self.truth: dict[str, dict[Side, dict[int, int]]] = {t: {"yes": {}, "no": {}} for t in TICKERS}
        self.books = {ticker: Book(ticker) for ticker in TICKERS}
        self.session = Session(is_private=False)
        self.seq = 0
        self.now = 0
        self.is_hole_unseen = False
        """A frame was lost and none came since: nobody could know."""
        self.asked: list[str] = []
        self.last_read = 0

    @initialize()
    def connect(self) -> None:
        self.session.watch(TICKERS)
        self.session.connected(self.now)
        self.receive(subscribed("orderbook_delta", 1))
        self.asked = list(TICKERS)

    def receive(self, frame: bytes) -> None:
        for event in self.session.receive(frame, self.now):
            match event:
                case BookSnapshotReceived():
                    self.books[event.ticker].apply_snapshot(event)
                case BookDeltaReceived():
                    self.books[event.ticker].apply_delta(event)
                case BookLost():
                    self.books[event.ticker].lose(event.reason)
        self.read_commands()

    def read_commands(self) -> None:
        for text in self.session.outgoing():
            params = json.loads(text)["params"]
            if params.get("action") == "get_snapshot":
                self.asked += params["market_tickers"]

    def deliver(self, frame: bytes, *, is_numbered: bool = True) -> None:
        self.receive(frame)
        self.is_hole_unseen = False
        if is_numbered:
            self.last_read = self.seq

    def change(self, ticker: str, side: Side, price: int, size: int) -> bytes | None:
        """Change the true book and return its frame; None when nothing changes."""
        ladder = self.truth[ticker][side]
        change = size - ladder.get(price, 0)
        if change == 0:
            return None
        ladder[price] = size
        if size == 0:
            del ladder[price]
        self.seq += 1
        return delta(ticker, self.seq, side, price, change)

    @rule(
        ticker=st.sampled_from(TICKERS),
        side=SIDES,
        price=PRICES,
        size=st.integers(0, 3),
        fate=st.sampled_from(("comes", "comes", "comes", "twice", "lost", "broken", "unreadable")),
    )
    def book_changes(self, ticker: str, side: Side, price: int, size: int, fate: str) -> None:
        frame = self.change(ticker, side, price, size * 100)
        if frame is None:
            return
        match fate:
            case "comes":
                self.deliver(frame)
            case "twice":
                self.deliver(frame)
                self.deliver(frame)
            case "lost":
                self.is_hole_unseen = True
            case "broken":
                self.deliver(frame.replace(b'"side":"', b'"side":"?'))
            case _:
                self.deliver(frame[:-9], is_numbered=False)

    @rule()
    def snapshot_comes(self) -> None:
        if self.asked:
            ticker = self.asked.pop(0)
            self.seq += 1
            ladders = self.truth[ticker]
            self.deliver(
                snapshot(ticker, self.seq, sorted(ladders["yes"].items()), sorted(ladders["no"].items()))
            )

    @rule()
    def numbers_start_over(self) -> None:
        # A restart whose first number seen continues or repeats the old count can't be told from none:
        # here the first frame of the new count comes, and its number is lower.
        if self.last_read >= 2:
            self.seq = 0
            self.asked.insert(0, "A")
            self.snapshot_comes()

    @rule(seconds=st.integers(0, 5))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND
        self.session.poll(self.now)
        self.read_commands()

    @invariant()
    def a_book_that_claims_to_be_synced_is_right(self) -> None:
        for ticker, book in self.books.items():
            assert book.is_synced == self.session.is_synced(ticker)
            if book.is_synced and not self.is_hole_unseen:
                assert book.yes.sizes == self.truth[ticker]["yes"]
                assert book.no.sizes == self.truth[ticker]["no"]

    def teardown(self) -> None:
        """However it went: when the wire is good again and time passes, every book comes back."""
        self.asked.clear()
        for _ in range(3):
            self.time_passes(61)
            while self.asked:
                self.snapshot_comes()
        assert all(book.is_synced for book in self.books.values())
        self.a_book_that_claims_to_be_synced_is_right()


Venue.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestVenue = Venue.TestCase
"""A book that claims to be synced equals the true book, and every lost book comes back."""
