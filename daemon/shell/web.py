"""`/metrics`, `/healthz` and `/readyz` on loopback: for machines. What a person asks is on the page.

healthz: the process lives and the pump turns (200), or it does not (503). readyz: connected, reconciled
and trading (200), or why not, in one line (503).

There is no token: whoever reaches the address may read, P&L too. A site that points a name of its own at this
machine's address (DNS rebinding) has a browser here ask for that name, and is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from aiohttp import web

from daemon.shell.metrics import Metrics

EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")


_Show: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


class WebFailed(Exception):
    """The address can't be listened on, or the page's token can't be kept."""


async def serve_web(
    listen: str,
    metrics: Metrics,
    *,
    health: Callable[[], str | None],
    readiness: Callable[[], str | None],
) -> web.AppRunner:
    """Listen, and return the runner whose `cleanup()` stops it.

    Args:
        listen: "host:port".
        metrics: what /metrics renders.
        health: why the process is not well, or None.
        readiness: why it is not ready, or None.

    Raises:
        WebFailed: the address is taken or not ours.
    """

    async def show_metrics(request: web.Request) -> web.Response:
        is_open = _wants_openmetrics(request.headers.get("Accept", ""))
        body = await metrics.render_in_turns(is_open=is_open)
        return web.Response(body=body, headers={"Content-Type": OPENMETRICS if is_open else EXPOSITION})

    def answer(reason: str | None) -> web.Response:
        return web.Response(
            text="ok\n" if reason is None else f"{reason}\n", status=200 if reason is None else 503
        )

    async def show_health(_request: web.Request) -> web.Response:
        return answer(health())

    async def show_readiness(_request: web.Request) -> web.Response:
        return answer(readiness())

    host, _, port = listen.rpartition(":")

    app = web.Application()
    for path, show in (("/metrics", show_metrics), ("/healthz", show_health), ("/readyz", show_readiness)):
        app.router.add_get(path, _guarded(show, host))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, int(port)).start()
    except (OSError, OverflowError) as error:  # a port above 65535 overflows
        await runner.cleanup()
        raise WebFailed(f"metrics.listen = {listen!r}: {error}") from error
    return runner


def _guarded(show: _Show, bound: str) -> _Show:
    """Return what shows a page to who asks by a name of ours."""

    async def guarded(request: web.Request) -> web.Response:
        if not is_ours(request.host, bound):
            text = f"asked by a loopback name or {bound}, as metrics.listen says: not by {request.host!r}\n"
            raise web.HTTPMisdirectedRequest(text=text)
        return await show(request)

    return guarded


def is_ours(asked: str, bound: str) -> bool:
    """Whether a request's Host is a name of the address that we listen on; a port says nothing of that.

    Bound to all addresses we are asked by any of them, which no name of another site is.
    """
    name = re.sub(r":[0-9]+$", "", asked.lower())
    if name in LOOPBACK_NAMES or name == bound.lower():
        return True
    return _is_address(bound) and ipaddress.ip_address(bound).is_unspecified and _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _wants_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics is among the kinds that are accepted: Prometheus names it first."""
    return any(kind.split(";")[0].strip() == "application/openmetrics-text" for kind in accept.split(","))
