"""The clock channel `/sandbox/clock`: tells the sandbox's time, and in lockstep waits for those who follow.

The server sends `{"now_ns":N}` on connect and with every step; a client answers `{"seen_ns":N}` when it has
handled everything up to then. In lockstep the flow goes no further before all have. At the end of a flow
`{"now_ns":N,"is_ended":true}` is sent. This is the sandbox's own: the venue has nothing like it.
"""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import WSMsgType, web

from daemon.core.units import Ns
from daemon.sandbox.sockets import Socket, close_all
from daemon.sandbox.venue import Venue

PATH = "/sandbox/clock"


class _Seen(msgspec.Struct):
    seen_ns: int


_decoder = msgspec.json.Decoder(_Seen)


class _Follower:
    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.seen: Ns = 0


class ClockChannel:
    """All followers of the clock."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._followers: dict[_Follower, None] = {}
        self._was_heard = asyncio.Event()
        self._last = b""
        self.has_ended = False

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoint."""
        return [web.get(PATH, self.connect)]

    @property
    def count(self) -> int:
        """How many follow."""
        return len(self._followers)

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one follower until it goes."""
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        follower = _Follower(Socket(request, response))
        self._followers[follower] = None
        follower.socket.write([self._tick(self._venue.clock.now())])
        self._was_heard.set()
        try:
            async for message in response:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    follower.seen = max(follower.seen, _decoder.decode(message.data).seen_ns)
                    self._was_heard.set()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            await response.close(code=1007, message=b"not a clock answer")
        finally:
            del self._followers[follower]
            self._was_heard.set()
        return response

    def _tick(self, now: Ns) -> bytes:
        return b'{"now_ns":%d%b}' % (now, b',"is_ended":true' if self.has_ended else b"")

    def tell(self, now: Ns) -> None:
        """Tell the time to all."""
        tick = self._tick(now)
        for follower in self._followers:
            follower.socket.write([tick])

    async def seen(self, now: Ns) -> None:
        """Wait until all who follow have handled everything up to an instant, or have gone."""
        while any(follower.seen < now for follower in self._followers):
            self._was_heard.clear()
            await self._was_heard.wait()

    async def joined(self, timeout_s: float) -> bool:
        """Wait for a follower; whether there is one."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._followers:
                    self._was_heard.clear()
                    await self._was_heard.wait()
        except TimeoutError:
            return False
        return True

    async def close(self, message: bytes) -> None:
        """Close all connections with code 1001."""
        await close_all([follower.socket for follower in self._followers], message)
