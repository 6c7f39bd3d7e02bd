"""Faults of REST requests: before or after they were carried out, and around one order's life.

"After" is what a trader fears most: the order stands, and the answer says otherwise or never comes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic_ns
from typing import Final

import structlog
from aiohttp import web

from daemon.sandbox.bodies import nested_error, too_many_requests
from daemon.sandbox.faults.decisions import Faults, Subject
from daemon.sandbox.faults.orders import end_market, fill_before_cancel, ticker_of
from daemon.sandbox.faults.registry import Rule
from daemon.sandbox.venue import Venue

REMEMBERED_MAX: Final = 128
REMEMBERED_BYTES_MAX: Final = 1 << 18
"""So many different GETs have their last answer kept, for stale reads; long ones don't."""
HANG_POLL_S: Final = 0.05

log = structlog.get_logger()

Serve = Callable[[], Awaitable[web.StreamResponse]]


class RequestFaults:
    """See the module's head."""

    def __init__(self, faults: Faults, venue: Venue) -> None:
        self._faults = faults
        self._venue = venue
        self._answers: OrderedDict[str, tuple[int, bytes]] = OrderedDict()

    async def around(self, request: web.Request, serve: Serve) -> web.StreamResponse:
        """Answer a request, with the faults that are due."""
        if self._faults.is_quiet("request"):
            return self._remember(request, await serve())
        market = await ticker_of(request, self._venue)
        subject = Subject("request", path=request.path, method=request.method, market=market)
        rules = self._faults.decide(subject, monotonic_ns())
        for rule in rules:
            log.info("fault.hit", kind=rule.kind, method=request.method, path=request.path)
            if rule.when == "before":
                refused = await self._instead(rule, request)
                if refused is not None:
                    return refused
            if rule.kind == "fill_after_cancel":
                fill_before_cancel(self._venue, request.match_info.get("order_id", ""), rule.ms or 0)
        answer = await serve()
        for rule in rules:
            answer = await self._afterwards(rule, request, answer, market)
        return self._remember(request, answer)

    def refused_upgrade(self, stream: str) -> web.Response | None:
        """Return the answer to a request for a WebSocket that is not let in; None if it may come in."""
        rules = self._faults.decide(Subject("upgrade", stream=stream), monotonic_ns())
        return _gateway_error() if rules else None

    async def _instead(self, rule: Rule, request: web.Request) -> web.StreamResponse | None:
        """Return the answer to a request that is not carried out; None if it is."""
        match rule.kind:
            case "http_429" | "http_500" | "http_502" | "http_503":
                return _error(rule.kind)
            case "hang":
                await _gone(request)
            case "reset":
                _reset(request)
            case "late_request":
                # The server doesn't give up a request whose client has gone: nor does a network.
                await asyncio.sleep((rule.ms or 0) / 1000)
                return None
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case _:
                return None
        return web.Response()

    async def _afterwards(
        self, rule: Rule, request: web.Request, answer: web.StreamResponse, market: str | None
    ) -> web.StreamResponse:
        """Return the answer to a request that was carried out."""
        match rule.kind:
            case "http_500" | "http_502" | "http_503":
                return _error(rule.kind)
            case "hang":
                await _gone(request)
            case "reset":
                _reset(request)
            case "lost_ack":
                if request.transport is not None:
                    request.transport.close()
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "slow_reply":
                await asyncio.sleep((rule.ms or 0) / 1000)
            case "malformed_reply" if isinstance(answer, web.Response):
                body = _bytes(answer)
                return _json(answer.status, body[: len(body) // 2])
            case "stale_read" if (kept := self._answers.get(request.path_qs)) is not None:
                return _json(*kept)
            case "market_closed" | "market_paused" | "market_settled":
                if answer.status == 201 and market is not None:
                    end_market(self._venue, market, rule.kind)
            case _:
                pass
        return answer

    def _remember(self, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
        if request.method == "GET" and isinstance(answer, web.Response) and answer.status == 200:
            body = _bytes(answer)
            if len(body) > REMEMBERED_BYTES_MAX:
                return answer
            self._answers[request.path_qs] = (200, body)
            self._answers.move_to_end(request.path_qs)
            if len(self._answers) > REMEMBERED_MAX:
                self._answers.popitem(last=False)
        return answer


def _bytes(answer: web.Response) -> bytes:
    return answer.body if isinstance(answer.body, bytes) else b""


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")


def _gateway_error() -> web.Response:
    text = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
    return web.Response(text=text, status=502, content_type="text/html")


def _error(kind: str) -> web.Response:
    if kind == "http_502":
        return _gateway_error()
    if kind == "http_429":
        error = too_many_requests()
    elif kind == "http_500":
        error = nested_error(500, "internal_server_error")
    else:
        error = nested_error(503, "service_unavailable")
    return _json(error.status, error.body)


def _reset(request: web.Request) -> None:
    """Reset the connection: the client sees RST, not an end."""
    transport = request.transport
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _gone(request: web.Request) -> None:
    """Wait until the client has given up."""
    # Nothing tells a request that its client went: aiohttp lets the code that serves it run on.
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(HANG_POLL_S)
