"""The ways between a life and the venue: requests that get lost or late, a stream that stumbles.

Each request meets one fate, drawn from the seed. The real `Rest` calls stand on top of it: they encode what
they send and judge what comes back as they do in earnest. A request that has left may arrive whatever
became of the one who sent it.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec
from yarl import URL

from daemon.core import events as e
from daemon.core.units import Ns
from daemon.kalshi.errors import Reply, classify
from daemon.kalshi.http import Http, Leave
from daemon.kalshi.session import Session
from daemon.sandbox.stream.subscriptions import ClientSession
from tests.sim.venue import SimVenue, decoded

Fate: TypeAlias = Literal[
    "answered", "slow", "never left", "lost on the way", "answer lost", "reset before", "reset after",
    "error before", "error after", "half an answer", "limited", "late",
]  # fmt: skip
FATES: tuple[tuple[Fate, float], ...] = (
    ("slow", 3), ("never left", 1), ("lost on the way", 2), ("answer lost", 2), ("reset before", 1),
    ("reset after", 2), ("error before", 1), ("error after", 2), ("half an answer", 1), ("limited", 1),
    ("late", 2),
)  # fmt: skip
_NUMBERED = re.compile(rb'"sid":(\d+),"seq":(\d+)')
_TELLING = re.compile(rb'\{"type":"(orderbook_delta|orderbook_snapshot|market_lifecycle_v2)"')
"""Numbered frames that change what is believed of books and positions."""
_PRIVATE = re.compile(rb'\{"type":"(fill|user_order|order_group_updates)"')
TIMEOUT_S = 2.0
FRAME_GAP_S = 0.002
SIGNATURE_S = 30.0
"""How long after it was signed a request may still arrive; the venue takes none that is older."""


class Flight(msgspec.Struct):
    """A write under way: it may still arrive."""

    method: str
    path: str
    body: bytes
    will_arrive: bool = True
    orders: tuple[dict[str, str], ...] = ()
    """What it brings: new orders, or an order's new terms."""


class Faults:
    """How bad the weather is: shares of requests and of frames that meet trouble."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"faults-{seed}")
        self.writes = self.reads = self.frames = 0.0

    def fate(self, method: str) -> Fate:
        """Return what becomes of a request."""
        if self.rng.random() >= (self.reads if method == "GET" else self.writes):
            return "answered"
        return self.rng.choices([fate for fate, _ in FATES], [weight for _, weight in FATES])[0]


class SimHttp(Http):
    """The HTTP of one life.

    Args:
        on_send: told of every write as it leaves.
    """

    def __init__(
        self,
        venue: SimVenue,
        faults: Faults,
        now: Callable[[], Ns],
        flights: dict[int, Flight],
        on_send: Callable[[str, str, bytes | None], None],
    ) -> None:
        super().__init__("http://sim/trade-api/v2", None, now)
        self._venue = venue
        self._faults = faults
        self._flights = flights
        self._on_send = on_send
        self.waiting = 0
        """Requests without an answer."""

    async def _send(
        self, method: str, _path: str, url: URL, body: bytes | None, leave: Leave | None = None
    ) -> Reply:
        is_write = method != "GET"
        if leave is not None:
            await leave.wait()
        if is_write:
            self._on_send(method, url.path, body)
        self.waiting += 1
        try:
            return await self._travel(self._faults.fate(method), method, url, body)
        except OSError as error:  # TimeoutError is one
            raise classify(error, is_write=is_write) from error
        finally:
            self.waiting -= 1

    async def _travel(self, fate: Fate, method: str, url: URL, body: bytes | None) -> Reply:
        rng = self._faults.rng
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Reply] = loop.create_future()
        up_s = rng.uniform(0.005, 0.06)
        match fate:
            case "never left":
                raise ConnectionRefusedError("connection refused")
            case "limited":
                await asyncio.sleep(up_s)
                return Reply(429, b'{"error":"too many requests"}\n')
            case "lost on the way":
                await asyncio.sleep(TIMEOUT_S)
                raise TimeoutError
            case "reset before":
                await asyncio.sleep(up_s)
                raise ConnectionResetError("connection reset")
            case "error before":
                await asyncio.sleep(up_s)
                return Reply(rng.choice((500, 502, 503)), b"<html>an error</html>")
            case "late":
                late_s = (
                    rng.uniform(TIMEOUT_S, 14.0) if rng.random() < 0.8 else rng.uniform(14.0, SIGNATURE_S)
                )
                self._depart(late_s, method, url, body, None)
                await asyncio.sleep(TIMEOUT_S)
                raise TimeoutError
            case "slow":
                up_s = rng.uniform(0.3, 2.4)
            case _:
                pass
        self._depart(up_s, method, url, body, answer)
        async with asyncio.timeout(TIMEOUT_S):
            reply = await answer
            await asyncio.sleep(rng.uniform(0.005, 0.06))
            if fate == "answer lost":
                await asyncio.sleep(TIMEOUT_S)
        if fate == "reset after":
            raise ConnectionResetError("connection reset")
        if fate == "error after":
            return Reply(rng.choice((500, 502, 503)), b'{"error":{"code":"internal_error"}}')
        if fate == "half an answer":
            return Reply(reply.status, reply.body[: len(reply.body) // 2])
        return reply

    def _depart(
        self, after_s: float, method: str, url: URL, body: bytes | None, answer: asyncio.Future[Reply] | None
    ) -> None:
        """Send a request on its way; it arrives whatever its sender does meanwhile."""
        loop = asyncio.get_running_loop()
        if method != "GET":
            flight = Flight(method, url.path, body or b"")
            told = decoded(body)
            flight.orders = tuple(one for one in told.get("orders", [told]) if "price" in one)
            self._flights[id(flight)] = flight

        def arrive() -> None:
            if method != "GET":
                del self._flights[id(flight)]
                if not flight.will_arrive:
                    return  # it was lost with the machine that sent it
            reply = Reply(*self._venue.serve(method, url, body))
            if answer is not None and not answer.done():
                answer.set_result(reply)

        loop.call_later(after_s, arrive)


class Line:
    """The stream of one connection: the venue's frames on their way, and our commands on theirs."""

    def __init__(
        self,
        venue: SimVenue,
        session: Session,
        faults: Faults,
        now: Callable[[], Ns],
        take: Callable[[list[e.Event]], None],
    ) -> None:
        self._venue = venue
        self._session = session
        self._faults = faults
        self._now = now
        self._take = take
        self._client: ClientSession = venue.venue.hub.open_session(venue.account.name)
        self._queue: deque[bytes] = deque()
        self._arrives_s = 0.0
        self.is_silent = False
        self.is_open = True
        self.holes: dict[bytes, int] = {}
        """Numbered subscriptions of which a frame was left out, and no later one has shown it yet."""
        self.has_lost_private = False
        """Whether one of the account's own frames was left out: they bear no numbers, nothing shows it."""
        self.heard_s = asyncio.get_running_loop().time()

    @property
    def waiting(self) -> int:
        """Frames on their way."""
        return len(self._queue) + len(self._client.outbox)

    def flush(self) -> None:
        """Send on their way what the venue has to say."""
        if not self._client.outbox or not self.is_open:
            return
        frames, rng = [*self._client.outbox], self._faults.rng
        self._client.outbox.clear()
        delay_s = rng.uniform(0.003, 0.03)
        if rng.random() < self._faults.frames:
            kind = rng.choice(("gap", "gap", "duplicate", "delay", "delay", "silence"))
            place = rng.randrange(len(frames))
            if kind == "gap":
                self._leave_out(frames.pop(place))
            elif kind == "duplicate":
                frames.insert(place, frames[place])
            elif kind == "delay":
                delay_s += rng.uniform(0.1, 2.5)
            else:
                self.is_silent = True
        loop = asyncio.get_running_loop()
        # What was held up comes in a row, so that every step of it is judged.
        self._arrives_s = max(self._arrives_s + FRAME_GAP_S, loop.time() + delay_s)
        self._queue.extend(frames)
        if not self.is_silent and frames:
            loop.call_at(self._arrives_s, self._arrive, len(frames))

    def _leave_out(self, frame: bytes) -> None:
        numbered = _NUMBERED.search(frame)
        if numbered is not None and _TELLING.match(frame) is not None:
            self.holes[numbered[1]] = int(numbered[2])
        elif _PRIVATE.match(frame) is not None:
            self.has_lost_private = True

    def _show_holes(self, frame: bytes) -> None:
        """A frame behind a hole of its subscription shows it."""
        numbered = _NUMBERED.search(frame)
        if numbered is not None and self.holes.get(numbered[1], int(numbered[2])) < int(numbered[2]):
            del self.holes[numbered[1]]

    def _arrive(self, count: int) -> None:
        if not self.is_open or self.is_silent:
            return
        self.heard_s = asyncio.get_running_loop().time()
        for _ in range(count):
            frame = self._queue.popleft()
            if self.holes:
                self._show_holes(frame)
            events = self._session.receive(frame, self._now())
            if events:
                self._take(events)
        self.send()

    def send(self) -> None:
        """Send our commands on their way."""
        for command in self._session.outgoing():
            asyncio.get_running_loop().call_later(self._faults.rng.uniform(0.005, 0.03), self._tell, command)

    def _tell(self, command: str) -> None:
        if self.is_open and not self.is_silent:
            self._venue.venue.hub.set_time(self._now())
            self._client.receive(command)
            self.flush()

    def close(self) -> None:
        """End it: what is under way is lost."""
        self.is_open = False
        self._venue.venue.hub.close_session(self._client)
        self._queue.clear()
        self._client.outbox.clear()
