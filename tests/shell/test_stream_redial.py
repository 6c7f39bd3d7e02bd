"""How a connection comes back: refused upgrades, delays that grow and start over, reasons that are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.units import MILLISECOND, SECOND
from daemon.kalshi.auth import Signer
from daemon.kalshi.session import Session
from daemon.shell import stream
from tests.kalshi.frames import delta, snapshot, subscribed
from tests.shell.orders import until

NOW = 1_790_366_080_909 * MILLISECOND
TEST_WITHIN_S = 20.0


async def _redial(
    refusals: list[tuple[HTTPStatus, str]],
    has_enough: Callable[[list[str], list[e.Event]], bool],
    signer: Signer | None = None,
) -> tuple[list[str], list[e.Event]]:
    """Run a feed against a server that refuses so many upgrades; return failures and events."""
    failures: list[str] = []
    events: list[e.Event] = []

    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(*refusals.pop(0)) if refusals else None

    async with (
        asyncio.timeout(TEST_WITHIN_S),
        serve(lambda c: c.wait_closed(), "127.0.0.1", 0, process_request=refuse) as server,
    ):
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/trade-api/ws/v2"
        feed = asyncio.create_task(
            stream.run_feed(
                url, signer, Session(is_private=False), lambda: NOW, events.extend,
                backoff=Backoff(lambda: 0.001), on_failure=failures.append,
            )
        )  # fmt: skip
        await until(lambda: has_enough(failures, events))
        feed.cancel()
        with suppress(asyncio.CancelledError):
            await feed
    return failures, events


async def test_refused_upgrades_are_tried_again_and_say_why() -> None:
    """401 and 403 with the venue's own words, 502 as it is; then the connection is there all the same."""
    unknown = '{"error":{"code":"authentication_error","details":"NOT_FOUND"}}'
    failures, events = await _redial(
        [
            (HTTPStatus.BAD_GATEWAY, "<html>"),
            (HTTPStatus.UNAUTHORIZED, unknown),
            (HTTPStatus.FORBIDDEN, "no"),
        ],
        lambda _, events: bool(events),
    )
    assert [
        "HTTP 502 instead of an upgrade",
        f"HTTP 401 instead of an upgrade: {unknown}",
        "HTTP 403 instead of an upgrade: no",
    ] == failures
    assert e.FeedConnected("kalshi", NOW) == events[0]


async def test_a_refused_key_is_told_in_the_words_of_every_other_request() -> None:
    """Signed with a key of the other environment: which key, which host, and what to mend."""
    unknown = '{"error":{"code":"authentication_error","details":"NOT_FOUND"}}'
    failures, _ = await _redial(
        [(HTTPStatus.UNAUTHORIZED, unknown)],
        lambda failures, _: bool(failures),
        Signer("the-key-id", Ed25519PrivateKey.generate()),
    )
    assert [
        "HTTP 401 instead of an upgrade: this key id is unknown at 127.0.0.1: the-key-id:"
        " a demo key at production, or the other way round?"
    ] == failures


async def _delays(monkeypatch: pytest.MonkeyPatch, healthy_s: float) -> list[float]:
    """Cut three connections after a moment each; return the ceilings of the delays between attempts."""
    monkeypatch.setattr(stream, "HEALTHY_S", healthy_s)
    ceilings: list[float] = []

    class Told(Backoff):
        def next_s(self) -> float:
            ceilings.append(self._ceiling_s)
            return super().next_s()

    async def cut(connection: ServerConnection) -> None:
        await asyncio.sleep(0.05)
        connection.transport.abort()

    async with asyncio.timeout(TEST_WITHIN_S), serve(cut, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        feed = asyncio.create_task(
            stream.run_feed(
                url, None, Session(is_private=False), lambda: NOW, lambda _: None, backoff=Told(lambda: 0.001)
            )
        )
        await until(lambda: len(ceilings) >= 3)
        feed.cancel()
        with suppress(asyncio.CancelledError):
            await feed
    return ceilings[:3]


async def test_delays_grow_while_connections_do_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt that fails soon doubles the ceiling of the next delay."""
    assert [0.5, 1.0, 2.0] == await _delays(monkeypatch, healthy_s=60.0)


async def test_delays_start_over_after_a_healthy_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that lasted is no sign of trouble when it ends."""
    assert [0.5, 0.5, 0.5] == await _delays(monkeypatch, healthy_s=0.01)


async def test_a_slow_consumer_gets_a_new_connection() -> None:
    """Its messages come ever later by our clock: dropped with the reason, connected anew."""
    clock = {"now": NOW}
    events: list[e.Event] = []

    async def serve_one(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(subscribed("orderbook_delta", 1).decode())
        await connection.send(snapshot("A", 1, [(4000, 100)]).decode())
        for seq in range(2, 40):
            # The stamp stands still while our clock goes on: what comes lies in buffers.
            await connection.send(delta("A", seq, "yes", 4000, 1).decode())
            await until(lambda seq=seq: _has_read(seq))  # type: ignore[misc]
            clock["now"] += 2 * SECOND
            wake.set()
            await asyncio.sleep(0.01)

    def _has_read(seq: int) -> bool:
        return session.frames >= seq or bool(_drops())

    def _drops() -> list[e.FeedDropped]:
        return [event for event in events if isinstance(event, e.FeedDropped)]

    session = Session(is_private=False, is_first=False, lag_max=500 * MILLISECOND)
    session.watch(["A"])
    wake = asyncio.Event()
    async with asyncio.timeout(TEST_WITHIN_S), serve(serve_one, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        feed = asyncio.create_task(
            stream.run_feed(
                url, None, session, lambda: clock["now"], events.extend,
                backoff=Backoff(lambda: 0.001), wake=wake,
            )
        )  # fmt: skip
        await until(lambda: bool(_drops()))
        feed.cancel()
        with suppress(asyncio.CancelledError):
            await feed
    assert _drops()[0].reason.startswith("slow consumer")
