"""Both streams over real WebSocket servers: frames into the inbox, wishes onto the wire, and the flush."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.server import ServerConnection, serve

from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.kalshi.auth import Signer
from daemon.kalshi.channels import LIFECYCLE
from daemon.kalshi.session import Session
from daemon.shell.feeds import Feeds
from daemon.shell.loop import INBOX_MAX, Inbox
from tests.core.worlds import T0, TICKER
from tests.kalshi import frames
from tests.shell.orders import until

TEST_WITHIN_S = 30.0
SIGNER = Signer("the-key-id", Ed25519PrivateKey.generate())
OTHER = "KXBTC15M-26SEP251545-45"


class Stream:
    """The venue's end: acknowledges every channel, remembers the commands, sends what the test says."""

    def __init__(self) -> None:
        self.commands: list[dict[str, object]] = []
        self.connections: list[ServerConnection] = []
        self.headers: list[dict[str, str]] = []
        self.on_books: Callable[[ServerConnection, list[str]], Awaitable[None]] | None = None
        """Called with the markets of each subscription to books."""

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.headers.append(dict(connection.request.headers.raw_items()))
        self.connections.append(connection)
        sid = 0
        async for text in connection:
            command = json.loads(text)
            self.commands.append(command)
            if command.get("cmd") != "subscribe":  # the reference asks in other words, and hears nothing
                continue
            for channel in command["params"]["channels"]:
                sid = 1 if channel == "orderbook_delta" else sid + 2
                await connection.send(frames.subscribed(channel, sid, command["id"]).decode())
                if channel == "orderbook_delta" and self.on_books is not None:
                    await self.on_books(connection, command["params"]["market_tickers"])

    def sent(self, cmd: str) -> list[dict[str, object]]:
        return [command for command in self.commands if command["cmd"] == cmd]


async def send_snapshots(connection: ServerConnection, tickers: list[str]) -> None:
    for seq, ticker in enumerate(tickers, 1):
        await connection.send(frames.snapshot(ticker, seq, [(4_000, 400)], [(5_800, 300)]).decode())


class Rig:
    def __init__(self, stream: Stream, url: str) -> None:
        self.stream, self.url = stream, url
        self.inbox = Inbox()
        self.events: list[e.Event] = []
        self.feeds = Feeds(
            Session("kalshi"),
            self.inbox,
            now=lambda: T0,
            backoff=lambda: Backoff(lambda: 0.01),
            silence_s=5.0,
        )

    async def take(self) -> None:
        """Move what the inbox has into `events`."""
        while len(self.inbox):
            self.events += await self.inbox.drain(0)

    async def told(self, kind: type[e.Event], count: int = 1) -> list[e.Event]:
        """Wait until so many events of a kind came."""
        async with asyncio.timeout(TEST_WITHIN_S):
            while True:
                await self.take()
                found = [event for event in self.events if isinstance(event, kind)]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.001)


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    stream = Stream()
    async with asyncio.timeout(TEST_WITHIN_S), serve(stream.serve, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/trade-api/ws/v2"
        subject = Rig(stream, url)
        running = asyncio.create_task(subject.feeds.run_venue(url, SIGNER))
        try:
            yield subject
        finally:
            running.cancel()
            await asyncio.wait({running})
            assert running.cancelled()


async def test_a_watched_markets_book_comes_into_the_inbox() -> None:
    """Connected with a signature, subscribed, and the snapshot is an event."""
    async with rig() as subject:
        subject.stream.on_books = send_snapshots
        subject.feeds.watch([TICKER])
        (snapshot,) = await subject.told(e.BookSnapshotReceived)
        assert e.BookSnapshotReceived(TICKER, ((4_000, 400),), ((5_800, 300),), T0, None) == snapshot
        assert [e.MarketRouted(TICKER, "kalshi", T0), e.FeedConnected("kalshi", T0)] == subject.events[:2]
        headers = {name.upper(): value for name, value in subject.stream.headers[0].items()}
        assert "the-key-id" == headers["KALSHI-ACCESS-KEY"]
        assert headers["KALSHI-ACCESS-SIGNATURE"]


async def test_wishes_leave_while_the_stream_runs() -> None:
    """A market that comes in later is added, one that goes is taken out, without a new connection."""
    async with rig() as subject:
        subject.stream.on_books = send_snapshots
        subject.feeds.watch([TICKER])
        await subject.told(e.BookSnapshotReceived)
        subject.feeds.watch([OTHER])
        await until(lambda: any(OTHER in json.dumps(c) for c in subject.stream.sent("update_subscription")))
        subject.feeds.unwatch([TICKER])
        assert (OTHER,) == subject.feeds.session.watched
        assert 1 == len(subject.stream.connections)


async def test_an_impossible_book_is_given_up_and_asked_for_anew() -> None:
    """The core found it wrong though no frame was missing: lost for all, and a snapshot is asked for."""
    async with rig() as subject:
        subject.stream.on_books = send_snapshots
        subject.feeds.watch([TICKER])
        await subject.told(e.BookSnapshotReceived)
        subject.feeds.resnapshot([TICKER])
        assert [e.BookLost(TICKER, "impossible book", T0)] == await subject.told(e.BookLost)
        await until(lambda: any("get_snapshot" in json.dumps(c) for c in subject.stream.commands))
        await subject.stream.connections[0].send(
            frames.snapshot(TICKER, 2, [(4_100, 400)], [(5_800, 300)]).decode()
        )
        _, second = await subject.told(e.BookSnapshotReceived, 2)
        assert isinstance(second, e.BookSnapshotReceived)
        assert ((4_100, 400),) == second.yes


async def test_a_doubt_about_the_listing_is_passed_on() -> None:
    """A frame that nobody can read may have been about markets or fees: they are looked at again."""
    async with rig() as subject:
        doubts: list[bool] = []
        subject.feeds.on_listing_doubt = lambda: doubts.append(True)
        await subject.told(e.FeedConnected)
        lifecycle = subject.feeds.session._subscriptions.channels[LIFECYCLE]
        await until(lambda: lifecycle.stream is not None)
        assert [] == doubts
        await subject.stream.connections[0].send("not json")
        await until(lambda: bool(doubts))
        assert [True] == doubts


async def test_a_dropped_connection_is_told_and_made_anew() -> None:
    """Dropped, connected, subscribed again: the book comes back with a new snapshot."""
    async with rig() as subject:
        subject.stream.on_books = send_snapshots
        subject.feeds.watch([TICKER])
        await subject.told(e.BookSnapshotReceived)
        subject.stream.connections[0].transport.abort()
        await subject.told(e.FeedDropped)
        await subject.told(e.BookSnapshotReceived, 2)
        kinds = [
            type(event) for event in subject.events if isinstance(event, e.FeedConnected | e.FeedDropped)
        ]
        assert [e.FeedConnected, e.FeedDropped, e.FeedConnected] == kinds
        assert 2 == len(subject.stream.connections)


async def test_flush_waits_for_all_that_was_sent() -> None:
    """After it the inbox has every frame that the venue sent before: a tape's slice is complete."""
    count = 5_000
    async with rig() as subject:
        subject.stream.on_books = send_snapshots
        subject.feeds.watch([TICKER])
        await subject.told(e.BookSnapshotReceived)
        connection = subject.stream.connections[0]
        for seq in range(2, count + 2):
            await connection.send(frames.delta(TICKER, seq, "yes", 3_900, 100).decode())
        await subject.feeds.flush()
        await subject.take()
        assert count == sum(isinstance(event, e.BookDeltaReceived) for event in subject.events)


async def test_flush_waits_until_connected_and_ends_with_the_connection() -> None:
    """Between two recorded sessions there is no stream: it waits for the next; a reset meanwhile ends it."""
    async with rig() as subject:
        assert not subject.feeds.session.is_connected
        await subject.feeds.flush()
        assert subject.feeds.session.is_connected
        flushing = asyncio.create_task(subject.feeds.flush())
        await asyncio.sleep(0)
        subject.stream.connections[0].transport.abort()
        await asyncio.wait({flushing}, timeout=TEST_WITHIN_S)
        assert flushing.done()
        assert flushing.exception() is None
        await subject.told(e.FeedDropped)


async def test_an_unreachable_venue_is_tried_again() -> None:
    """Nobody listens at first; the feed is there as soon as somebody does."""
    async with asyncio.timeout(TEST_WITHIN_S):
        stream = Stream()
        async with serve(stream.serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
        subject = Rig(stream, f"ws://127.0.0.1:{port}/trade-api/ws/v2")
        running = asyncio.create_task(subject.feeds.run_venue(subject.url, SIGNER))
        await asyncio.sleep(0.05)
        await subject.take()
        assert [] == subject.events
        async with serve(stream.serve, "127.0.0.1", port):
            await subject.told(e.FeedConnected)
            running.cancel()
            await asyncio.wait({running})


async def test_a_core_that_falls_behind_gets_a_new_stream_instead_of_an_old_one() -> None:
    """Past its bound the inbox makes the connection begin anew: books are unsynced, nothing old is traded."""
    async with asyncio.timeout(TEST_WITHIN_S):
        inbox = Inbox()
        feeds = Feeds(
            Session(), inbox, now=lambda: T0, backoff=lambda: Backoff(lambda: 0.0),
            silence_s=5.0,
        )  # fmt: skip
        inbox.extend(e.FeedHeard("kalshi", T0) for _ in range(INBOX_MAX))
        stream = Stream()
        async with serve(stream.serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            task = asyncio.create_task(feeds.run_venue(f"ws://127.0.0.1:{port}/", SIGNER))
            await until(lambda: len(stream.connections) >= 2)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        dropped = [event for event in await inbox.drain(0) if isinstance(event, e.FeedDropped)]
        while len(inbox):
            dropped += [event for event in await inbox.drain(0) if isinstance(event, e.FeedDropped)]
        assert "behind" in dropped[0].reason
