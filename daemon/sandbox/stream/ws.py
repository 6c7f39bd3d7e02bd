"""The WebSocket endpoint: upgrade, reading, keep-alive. What it says is `subscriptions`' and `hub`'s."""

from __future__ import annotations

import asyncio

import msgspec
import structlog
from aiohttp import WSMsgType, web

from daemon.sandbox.auth import Verifier
from daemon.sandbox.bodies import too_many_requests
from daemon.sandbox.sockets import BUFFER_BYTES_MAX, Socket, close_all
from daemon.sandbox.stream.frames import HEARTBEAT
from daemon.sandbox.stream.subscriptions import ClientSession
from daemon.sandbox.venue import Venue

PATH = "/trade-api/ws/v2"
HEARTBEAT_S = 10.0
"""Between two control pings. A missing pong is never a reason to close (sheet 11, row 3)."""
CONNECTIONS_MAX = 200
"""Of one user; one more is refused as too many requests (sheet 2.8, which doesn't say how)."""
COMPRESSES = False
"""Whether permessage-deflate is offered (sheet 11, row 23)."""

log = structlog.get_logger()


class Standing(msgspec.Struct, frozen=True):
    """The last number that a subscription was sent; None on a channel without numbers."""

    peer: str
    """The client's own address, by which it knows its connection."""
    sid: int
    channel: str
    seq: int | None


class WsApi:
    """All client connections."""

    def __init__(self, venue: Venue, verifier: Verifier) -> None:
        self._venue = venue
        self._verifier = verifier
        self._sockets: dict[ClientSession, Socket] = {}
        self.connections_max = CONNECTIONS_MAX
        self._is_bounded = venue.flow.speed is not None
        venue.flush = self.flush

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoint."""
        return [web.get(PATH, self.connect)]

    @property
    def count(self) -> int:
        """How many clients are connected."""
        return len(self._sockets)

    def subscriptions(self) -> list[Standing]:
        """Return where every subscription of every connection stands."""
        return [
            Standing(socket.peer, found.sid, found.channel, found.seq if found.is_sequenced else None)
            for session, socket in self._sockets.items()
            for found in session.subscriptions.values()
        ]

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection until it ends. 401 without a good signature, 429 beyond `connections_max`."""
        path = request.raw_path.partition("?")[0]
        account = self._verifier.verify(request.headers, "GET", path, self._venue.clock.now())
        if len(self._sockets) >= self.connections_max:
            raise too_many_requests()
        response = web.WebSocketResponse(compress=COMPRESSES, max_msg_size=1 << 20)
        await response.prepare(request)
        session = self._venue.hub.open_session(account)
        socket = self._sockets[session] = Socket(request, response)
        self._venue.on_socket(socket, "kalshi")
        keep_alive = asyncio.create_task(_keep_alive(socket))
        try:
            async for message in response:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    self._venue.hub.set_time(self._venue.clock.now())
                    session.receive(message.data)
                    self.flush()
        finally:
            keep_alive.cancel()
            del self._sockets[session]
            self._venue.hub.close_session(session)
        return response

    def flush(self) -> None:
        """Write every outbox to its socket; a client that doesn't keep up loses its subscriptions."""
        for session, socket in self._sockets.items():
            if not session.outbox:
                continue
            # As fast as possible the flow waits for the slowest instead.
            if self._is_bounded and socket.waiting_bytes > BUFFER_BYTES_MAX:
                log.warning("client.overflowed", waiting_bytes=socket.waiting_bytes)
                session.overflow()
            socket.write(session.outbox)
            session.outbox.clear()

    async def drained(self) -> None:
        """Wait until every client has taken what was written."""
        for socket in list(self._sockets.values()):
            await socket.drained()

    async def close(self, message: bytes) -> None:
        """Close all connections with code 1001 (sheet 11, row 3); from here on they are told nothing."""
        for session in self._sockets:
            self._venue.hub.close_session(session)
        await close_all(list(self._sockets.values()), message)


async def _keep_alive(socket: Socket) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        socket.write_raw(HEARTBEAT)
