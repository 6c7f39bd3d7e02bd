"""The page over HTTP: what each address answers, and what every request has to go through first.

    GET /              the page, and its own style, script and charts
    GET /events        how all stands, as server-sent events; ?market= chooses the one with the ladder
    GET /search?q=     the last facts and commands that hold a text
    GET /reliability   how often what was scored came true
    POST /halt         {"reason"}, with the token         POST /resume   the same; the reason is not empty

Only this machine is listened on, and only by its own names: a page elsewhere that has tricked a browser
(DNS rebinding) asks for another host, and is refused; so is whatever a browser says comes from another site.
Orders need the token of `page.token` in the state folder, as `Authorization: Bearer`, which no form and no
other site can send.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import msgspec
import structlog
from aiohttp import web

from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import REASON_CHARS_MAX, one_line
from daemon.shell.page.recent import Recent
from daemon.shell.page.reliability import read_reliability
from daemon.shell.page.streams import Streams
from daemon.shell.page.token import TOKEN_FILE

log = structlog.get_logger(__name__)

TURN_WITHIN_S = 0.8
"""How long an order waits for the core to have taken it in."""
BODY_BYTES_MAX = 16 * 1024
QUERY_CHARS_MAX = 200
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
ASSETS: Final = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/charts.js": ("charts.js", "text/javascript"),
    "/uplot.js": ("uplot.js", "text/javascript"),
    "/uplot.css": ("uplot.css", "text/css"),
    "/uplot.licence": ("uplot.licence", "text/plain"),
}
"""Address → file and content type. uPlot is release 1.6.32 as published; its licence (MIT) lies beside it."""


Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an order."""

    reason: Annotated[str, msgspec.Meta(max_length=REASON_CHARS_MAX)] = ""


class Ordered(msgspec.Struct, frozen=True):
    """The answer to an order: how it stands after it."""

    is_halted: bool
    is_latched: bool


class Site:
    """What each address answers.

    Args:
        streams: the open event streams.
        recent: what is searched.
        store: the store's file.
        switch: what halts and resumes.
        token: what an order has to bring.
    """

    def __init__(self, streams: Streams, recent: Recent, store: Path, switch: KillSwitch, token: str) -> None:
        self._streams, self._recent, self._store = streams, recent, store
        self._switch, self._token = switch, token
        self._search, self._reading = asyncio.Lock(), asyncio.Lock()

    def application(self) -> web.Application:
        """Return the application to be run."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.on_response_prepare.append(_add_headers)
        for address, (name, kind) in ASSETS.items():
            app.router.add_get(address, _guarded(_asset(name, kind)))
        app.router.add_get("/events", _guarded(self._events), allow_head=False)
        app.router.add_get("/search", _guarded(self._find))
        app.router.add_get("/reliability", _guarded(self._show_reliability))
        app.router.add_post("/halt", _guarded(self._halt))
        app.router.add_post("/resume", _guarded(self._resume))
        return app

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.serve(request, _query(request, "market") or None)

    async def _find(self, request: web.Request) -> web.Response:
        text = _query(request, "q").strip()
        _only_one(self._search, "a search")
        async with self._search:
            return _json(await self._recent.find(text))

    async def _show_reliability(self, _request: web.Request) -> web.Response:
        _only_one(self._reading, "a look at the store")
        async with self._reading:
            return _json(await asyncio.to_thread(read_reliability, self._store))

    async def _halt(self, request: web.Request) -> web.Response:
        said = await self._order(request)
        self._switch.halt(said.reason or "the page", "page")
        return await self._answer(self._switch.is_halted)

    async def _resume(self, request: web.Request) -> web.Response:
        said = await self._order(request)
        if not one_line(said.reason):
            raise web.HTTPBadRequest(text="a halt is lifted for a reason: it is empty")
        self._switch.resume(said.reason, "page")
        return await self._answer(lambda: not self._switch.is_halted())

    async def _order(self, request: web.Request) -> Said:
        """Return what an order says, from whoever may give one."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        # Bytes that are no text stand in a header as lone surrogates: no token, and no fault of ours.
        given = token.encode(errors="surrogateescape")
        is_known = kind.lower() == "bearer" and hmac.compare_digest(given, self._token.encode())
        log.warning("page.called", call=request.path, is_known=is_known)
        if not is_known:
            raise web.HTTPForbidden(text=f"not the token of {TOKEN_FILE} in the state folder")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="the body is to be application/json")
        try:
            return msgspec.json.decode(await request.read(), type=Said)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise web.HTTPBadRequest(text=f"{request.path}: {error}") from None

    async def _answer(self, is_so: Callable[[], bool]) -> web.Response:
        """Answer when the core has taken an order in, or the time is up: the body says which."""
        deadline = asyncio.get_running_loop().time() + TURN_WITHIN_S
        # What is waited for is a turn of the pump: milliseconds, now and then.
        while not is_so() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return _json(Ordered(self._switch.is_halted(), self._switch.latch.is_set))


def _guarded(answer: Answer) -> Answer:
    """Return an answer that refuses what another site has a browser ask, before anything is looked at."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        if re.sub(r":[0-9]+$", "", request.host.lower()) not in LOOPBACK_NAMES:
            raise web.HTTPMisdirectedRequest(text="this is asked by a loopback address")
        origin = request.headers.get("Origin")
        # A tunnel may give the port another number: what counts is that page and request name the same.
        is_own = origin == f"http://{request.host}"
        if not is_own and (origin is not None or request.method not in ("GET", "HEAD")):
            raise web.HTTPForbidden(text="asked by the page itself alone: Origin names another site, or none")
        site, mode = request.headers.get("Sec-Fetch-Site"), request.headers.get("Sec-Fetch-Mode")
        is_link = mode == "navigate" and request.path == "/"
        if site not in (None, "same-origin", "none") and not is_link:
            raise web.HTTPForbidden(text="asked by the page itself alone: Sec-Fetch-Site names another site")
        return await answer(request)

    return guarded


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _asset(name: str, kind: str) -> Answer:
    """Return what answers with a file of the page, read once."""
    body = files("daemon.shell.page").joinpath("assets", name).read_bytes()

    async def show(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return show


def _query(request: web.Request, name: str) -> str:
    """Return the one parameter of a request. Raises HTTPBadRequest."""
    strangers = sorted(set(request.query) - {name})
    if strangers:
        raise web.HTTPBadRequest(text=f"unknown parameters: {', '.join(strangers)[:200]}; allowed: {name}")
    text = request.query.get(name, "")
    if len(text) > QUERY_CHARS_MAX:
        raise web.HTTPBadRequest(text=f"{name}: at most {QUERY_CHARS_MAX} characters")
    return text


def _only_one(lock: asyncio.Lock, what: str) -> None:
    if lock.locked():
        raise web.HTTPTooManyRequests(text=f"{what} is under way", headers={"Retry-After": "1"})


def _json(body: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
