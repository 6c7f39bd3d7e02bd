"""The admin endpoint: HTTP with JSON bodies on a loopback port of its own, without keys.

`GET /` lists every call with its body. A body that can't be used is answered 400 with `error`, which names
the field, and `body`, which says what is allowed; nothing was done then. What isn't there is 404, what the
venue's state doesn't allow 409. Answers tell the sandbox's time, `now_ms`.

Who reaches the port rules the venue: it listens on loopback only. A web page that somebody has open is kept
out by its `Origin`, and by a `Host` that is no loopback name.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog
from aiohttp import web

from daemon.core.units import MILLISECOND
from daemon.sandbox.admin.call import Body, Call, CallRefused, NoBody, fields_of
from daemon.sandbox.venue import Venue

log = structlog.get_logger()

_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_encode = msgspec.json.Encoder().encode


class AdminServer:
    """Serves calls.

    Args:
        venue: whose time answers tell.
        calls: what can be asked.
        heard: told that somebody is here.
    """

    def __init__(self, venue: Venue, calls: list[Call], heard: Callable[[], None]) -> None:
        self._venue = venue
        self._calls: dict[tuple[str, str], Call] = {(call.method, call.path): call for call in calls}
        assert len(self._calls) == len(calls), "two calls of one name"
        self._heard = heard
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen and return the address, such as "http://127.0.0.1:8080"."""
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{rest:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return f"http://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        self._heard()
        if "Origin" in request.headers or request.host.rpartition(":")[0] not in _HOSTS:
            return _answer(403, {"error": "no web page may call this: send no Origin, and a loopback Host"})
        if request.path == "/" and request.method == "GET":
            return _answer(200, {"calls": [call.described() for call in self._calls.values()]})
        call = self._calls.get((request.method, request.path))
        if call is None:
            return _answer(404, {"error": f"no call {request.method} {request.path}; GET / lists them"})
        try:
            body = _decoded(call, await request.read())
            found = await call.run(body)
        except CallRefused as refused:
            answer: dict[str, object] = {"error": str(refused)}
            if refused.status == 400:
                answer["body"] = fields_of(call.body)
            return _answer(refused.status, answer)
        log.info("admin.called", method=call.method, path=call.path)
        assert isinstance(found, dict)
        return _answer(200, {**found, "now_ms": self._venue.clock.now() // MILLISECOND})


def _decoded(call: Call, raw: bytes) -> Body:
    """Return a call's body; none at all is an empty object."""
    if call.body is NoBody and raw.strip() not in {b"", b"{}"}:
        raise CallRefused(400, f"{call.method} {call.path} takes no body")
    try:
        return msgspec.json.decode(raw or b"{}", type=call.body)
    except msgspec.ValidationError as error:
        raise CallRefused(400, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CallRefused(400, f"the body is no JSON: {error}") from error


def _answer(status: int, body: object) -> web.Response:
    return web.Response(body=_encode(body) + b"\n", status=status, content_type="application/json")
