"""Open event streams: a bounded number of them, each told the newest state and never an older one.

Nothing is queued. A reader who has not taken the last frame gets the newest one when he has, so the frames
between the two are left out for him; one who takes nothing for `SLOW_S` is dropped. While nobody looks,
nothing is built.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import structlog
from aiohttp import web

log = structlog.get_logger(__name__)

STREAMS_MAX = 64
"""More readers than this are told to come back."""
EVERY_S = 0.25
"""How often a state is told at most."""
SLOW_S = 5.0
_SENT_BYTES_MAX = 64 * 1024
"""What the kernel may hold for one reader: so much memory does a slow one cost."""


def event_of(kind: str, body: bytes) -> bytes:
    """Return one server-sent event; `body` is JSON without line breaks.

    Source: HTML Living Standard, 9.2 Server-sent events.
    """
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), body)


class _Reader:
    """One open stream. `frame` is the newest that it has not been sent yet."""

    __slots__ = ("frame", "is_new", "market")

    def __init__(self, market: str | None) -> None:
        self.market = market
        self.frame = b""
        self.is_new = asyncio.Event()

    def tell(self, frame: bytes) -> None:
        self.frame = frame
        self.is_new.set()


class Streams:
    """All open streams.

    Args:
        opening: what a stream begins with, by the market that its reader chose (None: any).
        frames: the state as events, for each of these markets.
        every_s: how often it is told.
        slow_s: for how long a reader may take nothing.
    """

    def __init__(
        self,
        opening: Callable[[str | None], bytes],
        frames: Callable[[tuple[str | None, ...]], dict[str | None, bytes]],
        *,
        every_s: float = EVERY_S,
        slow_s: float = SLOW_S,
    ) -> None:
        self._opening, self._frames = opening, frames
        self._every_s, self._slow_s = every_s, slow_s
        self._readers: dict[_Reader, None] = {}
        self.dropped = 0
        """Readers that took nothing for too long."""

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._readers)

    @property
    def markets(self) -> tuple[str | None, ...]:
        """Which markets are looked at, each once."""
        return tuple(dict.fromkeys(reader.market for reader in self._readers))

    def publish(self) -> None:
        """Build the state once for each market that somebody looks at, and hand it out."""
        frames = self._frames(self.markets)
        for reader in self._readers:
            reader.tell(frames[reader.market])

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            if self._readers:
                self.publish()

    async def serve(self, request: web.Request, market: str | None) -> web.StreamResponse:
        """Answer a request with a stream, until its reader leaves or is dropped."""
        if len(self._readers) >= STREAMS_MAX:
            raise web.HTTPServiceUnavailable(
                text=f"{STREAMS_MAX} pages are open already", headers={"Retry-After": "10"}
            )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        reader = _Reader(market)
        self._readers[reader] = None
        try:
            _bound_buffer(request)
            await response.prepare(request)
            reader.tell(self._opening(market) + self._frames((market,))[market])
            while True:
                await reader.is_new.wait()
                reader.is_new.clear()
                async with asyncio.timeout(self._slow_s):
                    await response.write(reader.frame)
        except TimeoutError:
            self.dropped += 1
            log.info("page.reader_dropped", slow_s=self._slow_s, dropped_total=self.dropped)
            if request.transport is not None:
                # A close would wait for what was written, and he does not read.
                request.transport.abort()
        except ConnectionError:
            pass  # he left
        finally:
            del self._readers[reader]
        return response


def _bound_buffer(request: web.Request) -> None:
    if request.transport is None:
        return
    request.transport.set_write_buffer_limits(high=_SENT_BYTES_MAX)
    sent = request.transport.get_extra_info("socket")
    if sent is not None:
        sent.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_BYTES_MAX)
