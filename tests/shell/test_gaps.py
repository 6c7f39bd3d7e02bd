"""Gaps: whatever breaks and mends the stream, what is read covers all that it may have kept from us."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.units import HOUR, MINUTE, SECOND, Ns
from daemon.shell.gaps import LENGTH, SLACK, SUBSCRIBED_WITHIN, Gap, Gaps
from tests.core.worlds import T0, TICKER, snapshot, spec

SILENCE: Ns = 15 * SECOND
OTHER = "KXBTC15M-26SEP251545-45"


def trade(at: Ns, ticker: str = TICKER) -> e.TradePrinted:
    return e.TradePrinted(ticker, f"t{at}", 4_000, 100, "yes", at, at)


def told(*events: e.Event) -> Gaps:
    subject = Gaps(SILENCE)
    for event in events:
        subject.apply(event)
    return subject


def whole(at: Ns = T0) -> Gaps:
    """A market that was listed, subscribed and read."""
    subject = told(e.MarketListed(spec(), at), snapshot(at))
    (gap,) = subject.take_due(at + SUBSCRIBED_WITHIN)
    subject.close(gap, is_whole=True)
    assert 0 == len(subject)
    return subject


def test_a_new_market_is_read_when_it_is_subscribed_and_not_before() -> None:
    """Its book's snapshot shows it; the past of the longest window is read, up to that moment."""
    subject = told(e.MarketListed(spec(), T0))
    assert [] == subject.take_due(T0 + HOUR)
    assert 1 == len(subject)
    subject.apply(snapshot(T0))
    until = T0 + SUBSCRIBED_WITHIN
    assert not subject.has_due(until - 1)
    assert [] == subject.take_due(until - 1)
    assert subject.has_due(until)
    (gap,) = subject.take_due(until)
    assert (TICKER, until - LENGTH, until, True, 0) == (
        gap.ticker,
        gap.since,
        gap.until,
        gap.has_trades,
        gap.attempts,
    )
    assert not subject.has_due(until)
    assert [] == subject.take_due(until)


def test_a_market_listed_again_is_no_new_one() -> None:
    """Its status or strike changed: the stream went on."""
    subject = whole()
    subject.apply(e.MarketListed(spec(close_at=T0 + HOUR), T0))
    subject.apply(snapshot(T0 + MINUTE))
    assert [] == subject.take_due(T0 + HOUR)


def test_after_a_drop_it_is_read_from_before_the_silence() -> None:
    """A dead connection is noticed late: what came to nothing before the drop was told is read again."""
    subject = whole()
    dropped = T0 + 5 * MINUTE
    subject.apply(e.FeedDropped("kalshi", "silence", dropped))
    assert 1 == len(subject)
    assert [] == subject.take_due(dropped + HOUR)
    subject.apply(snapshot(dropped + 2 * SECOND))
    until = dropped + 2 * SECOND + SUBSCRIBED_WITHIN
    (gap,) = subject.take_due(until)
    assert (dropped - SILENCE - SLACK, until) == (gap.since, gap.until)


def test_a_silence_that_shrinks_leaves_no_hole() -> None:
    """A drop that is told under the shorter one may be of a connection that died under the longer one."""
    subject = whole()
    subject.bound_silence(3 * SILENCE)
    subject.bound_silence(SILENCE)
    dropped = T0 + 5 * MINUTE
    subject.apply(e.FeedDropped("kalshi", "silence", dropped))
    subject.apply(snapshot(dropped + 2 * SECOND))
    (gap,) = subject.take_due(dropped + HOUR)
    assert dropped - 3 * SILENCE - SLACK == gap.since


def test_a_drop_concerns_the_markets_of_its_connection() -> None:
    """Others go on; a market that was routed is where it was routed to."""
    subject = told(
        e.MarketListed(spec(), T0), e.MarketListed(spec(OTHER), T0), e.MarketRouted(OTHER, "kalshi-2", T0)
    )
    for ticker in (TICKER, OTHER):
        subject.apply(snapshot(T0, ticker))
    for gap in subject.take_due(T0 + MINUTE):
        subject.close(gap, is_whole=True)
    subject.apply(e.FeedDropped("kraken", "cut", T0 + MINUTE))
    assert 0 == len(subject)
    subject.apply(e.FeedDropped("kalshi-2", "cut", T0 + MINUTE))
    for ticker in (TICKER, OTHER):
        subject.apply(snapshot(T0 + MINUTE, ticker))
    assert [OTHER] == [gap.ticker for gap in subject.take_due(T0 + HOUR)]


def test_lost_trades_are_read_back_to_the_last_that_came() -> None:
    """A gap in the numbers shows only with the next frame: what is missing may be as old as the last one."""
    subject = whole()
    subject.apply(trade(T0 + MINUTE))
    lost = T0 + 6 * MINUTE
    subject.apply(e.TradesLost("kalshi", "gap", lost))
    subject.apply(trade(lost))
    (gap,) = subject.take_due(lost + SUBSCRIBED_WITHIN)
    assert (T0 + MINUTE - SLACK, lost + SUBSCRIBED_WITHIN) == (gap.since, gap.until)


def test_a_lost_book_is_read_for_its_candles_only() -> None:
    """The trades went on. The gap is there when the book is, and the market is whole all the while."""
    subject = whole()
    subject.apply(e.BookLost(TICKER, "gap", T0 + MINUTE))
    assert [] == subject.take_due(T0 + HOUR)
    subject.apply(snapshot(T0 + MINUTE + 1))
    (gap,) = subject.take_due(T0 + MINUTE + 1)
    assert (False, T0 + MINUTE + 1) == (gap.has_trades, gap.until)
    assert 0 == len(subject)


def test_a_second_drop_starts_the_reading_over() -> None:
    """What was read of the first gap no longer counts, and the second one reaches back to its beginning."""
    subject = whole()
    first = T0 + 5 * MINUTE
    subject.apply(e.FeedDropped("kalshi", "cut", first))
    subject.apply(snapshot(first + SECOND))
    (gap,) = subject.take_due(first + MINUTE)
    subject.apply(e.FeedDropped("kalshi", "cut", first + MINUTE))
    assert not subject.is_current(gap)
    subject.close(gap, is_whole=True)
    subject.retry(gap, first)
    assert [] == subject.take_due(first + HOUR)
    subject.apply(snapshot(first + 2 * MINUTE))
    (again,) = subject.take_due(first + HOUR)
    assert (gap.since, first + 2 * MINUTE + SUBSCRIBED_WITHIN) == (again.since, again.until)


def test_what_could_not_be_filled_is_part_of_the_next_gap() -> None:
    """A market given up stays unwhole, and the next drop's reading takes in what is missing."""
    subject = told(e.MarketListed(spec(), T0), snapshot(T0))
    (gap,) = subject.take_due(T0 + MINUTE)
    subject.retry(gap, T0 + 2 * MINUTE)
    (again,) = subject.take_due(T0 + 2 * MINUTE)
    assert (1, gap.until) == (again.attempts, again.until)
    subject.close(again, is_whole=False)
    assert 1 == len(subject)
    subject.apply(e.FeedDropped("kalshi", "cut", T0 + 3 * MINUTE))
    subject.apply(snapshot(T0 + 3 * MINUTE))
    (later,) = subject.take_due(T0 + HOUR)
    assert (0, later.until - LENGTH) == (later.attempts, later.since)


def test_a_dropped_market_is_forgotten() -> None:
    """Nothing more is read of it, and a reading that is under way counts for nothing."""
    subject = told(e.MarketListed(spec(), T0), snapshot(T0))
    (gap,) = subject.take_due(T0 + MINUTE)
    subject.apply(e.MarketDropped(TICKER, T0 + MINUTE))
    assert not subject.is_current(gap)
    subject.apply(snapshot(T0 + 2 * MINUTE))
    assert not subject.has_due(T0 + HOUR)


def test_the_market_that_closes_first_is_first() -> None:
    """It has the least time to lose."""
    subject = told(
        e.MarketListed(spec(close_at=T0 + HOUR), T0),
        e.MarketListed(spec(OTHER, close_at=T0 + MINUTE), T0),
        snapshot(T0),
        snapshot(T0, OTHER),
    )
    assert [OTHER, TICKER] == [gap.ticker for gap in subject.take_due(T0 + MINUTE)]


class Broken:
    """A market whose stream breaks and mends, beside a list of the intervals that it missed."""

    def __init__(self) -> None:
        self.gaps = told(e.MarketListed(spec(), T0))
        self.now: Ns = T0
        self.feed = "kalshi"
        self.traded_at: Ns = 0
        self.missed: list[tuple[Ns, Ns | None]] = [(0, None)]
        self.taken: list[Gap] = []

    def trade(self) -> None:
        self.gaps.apply(trade(self.now))
        self.traded_at = self.now

    def drop(self) -> None:
        self.gaps.apply(e.FeedDropped(self.feed, "cut", self.now))
        self.missed.append((self.now - SILENCE, None))

    def route(self) -> None:
        self.feed = f"kalshi-{self.now}"
        self.gaps.apply(e.MarketRouted(TICKER, self.feed, self.now))
        self.missed.append((self.now, None))
        self.traded_at = 0

    def mend(self) -> None:
        self.gaps.apply(snapshot(self.now))
        self.missed = [(since, self.now if until is None else until) for since, until in self.missed]

    def lose_trades(self) -> None:
        self.gaps.apply(e.TradesLost(self.feed, "gap", self.now))
        self.missed.append((self.traded_at, self.now))

    def lose_book(self) -> None:
        self.gaps.apply(e.BookLost(TICKER, "gap", self.now))

    def take(self) -> None:
        self.taken += self.gaps.take_due(self.now)

    def retry(self) -> None:
        if self.taken:
            self.gaps.retry(self.taken.pop(), self.now + SECOND)

    def close(self) -> None:
        if not self.taken:
            return
        gap = self.taken.pop()
        is_counted = self.gaps.is_current(gap) and gap.has_trades
        self.gaps.close(gap, is_whole=True)
        if is_counted:
            for since, until in self.missed:
                assert until is not None, "a gap was closed while the stream was broken"
                assert until <= gap.until
                assert gap.since <= max(since, gap.until - LENGTH)
            self.missed = []


STEPS = (
    Broken.trade, Broken.drop, Broken.mend, Broken.mend, Broken.lose_trades, Broken.lose_book, Broken.route,
    Broken.take, Broken.take, Broken.close, Broken.close, Broken.retry,
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 30 * SECOND)), max_size=50))
def test_nothing_that_was_missed_is_left_out(steps: list[tuple[Callable[[Broken], None], Ns]]) -> None:
    """Whatever the order: once a reading counts as whole, every missed instant lies within what was read.

    The instants missed are those from a break on (for lost trades: from the last trade on) up to the
    next snapshot, as far back as anything is read.
    """
    subject = Broken()
    for step, after in steps:
        subject.now += after
        step(subject)
        assert not subject.missed or len(subject.gaps) == 1, "something was missed, and it is taken as whole"
