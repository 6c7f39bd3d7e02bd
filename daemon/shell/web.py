"""`/metrics`, `/healthz` and `/readyz` on loopback: for machines. What a person asks is on the page.

healthz: the process lives and the pump turns (200), or it does not (503). readyz: connected, reconciled
and trading (200), or why not, in one line (503).
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from daemon.shell.metrics import Metrics

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


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

    app = web.Application()
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/healthz", show_health)
    app.router.add_get("/readyz", show_readiness)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    host, _, port = listen.rpartition(":")
    try:
        await web.TCPSite(runner, host, int(port)).start()
    except (OSError, OverflowError) as error:  # a port above 65535 overflows
        await runner.cleanup()
        raise WebFailed(f"metrics.listen = {listen!r}: {error}") from error
    return runner
