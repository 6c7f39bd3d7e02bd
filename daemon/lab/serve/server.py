"""`kalshid lab serve`: HTTP around the service. Bounded in size, in time and in rate; it ends in order.

A process of its own: a visitor never delays a trade. It reads the registry and writes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import signal
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from math import ceil
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec
import structlog
from aiohttp import web

from daemon.lab.serve.assets import SCRIPT, STYLE
from daemon.lab.serve.bodies import Refusal, Refused
from daemon.lab.serve.buckets import Buckets
from daemon.lab.serve.docs import render_docs
from daemon.lab.serve.service import Service

log = structlog.get_logger(__name__)

Answer = Callable[[web.Request], Awaitable[web.Response]]

BODY_BYTES_MAX = 1024 * 1024
ANSWER_S_MAX = 30.0
"""Of one request, its body's arrival included. A model that is asked for the first time is looked at."""
REFRESH_S = 1.0
"""How often the registry is looked at for what is new."""
RATE_PER_S, BURST = 20.0, 60
STOP_S_MAX = 5.0
"""What requests that are under way get to end."""
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


class ServeFailed(Exception):
    """The address can't be listened on; says why."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; a name is not looked up, "localhost" is known."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Site:
    """What each address answers, and what all of them have to go through first."""

    def __init__(self, service: Service, buckets: Buckets, *, is_local: bool = True) -> None:
        """Join a service to HTTP.

        Args:
            service: what answers.
            buckets: how fast one peer may ask.
            is_local: whether it is reached by a loopback address alone: then a request that names another
                host comes from a page that has tricked a browser, and is refused.
        """
        self._service = service
        self._buckets = buckets
        self._is_local = is_local
        self._answers: dict[str, dict[str, Answer]] = {
            "/": {"GET": self._page},
            "/predict": {"GET": self._predict, "POST": self._predict_batch},
            "/predict/pnl": {"GET": self._daily},
            "/models": {"GET": self._models},
            "/health": {"GET": self._health},
            "/openapi.json": {"GET": self._openapi},
            "/docs": {"GET": self._docs},
            "/page.css": {"GET": self._style},
            "/page.js": {"GET": self._script},
        }

    def application(self) -> web.Application:
        """Return the application to be run."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_route("*", "/{rest:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        """Whatever goes wrong is a refusal as JSON, with its status."""
        try:
            self._check_host(request)
            if request.path != "/health":
                self._check_rate(request)
            async with asyncio.timeout(ANSWER_S_MAX):
                response = await self._route(request)(request)
        except Refused as refused:
            response = _refusal(refused)
        except web.HTTPException as error:  # the body is too large
            response = _json(Refusal(HTTPStatus(error.status).phrase.lower()), error.status)
        except TimeoutError:
            response = _json(Refusal(f"no answer within {ANSWER_S_MAX:g} s"), 503)
        except Exception as error:
            # It must not end the connection without a word, nor tell a visitor how we are built.
            log.exception("request.failed", path=request.path, error=repr(error))
            response = _json(Refusal("this failed; the log says why"), 500)
        response.headers.update(HEADERS)
        return response

    def _check_host(self, request: web.Request) -> None:
        name = re.sub(r":[0-9]+$", "", request.host.lower())
        if self._is_local and name not in LOOPBACK_NAMES:
            raise Refused(421, Refusal("this is asked by a loopback address", allowed=LOOPBACK_NAMES))

    def _check_rate(self, request: web.Request) -> None:
        wait_s = self._buckets.take(request.remote or "", monotonic())
        if wait_s > 0:
            raise Refused(429, Refusal("asked too fast; Retry-After says when to ask again"), wait_s)

    def _route(self, request: web.Request) -> Answer:
        methods = self._answers.get(request.path)
        if methods is None:
            raise Refused(404, Refusal("no such address", allowed=tuple(self._answers)))
        answer = methods.get("GET" if request.method == "HEAD" else request.method)
        if answer is None:
            raise Refused(405, Refusal("no such method here", allowed=tuple(methods)))
        return answer

    async def _predict(self, request: web.Request) -> web.Response:
        return _json(await self._service.predict(request.query.items()))

    async def _predict_batch(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json" or "Content-Encoding" in request.headers:
            raise Refused(415, Refusal("the body is to be application/json, not compressed"))
        return _json(await self._service.predict_batch(await request.read()))

    async def _daily(self, request: web.Request) -> web.Response:
        return _json(await self._service.daily(_only_model(request)))

    async def _models(self, _request: web.Request) -> web.Response:
        return _json(self._service.models())

    async def _health(self, _request: web.Request) -> web.Response:
        found = await self._service.health()
        return _json(found, 200 if found.status == "ok" else 503)

    async def _openapi(self, _request: web.Request) -> web.Response:
        return _json(self._service.openapi())

    async def _docs(self, _request: web.Request) -> web.Response:
        return _html(render_docs(self._service.openapi()))

    async def _page(self, request: web.Request) -> web.Response:
        status, text = await self._service.page(_only_model(request))
        return _html(text, status)

    async def _style(self, _request: web.Request) -> web.Response:
        return web.Response(text=STYLE, content_type="text/css")

    async def _script(self, _request: web.Request) -> web.Response:
        return web.Response(text=SCRIPT, content_type="text/javascript")


async def serve(root: Path, host: str, port: int, listening: Callable[[str], None]) -> None:
    """Answer until SIGTERM or SIGINT.

    Args:
        root: of the registry.
        host: address to listen on.
        port: 0 takes any.
        listening: told the address once it answers.

    Raises:
        ServeFailed: the address is taken or not ours.
    """
    service = Service(root)
    await service.refresh()
    app = Site(service, Buckets(RATE_PER_S, BURST), is_local=is_loopback(host)).application()
    # Nothing is unpacked: a small body must not become a large one.
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=STOP_S_MAX, keepalive_timeout=15.0, auto_decompress=False
    )
    await runner.setup()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as error:
            raise ServeFailed(f"{host}:{port}: {error}") from error
        taken = runner.addresses[0][1]
        listening(f"http://{f'[{host}]' if ':' in host else host}:{taken}")
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), REFRESH_S)
            await _refreshed(service)
    finally:
        await runner.cleanup()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _refreshed(service: Service) -> None:
    """Read the registry anew. One that can't be read now leaves what was read before."""
    try:
        await service.refresh()
    except OSError as error:
        log.warning("registry.unread", error=str(error))


def _refusal(refused: Refused) -> web.Response:
    response = _json(refused.body, refused.status)
    if refused.status == 405:
        response.headers["Allow"] = ", ".join(refused.body.allowed)
    if refused.wait_s is not None:
        response.headers["Retry-After"] = str(max(1, ceil(refused.wait_s)))
    return response


def _only_model(request: web.Request) -> str | None:
    strangers = sorted(set(request.query) - {"model"})
    if strangers:
        reason = f"unknown parameters: {', '.join(strangers)[:200]}"
        raise Refused(422, Refusal(reason, allowed=("model",)))
    asked = request.query.getall("model", [])
    if len(asked) > 1:
        raise Refused(422, Refusal("model: is given twice"))
    return asked[0] if asked else None


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html")
