"""Many markets over many connections, against a real server that numbers, limits and cuts like the venue."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.kalshi.channels import BOOKS, PRIVATE, TICKERS_PER_COMMAND
from daemon.kalshi.session import Session
from daemon.shell.feeds import Feeds
from daemon.shell.loop import Inbox
from tests.core.worlds import T0
from tests.kalshi.model_venue import ModelConnection, ModelVenue
from tests.shell.orders import until
from tests.shell.test_feeds import SIGNER

TEST_WITHIN_S = 30.0


class Exchange:
    """The venue's end of all connections."""

    def __init__(self, capacity: int | None) -> None:
        self.venue = ModelVenue()
        self.capacity = capacity
        self.connections: dict[ServerConnection, ModelConnection] = {}
        self.opened = 0

    async def serve(self, connection: ServerConnection) -> None:
        there = self.connections[connection] = ModelConnection(self.venue, self.capacity)
        self.opened += 1
        try:
            async for text in connection:
                there.receive(str(text))
                await self.flush(connection)
        finally:
            del self.connections[connection]

    async def flush(self, connection: ServerConnection) -> None:
        frames, there = [], self.connections[connection]
        frames, there.outbox = there.outbox, []
        for frame in frames:
            await connection.send(frame.decode())

    def holding(self, ticker: str) -> list[ServerConnection]:
        """Return the connections on which a market's book is subscribed."""
        return [
            connection
            for connection, there in self.connections.items()
            if BOOKS in there.subscriptions and ticker in there.subscriptions[BOOKS].tickers
        ]

    def books_held(self) -> list[int]:
        """Return how many books each connection carries, most first."""
        held = [there.subscriptions.get(BOOKS) for there in self.connections.values()]
        return sorted((len(one.tickers) for one in held if one is not None), reverse=True)


class Rig:
    """Feeds that run against the exchange, and what they told."""

    def __init__(self, exchange: Exchange, feeds: Feeds, inbox: Inbox) -> None:
        self.exchange, self.feeds, self.inbox = exchange, feeds, inbox
        self.events: list[e.Event] = []

    async def take(self) -> list[e.Event]:
        while len(self.inbox):
            self.events += await self.inbox.drain(0)
        return self.events

    async def synced(self, tickers: list[str]) -> None:
        """Wait until all these books are synced."""
        async with asyncio.timeout(TEST_WITHIN_S):
            while not all(self.feeds.is_synced(ticker) for ticker in tickers):
                await asyncio.sleep(0.005)
                await self.take()
        await self.take()

    def routes(self) -> dict[str, str]:
        """Return the connection of each market, as last told."""
        return {event.ticker: event.feed for event in self.events if isinstance(event, e.MarketRouted)}


@asynccontextmanager
async def rig(
    *,
    per_connection: int,
    capacity: int | None = None,
    is_private_apart: bool = False,
    backoff: Callable[[], Backoff] = lambda: Backoff(lambda: 0.01),
    **options: Any,
) -> AsyncIterator[Rig]:
    exchange, inbox = Exchange(capacity), Inbox()
    feeds = Feeds(
        Session("kalshi", is_private=not is_private_apart),
        inbox,
        now=lambda: T0,
        backoff=backoff,
        silence_s=10.0,
        markets_per_connection=per_connection,
        private=Session("kalshi-private", is_public=False, is_first=False) if is_private_apart else None,
        **options,
    )
    async with asyncio.timeout(TEST_WITHIN_S), serve(exchange.serve, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/trade-api/ws/v2"
        running = asyncio.create_task(feeds.run_venue(url, SIGNER))
        try:
            yield Rig(exchange, feeds, inbox)
        finally:
            running.cancel()
            await asyncio.wait({running})
            assert running.cancelled()


def markets(count: int) -> list[str]:
    """Return tickers."""
    return [f"KXBTC15M-{number}" for number in range(count)]


async def test_markets_are_spread_over_connections() -> None:
    """No connection carries more than it may, each market is told to be routed once, before its book."""
    tickers = markets(35)
    async with rig(per_connection=10) as subject:
        subject.feeds.watch(tickers)
        await subject.synced(tickers)
        assert [10, 10, 10, 5] == subject.exchange.books_held()
        assert {"kalshi": 10, "kalshi-2": 10, "kalshi-3": 10, "kalshi-4": 5} == Counter(
            subject.routes().values()
        )
        for ticker in tickers:
            told = [type(event) for event in subject.events if getattr(event, "ticker", None) == ticker]
            assert [e.MarketRouted, e.BookSnapshotReceived] == told
        once = [
            channel
            for there in subject.exchange.connections.values()
            for channel in there.subscriptions
            if channel in ("market_lifecycle_v2", *PRIVATE)
        ]
        assert ["market_lifecycle_v2", *PRIVATE] == once


async def test_the_accounts_channels_may_have_a_connection_of_their_own() -> None:
    """It carries nothing else, so a storm of books never delays a fill."""
    async with rig(per_connection=10, is_private_apart=True) as subject:
        subject.feeds.watch(markets(3))
        await subject.synced(markets(3))
        await until(lambda: any("fill" in one.subscriptions for one in subject.exchange.connections.values()))
        carried = sorted(sorted(there.subscriptions) for there in subject.exchange.connections.values())
        assert [sorted(PRIVATE), sorted([BOOKS, "trade", "market_lifecycle_v2"])] == carried
        assert {"kalshi", "kalshi-private"} == set(subject.feeds.sessions)


async def test_a_cut_costs_the_markets_of_that_connection_only() -> None:
    """The others stay synced; its own come back on a new connection, and keep their route."""
    tickers = markets(20)
    async with rig(per_connection=10) as subject:
        subject.feeds.watch(tickers)
        await subject.synced(tickers)
        routes = subject.routes()
        (cut,) = subject.exchange.holding(tickers[0])
        cut.transport.abort()
        await until(lambda: not subject.feeds.is_synced(tickers[0]))
        assert all(subject.feeds.is_synced(ticker) for ticker in tickers[10:])
        await subject.synced(tickers)
        assert ["kalshi"] == [event.feed for event in subject.events if isinstance(event, e.FeedDropped)]
        assert routes == subject.routes()


async def test_being_spread_over_time_at_the_start_makes_no_reconnect_slower() -> None:
    """Whichever connection is cut first waits the shortest of delays: nothing has failed before."""
    made: list[Backoff] = []

    def backoff() -> Backoff:
        made.append(Backoff(lambda: 0.01))
        return made[-1]

    tickers = markets(30)
    async with rig(per_connection=10, backoff=backoff) as subject:
        subject.feeds.watch(tickers)
        await subject.synced(tickers)
        for cut in list(subject.exchange.connections):
            cut.transport.abort()
        await until(lambda: not any(map(subject.feeds.is_synced, tickers)))
        await subject.synced(tickers)
        assert {1} == {one.attempts for one in made}


async def test_a_connection_without_markets_is_closed_but_the_first() -> None:
    """Its drop is told with the reason, its counts are kept, and its name is free again."""
    tickers = markets(4)
    async with rig(per_connection=2) as subject:
        subject.feeds.watch(tickers)
        await subject.synced(tickers)
        frames = subject.feeds.counters["frames"]
        subject.feeds.unwatch(tickers)
        await until(lambda: len(subject.exchange.connections) == 1)
        drops = [event for event in await subject.take() if isinstance(event, e.FeedDropped)]
        assert [("kalshi-2", "closed: no market is left on it")] == [(one.feed, one.reason) for one in drops]
        assert subject.feeds.counters["frames"] >= frames
        subject.feeds.watch(tickers)
        await subject.synced(tickers)
        assert {"kalshi", "kalshi-2"} == set(subject.routes().values())


async def test_what_the_venue_has_no_room_for_goes_to_another_connection() -> None:
    """Code 26: halved until accepted, the rest is routed anew, nothing is left out."""
    tickers = markets(24)
    async with rig(per_connection=20, capacity=9) as subject:
        subject.feeds.watch(tickers)
        await subject.synced(tickers)
        assert [9, 9, 6] == subject.exchange.books_held()
        assert all(1 == len(subject.exchange.holding(ticker)) for ticker in tickers)
        assert subject.feeds.counters["error_26"] >= 2


async def test_a_venue_that_takes_no_market_is_not_stormed() -> None:
    """Not even one fits: two connections show it, the markets wait, and are named."""
    async with rig(per_connection=20, capacity=0) as subject:
        subject.feeds.watch(markets(5))
        await until(lambda: len(subject.feeds.waiting) == 5)
        await asyncio.sleep(0.1)
        assert subject.exchange.opened <= 2


async def test_a_book_that_is_wrong_is_asked_for_where_it_comes_from() -> None:
    """On a second connection too."""
    tickers = markets(3)
    async with rig(per_connection=2) as subject:
        subject.feeds.watch(tickers)
        await subject.synced(tickers)
        subject.feeds.resnapshot([tickers[2]])
        assert not subject.feeds.is_synced(tickers[2])
        assert "kalshi-2" == subject.feeds.feed_of(tickers[2])
        await subject.synced(tickers)


async def test_a_new_market_of_a_watched_series_makes_discovery_look() -> None:
    """Whichever connection its siblings have; a new market of a series that nobody watches does not."""
    async with rig(per_connection=2) as subject:
        looked: list[bool] = []
        heard: list[str] = []
        subject.feeds.on_listing_doubt = lambda: looked.append(True)
        subject.feeds.on_new_series = heard.extend
        subject.feeds.watch(["X-1", "X-2", "KXBTCD-1"])
        await subject.synced(["X-1", "X-2", "KXBTCD-1"])
        (connection,) = subject.exchange.holding("X-1")
        there = subject.exchange.connections[connection]
        await until(lambda: "market_lifecycle_v2" in there.subscriptions)
        sid = there.subscriptions["market_lifecycle_v2"].sid
        for seq, ticker in enumerate(("KXOTHER-1", "KXBTCD-2"), 1):
            text = (
                f'{{"type":"market_lifecycle_v2","sid":{sid},"seq":{seq},'
                f'"msg":{{"market_ticker":"{ticker}","event_type":"created"}}}}'
            )
            await connection.send(text)
            await until(lambda count=seq: len(heard) == count)  # type: ignore[misc]
            assert seq - 1 == len(looked)
        assert ["KXOTHER", "KXBTCD"] == heard


async def _recover(count: int, per_connection: int) -> None:
    """Subscribe, cut everything, and wait until all is back; portions and connections stay in bounds."""
    tickers = markets(count)
    async with rig(per_connection=per_connection) as subject:
        subject.feeds.watch(tickers)
        await subject.synced(tickers)
        connections = -(-count // per_connection)
        assert connections == len(subject.exchange.connections)
        for connection in list(subject.exchange.connections):
            connection.transport.abort()
        await until(lambda: not any(map(subject.feeds.is_synced, tickers)))
        await subject.synced(tickers)
        assert count == sum(subject.exchange.books_held())
        assert 2 * connections == subject.exchange.opened
        portions = [
            len(command["params"].get("market_tickers", []))
            for there in subject.exchange.connections.values()
            for command in there.commands
        ]
        assert TICKERS_PER_COMMAND >= max(portions)


async def test_all_connections_cut_at_once_come_back() -> None:
    """Every book is synced again, by commands of bounded size."""
    await _recover(count=260, per_connection=130)


@pytest.mark.full
async def test_five_thousand_markets_come_back() -> None:
    """The same with 5,000 markets on thirteen connections."""
    await _recover(count=5_000, per_connection=400)
