"""The one way out for reads: two lines in front of one token budget, so that reconciliation always passes.

Every GET of the REST client waits here for its turn. Our account and the venue's status go first
(reconciliation, the breaker's probe), and may use the budget's reserve; all else (discovery, backfill,
audits, whoever else asks) stands in the other line, in order of arrival. Exactly one task lets reads
through: it alone awaits the throttler, whose waiters each poll by themselves and lose their order.

    line ─▶ a free place in flight ─▶ throttler ─▶ tokens ─▶ go

A read that got through counts as in flight until its answer is in; those of the two lines are counted
apart, so that a venue that hangs on market reads can't keep the account's waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Literal, TypeAlias

from asyncio_throttle.throttler import Throttler

from daemon.core.pacer import Pacer
from daemon.core.units import SECOND, Ns
from daemon.kalshi.bodies import AccountLimits
from daemon.kalshi.costs import Costs

Line: TypeAlias = Literal["account", "market"]
LINES: tuple[Line, ...] = ("account", "market")
"""In order of precedence."""

IN_FLIGHT_MAX: dict[Line, int] = {"account": 4, "market": 8}
SHARE_PERCENT = 90
"""The part of the budget that we use: requests bunch up on their way, and our start read a little too."""
RESERVE_READS = 6
"""Reads by the default cost that only the account's line may make at once: a reconciliation is four."""
_ACCOUNT_PATHS = ("/portfolio/", "/exchange/status")
_FOR_PEOPLE = "/portfolio/orders/queue_positions"
"""Ours too, but nothing is decided by it."""
_NAP_S = 0.02
"""The longest sleep for tokens: a followed clock runs at another speed than ours."""


class ReadGate:
    """Lets reads go one after the other; see `daemon.kalshi.http.Gate` for how the client uses it.

    Nothing gets through unless `run` runs.

    Args:
        pacer: the read token budget.
        costs: what requests cost.
        now: our clock.
        requests_per_s_max: outer bound on reads in any one second.
    """

    def __init__(self, pacer: Pacer, costs: Costs, *, now: Callable[[], Ns], requests_per_s_max: int) -> None:
        self.pacer = pacer
        self._costs = costs
        self._now = now
        self._throttler = Throttler(rate_limit=requests_per_s_max, period=1.0, retry_interval=0.001)
        self._lines: dict[Line, deque[_Waiter]] = {line: deque() for line in LINES}
        self._in_flight: dict[Line, int] = dict.fromkeys(LINES, 0)
        self._wake = asyncio.Event()
        self.passed: dict[Line, int] = dict.fromkeys(LINES, 0)
        """Reads let through, by line."""
        self.limited = 0
        """Reads that the venue refused for want of tokens (429): it should stay at 0."""
        self.on_wait: Callable[[Ns], None] | None = None
        """Takes how long each read waited, for the histogram."""

    @property
    def depth(self) -> dict[Line, int]:
        """Reads that wait, by line."""
        return {line: sum(not one.turn.done() for one in waiters) for line, waiters in self._lines.items()}

    @property
    def in_flight(self) -> int:
        """Reads without an answer."""
        return sum(self._in_flight.values())

    async def enter(self, path: str) -> None:
        """Return when a GET of this path may be sent. A cancelled caller has not entered."""
        line = line_of(path)
        turn = asyncio.get_running_loop().create_future()
        asked_at = self._now()
        self._lines[line].append(_Waiter(path, turn))
        self._wake.set()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # Let through in the same moment: nobody else would give the place back.
                self.leave(path, None)
            raise
        if self.on_wait is not None:
            self.on_wait(self._now() - asked_at)

    def leave(self, path: str, status: int | None) -> None:
        """Take note that the read is over; `status` is None when no answer came."""
        line = line_of(path)
        assert self._in_flight[line] > 0, f"{path} left and never entered"
        self._in_flight[line] -= 1
        if status == 429:
            self.limited += 1
            self.pacer.empty(self._now())
        self._wake.set()

    async def run(self) -> None:
        """Let reads through until cancelled."""
        while True:
            await self._until_one_waits()
            async with self._throttler:
                await self._let_one_go()

    async def _until_one_waits(self) -> None:
        while self._first() is None:
            self._wake.clear()
            await self._wake.wait()

    async def _let_one_go(self) -> None:
        """Let the first go that may; whoever comes first while we wait for tokens is seen again each time."""
        while (line := self._first()) is not None:
            waiter, now = self._lines[line][0], self._now()
            cost, is_first = self._costs.of("GET", waiter.path), line == "account"
            if self.pacer.take(cost, now, may_use_reserve=is_first):
                self._lines[line].popleft()
                self._in_flight[line] += 1
                self.passed[line] += 1
                waiter.turn.set_result(None)
                return
            ready_at = self.pacer.ready_at(cost, now, may_use_reserve=is_first)
            await self._nap(min(_NAP_S, (ready_at - now) / SECOND))

    def _first(self) -> Line | None:
        """Return the line whose turn it is; None when nobody waits who would have a place in flight."""
        for line in LINES:
            waiters = self._lines[line]
            while waiters and waiters[0].turn.done():  # it was cancelled
                waiters.popleft()
            if waiters and self._in_flight[line] < IN_FLIGHT_MAX[line]:
                return line
        return None

    async def _nap(self, seconds: float) -> None:
        """Wait a moment, or until somebody comes or leaves."""
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass


class _Waiter:
    """One read that waits; its turn is done when it is let through, or has given up."""

    __slots__ = ("path", "turn")

    def __init__(self, path: str, turn: asyncio.Future[None]) -> None:
        self.path = path
        self.turn = turn


def line_of(path: str) -> Line:
    """Return the line for a read: what is ours, and whether the venue trades, goes before all else."""
    return "account" if path.startswith(_ACCOUNT_PATHS) and path != _FOR_PEOPLE else "market"


def gate_for(limits: AccountLimits, costs: Costs, *, now: Callable[[], Ns]) -> ReadGate:
    """Return a gate for the account's read budget.

    The throttler's bound is what the venue's bucket can let through in a second, a full one first: it
    never binds before the tokens do, and holds should our arithmetic fail.
    """
    bucket = limits.read
    capacity = bucket.bucket_capacity * SHARE_PERCENT // 100
    # A small bucket keeps half of itself for all else.
    reserve = min(RESERVE_READS * costs.default, capacity // 2)
    pacer = Pacer(capacity, max(1, bucket.refill_rate * SHARE_PERCENT // 100), reserve)
    per_s_max = max(1, (bucket.bucket_capacity + bucket.refill_rate) // costs.default)
    return ReadGate(pacer, costs, now=now, requests_per_s_max=per_s_max)
