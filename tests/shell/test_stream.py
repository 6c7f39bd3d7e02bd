"""The thin shell, against a real WebSocket server on loopback."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.units import MILLISECOND, SECOND
from daemon.kalshi.auth import Signer
from daemon.kalshi.session import Session
from daemon.shell.families import SAMPLED
from daemon.shell.stream import run_feed
from tests.kalshi.frames import snapshot, subscribed

NOW = 1_790_366_080_909 * MILLISECOND
KEY = Ed25519PrivateKey.generate()


class Told:
    """Collects events, and waits for the one that a test needs."""

    def __init__(self) -> None:
        self.events: list[e.Event] = []
        self.failures: list[str] = []
        self._came = asyncio.Event()

    def __call__(self, events: list[e.Event]) -> None:
        self.events += events
        self._came.set()

    async def until(self, kind: type[e.Event], count: int = 1) -> None:
        """Wait until so many events of a kind came."""
        while sum(type(event) is kind for event in self.events) < count:
            self._came.clear()
            await self._came.wait()


def _url(server: Server) -> str:
    host, port = next(iter(server.sockets)).getsockname()[:2]
    return f"ws://{host}:{port}/trade-api/ws/v2"


@asynccontextmanager
async def feeding(
    serve_one: Callable[[ServerConnection], Awaitable[None]],
    session: Session,
    *,
    wake: asyncio.Event | None = None,
    signer: Signer | None = None,
    silence_s: float = 5.0,
    clock: Callable[[], int] = lambda: NOW,
    answers_upgrade: Callable[[ServerConnection, Request], Response | None] | None = None,
    on_parsed: Callable[[int], None] | None = None,
) -> AsyncIterator[Told]:
    """Run the feed against a server whose connections are served by `serve_one`; bounded in time."""
    told = Told()
    async with (
        asyncio.timeout(20),
        serve(
            serve_one, "127.0.0.1", 0, ping_interval=None, process_request=answers_upgrade, close_timeout=0.2
        ) as server,
    ):
        feed = asyncio.create_task(
            run_feed(
                _url(server),
                signer,
                session,
                clock,
                told,
                backoff=Backoff(lambda: 0.01),
                wake=wake,
                on_failure=told.failures.append,
                on_parsed=on_parsed,
                silence_s=lambda: silence_s,
            )
        )
        try:
            yield told
        finally:
            feed.cancel()
            with suppress(asyncio.CancelledError):
                await feed


async def _answer_subscribes(connection: ServerConnection, tickers: list[str]) -> None:
    """Acknowledge the book's subscription, and send a snapshot of each market asked for."""
    seq = 0
    async for text in connection:
        command = json.loads(text)
        params = command["params"]
        if params.get("channels", ["orderbook_delta"]) != ["orderbook_delta"] or params.get("sid", 1) != 1:
            continue
        if command["cmd"] == "subscribe":
            await connection.send(subscribed("orderbook_delta", 1, command["id"]).decode())
        for ticker in params["market_tickers"]:
            seq += 1
            tickers.append(ticker)
            await connection.send(snapshot(ticker, seq, [(4000, 100)]).decode())


async def test_the_upgrade_is_signed_and_books_arrive() -> None:
    """The headers verify over GET and the path; subscribe and snapshot make a synced book."""
    paths: list[str] = []

    def check(connection: ServerConnection, request: Request) -> None:
        signature = base64.b64decode(request.headers["KALSHI-ACCESS-SIGNATURE"])
        KEY.public_key().verify(signature, b"1790366080909GET/trade-api/ws/v2")
        paths.append(request.path)

    session = Session(is_private=False)
    session.watch(["A"])
    tickers: list[str] = []
    async with feeding(
        lambda connection: _answer_subscribes(connection, tickers),
        session,
        signer=Signer("id", KEY),
        answers_upgrade=check,
    ) as told:
        await told.until(e.BookSnapshotReceived)
    assert told.events[0] == e.FeedConnected("kalshi", NOW)
    assert (paths, tickers) == (["/trade-api/ws/v2"], ["A"])
    assert told.events[-1] == e.FeedDropped("kalshi", "cancelled", NOW)


async def test_one_frame_in_so_many_is_measured() -> None:
    """Of each connection the first one, and then every 64th; what it took is no negative time."""

    async def send(connection: ServerConnection) -> None:
        for _ in range(2 * SAMPLED + 1):
            await connection.send("{}")
        await _answer_subscribes(connection, [])

    session, took = Session(is_private=False), list[int]()
    session.watch(["A"])
    async with feeding(send, session, on_parsed=took.append) as told:
        await told.until(e.BookSnapshotReceived)
    assert 3 == len(took)
    assert min(took) > 0


async def test_a_market_watched_while_connected_is_asked_for_at_once() -> None:
    """The wake-up sends the command without waiting for the next tick."""
    session = Session(is_private=False)
    session.watch(["A"])
    wake = asyncio.Event()
    tickers: list[str] = []
    async with feeding(lambda c: _answer_subscribes(c, tickers), session, wake=wake) as told:
        await told.until(e.BookSnapshotReceived)
        session.watch(["B"])
        wake.set()
        await told.until(e.BookSnapshotReceived, 2)
    assert tickers == ["A", "B"]


async def test_a_lost_connection_is_an_event_and_is_made_again() -> None:
    """Reset without a closing handshake: dropped, connected again, subscribed again."""
    attempts = 0

    async def serve_one(connection: ServerConnection) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await connection.recv()
            connection.transport.abort()
        else:
            await _answer_subscribes(connection, [])

    session = Session(is_private=False)
    session.watch(["A"])
    async with feeding(serve_one, session) as told:
        await told.until(e.BookSnapshotReceived)
    kinds = [type(event) for event in told.events]
    assert kinds[:4] == [e.FeedConnected, e.FeedDropped, e.FeedConnected, e.BookSnapshotReceived]


async def test_an_upgrade_that_is_refused_is_told_and_tried_again() -> None:
    """HTTP 502 on redial, as seen in production: no drop, for nothing was connected."""
    attempts = 0

    def refuse_once(connection: ServerConnection, request: Request) -> Response | None:
        nonlocal attempts
        attempts += 1
        return connection.respond(HTTPStatus.BAD_GATEWAY, "no") if attempts == 1 else None

    session = Session(is_private=False)
    async with feeding(lambda c: _answer_subscribes(c, []), session, answers_upgrade=refuse_once) as told:
        await told.until(e.FeedConnected)
    assert told.failures == ["HTTP 502 instead of an upgrade"]
    assert told.events[0] == e.FeedConnected("kalshi", NOW)


async def test_a_quiet_connection_is_heard_and_not_dropped() -> None:
    """No news at all, but what the stream is asked it answers: alive, and said so."""

    async def answer(connection: ServerConnection) -> None:
        async for text in connection:
            await connection.send(json.dumps({"type": "ok", "id": json.loads(text)["id"]}))

    session = Session(is_private=False, silence_max=2 * SECOND)
    async with feeding(answer, session, silence_s=2.5, clock=time.time_ns) as told:
        await told.until(e.FeedHeard, 4)
    assert e.FeedDropped not in {type(event) for event in told.events[:-1]}


async def test_a_stream_that_stands_still_behind_its_pings_is_given_up() -> None:
    """Every ping is answered and no frame comes: never heard, and dropped by its name."""
    session = Session(is_private=False, silence_max=2 * SECOND)
    connections = 0

    async def answer_pings_only(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await connection.wait_closed()

    async with feeding(answer_pings_only, session, clock=time.time_ns) as told:
        await told.until(e.FeedConnected, 2)
    assert 2 == connections
    dropped = next(event for event in told.events if isinstance(event, e.FeedDropped))
    assert dropped.reason.startswith("stalled")
    assert e.FeedHeard not in {type(event) for event in told.events}


async def test_a_dead_connection_is_given_up() -> None:
    """Neither frames nor pongs: after the limit the connection is dropped, with the reason."""

    async def play_dead(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await asyncio.sleep(3)

    session = Session(is_private=False)
    async with feeding(play_dead, session, silence_s=1.0) as told:
        await told.until(e.FeedDropped)
    assert told.events[1] == e.FeedDropped("kalshi", "silent for 1 s", NOW)


async def test_a_session_that_needs_a_new_connection_gets_one() -> None:
    """A terminal error of nothing in particular ends the connection."""

    async def fail(connection: ServerConnection) -> None:
        await connection.send('{"type":"error","msg":{"code":25,"msg":"Subscription buffer overflow"}}\n')
        await connection.wait_closed()

    async with feeding(fail, Session(is_private=False)) as told:
        await told.until(e.FeedDropped)
    dropped = next(event for event in told.events if isinstance(event, e.FeedDropped))
    assert "error 25" in dropped.reason


async def test_nothing_is_swallowed_when_events_can_not_be_taken() -> None:
    """A programmer's error in the taker ends the feed loudly: it is no failure of the network."""

    def refuse(events: list[e.Event]) -> None:
        if any(isinstance(event, e.BookSnapshotReceived) for event in events):
            raise KeyError("bug")

    session = Session(is_private=False)
    session.watch(["A"])
    async with asyncio.timeout(20), serve(lambda c: _answer_subscribes(c, []), "127.0.0.1", 0) as server:
        with pytest.raises(KeyError):
            await run_feed(_url(server), None, session, lambda: NOW, refuse, backoff=Backoff(lambda: 0.01))


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancel_is_never_lost_to_a_failing_connection(turns: int) -> None:
    """However near to the failure it comes: whoever stops the feed doesn't wait for ever."""
    cut = asyncio.Event()

    async def abort(connection: ServerConnection) -> None:
        await cut.wait()
        connection.transport.abort()

    session = Session(is_private=False)
    connected = asyncio.Event()
    async with asyncio.timeout(20), serve(abort, "127.0.0.1", 0) as server:
        feed = asyncio.create_task(
            run_feed(
                _url(server),
                None,
                session,
                lambda: NOW,
                lambda _: connected.set(),
                backoff=Backoff(lambda: 1.0, 60.0, 60.0),
            )
        )
        await connected.wait()
        cut.set()
        while session.is_connected and turns:
            await asyncio.sleep(0)
            turns -= 1
        feed.cancel()
        await asyncio.wait([feed], timeout=5)
        assert feed.cancelled()
