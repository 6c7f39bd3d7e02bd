"""`/metrics`, `/healthz`, `/readyz` and `/halt` on loopback.

healthz: the process lives and the pump turns (200), or it does not (503). readyz: connected, reconciled
and trading (200), or why not, in one line (503). halt: a form that throws the kill switch, for whoever
knows the token of `page.token` in the state folder. It can't resume: that is not for a page.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiohttp import web

from daemon.shell.metrics import Metrics

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
TOKEN_FILE = "page.token"  # noqa: S105 - a file's name
_TOKEN_CHARS_MIN = 20
_BODY_BYTES_MAX = 16 * 1024
_FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>kalshid: halt</title></head>
<body><h1>Halt kalshid</h1>
<p>Nothing new is sent, what rests is cancelled, until <code>kalshid resume</code>.</p>
<form method="post" action="/halt" autocomplete="off">
<p><label>Token, from <code>page.token</code> in the state folder:
<input type="password" name="token" required></label></p>
<p><label>Reason: <input type="text" name="reason" maxlength="500"></label></p>
<p><button type="submit">Halt</button></p>
</form></body></html>
"""


class WebFailed(Exception):
    """The address can't be listened on, or the page's token can't be kept."""


class HaltPage(msgspec.Struct, frozen=True):
    """What POST /halt needs: the token that it asks for, and the switch.

    `halt` takes the reason, and returns whether the halt is on disk.
    """

    token: str
    halt: Callable[[str], bool]

    def __repr__(self) -> str:
        return "HaltPage(…)"  # the token is in no log and no traceback


def page_token(folder: Path) -> str:
    """Return the page's token, made where there is none; one that others can read is replaced.

    Raises:
        WebFailed: it can't be read or written.
    """
    path = folder / TOKEN_FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and not path.stat().st_mode & 0o077:
            token = path.read_text(encoding="ascii").strip()
            if len(token) >= _TOKEN_CHARS_MIN:
                return token
        path.unlink(missing_ok=True)
        token = secrets.token_urlsafe(32)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
    except (OSError, UnicodeDecodeError) as error:
        raise WebFailed(f"the page's token {path}: {error}") from error
    return token


async def serve_web(
    listen: str,
    metrics: Metrics,
    *,
    health: Callable[[], str | None],
    readiness: Callable[[], str | None],
    halt_page: HaltPage | None = None,
) -> web.AppRunner:
    """Listen, and return the runner whose `cleanup()` stops it.

    Args:
        listen: "host:port".
        metrics: what /metrics renders.
        health: why the process is not well, or None.
        readiness: why it is not ready, or None.
        halt_page: what /halt does; None for no such page.

    Raises:
        WebFailed: the address is taken or not ours.
    """

    async def show_metrics(_request: web.Request) -> web.Response:
        return web.Response(body=await metrics.render_in_turns(), headers={"Content-Type": EXPOSITION})

    def answer(reason: str | None) -> web.Response:
        return web.Response(
            text="ok\n" if reason is None else f"{reason}\n", status=200 if reason is None else 503
        )

    async def show_health(_request: web.Request) -> web.Response:
        return answer(health())

    async def show_readiness(_request: web.Request) -> web.Response:
        return answer(readiness())

    app = web.Application(client_max_size=_BODY_BYTES_MAX)
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/healthz", show_health)
    app.router.add_get("/readyz", show_readiness)
    if halt_page is not None:
        _add_halt(app, halt_page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    host, _, port = listen.rpartition(":")
    try:
        await web.TCPSite(runner, host, int(port)).start()
    except (OSError, OverflowError) as error:  # a port above 65535 overflows
        await runner.cleanup()
        raise WebFailed(f"metrics.listen = {listen!r}: {error}") from error
    return runner


def _add_halt(app: web.Application, page: HaltPage) -> None:
    async def show_form(_request: web.Request) -> web.Response:
        headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY"}
        return web.Response(text=_FORM, content_type="text/html", headers=headers)

    async def halt(request: web.Request) -> web.Response:
        try:
            fields = await request.post()
        except (UnicodeDecodeError, LookupError) as error:
            raise web.HTTPBadRequest(text=f"the form can't be read: {error}\n") from None
        # A token in the address would stand in histories and logs: it is taken from the body alone.
        token, reason = (str(fields.get(name, "")) for name in ("token", "reason"))
        if not hmac.compare_digest(token.encode(), page.token.encode()):
            return web.Response(text=f"not the token of {TOKEN_FILE} in the state folder\n", status=403)
        if page.halt(reason or "the page"):
            return web.Response(text="halted until `kalshid resume`\n")
        return web.Response(text="halted, but not on disk: a restart would trade again\n", status=500)

    app.router.add_get("/halt", show_form)
    app.router.add_post("/halt", halt)
