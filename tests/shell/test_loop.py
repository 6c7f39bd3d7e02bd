"""The pump: recorded before handled, recorded before sent, nobody starved, and replayed to the letter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, Command, Decided, PlaceOrder, Reconcile
from daemon.core.engine import Engine, Slot
from daemon.core.pacer import Pacer
from daemon.core.strategy import MarketView, Strategy, Target, Wanted
from daemon.core.units import SECOND, Ns
from daemon.kalshi.costs import RECORDED
from daemon.kalshi.rest import Rest
from daemon.shell.journal import Journal, JournalFailed, JournalHeader, Record, read_journal
from daemon.shell.loop import BATCH_MAX, Inbox, Pump
from daemon.shell.queue import OrderQueue, Queued
from daemon.shell.reads import Reader
from daemon.shell.replay import replay
from tests.core.worlds import CONFIG, SCHEMA, T0, TICKER, engine, reconciled, snapshot, spec
from tests.shell.orders import until
from tests.shell.venue import Venue, serving

TEST_WITHIN_S = 30.0


class AtBid:
    """A strategy that rests ten contracts at the best bid: a pure function of the view."""

    name = "at_bid"
    features: tuple[str, ...] = ()
    book_changed_max: Ns | None = None

    def __init__(self, qty: int = 1_000) -> None:
        self.qty = qty

    def wants(self, view: MarketView) -> Wanted:
        """Return the one target."""
        assert view.book.bid is not None
        return Wanted((Target("bid", view.book.bid, self.qty, "rest", "at the bid"),), "at the bid")


class Watched(Engine):
    """The engine, telling when it takes in an event."""

    on_handle: Callable[[e.Event], None] = staticmethod(lambda _event: None)

    def handle(self, event: e.Event) -> None:
        """Tell, then go on as usual."""
        self.on_handle(event)
        super().handle(event)


class WatchedQueue(OrderQueue):
    """The queue, telling when it is given a command."""

    on_put: Callable[[Queued, int], None] = staticmethod(lambda _command, _offset: None)

    def put(self, command: Queued, offset: int) -> None:
        """Tell, then go on as usual."""
        self.on_put(command, offset)
        super().put(command, offset)


def watched(strategy: Strategy) -> Watched:
    return Watched(CONFIG, [Slot(strategy, frozenset({"KXBTC15M"}))], None, SCHEMA)


class Rig:
    """All that the pump joins, around one engine; the clock is in the test's hands."""

    def __init__(self, subject: Engine, rest: Rest, venue: Venue, folder: Path, *, is_followed: bool) -> None:
        self.engine, self.venue = subject, venue
        self.at: Ns = T0
        self.inbox = Inbox()
        header = JournalHeader(kalshid_version="0", instance="test", epoch=1, engine=msgspec.Raw(b"\xc0"))
        self.journal = Journal.create(folder, header)
        self.queue = WatchedQueue(
            rest,
            Pacer(1_000, 1_000, 20),
            RECORDED,
            now=self.now,
            vouch=subject.vouch,
            synced=self.journal.synced,
            emit=self.inbox.put,
            requests_per_s_max=1_000,
            in_flight_max=8,
        )
        self.reader = Reader(rest, now=self.now, emit=self.inbox.put)
        self.batches: list[list[e.Event]] = []
        self.latencies: list[int] = []
        self.pump = Pump(
            subject,
            self.inbox,
            self.journal,
            self.queue,
            self.reader,
            now=self.now,
            is_followed=is_followed,
            on_latency=self.latencies.append,
            on_batch=lambda events, _commands: self.batches.append(events),
        )

    def now(self) -> Ns:
        return self.at

    @property
    def records(self) -> list[Record]:
        """What the journal holds on disk now."""
        return [record for batch in read_journal(self.journal.path) for record in batch]

    async def turned(self) -> None:
        """Wait until the pump has turned once more and nothing waits."""
        turn = self.pump.turns + 1
        self.inbox.nudge()
        await until(
            lambda: (
                self.pump.turns >= turn and not len(self.inbox) and self.queue.is_idle and self.reader.is_idle
            )
        )


@asynccontextmanager
async def rig(subject: Engine, folder: Path, *, is_followed: bool = True) -> AsyncIterator[Rig]:
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        rest = Rest(venue.url, None, lambda: T0)
        joined = Rig(subject, rest, venue, folder, is_followed=is_followed)
        work = [asyncio.create_task(joined.queue.run()), asyncio.create_task(joined.reader.run())]
        try:
            yield joined
        finally:
            for task in work:
                task.cancel()
            for task in work:
                with suppress(asyncio.CancelledError):
                    await task
            await joined.queue.drain(5.0)
            with suppress(JournalFailed):
                joined.journal.close()
            await rest.close()


START: tuple[e.Event, ...] = (e.MarketListed(spec(), T0), e.FeedConnected("kalshi", T0), snapshot())


# --- the inbox -----------------------------------------------------------------------------------


async def test_drain_takes_all_that_waits_in_order() -> None:
    """One turn takes everything: conflation for free."""
    inbox = Inbox()
    events = [e.FeedHeard("kalshi", at) for at in range(10)]
    inbox.put(events[0])
    inbox.extend(events[1:])
    assert events == await inbox.drain(0)
    assert 0 == len(inbox)


async def test_drain_takes_no_more_than_a_batch() -> None:
    """A storm is taken in pieces, in order, with a decision after each."""
    inbox = Inbox()
    events = [e.FeedHeard("kalshi", at) for at in range(2 * BATCH_MAX + 1)]
    inbox.extend(events)
    pieces = [await inbox.drain(0) for _ in range(3)]
    assert [BATCH_MAX, BATCH_MAX, 1] == [len(piece) for piece in pieces]
    assert events == [event for piece in pieces for event in piece]


async def test_drain_gives_up_when_the_time_is_up() -> None:
    """Nothing happened but time: an empty batch."""
    async with asyncio.timeout(TEST_WITHIN_S):
        assert [] == await Inbox().drain(0.01)


async def test_a_nudge_before_the_wait_wakes_it() -> None:
    """A nudge that comes while the pump is at work is not lost: a tape would stand still for it."""
    inbox = Inbox()
    inbox.nudge()
    async with asyncio.timeout(TEST_WITHIN_S):
        assert [] == await inbox.drain(None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await inbox.drain(None)  # and it wakes one wait only


async def test_first_at_is_when_the_oldest_waiting_event_came() -> None:
    """The latency of a batch is that of its first event."""
    inbox = Inbox()
    before = time.perf_counter_ns()
    inbox.put(e.FeedHeard("kalshi", 1))
    first_at = inbox.first_at
    inbox.put(e.FeedHeard("kalshi", 2))
    assert before <= inbox.first_at == first_at <= time.perf_counter_ns()
    await inbox.drain(0)
    inbox.put(e.FeedHeard("kalshi", 3))
    assert inbox.first_at > first_at


# --- one turn ------------------------------------------------------------------------------------


async def test_a_batch_is_on_file_before_any_of_it_is_handled(tmp_path: Path) -> None:
    """Whenever the core takes in an event, the journal has the whole batch."""
    subject = watched(AtBid())
    async with rig(subject, tmp_path) as joined:
        handled: list[tuple[e.Event, bool]] = []
        subject.on_handle = lambda event: handled.append((event, list(START) == joined.records[-3:]))
        joined.pump.turn(list(START))
        assert [(event, True) for event in START] == handled


async def test_an_order_that_is_no_longer_wanted_is_taken_out_of_the_queue(tmp_path: Path) -> None:
    """The book moves before the queue's consumer has looked: superseded, and never sent."""
    async with rig(engine(AtBid()), tmp_path) as joined:
        joined.pump.turn([*START, reconciled(T0 + 5 * SECOND)])
        joined.at = T0 + 10 * SECOND
        joined.pump.turn([e.FeedHeard("kalshi", joined.at), reconciled(joined.at)])
        (order,) = [record for record in joined.records if isinstance(record, PlaceOrder)]
        assert 1 == joined.queue.depth
        joined.pump.turn([snapshot(joined.at, yes=((3_800, 40_000),))])
        assert 0 == joined.queue.depth
        dropped = e.OrderDropped("place", order.client_order_id, "superseded", joined.at)
        assert dropped in await joined.inbox.drain(0)
        assert [] == [request for request in joined.venue.requests if request.method == "POST"]


async def test_an_order_group_is_asked_for_through_the_queue(tmp_path: Path) -> None:
    """One queue, one consumer: what makes and changes groups leaves as orders do."""
    config = msgspec.structs.replace(CONFIG, order_group_limit=200_000)
    async with rig(engine(AtBid(), config), tmp_path) as joined:
        joined.pump.turn(list(START))
        assert {"probe": 1} == {name: depth for name, depth in joined.queue.depths.items() if depth}


async def test_a_decision_without_commands_is_written_with_the_next_batch(tmp_path: Path) -> None:
    """Deciding nothing costs no write of its own; its instant is kept for the replay."""
    async with rig(engine(AtBid()), tmp_path) as joined:
        joined.pump.turn([START[0]])
        assert [START[0], Decided(T0), Reconcile("not reconciled", T0)] == joined.records
        size = joined.journal.end
        joined.at = T0 + 1
        joined.pump.turn([])
        joined.at = T0 + 2
        joined.pump.turn([])
        assert size == joined.journal.end
        joined.pump.turn([START[1]])
        assert [Decided(T0 + 1), Decided(T0 + 2), START[1]] == joined.records[3:]


async def test_the_latency_of_a_batch_is_told_and_of_time_alone_is_not(tmp_path: Path) -> None:
    """Tick to decision: from the arrival of an event to the decision on it."""
    async with rig(engine(AtBid()), tmp_path) as joined:
        joined.inbox.extend(START)
        joined.pump.turn(await joined.inbox.drain(0))
        joined.pump.turn([])
        assert 1 == len(joined.latencies)
        assert joined.latencies[0] > 0


# --- the run -------------------------------------------------------------------------------------


async def test_a_full_inbox_starves_nobody(tmp_path: Path) -> None:
    """Other tasks get a turn between any two batches, and no batch is larger than allowed."""
    async with rig(engine(AtBid()), tmp_path) as joined:
        joined.inbox.extend(e.FeedHeard("kalshi", T0 + number) for number in range(10 * BATCH_MAX))
        turns_seen: list[int] = []

        async def neighbour() -> None:
            while True:
                turns_seen.append(joined.pump.turns)
                await asyncio.sleep(0)

        work = [asyncio.create_task(neighbour()), asyncio.create_task(joined.pump.run())]
        await until(lambda: not len(joined.inbox))
        for task in work:
            task.cancel()
        await asyncio.wait(work)
        assert [BATCH_MAX] * 10 == [len(batch) for batch in joined.batches if len(batch) > 1]
        assert set(range(10)) <= set(turns_seen)


async def test_time_alone_wakes_the_pump(tmp_path: Path) -> None:
    """Without any event the engine is asked at once, and again at its heartbeat."""
    async with rig(engine(AtBid()), tmp_path, is_followed=False) as joined:
        running = asyncio.create_task(joined.pump.run())
        await until(lambda: "balance" in joined.venue.names)
        asked = joined.pump.turns
        joined.at = T0 + 30 * SECOND
        joined.inbox.nudge()
        await until(lambda: joined.pump.turns > asked)
        running.cancel()
        await asyncio.wait({running})
        assert joined.engine.wake_at() == T0 + 31 * SECOND


async def live(joined: Rig) -> None:
    """A short life over a real server: start, quote, follow the book, lose the feed, recover, stop."""

    async def tell(*events: e.Event) -> None:
        joined.inbox.extend(events)
        await joined.turned()

    def delta(price: int, change: int) -> e.BookDeltaReceived:
        return e.BookDeltaReceived(TICKER, "yes", price, change, joined.at, joined.at)

    await tell(*START)
    for step in range(1, 6):
        joined.at = T0 + step * SECOND
        await tell(e.FeedHeard("kalshi", joined.at))
    for price in (4_100, 3_800):
        joined.at += SECOND // 10
        await tell(delta(price, 500))
        joined.at += SECOND // 10
        await tell(delta(price, -500))
    joined.at += SECOND
    await tell(e.FeedDropped("kalshi", "test", joined.at))
    joined.at += SECOND
    await tell(e.FeedConnected("kalshi", joined.at), snapshot(joined.at))
    for _ in range(6):
        joined.at += SECOND
        await tell(e.FeedHeard("kalshi", joined.at))
    joined.at += SECOND
    joined.inbox.put(e.StopRequested("test", joined.at))
    for _ in range(50):
        joined.at += SECOND
        joined.inbox.nudge()
        await asyncio.sleep(0.01)
        if joined.engine.phase == "stopped":
            return
    raise AssertionError(f"not stopped: {joined.engine.state.orders}")


@pytest.mark.parametrize("is_same", [True, False])
async def test_the_written_journal_replays_to_the_same_commands(tmp_path: Path, is_same: bool) -> None:
    """A fresh engine, fed with the journal of a live run, decides the same; another strategy does not."""
    async with rig(engine(AtBid()), tmp_path) as joined:
        running = asyncio.create_task(joined.pump.run())
        try:
            await live(joined)
        finally:
            if not running.done():
                await asyncio.wait({running}, timeout=5)
            running.cancel()
            await asyncio.wait({running})
        records = joined.records
    kinds = {type(record) for record in records if isinstance(record, Command)}
    assert {PlaceOrder, AmendOrder, CancelOrder, Reconcile} <= kinds
    assert isinstance(records[-1], Decided | Command)
    file = read_journal(joined.journal.path)
    assert not file.is_torn
    again = engine(AtBid(1_000 if is_same else 900))
    result = replay(again, file)
    assert is_same == result.is_identical, result.differences
    if is_same:
        assert sum(isinstance(record, Decided) for record in records) == result.decisions
        assert "stopped" == again.phase == joined.engine.phase
        assert again.decisions.last == joined.engine.decisions.last
