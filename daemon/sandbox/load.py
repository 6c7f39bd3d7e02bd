"""Load: a seeded stream of book messages through the normal path, counted exactly.

The operator's makers toggle levels: an order is placed where none of theirs rests, or the one that rests
is cancelled. Each toggle is one change of one level, so one `orderbook_delta` for everyone who follows that
market. Nothing crosses: bids stay below the middle, asks above.
"""

from __future__ import annotations

import asyncio
from random import Random
from time import monotonic
from typing import Final

import msgspec
import structlog

from daemon.core.units import QTY_ONE, BookSide, Ns, Price
from daemon.exchange.facts import Fact, OrderState
from daemon.exchange.requests import NewOrder
from daemon.sandbox.venue import Venue

MAKER: Final = "sim:load"
LEVELS: Final = 20
"""A side's levels that are moved; the best bid is at 0.49 at most, the best ask at 0.51 at least."""
TURN_S: Final = 0.01
BURST_MAX: Final = 500
"""Messages brought about before everyone is written to, and served."""

log = structlog.get_logger()


class LoadReport(msgspec.Struct, frozen=True):
    """A load as it stands: what was asked, what was sent of it, how long that took."""

    markets: int
    per_s: int
    messages: int
    sent: int
    seconds: float
    is_running: bool


class BookLoad:
    """One stream: which level of which market moves next, by its seed alone."""

    def __init__(self, venue: Venue, tickers: list[str], seed: int) -> None:
        self._venue = venue
        self._tickers = tickers
        self._random = Random(seed)  # noqa: S311  # a load, not a secret
        self._resting: dict[tuple[str, BookSide, int], str] = {}
        venue.exchange.open_account(MAKER, {}, is_house=True)

    def send(self, count: int) -> int:
        """Move so many levels, tell everyone, and return how many moved."""
        facts: list[Fact] = []
        now = self._venue.clock.now()
        for _ in range(count):
            facts += self._toggle(now)
        self._venue.tell([*facts])
        return len(facts)

    def _toggle(self, now: Ns) -> list[Fact]:
        random, exchange = self._random, self._venue.exchange
        ticker = random.choice(self._tickers)
        side: BookSide = "bid" if random.random() < 0.5 else "ask"
        slot = (ticker, side, random.randrange(LEVELS))
        order_id = self._resting.pop(slot, None)
        if order_id is not None:
            return exchange.cancel(MAKER, order_id, now)[1]
        step: Price = 100 * (slot[2] + 1)
        price = 5000 - step if side == "bid" else 5000 + step
        qty = random.randrange(1, 500) * QTY_ONE
        order, facts = exchange.place(NewOrder(MAKER, ticker, side, price, qty, post_only=True), now)
        if isinstance(order, OrderState):
            self._resting[slot] = order.order_id
        return facts


class Loads:
    """The one load that runs, or the last that ran."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._task: asyncio.Task[None] | None = None
        self.report: LoadReport | None = None
        """None before the first load."""

    @property
    def is_running(self) -> bool:
        """Whether one runs."""
        return self._task is not None and not self._task.done()

    def start(self, tickers: list[str], per_s: int, seconds: float, seed: int) -> None:
        """Begin a load; one at a time."""
        assert not self.is_running, "a load runs"
        messages = round(per_s * seconds)
        self.report = LoadReport(len(tickers), per_s, messages, 0, 0.0, is_running=True)
        load = BookLoad(self._venue, tickers, seed)
        self._task = asyncio.create_task(self._run(load, self.report))

    async def stop(self) -> None:
        """End the load that runs, if any."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self, load: BookLoad, asked: LoadReport) -> None:
        began_s = monotonic()
        sent = tried = 0
        try:
            while tried < asked.messages:
                due = min(asked.messages, int((monotonic() - began_s) * asked.per_s) + 1)
                count = min(due - tried, BURST_MAX)
                if count > 0:
                    sent += load.send(count)
                    tried += count
                self.report = msgspec.structs.replace(asked, sent=sent, seconds=monotonic() - began_s)
                # Late bursts follow at once, with clients served in between.
                await asyncio.sleep(0 if due > tried else TURN_S)
        finally:
            self.report = msgspec.structs.replace(
                asked, sent=sent, seconds=monotonic() - began_s, is_running=False
            )
            log.info("load.ended", sent=sent)
