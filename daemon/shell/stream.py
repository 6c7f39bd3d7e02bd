"""One WebSocket connection after another around a session: frames in, commands out, for every feed.

Liveness: our own ping leaves every second and the venue answers it, so a quiet market is no silence.
When neither frame nor ping nor pong was seen for `silence_s`, the connection is given up: a TCP
connection whose other side vanished says nothing by itself. But pings prove the connection, not the stream
in it: `FeedHeard` is told for frames only, and a session asks a quiet stream for one (`core/probe`).

    reader   recv → session.receive → on_events
    tender   woken by commands or each second: session.poll, send, FeedHeard, silence
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.protocol import Event as ProtocolEvent

from daemon.core.backoff import Backoff
from daemon.core.events import Event, Feed, FeedHeard
from daemon.core.units import MILLISECOND, Ns
from daemon.kalshi.auth import Signer
from daemon.kalshi.key_refusals import key_refusal
from daemon.shell.families import SAMPLED

HEALTHY_S = 60.0
SILENCE_S = 5.0
"""How long a connection may bring nothing unless told otherwise; and to be opened it has at least this."""
_TICK_S = 1.0
_FRAMES_PER_TURN = 256
_MESSAGE_BYTES_MAX = 64 * 1024 * 1024
_FRAMES_QUEUED_MAX = 4096
_KEY_STATUSES = (401, 403)
_BODY_CHARS_MAX = 300


class Conversation(Protocol):
    """What the venue's and the reference's sessions have in common: the protocol, without any I/O."""

    feed: Feed
    reconnect_reason: str | None
    frames: int

    @property
    def has_outgoing(self) -> bool:
        """Return whether the tender has something to do at once: commands to send, or a doubt to pass on."""

    def connected(self, now: Ns) -> list[Event]:
        """Start a new connection."""

    def dropped(self, reason: str, now: Ns) -> list[Event]:
        """End the connection."""

    def poll(self, now: Ns) -> list[Event] | None:
        """Ask for what is overdue, about once a second; return what the passing of time alone tells."""

    def outgoing(self) -> list[str]:
        """Return the commands to send now, in order, and forget them."""

    def receive(self, frame: bytes, received_at: Ns) -> list[Event]:
        """Return what one frame tells."""


class FeedFailed(Exception):
    """We gave a connection up; the text says why."""


class _Connection(ClientConnection):
    """A connection that remembers when it last brought anything, control frames included."""

    heard_at = 0.0

    def process_event(self, event: ProtocolEvent) -> None:
        """Note the time, then go on as usual."""
        self.heard_at = self.loop.time()
        super().process_event(event)


async def run_feed(
    url: str,
    signer: Signer | None,
    session: Conversation,
    clock: Callable[[], Ns],
    on_events: Callable[[list[Event]], None],
    *,
    backoff: Backoff,
    wake: asyncio.Event | None = None,
    on_failure: Callable[[str], None] | None = None,
    on_open: Callable[[ClientConnection], None] | None = None,
    on_parsed: Callable[[int], None] | None = None,
    silence_s: Callable[[], float] = lambda: SILENCE_S,
) -> None:
    """Keep the session connected until cancelled.

    Args:
        url: such as `wss://host/trade-api/ws/v2`.
        signer: signs the upgrade; None only where the server asks for no signature.
        session: what understands the frames.
        clock: our time.
        on_events: takes the events, in order; must not block and must not raise.
        backoff: the delays between attempts; it starts over after a healthy minute.
        wake: to be set after `session.watch` or `unwatch`, so that commands leave at once.
        on_failure: told why an attempt failed before it was connected (a drop is an event instead).
        on_open: takes each new connection, for whoever wants to ping through it.
        on_parsed: takes the nanoseconds that the session took for a frame, of one in `SAMPLED`.
        silence_s: how long nothing at all may come before the connection is given up; asked each time.

    Cancellation: safe at any point; the connection is closed and `FeedDropped` is told. Never returns.
    """
    wake = wake or asyncio.Event()
    loop = asyncio.get_running_loop()
    while True:
        started_at = loop.time()
        try:
            await _run_connection(url, signer, session, clock, on_events, wake, on_open, on_parsed, silence_s)
        except (OSError, TimeoutError, WebSocketException) as error:
            if on_failure is not None:
                on_failure(_upgrade_refusal(error, url, signer, clock()) or _reason(error))
        if loop.time() - started_at >= HEALTHY_S:
            backoff.reset()
        await asyncio.sleep(backoff.next_s())


async def _run_connection(
    url: str,
    signer: Signer | None,
    session: Conversation,
    clock: Callable[[], Ns],
    on_events: Callable[[list[Event]], None],
    wake: asyncio.Event,
    on_open: Callable[[ClientConnection], None] | None,
    on_parsed: Callable[[int], None] | None,
    silence_s: Callable[[], float],
) -> None:
    """Connect and serve one connection until it fails. Raises only when it could not be made."""
    headers = {}
    if signer is not None:
        headers = signer.headers("GET", urlsplit(url).path, clock() // MILLISECOND)
    async with connect(
        url,
        additional_headers=headers,
        compression=None,
        proxy=None,
        open_timeout=max(silence_s(), SILENCE_S),
        close_timeout=1.0,
        # Our own ping each second proves the connection; what its absence means is decided here.
        ping_interval=_TICK_S,
        ping_timeout=None,
        max_size=_MESSAGE_BYTES_MAX,
        max_queue=_FRAMES_QUEUED_MAX,
        create_connection=_Connection,
    ) as connection:
        assert isinstance(connection, _Connection)
        if on_open is not None:
            on_open(connection)
        on_events(session.connected(clock()))
        wake.set()
        reason = None
        # Not a TaskGroup: one that fails while it is cancelled forgets the cancellation (Python 3.11).
        work = [
            asyncio.ensure_future(_read(connection, session, clock, on_events, wake, on_parsed)),
            asyncio.ensure_future(_tend(connection, session, clock, on_events, wake, silence_s)),
        ]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            error = done.pop().exception()
            assert error is not None, "neither end of a connection ends but by failing"
            if not isinstance(error, OSError | TimeoutError | WebSocketException | FeedFailed):
                raise error
            reason = _reason(error)
        finally:
            for part in work:
                part.cancel()
            # Told before the closing handshake, which a dead peer would make us wait for.
            on_events(session.dropped(reason or session.reconnect_reason or "cancelled", clock()))
            await asyncio.gather(*work, return_exceptions=True)


async def _read(
    connection: _Connection,
    session: Conversation,
    clock: Callable[[], Ns],
    on_events: Callable[[list[Event]], None],
    wake: asyncio.Event,
    on_parsed: Callable[[int], None] | None,
) -> None:
    receive = session.receive
    while True:
        for number in range(_FRAMES_PER_TURN):
            frame = await connection.recv(decode=False)
            if number % SAMPLED or on_parsed is None:
                events = receive(frame, clock())
            else:
                began_at = time.perf_counter_ns()
                events = receive(frame, clock())
                on_parsed(time.perf_counter_ns() - began_at)
            if events:
                on_events(events)
            if session.has_outgoing or session.reconnect_reason is not None:
                wake.set()
        # `recv` does not yield while frames wait, and a burst must not starve everything else.
        await asyncio.sleep(0)


async def _tend(
    connection: _Connection,
    session: Conversation,
    clock: Callable[[], Ns],
    on_events: Callable[[list[Event]], None],
    wake: asyncio.Event,
    silence_s: Callable[[], float],
) -> None:
    loop = asyncio.get_running_loop()
    ticked_at = loop.time()
    connection.heard_at = ticked_at
    frames = session.frames
    while True:
        try:
            async with asyncio.timeout_at(ticked_at + _TICK_S):
                await wake.wait()
        except TimeoutError:
            pass
        wake.clear()
        if session.reconnect_reason is not None:
            raise FeedFailed(session.reconnect_reason)
        # Told even if nothing: a frame that gave no event may have left a doubt that the taker asks for.
        on_events(session.poll(clock()) or [])
        if session.reconnect_reason is not None:
            raise FeedFailed(session.reconnect_reason)
        for command in session.outgoing():
            async with asyncio.timeout(silence_s()):
                await connection.send(command)
        now = loop.time()
        if now - ticked_at < _TICK_S:
            continue
        if now - connection.heard_at >= silence_s():
            raise FeedFailed(f"silent for {silence_s():g} s")
        # Whatever events came: not every one says of this feed that it lives (an index value does not).
        if session.frames != frames:
            on_events([FeedHeard(session.feed, clock())])
        frames = session.frames
        ticked_at = now


def _upgrade_refusal(error: Exception, url: str, signer: Signer | None, now: Ns) -> str | None:
    """Return in which way our key or our clock is wrong, as REST says it too; None if neither is."""
    if signer is None or not isinstance(error, InvalidStatus) or error.response.status_code != 401:
        return None
    response = error.response
    refusal = key_refusal(
        bytes(response.body or b""),
        host=urlsplit(url).hostname or "",
        key_id=signer.key_id,
        now=now,
        venue_date=response.headers.get("Date"),
    )
    return f"HTTP 401 instead of an upgrade: {refusal}"


def _reason(error: BaseException) -> str:
    """Return a failure, or the first one of a group, in words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, FeedFailed):
        return str(error)
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        # A refused key says why in its body: which of the two, key or signature, is wrong.
        body = error.response.body if status in _KEY_STATUSES else b""
        text = bytes(body or b"").decode("utf-8", "replace").strip()[:_BODY_CHARS_MAX]
        return f"HTTP {status} instead of an upgrade" + (f": {text}" if text else "")
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
