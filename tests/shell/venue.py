"""A venue on loopback that misbehaves as it is told: a real HTTP server for tests of the order path.

What it is told for a request comes from `behave`: a status with a body, or one of the ways in which a
server fails a client.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import msgspec
from aiohttp import web

BASE = "/trade-api/v2"
ORDERS = f"{BASE}/portfolio/events/orders"


class Answer(msgspec.Struct, frozen=True):
    """What is answered; an empty body is filled in by kind of request."""

    status: int = 0
    body: str = ""
    failure: Literal["reset", "hang"] | None = None
    """Instead of an answer: the connection is reset after the request was read, or nothing comes."""


GOOD = Answer()


class Request(msgspec.Struct, frozen=True):
    """One request as it came in. `name`: the client order id, the order's, a group's verb, or "batched"."""

    method: str
    path: str
    name: str
    at: float
    """`time.monotonic`, when its head was read."""
    query: dict[str, str] = {}
    entries: list[str] = []
    """The names in a batch; its own name is "batched"."""


ACCOUNT: dict[str, object] = {
    "/portfolio/orders": {"orders": [], "cursor": ""},
    "/portfolio/fills": {"fills": [], "cursor": ""},
    "/portfolio/positions": {"market_positions": [], "event_positions": [], "cursor": ""},
    "/portfolio/balance": {"balance": 1_000_000, "balance_dollars": "10000.0000"},
    "/exchange/status": {"exchange_active": True, "trading_active": True},
}
"""An account with 10,000 dollars and nothing else, and an exchange that trades."""


class Venue:
    """Takes orders and remembers every request."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.behave: dict[str, Answer] = {}
        """By the request's name; others get `otherwise`."""
        self.otherwise = GOOD
        self.held: asyncio.Event | None = None
        """While set to an event that isn't, answers wait for it."""
        self.open_orders = 0
        self.open_orders_peak = 0
        """The most requests for orders (cancels not counted) without an answer at one time."""
        self.bodies: dict[str, object] = dict(ACCOUNT)
        """What a GET of a path answers: an object, or what makes one of the query; 404 for others."""

    @property
    def names(self) -> list[str]:
        """The requests' names in the order of their arrival."""
        return [request.name for request in self.requests]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request as told."""
        at = time.monotonic()
        content = await request.read()
        body = json.loads(content) if content else {}
        entries = [str(one.get("client_order_id") or one["order_id"]) for one in body.get("orders", ())]
        name = body.get("client_order_id") or request.path.rpartition("/")[2]
        self.requests.append(Request(request.method, request.path, name, at, dict(request.query), entries))
        if request.method == "GET" and self.behave.get(name, self.otherwise) == GOOD:
            return await self._read(request)
        is_order = request.method == "POST"
        self.open_orders += is_order
        self.open_orders_peak = max(self.open_orders_peak, self.open_orders)
        try:
            return await self._answer(request, name, entries)
        finally:
            self.open_orders -= is_order

    async def _read(self, request: web.Request) -> web.Response:
        if self.held is not None:
            await self.held.wait()
        body = self.bodies.get(request.path.removeprefix(BASE))
        if body is None:
            return web.json_response({"error": {"code": "not_found", "message": "not found"}}, status=404)
        return web.json_response(body(dict(request.query)) if callable(body) else body)

    async def _answer(self, request: web.Request, name: str, entries: list[str]) -> web.StreamResponse:
        answer = self.behave.get(name, self.otherwise)
        if self.held is not None:
            await self.held.wait()
        if answer.failure == "hang":
            await asyncio.sleep(3600)
        if answer.failure == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if answer.status:
            return web.Response(status=answer.status, text=answer.body, content_type="application/json")
        if entries:
            rows = [self._entry(request.method, entry) for entry in entries]
            return web.json_response({"orders": rows}, status=200 if request.method == "DELETE" else 201)
        if request.method == "DELETE":
            return web.json_response({"order_id": name, "reduced_by": "10.00", "ts_ms": 1})
        body = {"order_id": f"v-{name}", "fill_count": "0.00", "remaining_count": "10.00", "ts_ms": 1}
        return web.json_response(body, status=200 if request.path.endswith("/amend") else 201)

    def _entry(self, method: str, name: str) -> object:
        """Return what a batch answers for one order: as told for its name, or yes."""
        answer = self.behave.get(name)
        if answer is not None and answer.body:
            return json.loads(answer.body)
        if method == "DELETE":
            return {"order_id": name, "reduced_by": "10.00", "ts_ms": 1}
        return {"order_id": f"v-{name}", "fill_count": "0.00", "remaining_count": "10.00", "ts_ms": 1}


@asynccontextmanager
async def serving() -> AsyncIterator[Venue]:
    """Run a venue on a free port of loopback."""
    venue = Venue()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", venue.serve)
    # A client that gives up ends the request here too: a hanging one must not outlive its test.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    venue.url = f"http://{host}:{port}{BASE}"
    try:
        yield venue
    finally:
        await runner.cleanup()


@asynccontextmanager
async def hanging_up() -> AsyncIterator[str]:
    """A server that closes every connection at once, before it has read a byte; gives its base URL."""

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{BASE}"
    finally:
        server.close()
        await server.wait_closed()


async def unused_url() -> str:
    """A base URL where nobody listens."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"http://127.0.0.1:{port}{BASE}"
