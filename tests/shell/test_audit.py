"""The audit over a real server: who is audited when, what a verdict needs, and when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.units import HOUR, SECOND, Ns, format_price, format_qty
from daemon.kalshi.rest import Rest
from daemon.shell.audit import CACHE_AGE, CLOSE_GUARD, SETTLES_WITHIN, Audit
from daemon.shell.witness import Witness
from tests.core.worlds import T0, TICKER, Scripted, engine, snapshot, spec
from tests.shell.orders import until
from tests.shell.venue import Answer, Venue, serving

TEST_WITHIN_S = 20.0
EVERY: Ns = 30 * SECOND
ASKED: Ns = EVERY + CACHE_AGE
JUDGED: Ns = ASKED + SETTLES_WITHIN
OTHER = "KXBTC15M-Z-30"


def body(yes: Sequence[e.Level], no: Sequence[e.Level]) -> object:
    sides = {"yes_dollars": yes, "no_dollars": no}
    levels = {
        name: [[format_price(price), format_qty(qty)] for price, qty in levels]
        for name, levels in sides.items()
    }
    return {"orderbook_fp": levels}


class Rig:
    """An audit of an engine's books, with the clock and the REST books in the test's hands."""

    def __init__(self, rest: Rest, venue: Venue) -> None:
        self.venue = venue
        self.at: Ns = T0
        self.events: list[e.Event] = []
        self.engine: Engine = engine(Scripted())
        self.audit = Audit(
            rest, self.engine.state.markets, every=EVERY, now=lambda: self.at, emit=self.events.append
        )
        self.watch(TICKER)

    def watch(self, ticker: str, close_at: Ns = T0 + HOUR) -> None:
        """Watch a market; REST tells the same book as the stream."""
        told = snapshot(ticker=ticker)
        self.venue.bodies[f"/markets/{ticker}/orderbook"] = body(told.yes, told.no)
        self.handle(e.MarketListed(spec(ticker, close_at=close_at), T0), told)

    def handle(self, *events: e.Event) -> None:
        """Have the core handle events, as the pump does."""
        for event in events:
            self.engine.handle(event)
        self.audit.on_batch(events)

    async def work(self, *afters: Ns) -> list[e.Event]:
        """Let it work at each of these times after T0; returns what was told."""
        self.events.clear()
        for after in afters:
            self.at = T0 + after
            await self.audit.settle()
        return list(self.events)


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        rest = Rest(venue.url, None, lambda: T0)
        try:
            yield Rig(rest, venue)
        finally:
            await rest.close()


def delta(change: int, price: int = 4_000) -> e.BookDeltaReceived:
    return e.BookDeltaReceived(TICKER, "yes", price, change, T0, T0)


async def test_a_book_is_asked_for_a_cached_ages_after_the_witness_began() -> None:
    """And judged a moment after the reply, when what was on its way has come; the whole book is asked."""
    async with rig() as subject:
        assert [] == await subject.work(0, EVERY - 1, EVERY, ASKED - 1)
        assert [] == subject.venue.requests
        assert [] == await subject.work(ASKED, JUDGED - 1)
        assert [{}] == [request.query for request in subject.venue.requests]
        assert [e.BookAudited(TICKER, True, T0 + JUDGED)] == await subject.work(JUDGED)
        assert [] == await subject.work(JUDGED + SECOND)
        assert 1 == subject.audit.counts["equal"]


async def test_a_cached_book_is_equal_to_what_was() -> None:
    """The stream went on since; the REST book is the one of the witness's beginning."""
    async with rig() as subject:
        await subject.work(EVERY)
        subject.handle(delta(500))
        assert [e.BookAudited(TICKER, True, T0 + JUDGED)] == await subject.work(ASKED, JUDGED)


async def test_a_book_ahead_of_the_stream_is_equal_to_what_comes() -> None:
    """REST answered faster than the delta came: the verdict waits for it."""
    async with rig() as subject:
        subject.venue.bodies[f"/markets/{TICKER}/orderbook"] = body(
            ((3_900, 50_000), (4_000, 40_500)), snapshot().no
        )
        await subject.work(EVERY, ASKED)
        subject.handle(delta(500))
        assert [e.BookAudited(TICKER, True, T0 + JUDGED)] == await subject.work(JUDGED)


async def test_a_wrong_level_is_told() -> None:
    """One level's size is off, deep in the book: unequal, whatever the stream did meanwhile."""
    async with rig() as subject:
        subject.venue.bodies[f"/markets/{TICKER}/orderbook"] = body(
            ((3_900, 49_900), (4_000, 40_000)), snapshot().no
        )
        await subject.work(EVERY)
        subject.handle(delta(500), delta(-500))
        assert [e.BookAudited(TICKER, False, T0 + JUDGED)] == await subject.work(ASKED, JUDGED)
        assert 1 == subject.audit.counts["unequal"]


@pytest.mark.parametrize("is_asked", [False, True], ids=["before the reading", "after it"])
@pytest.mark.parametrize(
    "events",
    [
        (e.BookLost(TICKER, "gap", T0), snapshot()),
        (delta(-50_000),),
        (e.FeedDropped("kalshi", "cut", T0), snapshot()),
        (e.MarketDropped(TICKER, T0),),
    ],
    ids=["a gap", "an impossible delta", "a drop", "left"],
)
async def test_a_book_lost_in_between_gets_no_verdict(events: tuple[e.Event, ...], is_asked: bool) -> None:
    """Not even when it is back: its states in between are not known."""
    async with rig() as subject:
        await subject.work(EVERY, *([ASKED] if is_asked else []))
        subject.handle(*events)
        assert [] == await subject.work(ASKED, JUDGED)
        assert 1 == subject.audit.counts["void"]
        assert int(is_asked) == len(subject.venue.requests)


async def test_the_markets_take_turns() -> None:
    """Round robin over those that are synced and open for a while yet."""
    async with rig() as subject:
        subject.watch(OTHER)
        subject.watch("KXBTC15M-SHORT-30", T0 + CLOSE_GUARD)
        subject.handle(e.MarketListed(spec("KXBTC15M-COLD-30"), T0))
        seen: list[e.Event] = []
        for number in range(3):
            start = number * EVERY
            seen += await subject.work(*(start + step for step in (EVERY, ASKED, JUDGED)))
        tickers = [event.ticker for event in seen if isinstance(event, e.BookAudited)]
        assert [TICKER, OTHER, TICKER] == tickers


async def test_without_a_market_there_is_no_audit() -> None:
    """Nothing is synced: nothing is asked, and it goes on when something is."""
    async with rig() as subject:
        subject.handle(e.BookLost(TICKER, "gap", T0))
        assert [] == await subject.work(EVERY, ASKED, JUDGED)
        subject.handle(snapshot())
        assert 1 == len(await subject.work(2 * EVERY, EVERY + ASKED, EVERY + JUDGED))


@pytest.mark.parametrize(
    "answer", [Answer(500), Answer(404, "{}"), Answer(200, "?")], ids=["500", "404", "bad"]
)
async def test_a_failed_reading_is_no_verdict(answer: Answer) -> None:
    """The book is neither equal nor unequal; the next turn comes in time."""
    async with rig() as subject:
        subject.venue.behave = {"orderbook": answer}
        assert [] == await subject.work(EVERY, ASKED, JUDGED)
        assert 1 == subject.audit.counts["failed"]
        subject.venue.behave = {}
        assert 1 == len(await subject.work(2 * EVERY, EVERY + ASKED, EVERY + JUDGED))


async def test_it_is_idle_but_when_it_reads() -> None:
    """Whoever moves the clock waits for a reading, and not for the time in between."""
    async with rig() as subject:
        await subject.work(EVERY)
        assert subject.audit.is_idle
        subject.at = T0 + ASKED
        assert not subject.audit.is_idle
        subject.venue.held = asyncio.Event()
        working = asyncio.create_task(subject.audit.settle())
        await until(lambda: bool(subject.venue.requests))
        assert not subject.audit.is_idle
        subject.venue.held.set()
        await working
        assert subject.audit.is_idle


async def test_it_runs_until_cancelled() -> None:
    """The task works by the clock that is in force."""
    async with rig() as subject:
        running = asyncio.create_task(subject.audit.run())
        for after in (EVERY, ASKED):
            subject.at = T0 + after
            await until(lambda: subject.audit.is_idle)
            await asyncio.sleep(0.15)
        subject.at = T0 + JUDGED
        await until(lambda: bool(subject.events))
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()


CHANGES = st.lists(
    st.tuples(st.integers(0, 2 * SECOND), st.sampled_from((3_900, 4_000, 4_100)), st.integers(1, 9)),
    max_size=40,
)


@given(
    changes=CHANGES,
    stream_delay=st.integers(0, SETTLES_WITHIN),
    cached_for=st.integers(0, CACHE_AGE),
    reply_after=st.integers(0, 5 * SECOND),
    wrong=st.integers(0, 3),
)
def test_within_the_bounds_right_is_equal_and_wrong_is_unequal(
    changes: list[tuple[Ns, int, int]], stream_delay: Ns, cached_for: Ns, reply_after: Ns, wrong: int
) -> None:
    """The venue's book changes at its times; the stream brings each change late, REST a book from its past.

    The audit's own timetable: witness from 0, asked at CACHE_AGE, judged SETTLES_WITHIN after the reply. The
    REST book is of a moment from `cached_for` before the question up to the reply.
    """
    start = 10 * SECOND
    times, at = [], 0
    for after, price, added in changes:
        at += after
        times.append((at, price, added))
    asked = start + CACHE_AGE
    served = asked - cached_for if cached_for else asked + reply_after
    judged = asked + reply_after + SETTLES_WITHIN
    sizes = {3_900: 50_000, 4_000: 40_000}
    for at, price, added in times:
        if at <= served:
            sizes[price] = sizes.get(price, 0) + added
    told = snapshot(yes=tuple(sorted(sizes.items())))

    subject = engine(Scripted())
    deep = ((1_000, wrong),) if wrong else ()  # a level that the venue's book never has
    for event in (e.MarketListed(spec(), T0), snapshot(yes=(*deep, (3_900, 50_000), (4_000, 40_000)))):
        subject.handle(event)
    witness: Witness | None = None
    for at, price, added in [*times, (judged + HOUR, 4_000, 1)]:
        arrives = at + stream_delay
        if witness is None and arrives > start:
            witness = Witness(subject.state.markets[TICKER].book)
        if arrives > judged:
            break
        change = e.BookDeltaReceived(TICKER, "yes", price, added, T0 + arrives, T0 + at)
        subject.handle(change)
        if witness is not None:
            witness.apply(change)
    assert witness is not None
    assert (not wrong) == witness.has_seen(told)
