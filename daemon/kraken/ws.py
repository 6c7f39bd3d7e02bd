"""The thin shell around the reference session: one WebSocket connection after another.

The same shape as the venue's feed, kept apart on purpose: the two rooms know nothing of each other, and
this one needs no signature, no wake-up and no large messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.protocol import Event as ProtocolEvent

from daemon.core.backoff import Backoff
from daemon.core.events import Event, FeedHeard
from daemon.core.units import Ns
from daemon.kraken.session import Session

HEALTHY_S = 60.0
_TICK_S = 1.0


class FeedSilent(Exception):
    """Nothing at all came for too long."""


class _Connection(ClientConnection):
    """A connection that remembers when it last brought anything, control frames included."""

    heard_at = 0.0
    told_at = 0.0
    """When it last gave an event. A frame may give none, and the core hears of events only."""

    def process_event(self, event: ProtocolEvent) -> None:
        """Note the time, then go on as usual."""
        self.heard_at = self.loop.time()
        super().process_event(event)


async def run_feed(
    url: str,
    session: Session,
    clock: Callable[[], Ns],
    on_events: Callable[[list[Event]], None],
    *,
    backoff: Backoff,
    on_failure: Callable[[str], None] | None = None,
    silence_s: float = 10.0,
) -> None:
    """Keep the session connected until cancelled.

    Args:
        url: such as `wss://ws.kraken.com/v2`.
        session: what understands the frames.
        clock: our time.
        on_events: takes the events, in order; must not block and must not raise.
        backoff: the delays between attempts; it starts over after a healthy minute.
        on_failure: told why an attempt failed before it was connected (a drop is an event instead).
        silence_s: how long nothing at all may come before the connection is given up.

    Cancellation: safe at any point; the connection is closed and `FeedDropped` is told. Never returns.
    """
    loop = asyncio.get_running_loop()
    while True:
        started_at = loop.time()
        try:
            await _run_connection(url, session, clock, on_events, silence_s)
        except (OSError, TimeoutError, WebSocketException) as error:
            if on_failure is not None:
                on_failure(_reason(error))
        if loop.time() - started_at >= HEALTHY_S:
            backoff.reset()
        await asyncio.sleep(backoff.next_s())


async def _run_connection(
    url: str,
    session: Session,
    clock: Callable[[], Ns],
    on_events: Callable[[list[Event]], None],
    silence_s: float,
) -> None:
    """Connect and serve one connection until it fails. Raises only when it could not be made."""
    async with connect(
        url,
        compression=None,
        proxy=None,
        open_timeout=max(silence_s, 5.0),
        close_timeout=1.0,
        ping_interval=_TICK_S,
        ping_timeout=None,
        max_queue=256,
        create_connection=_Connection,
    ) as connection:
        assert isinstance(connection, _Connection)
        on_events(session.connected(clock()))
        reason = "cancelled"
        # Not a TaskGroup: one that fails while it is cancelled forgets the cancellation (Python 3.11).
        work = [
            asyncio.ensure_future(_read(connection, session, clock, on_events)),
            asyncio.ensure_future(_tend(connection, session, clock, on_events, silence_s)),
        ]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            error = done.pop().exception()
            assert error is not None, "neither end of a connection ends but by failing"
            if not isinstance(error, OSError | TimeoutError | WebSocketException | FeedSilent):
                raise error
            reason = _reason(error)
        finally:
            for part in work:
                part.cancel()
            # Told before the closing handshake, which a dead peer would make us wait for.
            on_events(session.dropped(reason, clock()))
            await asyncio.gather(*work, return_exceptions=True)


async def _read(
    connection: _Connection,
    session: Session,
    clock: Callable[[], Ns],
    on_events: Callable[[list[Event]], None],
) -> None:
    time = asyncio.get_running_loop().time
    while True:
        events = session.receive(await connection.recv(decode=False), clock())
        if events:
            connection.told_at = time()
            on_events(events)


async def _tend(
    connection: _Connection,
    session: Session,
    clock: Callable[[], Ns],
    on_events: Callable[[list[Event]], None],
    silence_s: float,
) -> None:
    loop = asyncio.get_running_loop()
    connection.heard_at = loop.time()
    while True:
        session.poll(clock())
        for command in session.outgoing():
            async with asyncio.timeout(silence_s):
                await connection.send(command)
        ticked_at = loop.time()
        await asyncio.sleep(_TICK_S)
        if loop.time() - connection.heard_at >= silence_s:
            raise FeedSilent(f"silent for {silence_s:g} s")
        if connection.told_at < ticked_at < connection.heard_at:
            on_events([FeedHeard(session.feed, clock())])


def _reason(error: BaseException) -> str:
    """Return a failure, or the first one of a group, in words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, FeedSilent):
        return str(error)
    if isinstance(error, InvalidStatus):
        return f"HTTP {error.response.status_code} instead of an upgrade"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
