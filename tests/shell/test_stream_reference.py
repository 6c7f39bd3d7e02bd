"""The reference session on a stream of its own, against a real WebSocket server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from websockets.asyncio.server import Server, ServerConnection, serve

from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.kraken.session import Session
from daemon.shell.stream import run_feed

TRADE = (
    '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","price":71749.0,"qty":0.1,'
    '"timestamp":"2026-03-15T11:26:23.023215Z","trade_id":1}]}'
)


def _url(server: Server) -> str:
    host, port = next(iter(server.sockets)).getsockname()[:2]
    return f"ws://{host}:{port}/v2"


async def _run_until(
    serve_one: Callable[[ServerConnection], Awaitable[None]], kind: type[e.Event], silence_s: float = 5.0
) -> list[e.Event]:
    """Return the events up to the first of a kind, and what cancelling adds; bounded in time."""
    events: list[e.Event] = []
    came = asyncio.Event()

    def take(news: list[e.Event]) -> None:
        events.extend(news)
        if any(type(event) is kind for event in news):
            came.set()

    async with asyncio.timeout(20), serve(serve_one, "127.0.0.1", 0, close_timeout=0.2) as server:
        backoff = Backoff(lambda: 0.01)
        feed = asyncio.create_task(
            run_feed(
                _url(server), None, Session(), lambda: 7, take, backoff=backoff, silence_s=lambda: silence_s
            )
        )
        await came.wait()
        feed.cancel()
        with suppress(asyncio.CancelledError):
            await feed
    return events


async def test_a_subscription_brings_prices() -> None:
    """Connected, subscribed, a price; cancelling tells the drop."""

    async def serve_one(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(TRADE)
        await connection.wait_closed()

    events = await _run_until(serve_one, e.ReferencePriceReceived)
    assert [type(event) for event in events] == [e.FeedConnected, e.ReferencePriceReceived, e.FeedDropped]


async def test_a_lost_connection_is_made_again() -> None:
    """A reset is a drop, and the next connection brings the price."""
    attempts = 0

    async def serve_one(connection: ServerConnection) -> None:
        nonlocal attempts
        attempts += 1
        await connection.recv()
        if attempts == 1:
            connection.transport.abort()
        else:
            await connection.send(TRADE)
            await connection.wait_closed()

    events = await _run_until(serve_one, e.ReferencePriceReceived)
    assert [type(event) for event in events[:4]] == [
        e.FeedConnected,
        e.FeedDropped,
        e.FeedConnected,
        e.ReferencePriceReceived,
    ]


async def test_a_quiet_connection_is_heard() -> None:
    """Heartbeats without a trade keep the feed alive in the core's eyes; pongs alone would not."""

    async def beat(connection: ServerConnection) -> None:
        while True:
            await asyncio.sleep(0.2)
            await connection.send('{"channel":"heartbeat"}')

    events = await _run_until(beat, e.FeedHeard)
    assert [type(event) for event in events] == [e.FeedConnected, e.FeedHeard, e.FeedDropped]


async def test_a_dead_connection_is_given_up() -> None:
    """Neither frames nor pongs: dropped with the reason."""

    async def play_dead(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await asyncio.sleep(3)

    events = await _run_until(play_dead, e.FeedDropped, silence_s=1.0)
    assert events[1] == e.FeedDropped("kraken", "silent for 1 s", 7)
