"""The sockets of one kind of client: opened, written to without waiting, closed together.

Frames are written straight to the transport, joined: one system call for all that a step produced. That is
safe because every write is a whole number of frames; aiohttp's own writer (pongs, close) does the same on
the same transport. A client that doesn't read fills its transport's buffer, not another's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from aiohttp import WSCloseCode, web

from daemon.sandbox.stream.frames import as_text_frame

BUFFER_BYTES_MAX = 8 * 1024 * 1024
WAITING_BYTES_MAX = 8 * BUFFER_BYTES_MAX
"""Who leaves so much unread is cut off, whatever is being written: a server's memory is no mailbox."""
DRAIN_POLL_S = 0.0005
DRAIN_S_MAX = 30.0


class Outgoing(Protocol):
    """What stands between a socket and those who write to it: faults."""

    def pass_on(self, payloads: Iterable[bytes]) -> Iterable[bytes]:
        """Return what is to be written now."""


class Socket:
    """One upgraded connection."""

    def __init__(self, request: web.Request, response: web.WebSocketResponse) -> None:
        transport = request.transport
        assert transport is not None, "an upgraded connection has a transport"
        self._transport = transport
        self.response = response
        self.line: Outgoing | None = None
        """What JSON texts pass through before they are written; None leaves them alone."""
        self._is_mute = False

    @property
    def peer(self) -> str:
        """The client's address."""
        host, port, *_ = self._transport.get_extra_info("peername") or ("", 0)
        return f"{host}:{port}"

    @property
    def is_open(self) -> bool:
        """Whether anything can still be written."""
        return not (self.response.closed or self._transport.is_closing())

    @property
    def waiting_bytes(self) -> int:
        """How much the client has not taken yet."""
        assert isinstance(self._transport, asyncio.Transport)
        return self._transport.get_write_buffer_size()

    def write(self, payloads: Iterable[bytes]) -> None:
        """Write JSON texts as one frame each."""
        if self.line is not None:
            payloads = self.line.pass_on(payloads)
        if self._takes_more():
            assert isinstance(self._transport, asyncio.Transport)
            self._transport.write(b"".join([as_text_frame(payload) for payload in payloads]))

    def write_raw(self, frames: bytes) -> None:
        """Write bytes that are whole frames already."""
        if self._takes_more():
            assert isinstance(self._transport, asyncio.Transport)
            self._transport.write(frames)

    def _takes_more(self) -> bool:
        if not self.is_open or self._is_mute:
            return False
        if self.waiting_bytes > WAITING_BYTES_MAX:
            self.abort()
            return False
        return True

    async def drained(self) -> None:
        """Wait until the client has taken everything; one that takes nothing for long is cut off."""
        if not self.waiting_bytes:
            return
        try:
            async with asyncio.timeout(DRAIN_S_MAX):
                # Nothing tells when a transport has emptied.
                while self.is_open and self.waiting_bytes:  # noqa: ASYNC110
                    await asyncio.sleep(DRAIN_POLL_S)
        except TimeoutError:
            self.abort()

    def mute(self) -> None:
        """Say nothing more and hear nothing more, pings neither, but stay connected: half open."""
        assert isinstance(self._transport, asyncio.Transport)
        self._is_mute = True
        self._transport.pause_reading()

    def end(self) -> None:
        """Close the connection without a closing handshake, after what was written."""
        self._transport.close()

    def abort(self) -> None:
        """Cut the connection without a closing handshake."""
        self._transport.abort()


async def close_all(sockets: Iterable[Socket], message: bytes) -> None:
    """Close with code 1001 (going away), not waiting long for anyone."""
    closing = [
        socket.response.close(code=WSCloseCode.GOING_AWAY, message=message)
        for socket in sockets
        if socket.is_open
    ]
    if closing:
        try:
            async with asyncio.timeout(1.0):
                await asyncio.gather(*closing, return_exceptions=True)
        except TimeoutError:
            for socket in sockets:
                socket.abort()
