"""Discovery, backfill and audit around the real stream, on the sandbox: cut, missed, read, whole again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from daemon.config_tables import Markets
from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.units import MILLISECOND, MINUTE, SECOND, Ns
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Fact
from daemon.exchange.requests import NewOrder
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.rest import Rest
from daemon.kalshi.session import Session
from daemon.sandbox.flow import Resumed
from daemon.shell import audit as audits
from daemon.shell.audit import Audit
from daemon.shell.backfill import Backfill
from daemon.shell.clock import SystemClock
from daemon.shell.discovery import Discovery
from daemon.shell.feeds import Feeds
from daemon.shell.loop import Inbox
from daemon.shell.venue_status import VenueStatus
from tests.core.worlds import Scripted, engine
from tests.sandbox.running import Client, running
from tests.sandbox.scripted import OPEN, ScriptedFlow
from tests.shell.orders import until

TEST_WITHIN_S = 30.0
TAKER = "sim:taker"


class Rig:
    """The daemon's reading parts around one engine, on a sandbox."""

    def __init__(self, client: Client, rest: Rest, signer: Signer) -> None:
        now = SystemClock().now
        self.client, self._signer = client, signer
        self.seen: list[e.Event] = []
        self.inbox = Inbox()
        self.engine = engine(Scripted())
        self.session = Session("kalshi")
        self.feeds = Feeds(
            self.session,
            self.inbox,
            now=now,
            backoff=lambda: Backoff(lambda: 0.0),
            silence_s=5.0,
        )
        emit = self.inbox.put
        markets = Markets(series=["KXBTC15M"], refresh_s=1)
        self.discovery = Discovery(rest, self.feeds, markets, now=now, emit=emit)
        self.backfill = Backfill(
            rest, silence=5 * SECOND, now=now, emit=emit, backlog=lambda: len(self.inbox)
        )
        self.status = VenueStatus(rest, now=now, emit=emit)
        self.audit = Audit(rest, self.engine.state.markets, every=200 * MILLISECOND, now=now, emit=emit)
        self.now = now
        self._feed: asyncio.Task[None] | None = None

    async def pump(self) -> None:
        """Handle what comes, as the pump does."""
        while True:
            batch = await self.inbox.drain(None)
            for event in batch:
                self.engine.handle(event)
            self.seen += batch
            self.backfill.on_batch(batch)
            self.audit.on_batch(batch)

    def connect(self) -> None:
        self._feed = asyncio.create_task(self.feeds.run_venue(self.client.ready.ws_url, self._signer))

    async def cut(self) -> None:
        """End the stream; its drop is told."""
        assert self._feed is not None
        self._feed.cancel()
        with suppress(asyncio.CancelledError):
            await self._feed
        await until(lambda: bool(self.of(e.FeedDropped)))

    def trade(self, qty: int) -> None:
        """Have the house trade with itself in the flow's next step."""

        def crossing(exchange: Exchange, now: Ns) -> list[Fact]:
            return exchange.place(NewOrder(TAKER, OPEN, "bid", 6_000, qty), now)[1]

        flow = self.client.flow
        assert isinstance(flow, Trading)
        flow.acts.append(crossing)

    def of(self, kind: type[e.Event]) -> list[e.Event]:
        return [event for event in self.seen if type(event) is kind]


class Trading(ScriptedFlow):
    """The scripted flow with a taker in the house."""

    def __init__(self, resumed: Resumed) -> None:
        super().__init__(resumed)
        self.acts.append(self._open_taker)

    @staticmethod
    def _open_taker(exchange: Exchange, _now: Ns) -> list[Fact]:
        exchange.open_account(TAKER, {}, is_house=True)
        return []


@asynccontextmanager
async def rig(folder: Path) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(TEST_WITHIN_S))
        client = await stack.enter_async_context(running(folder, Trading))
        signer = Signer(client.ready.key_id, load_private_key(Path(client.ready.private_key_path)))
        rest = await stack.enter_async_context(
            Rest(client.ready.rest_url, signer, client.sandbox.venue.clock.now)
        )
        subject = Rig(client, rest, signer)
        tasks = [
            asyncio.create_task(run)
            for run in (
                subject.pump(),
                subject.discovery.run(),
                subject.backfill.run(),
                subject.status.run(),
                subject.audit.run(),
            )
        ]
        subject.connect()
        try:
            yield subject
        finally:
            with suppress(AssertionError):
                await subject.cut()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_market_is_found_subscribed_and_read(tmp_path: Path) -> None:
    """From the series' name to a synced book with its past: the trade of before our time is in it."""
    async with rig(tmp_path) as subject:
        await until(lambda: bool(subject.of(e.MarketBackfilled)), within_s=20)
        assert [OPEN] == list(subject.engine.state.markets)
        assert subject.engine.state.markets[OPEN].book.is_synced
        (told,) = subject.of(e.TradesBackfilled)
        assert isinstance(told, e.TradesBackfilled)
        assert ["past-trade"] == [trade.trade_id for trade in told.trades]
        assert told.since <= subject.now() - 19 * MINUTE
        assert subject.of(e.ExchangeStatusTold)
        assert subject.of(e.MaintenancePlanned)


async def test_what_a_cut_kept_from_us_is_read_before_the_market_is_whole(tmp_path: Path) -> None:
    """Every trade of the venue's is told, streamed or read; the missed one only by the reading."""
    async with rig(tmp_path) as subject:
        await until(lambda: bool(subject.of(e.MarketBackfilled)), within_s=20)
        subject.trade(100)
        await until(lambda: bool(subject.of(e.TradePrinted)))
        await subject.cut()
        subject.trade(200)
        trades = subject.client.sandbox.venue.chronicle.trades_of
        await until(lambda: [200] == [one.qty for one in trades(OPEN)][-1:])
        subject.connect()
        await until(lambda: len(subject.of(e.MarketBackfilled)) == 2, within_s=20)
        streamed = {
            event.trade_id for event in subject.of(e.TradePrinted) if isinstance(event, e.TradePrinted)
        }
        *_, again = subject.of(e.TradesBackfilled)
        assert isinstance(again, e.TradesBackfilled)
        missed = [trade.qty for trade in again.trades if trade.trade_id not in {*streamed, "past-trade"}]
        assert [200] == missed
        read = {trade.trade_id for trade in again.trades}
        assert {event.trade_id for event in trades(OPEN)} == streamed | read | {"past-trade"}


async def test_the_streamed_book_passes_its_audits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While orders come and trade: every verdict is equal. A level spoilt in our book is found."""
    monkeypatch.setattr(audits, "CACHE_AGE", 200 * MILLISECOND)
    monkeypatch.setattr(audits, "SETTLES_WITHIN", 200 * MILLISECOND)
    async with rig(tmp_path) as subject:
        await until(lambda: OPEN in subject.engine.state.markets)
        book = subject.engine.state.markets[OPEN].book

        def verdicts() -> list[bool]:
            return [event.is_equal for event in subject.seen if isinstance(event, e.BookAudited)]

        while len(verdicts()) < 3:
            subject.trade(100)
            await asyncio.sleep(0.1)
        assert {True} == set(verdicts())
        book.yes.sizes[3_900] += 100
        await until(lambda: not verdicts()[-1])
