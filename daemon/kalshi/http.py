"""One signed HTTP request to the venue on a kept-alive connection: turn, deadline, classification, pages.

Cancellation: a task cancelled while a *write* is under way leaves behind a request that may or may not
have happened. `CancelledError` passes through as it must; whoever cancelled has to treat the write as
`Unknown`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from daemon.core.units import MILLISECOND, Ns
from daemon.kalshi.auth import Signer
from daemon.kalshi.errors import ReadOnly, Reply, Transient, Unreadable, classify
from daemon.kalshi.key_refusals import key_refusal
from daemon.kalshi.refusals import Tally
from daemon.kalshi.strict import decode_strictly, endpoint_of

Params: TypeAlias = Mapping[str, str | int | Sequence[str]]
"""A query; a parameter with several texts is repeated."""
Observer: TypeAlias = Callable[[str, str, int | None, float], None]
"""Told of every request: method, path without query, status (None if none came), seconds."""

_Sending: TypeAlias = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]

PAGES_MAX = 200
_CONNECTIONS_MAX = 64
"""Above what the read gate and the order queue let out together: a cancel never waits for a connection."""
_INDEX = re.compile(r"\[\d+\]")
_T = TypeVar("_T")


class _Cursor(msgspec.Struct, frozen=True):
    """Where a list goes on: empty or absent on its last page."""

    cursor: str | None = None


class Leave:
    """Holds one request back that is ready to go, signature and all, until it is given leave."""

    def __init__(self) -> None:
        self.given_at: Ns | None = None
        """When the request was let go; None while it is held back."""
        self._given: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def give(self, now: Ns) -> None:
        """Let the request go."""
        self.given_at = now
        if not self._given.done():  # who waited may have been cancelled
            self._given.set_result(None)

    async def wait(self) -> None:
        """Return when leave is given."""
        await self._given


class Gate(Protocol):
    """Decides when a read may go. What entered leaves again, whatever became of it."""

    async def enter(self, path: str) -> None:
        """Return when a GET of this path may be sent. A cancelled caller has not entered."""

    def leave(self, path: str, status: int | None) -> None:
        """Take note that the read is over; `status` is None when no answer came."""


class Http:
    """The way to one base URL. Use as an async context manager, inside a running loop."""

    def __init__(
        self,
        base_url: str,
        signer: Signer | None,
        clock: Callable[[], Ns],
        *,
        observe: Observer | None = None,
        read_timeout_s: float = 10.0,
        write_timeout_s: float = 5.0,
        is_read_only: bool = False,
    ) -> None:
        """Build.

        Args:
            base_url: such as `https://host/trade-api/v2`.
            signer: signs every request; None for public ones only.
            clock: our time, which signatures carry.
            observe: told of every request, with or without an answer.
            read_timeout_s: deadline of a read, from the call to the last byte.
            write_timeout_s: deadline of a write.
            is_read_only: whether everything but a GET is refused before a socket is opened.
        """
        self._base = base_url.rstrip("/")
        self._signer = signer
        self.clock = clock
        self._observe = observe
        self.bound_time(read_timeout_s, write_timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._is_read_only = is_read_only
        self.date: str | None = None
        """The `Date` of the venue's last answer, its clock in whole seconds; None before one came."""
        self.gate: Gate | None = None
        """What every GET passes; None lets all go at once."""
        self.refused = Tally()
        """Answers to reads that were refused for their shape, counted by endpoint and reason."""

    def bound_time(self, read_timeout_s: float, write_timeout_s: float) -> None:
        """From now on give requests up after these; those under way keep theirs."""
        self._read_timeout = aiohttp.ClientTimeout(total=read_timeout_s)
        self._write_timeout = aiohttp.ClientTimeout(total=write_timeout_s)

    async def __aenter__(self) -> Self:
        self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _open(self) -> aiohttp.ClientSession:
        """Return the session, made at the first use because it needs the running loop."""
        if self._session is None or self._session.closed:
            # The library itself sends a GET or DELETE once more when a kept-alive connection turns out to
            # be closed, which is harmless (a cancel of ours may then meet `not_found`); never a POST.
            # Giving idle connections up well before the venue does makes a POST meet that seldom.
            connector = aiohttp.TCPConnector(limit=_CONNECTIONS_MAX, keepalive_timeout=30, ttl_dns_cache=60)
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers={"Accept": "application/json"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        body: bytes | None = None,
        leave: Leave | None = None,
    ) -> Reply:
        """Send one request and return its answer, of any status but 401. A GET waits for the gate first.

        Args:
            method: upper case; all but GET count as writes.
            path: behind the base URL, with its parts already percent-encoded.
            params: the query; not signed.
            body: JSON.
            leave: what a write waits for when all of it is ready but its connection; None for nothing.

        Raises:
            Transient | Unknown: no whole answer came. Always the first where leave was not given.
            KeyRefused | ClockRefused: the venue doesn't take our signature.
            ReadOnly: it is a write, and this connection only reads.
        """
        if self._is_read_only and method != "GET":
            raise ReadOnly(method, path)
        url = URL(f"{self._base}{path}{_query(params)}", encoded=True)
        if method != "GET" or self.gate is None:
            return await self._send(method, path, url, body, leave)
        gate = self.gate
        await gate.enter(path)
        status: int | None = None
        try:
            reply = await self._send(method, path, url, body)
            status = reply.status
            return reply
        finally:
            gate.leave(path, status)

    async def _send(
        self, method: str, path: str, url: URL, body: bytes | None, leave: Leave | None = None
    ) -> Reply:
        """Sign and send at once: a signature is good for seconds, and the gate's wait is over.

        Who has a request wait for leave sees to it that the wait is short.
        """
        headers = {"Content-Type": "application/json"} if body is not None else {}
        now = self.clock()
        if self._signer is not None:
            headers |= self._signer.headers(method, url.raw_path, now // MILLISECOND)
        is_write = method != "GET"
        timeout = self._write_timeout if is_write else self._read_timeout
        status: int | None = None
        date: str | None = None
        started = time.monotonic()

        async def wait_for_leave(request: aiohttp.ClientRequest, send: _Sending) -> aiohttp.ClientResponse:
            # The library calls this when the request is built, and before it has a connection.
            nonlocal started
            assert leave is not None
            await leave.wait()
            started = time.monotonic()
            return await send(request)

        try:
            async with self._open().request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                middlewares=None if leave is None else (wait_for_leave,),
            ) as response:
                status, date = response.status, response.headers.get("Date")
                self.date = date
                reply = Reply(status, await response.read())
        except (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            if leave is not None and leave.given_at is None:
                raise Transient(f"{method} {path} was never let go: {error!r}") from error
            raise classify(error, is_write=is_write) from error
        finally:
            if self._observe is not None and (leave is None or leave.given_at is not None):
                self._observe(method, path, status, time.monotonic() - started)
        if status == 401:
            key_id = None if self._signer is None else self._signer.key_id
            raise key_refusal(reply.body, host=url.host or "", key_id=key_id, now=now, venue_date=date)
        return reply

    def decode(self, body: bytes | msgspec.Raw, kind: type[_T], path: str) -> _T:
        """Return the body of a read as `kind`. Raises Unreadable, and counts it, when it isn't."""
        try:
            return decode_strictly(body, kind, path)
        except Unreadable as error:
            self.refuse(path, error.reason)
            raise

    def refuse(self, path: str, reason: str) -> None:
        """Count something of a read's answer that is refused for its shape."""
        self.refused.refuse(f"{endpoint_of(path)}: {_INDEX.sub('[...]', reason)}")

    async def get(self, path: str, kind: type[_T], params: Params | None = None) -> _T:
        """Read one thing.

        Raises:
            Transient: no answer, 429, 5xx; as `Unreadable`, a body that isn't `kind`.
            Refused: the venue said no.
        """
        reply = await self.request("GET", path, params)
        if reply.status != 200:
            raise classify(reply, is_write=False)
        return self.decode(reply.body, kind, path)

    async def pages(
        self,
        path: str,
        params: Params,
        key: str,
        kind: type[_T],
        limit: int = 1000,
        pages_max: int = PAGES_MAX,
    ) -> list[_T]:
        """Read a list over all its pages, in the venue's order.

        The other parameters are kept constant while paging; the last page has an empty cursor.

        Raises:
            Transient: as `get`; also a list of more than `pages_max` pages, or a cursor that repeats.
            Refused: the venue said no.
        """
        items: list[_T] = []
        cursor = ""
        for _ in range(pages_max):
            query = {**params, "limit": limit, **({"cursor": cursor} if cursor else {})}
            reply = await self.request("GET", path, query)
            if reply.status != 200:
                raise classify(reply, is_write=False)
            page = self.decode(reply.body, dict[str, msgspec.Raw], path)
            if key not in page:
                self.refuse(path, f"missing required field {key}")
                raise Unreadable(endpoint_of(path), f"missing required field {key}")
            items += self.decode(page[key], list[kind], path)  # type: ignore[valid-type]
            following = self.decode(reply.body, _Cursor, path).cursor
            if not following:
                return items
            if following == cursor:
                raise Transient(f"{path}: the cursor repeats")
            cursor = following
        raise Transient(f"{path}: more than {pages_max} pages")


def _query(params: Params | None) -> str:
    return f"?{urlencode(params, doseq=True)}" if params else ""
