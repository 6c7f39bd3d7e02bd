"""A scripted HTTP venue on loopback, for tests of the REST client: a real aiohttp server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

BASE = "/trade-api/v2"


class Venue:
    """Answers each method and path by the script, and remembers what was asked."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Callable[[web.Request, bytes], tuple[int, bytes]]] = {}
        self.requests: list[tuple[str, str, bytes]] = []
        """Method, raw path with query, body."""
        self.headers: list[dict[str, str]] = []
        self.delay_s = 0.0
        self.url = ""

    def answer(self, method: str, path: str, status: int, body: bytes | str) -> None:
        """Always answer this path so."""
        content = body.encode() if isinstance(body, str) else body
        self.answers[method, BASE + path] = lambda _request, _body: (status, content)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request.method, request.raw_path, body))
        self.headers.append(dict(request.headers))
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        answer = self.answers.get((request.method, request.raw_path.partition("?")[0]))
        if answer is None:
            return web.json_response({"error": {"code": "not_found", "message": "not found"}}, status=404)
        status, content = answer(request, body)
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status or 200, body=content, content_type="application/json")


@asynccontextmanager
async def serving() -> AsyncIterator[Venue]:
    """Run a venue on a free port of loopback."""
    venue = Venue()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", venue._serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    venue.url = f"http://{host}:{port}{BASE}"
    try:
        yield venue
    finally:
        await runner.cleanup()
