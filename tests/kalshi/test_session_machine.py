"""Any interleaving of what can happen to two connections' frames, against a model of the venue.

Frames come, come twice, come late, are lost, or can't be read; numbers start over; subscriptions die;
connections are cut; markets are left and wanted again at any moment. A book that claims to be synced
equals the exchange's book at the number that the session has read, and a trade that did not come is never
passed over in silence.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.units import SECOND, Side
from daemon.kalshi.channels import TRADES
from daemon.kalshi.session import Session
from tests.kalshi.model_venue import BOOKS, ModelConnection, ModelVenue

MARKETS = {"kalshi": ("A", "B", "C"), "kalshi-2": ("D", "E")}
TICKERS = tuple(ticker for tickers in MARKETS.values() for ticker in tickers)
FEEDS = st.sampled_from(tuple(MARKETS))
PRICES = st.sampled_from((1000, 2500, 2510, 9990))
SIDES = st.sampled_from(("yes", "no"))
FATES = st.sampled_from(("comes",) * 6 + ("twice", "lost", "late", "broken", "unreadable"))


class Line:
    """One connection: the model's end, the wire, and the client's end."""

    def __init__(self, venue: ModelVenue, feed: str) -> None:
        self.venue = venue
        self.session = Session(feed, is_private=False, is_first=False)
        self.books = {ticker: Book(ticker) for ticker in MARKETS[feed]}
        self.untold: dict[tuple[int, int], str] = {}
        """Trades that were sent, and neither came nor were told to be lost."""
        self.traded_in: dict[str, str] = {}
        """The market of each trade."""
        self.session.watch(MARKETS[feed])
        self.connect(0)

    def connect(self, now: int) -> None:
        self.there = ModelConnection(self.venue)
        self.there.keeps_history = True
        self.untold.clear()
        self.session.connected(now)
        self.exchange()

    def exchange(self) -> None:
        """Let the client's commands reach the venue, whose answers go onto the wire."""
        for command in self.session.outgoing():
            self.there.receive(command)

    def read(self, frame: bytes, now: int) -> None:
        self.take(self.session.receive(frame, now))
        self.exchange()

    def take(self, events: list[e.Event]) -> None:
        for event in events:
            match event:
                case e.BookSnapshotReceived():
                    self.books[event.ticker].apply_snapshot(event)
                case e.BookDeltaReceived():
                    self.books[event.ticker].apply_delta(event)
                case e.BookLost():
                    self.books[event.ticker].lose(event.reason)
                case e.TradePrinted():
                    self.untold = {key: name for key, name in self.untold.items() if name != event.trade_id}
                case e.TradesLost():
                    sid, last_seq = self.trades_read()
                    self.untold = {
                        key: name for key, name in self.untold.items() if key[0] == sid and key[1] > last_seq
                    }
                case _:
                    pass

    def trades_read(self) -> tuple[int, int]:
        stream = self.session._subscriptions.channels[TRADES].stream
        return (0, 0) if stream is None else (stream.sid, stream.last_seq)

    def check_books(self) -> None:
        stream = self.session._subscriptions.books.stream
        for ticker, book in self.books.items():
            assert book.is_synced == self.session.is_synced(ticker)
            if book.is_synced:
                assert stream is not None
                truth = self.there.history[stream.sid, stream.last_seq][ticker]
                assert book.yes.sizes == truth["yes"]
                assert book.no.sizes == truth["no"]

    def check_trades(self) -> None:
        sid, last_seq = self.trades_read()
        assert not {key for key in self.untold if key[0] == sid and key[1] <= last_seq}
        # A subscription that gave way to another one has told of all that it kept back.
        assert not sid or not {key for key in self.untold if key[0] < sid}


class TwoConnections(RuleBasedStateMachine):
    """The exchange, and what the client makes of it over two connections."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.venue = ModelVenue()
        for ticker in TICKERS:
            self.venue.book(ticker)
        self.lines = {feed: Line(self.venue, feed) for feed in MARKETS}

    def line_of(self, ticker: str) -> Line:
        return next(self.lines[feed] for feed, tickers in MARKETS.items() if ticker in tickers)

    @rule(ticker=st.sampled_from(TICKERS), side=SIDES, price=PRICES, size=st.integers(0, 3), fate=FATES)
    def book_changes(self, ticker: str, side: Side, price: int, size: int, fate: str) -> None:
        ladder = self.venue.book(ticker)[side]
        change = 100 * size - ladder.get(price, 0)
        if change:
            ladder[price] = 100 * size
            if not size:
                del ladder[price]
            line = self.line_of(ticker)
            line.there.changed(ticker, side, price, change)
            self.deliver(line.session.feed, fate)

    @rule(ticker=st.sampled_from(TICKERS), fate=FATES)
    def trade_happens(self, ticker: str, fate: str) -> None:
        line = self.line_of(ticker)
        line.there.trade(ticker)
        if ticker in line.session.watched:
            line.untold |= line.there.traded
            line.traded_in |= dict.fromkeys(line.there.traded.values(), ticker)
        line.there.traded.clear()
        self.deliver(line.session.feed, fate)

    @rule(feed=FEEDS, fate=FATES)
    def deliver(self, feed: str, fate: str) -> None:
        """Let one frame off the wire, whatever becomes of it."""
        line = self.lines[feed]
        wire = line.there.outbox
        if not wire:
            return
        if fate == "late" and len(wire) > 1:
            wire[0], wire[1] = wire[1], wire[0]
        frame = wire.pop(0)
        if b'"error"' in frame:
            # What ends a subscription comes: a connection loses its last words only with itself.
            fate = "comes"
        match fate:
            case "lost":
                return
            case "twice":
                line.read(frame, self.now)
            case "broken":
                frame = frame.replace(b'"side":"', b'"side":"?').replace(b'"count_fp":"', b'"count_fp":"?')
            case "unreadable":
                frame = frame[:-9]
        line.read(frame, self.now)

    @rule(feed=FEEDS)
    def all_comes(self, feed: str) -> None:
        line = self.lines[feed]
        for _ in range(1_000):
            if not line.there.outbox:
                return
            line.read(line.there.outbox.pop(0), self.now)
        raise AssertionError("client and venue never stop talking")

    @rule(feed=FEEDS, number=st.integers(0, 2))
    def numbers_start_over(self, feed: str, number: int) -> None:
        # A restart whose first number seen continues or repeats the old count can't be told from none:
        # here the first frame of the new count comes, and its number is lower.
        line = self.lines[feed]
        stream = line.session._subscriptions.books.stream
        held = line.there.subscriptions.get(BOOKS)
        if stream is None or held is None or held.sid != stream.sid or stream.last_seq < 2:
            return
        ticker = MARKETS[feed][number % len(MARKETS[feed])]
        if ticker in held.tickers:
            line.there.outbox.clear()
            line.there.start_over(ticker)
            self.deliver(feed, "comes")

    @rule(feed=FEEDS, channel=st.sampled_from((BOOKS, TRADES)), code=st.sampled_from((10, 25)))
    def subscription_dies(self, feed: str, channel: str, code: int) -> None:
        self.lines[feed].there.die(channel, code)

    @rule(tickers=st.sets(st.sampled_from(TICKERS), min_size=1), is_prompt=st.booleans())
    def markets_are_left(self, tickers: set[str], is_prompt: bool) -> None:
        for line in self.lines.values():
            gone = [ticker for ticker in line.session.watched if ticker in tickers]
            line.session.unwatch(gone)
            for ticker in gone:
                line.books[ticker].lose("left")
            line.untold = {
                key: name for key, name in line.untold.items() if line.traded_in[name] not in tickers
            }
            if is_prompt:
                line.exchange()

    @rule(tickers=st.sets(st.sampled_from(TICKERS), min_size=1), is_prompt=st.booleans())
    def markets_are_wanted(self, tickers: set[str], is_prompt: bool) -> None:
        for feed, line in self.lines.items():
            line.session.watch([ticker for ticker in MARKETS[feed] if ticker in tickers])
            if is_prompt:
                line.exchange()

    @rule(feed=FEEDS)
    def connection_is_cut(self, feed: str) -> None:
        line = self.lines[feed]
        line.session.dropped("cut", self.now)
        for book in line.books.values():
            book.lose("cut")
        line.connect(self.now)

    @rule(seconds=st.integers(0, 11))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND
        for line in self.lines.values():
            line.take(line.session.poll(self.now))
            line.exchange()

    @invariant()
    def a_book_that_claims_to_be_synced_is_right(self) -> None:
        for line in self.lines.values():
            line.check_books()

    @invariant()
    def no_trade_is_missing_in_silence(self) -> None:
        for line in self.lines.values():
            line.check_trades()

    def teardown(self) -> None:
        """However it went: when the wires are good again and time passes, every book comes back."""
        self.markets_are_wanted(tickers=set(TICKERS), is_prompt=True)
        for turn in range(8):
            for feed, tickers in MARKETS.items():
                # Nobody can know of a frame that was lost before the next one comes.
                self.book_changes(ticker=tickers[0], side="yes", price=1000, size=1 + turn % 2, fate="comes")
                self.all_comes(feed)
            self.time_passes(31)
        for line in self.lines.values():
            if line.session.reconnect_reason is None:
                assert all(book.is_synced for book in line.books.values())
                for ticker, book in line.books.items():
                    truth = self.venue.book(ticker)
                    assert (truth["yes"], truth["no"]) == (book.yes.sizes, book.no.sizes)
            line.check_books()


TwoConnections.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestTwoConnections = TwoConnections.TestCase
"""A book that claims to be synced is right, a hole among trades is told, and every lost book comes back."""
