"""One signed request: signature, deadline, classification, pages."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daemon.core.units import MILLISECOND
from daemon.kalshi.auth import Signer
from daemon.kalshi.errors import ClockRefused, KeyRefused, Refused, Reply, Transient, Unknown, Unreadable
from daemon.kalshi.http import Http, Leave
from tests.kalshi.venue import serving

KEY = Ed25519PrivateKey.generate()
NOW = 1_790_366_080_909 * MILLISECOND


async def test_a_request_is_signed_over_its_path_as_on_the_wire() -> None:
    """The query is not signed; an encoded part is signed encoded; the clock's time is in the header."""
    async with asyncio.timeout(10), serving() as venue:
        venue.answer("GET", "/markets/A%2FB", 200, b"{}")
        async with Http(venue.url, Signer("id", KEY), lambda: NOW) as http:
            assert await http.request("GET", "/markets/A%2FB", {"limit": 5}) == Reply(200, b"{}")
        (headers,) = venue.headers
        assert venue.requests == [("GET", "/trade-api/v2/markets/A%2FB?limit=5", b"")]
        signature = base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"])
        KEY.public_key().verify(signature, b"1790366080909GET/trade-api/v2/markets/A%2FB")


async def test_a_write_without_an_answer_is_unknown_and_a_read_transient() -> None:
    """The venue hangs up, or takes too long: it may have happened."""
    async with asyncio.timeout(20), serving() as venue:
        for method in ("GET", "POST"):
            venue.answer(method, "/hangs_up", 0, b"")
            venue.answer(method, "/slow", 200, b"{}")
        async with Http(venue.url, None, lambda: NOW, read_timeout_s=0.2, write_timeout_s=0.2) as http:
            with pytest.raises(Transient):
                await http.request("GET", "/hangs_up")
            with pytest.raises(Unknown):
                await http.request("POST", "/hangs_up", body=b"{}")
            venue.delay_s = 5
            with pytest.raises(Transient):
                await http.request("GET", "/slow")
            with pytest.raises(Unknown):
                await http.request("POST", "/slow", body=b"{}")


async def test_a_refused_connection_never_sent_anything() -> None:
    """Nobody listens: even a write is only Transient."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    async with asyncio.timeout(10), Http(f"http://127.0.0.1:{port}", None, lambda: NOW) as http:
        with pytest.raises(Transient):
            await http.request("POST", "/x", body=b"{}")


async def test_every_request_is_observed() -> None:
    """Method, path without query, status or None, and seconds, also where no answer came."""
    seen: list[tuple[str, str, int | None]] = []
    async with asyncio.timeout(10), serving() as venue:
        venue.answer("GET", "/gone", 0, b"")
        async with Http(
            venue.url, None, lambda: NOW, observe=lambda m, p, s, _t: seen.append((m, p, s))
        ) as http:
            await http.request("GET", "/missing", {"a": 1})
            with pytest.raises(Transient):
                await http.request("GET", "/gone")
    assert seen == [("GET", "/missing", 404), ("GET", "/gone", None)]


async def test_pages_are_followed_to_the_empty_cursor() -> None:
    """All pages with the other parameters constant; a cursor that repeats or never ends is an error."""

    def page(request: web.Request, _body: bytes) -> tuple[int, bytes]:
        number = int(request.query.get("cursor") or 0)
        following = str(number + 1) if number < 2 else ""
        return 200, json.dumps({"cursor": following, "items": [number]}).encode()

    async with asyncio.timeout(10), serving() as venue:
        venue.answers["GET", "/trade-api/v2/list"] = page
        venue.answer("GET", "/stuck", 200, b'{"cursor":"same","items":[]}')
        venue.answer("GET", "/strange", 200, b'{"cursor":"","others":[]}')
        venue.answer("GET", "/none", 200, b'{"items":[]}')
        async with Http(venue.url, None, lambda: NOW) as http:
            assert await http.pages("/list", {"status": "open"}, "items", int) == [0, 1, 2]
            assert await http.pages("/none", {}, "items", int) == []
            with pytest.raises(Transient, match="more than 2 pages"):
                await http.pages("/list", {}, "items", int, pages_max=2)
            with pytest.raises(Transient, match="repeats"):
                await http.pages("/stuck", {}, "items", int)
            with pytest.raises(Transient, match="unreadable"):
                await http.pages("/strange", {}, "items", int)
            with pytest.raises(Refused):
                await http.pages("/missing", {}, "items", int)
        assert all("status=open&limit=1000" in path for _, path, _ in venue.requests[:3])


async def test_a_body_of_another_kind_is_no_answer() -> None:
    """A read whose body isn't what was asked for is Transient, not a crash."""
    async with asyncio.timeout(10), serving() as venue:
        venue.answer("GET", "/thing", 200, b"<html>")
        async with Http(venue.url, None, lambda: NOW) as http:
            with pytest.raises(Unreadable, match="/thing: unreadable answer: not whole JSON"):
                await http.get("/thing", dict[str, int])
            assert http.refused.counts["refused"] == 1


class _Gate:
    """Lets a read in when told, and remembers."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.seen: list[tuple[str, str, int | None]] = []

    async def enter(self, path: str) -> None:
        self.seen.append(("in", path, None))
        await self.opened.wait()

    def leave(self, path: str, status: int | None) -> None:
        self.seen.append(("out", path, status))


async def test_a_read_is_signed_when_it_goes_not_when_it_was_asked_for() -> None:
    """A signature is good for seconds, and the gate may hold a read for longer."""
    at = NOW
    async with asyncio.timeout(10), serving() as venue:
        venue.answer("GET", "/x", 200, b"{}")
        venue.answer("POST", "/x", 200, b"{}")
        async with Http(venue.url, Signer("id", KEY), lambda: at) as http:
            http.gate = gate = _Gate()
            reading = asyncio.create_task(http.request("GET", "/x"))
            await http.request("POST", "/x", body=b"{}")
            assert [("POST", b"{}")] == [(method, body) for method, _, body in venue.requests]
            at = NOW + 60_000 * MILLISECOND
            gate.opened.set()
            await reading
    assert [("in", "/x", None), ("out", "/x", 200)] == gate.seen
    stamps = [headers["KALSHI-ACCESS-TIMESTAMP"] for headers in venue.headers]
    assert [str(NOW // MILLISECOND), str(at // MILLISECOND)] == stamps


async def test_whoever_entered_the_gate_leaves_it() -> None:
    """A status, a broken connection, a cancelled reader: each gives its place back once."""
    async with asyncio.timeout(10), serving() as venue:
        venue.answer("GET", "/gone", 0, b"")
        venue.answer("GET", "/slow", 200, b"{}")
        async with Http(venue.url, None, lambda: NOW) as http:
            http.gate = gate = _Gate()
            gate.opened.set()
            await http.request("GET", "/missing")
            with pytest.raises(Transient):
                await http.request("GET", "/gone")
            venue.delay_s = 5
            reading = asyncio.create_task(http.request("GET", "/slow"))
            while not venue.requests[-1][1].endswith("/slow"):  # noqa: ASYNC110 - the venue announces nothing
                await asyncio.sleep(0.001)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
    left = [(path, status) for what, path, status in gate.seen if what == "out"]
    assert [("/missing", 404), ("/gone", None), ("/slow", None)] == left


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_key_that_is_not_accepted_says_why(method: str) -> None:
    """Reads and writes: a 401 names host, key and reason, or both clocks."""
    async with asyncio.timeout(10), serving() as venue:
        unknown = b'{"error":{"code":"authentication_error","details":"NOT_FOUND"}}'
        venue.answer(method, "/x", 401, unknown)
        venue.answer(method, "/late", 401, b'{"error":{"code":"header_timestamp_expired"}}')
        async with Http(venue.url, Signer("key-1", KEY), lambda: NOW) as http:
            with pytest.raises(KeyRefused, match=r"key id is unknown at 127\.0\.0\.1: key-1: a demo key"):
                await http.request(method, "/x")
            with pytest.raises(ClockRefused, match=r"our clock says 2026-09-25T.* and 127\.0\.0\.1's 20"):
                await http.request(method, "/late")


async def test_a_truncated_answer_is_no_answer() -> None:
    """Fewer bytes than promised: a read may be asked again, a write may have happened."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"order_id":')
        await writer.drain()
        writer.close()

    async with asyncio.timeout(10), await asyncio.start_server(cut, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Http(f"http://127.0.0.1:{port}", None, lambda: NOW) as http:
            with pytest.raises(Transient):
                await http.request("GET", "/x")
            with pytest.raises(Unknown):
                await http.request("POST", "/x", body=b"{}")


# --- held back until it is given leave -----------------------------------------------------------


@asynccontextmanager
async def counting() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that notes every byte as it comes, and answers each request with 200; gives its base URL."""
    came: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65_536):
            came.append(content)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/trade-api/v2", came
    finally:
        server.close()


async def test_not_a_byte_leaves_before_leave_is_given() -> None:
    """On a connection that stands already, the request waits whole; let go, it is sent once."""
    seen: list[tuple[str, int | None]] = []
    async with (
        asyncio.timeout(10),
        counting() as (url, came),
        Http(url, Signer("id", KEY), lambda: NOW, observe=lambda m, _p, s, _t: seen.append((m, s))) as http,
    ):
        await http.request("POST", "/first", body=b"{}")
        assert 1 == len(came)
        leave = Leave()
        waiting = asyncio.create_task(http.request("POST", "/orders", body=b'{"n":1}', leave=leave))
        await asyncio.sleep(0.05)
        assert (1, None) == (len(came), leave.given_at)
        leave.give(NOW + 7)
        assert Reply(200, b"{}") == await waiting
        assert (2, NOW + 7) == (len(came), leave.given_at)
        assert came[1].startswith(b"POST /trade-api/v2/orders ")
        assert came[1].endswith(b'\r\n\r\n{"n":1}')
        assert [("POST", 200), ("POST", 200)] == seen


async def test_what_is_never_let_go_is_neither_sent_nor_observed() -> None:
    """Cancelled or too late while it is held back: nothing left, it is no request, and no outcome is open."""
    seen: list[str] = []
    async with (
        asyncio.timeout(10),
        counting() as (url, came),
        Http(
            url, None, lambda: NOW, observe=lambda _m, p, _s, _t: seen.append(p), write_timeout_s=0.05
        ) as http,
    ):
        given_up = asyncio.create_task(http.request("POST", "/orders", body=b"{}", leave=Leave()))
        await asyncio.sleep(0.01)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        with pytest.raises(Transient, match="never let go"):
            await http.request("POST", "/orders", body=b"{}", leave=Leave())
        await asyncio.sleep(0.02)
        assert ([], []) == (came, seen)
