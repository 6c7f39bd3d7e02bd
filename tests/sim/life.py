"""One life of the daemon in the simulation: its own parts, joined as `daemon.parts` joins them.

Real are the engine, the session, the inbox, the pump, the order queue, the reader and the asking for
outcomes. Made up are what they stand on (`transport`, `disk`), the listing of markets, which here needs no
search, and the strategy, which is restless so that every path is walked.
"""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.commands import Command
from daemon.core.engine import Engine, EngineConfig, Slot
from daemon.core.pacer import Pacer
from daemon.core.risk import Limits
from daemon.core.scorer import FeatureSchema
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import MILLISECOND, MONEY_ONE, SECOND, Ns
from daemon.kalshi.costs import RECORDED
from daemon.kalshi.rest import Rest
from daemon.kalshi.session import Session
from daemon.shell.drop_copy import DropCopy
from daemon.shell.journal import JournalHeader
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from daemon.shell.loop import Inbox, Pump
from daemon.shell.outcomes import Outcomes
from daemon.shell.queue import OrderQueue
from daemon.shell.reads import Reader
from daemon.shell.recovery import recover
from daemon.shell.settlements import Settlements
from daemon.shell.venue_status import VenueStatus
from tests.sim.disk import SimJournal
from tests.sim.transport import Faults, Flight, Line, SimHttp
from tests.sim.venue import SHARD, SimVenue

LIMITS = Limits(
    order_qty_max=1_500,
    position_qty_max=3_000,
    market_loss_max=20 * MONEY_ONE,
    total_loss_max=36 * MONEY_ONE,
    daily_loss_max=500 * MONEY_ONE,
    price_away_max=2_000,
    orders_per_minute_max=600,
    close_guard=3 * SECOND,
    feed_silent_max=4 * SECOND,
    transport_lag_max=60 * SECOND,
    clock_offset_max=60 * SECOND,
    refused_per_minute_max=1_000,
)
"""Small enough that they bind; the lag is not judged, for the simulated stream stamps whole milliseconds."""
EXPIRY = 12 * SECOND
GROUP_LIMIT = 6_000
SILENT_S = 3.0
INSTANCE = "sim"


class Restless:
    """Wants something else every 600 ms, in every market: quotes of one or both sides, to take, nothing."""

    name = "restless"
    features: tuple[str, ...] = ()
    book_changed_max: Ns | None = None

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.is_quoting = True

    def wants(self, view: MarketView) -> Wanted:
        """Return this moment's targets: the same view gives the same ones."""
        book = view.book
        if not self.is_quoting or book.bid is None or book.ask is None:
            return Wanted((), "a pause")
        step = view.now // (600 * MILLISECOND)
        dice = random.Random(zlib.crc32(f"{self._seed} {view.spec.ticker} {step}".encode()))
        kind = dice.choice(("both", "both", "both", "bid", "ask", "take", "nothing"))
        size = dice.choice((50, 100, 200, 700, 1_400))
        bid = min(book.bid + 100 * dice.randint(-1, 1), book.ask - 100)
        ask = max(book.ask + 100 * dice.randint(-1, 1), bid + 100, book.bid + 100)
        quotes = (Target("bid", bid, size, "rest", "quote"), Target("ask", ask, size, "rest", "quote"))
        if kind == "both":
            return Wanted(quotes, "quote")
        if kind in ("bid", "ask"):
            return Wanted((quotes[kind == "ask"],), "quote")
        if kind == "take":
            if dice.random() < 0.5:
                return Wanted((Target("bid", book.ask, size, "take", "take"),), "take")
            return Wanted((Target("ask", book.bid, size, "take", "take"),), "take")
        return Wanted((), "nothing")


class Life:
    """The daemon from a start to its end, or to its crash."""

    def __init__(
        self,
        number: int,
        seed: int,
        venue: SimVenue,
        faults: Faults,
        flights: dict[int, Flight],
        now: Callable[[], Ns],
        folder: Path,
        *,
        on_append: Callable[[Any, int], None],
        on_send: Callable[[str, str, bytes | None], None],
        on_turn: Callable[[list[e.Event], list[Command]], None],
    ) -> None:
        self.number = number
        self._venue, self._faults, self._now = venue, faults, now
        self._on_turn = on_turn
        self.strategy = Restless(seed)
        config = _engine_config(now())
        self.engine = Engine(
            config, [Slot(self.strategy, frozenset({"KXSIM"}))], None, FeatureSchema(("mid", "spread"))
        )
        header = JournalHeader(
            kalshid_version="sim", instance=INSTANCE, epoch=config.epoch,
            engine=msgspec.Raw(msgspec.msgpack.encode(config)),
        )  # fmt: skip
        self.journal = SimJournal(header, random.Random(f"disk-{seed}-{number}"), on_append)
        self.inbox = Inbox()
        self._folder = folder
        self.switch = KillSwitch(Latch(folder), now=now, emit=self.inbox.put)
        self.switch.is_halted = lambda: self.engine.state.halt_reason is not None
        self.session = Session(is_first=True)
        self.line: Line | None = None
        self.http = SimHttp(venue, faults, now, flights, on_send)
        self.rest = _rest(self.http)
        capacity, refill = 600, 300
        journal: Any = self.journal
        self.queue = OrderQueue(
            self.rest, Pacer(capacity, refill, 20), RECORDED,
            now=now, synced=journal.synced, emit=self.inbox.put,
            vouch=lambda command, at: self.switch.refusal() or self.engine.vouch(command, at),
            # asyncio-throttle counts the machine's seconds, of which a life takes a few: it must not bind.
            requests_per_s_max=1_000_000, in_flight_max=4, batch_max=1 + seed % 4,
        )  # fmt: skip
        self.reader = Reader(self.rest, now=now, emit=self.inbox.put)
        self.outcomes = Outcomes(self.rest, self.engine.state, now=now, emit=self.inbox.extend)
        self.settlements = Settlements(self.rest, self.engine.state, now=now, emit=self.inbox.extend)
        self.drop_copy = DropCopy(
            self.rest, self.engine.state, every=2 * SECOND, now=now, emit=self.inbox.put
        )
        self.status = VenueStatus(self.rest, now=now, emit=self.inbox.put, has_standing_window=False)
        self.pump = Pump(
            self.engine, self.inbox, journal, self.queue, self.reader,
            now=now, is_followed=False, on_latency=lambda _ns: None, on_batch=self._after_batch,
            switch=self.switch,
        )  # fmt: skip
        self._books_lost = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._listed: set[str] = set()

    # --- running -------------------------------------------------------------------------------

    def start(self, on_failure: Callable[[BaseException], None]) -> None:
        """Take over what the last life left, and start every part; an error of one is told."""
        self.inbox.extend(recover(self._folder, INSTANCE, self._now()).events)
        self.switch.tell_latched()
        self.list_markets()
        parts: dict[str, Coroutine[None, None, None]] = {
            "pump": self.pump.run(),
            "queue": self.queue.run(),
            "reader": self.reader.run(),
            "stream": self._run_stream(),
            "outcomes": self.outcomes.run(),
            "settlements": self.settlements.run(),
            "drop-copy": self.drop_copy.run(),
            "halt-watch": self.switch.watch(),
            "venue-status": self.status.run(),
        }

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                on_failure(error)

        for name, part in parts.items():
            task = asyncio.create_task(part, name=f"{name}-{self.number}")
            task.add_done_callback(ended)
            self._tasks.append(task)

    async def crash(self) -> None:
        """Lose everything but the journal."""
        if self.line is not None:
            self.line.close()
        requests = [task for task in asyncio.all_tasks() if task.get_name().startswith("order-request-")]
        for task in [*self._tasks, *requests]:
            task.cancel()
        await asyncio.gather(*self._tasks, *requests, return_exceptions=True)
        self.line = None

    def list_markets(self) -> None:
        """Tell the core of the markets, as discovery would after looking at the venue's list."""
        now = self._now()
        for ticker, market in self._venue.exchange.markets.items():
            if market.status == "finalized":
                continue
            self.inbox.put(e.MarketListed(market.spec, now))
            if ticker not in self._listed:
                self._listed.add(ticker)
                self.session.watch([ticker])

    def _after_batch(self, batch: list[e.Event], commands: list[Command]) -> None:
        self.outcomes.on_batch(batch)
        self.settlements.on_batch(batch)
        self.status.on_batch(batch)
        state = self.engine.state
        if state.counts["books_lost"] != self._books_lost:
            self._books_lost = state.counts["books_lost"]
            wrong = [
                ticker
                for ticker, market in state.markets.items()
                if not market.book.is_synced and self.session.is_synced(ticker)
            ]
            if wrong:
                self.inbox.extend(self.session.resnapshot(wrong, "impossible book", self._now()))
        self._on_turn(batch, commands)

    # --- the stream ----------------------------------------------------------------------------

    def _take(self, events: list[e.Event]) -> None:
        self.inbox.extend(events)
        is_doubted = self.session.take_listing_doubt()
        if self.session.take_new_series() or is_doubted:
            asyncio.get_running_loop().call_later(0.3, self.list_markets)

    async def _run_stream(self) -> None:
        """Keep the session connected, as `shell.stream` does over a socket."""
        backoff = Backoff(self._faults.rng.random)
        while True:
            await asyncio.sleep(self._faults.rng.uniform(0.05, 0.2))
            line = self.line = Line(self._venue, self.session, self._faults, self._now, self._take)
            started_s = asyncio.get_running_loop().time()
            self._take(self.session.connected(self._now()))
            reason = "cancelled"
            try:
                reason = await self._tend(line)
            finally:
                line.close()
                self._take(self.session.dropped(reason, self._now()))
            if asyncio.get_running_loop().time() - started_s > 5.0:
                backoff.reset()
            await asyncio.sleep(min(2.0, backoff.next_s()))

    async def _tend(self, line: Line) -> str:
        """Look after a connection until it has to be given up; return why."""
        frames = self.session.frames
        while True:
            line.send()
            await asyncio.sleep(0.5)
            if not line.is_open:
                return "cut"
            self._take(self.session.poll(self._now()))
            if self.session.reconnect_reason is not None:
                return self.session.reconnect_reason
            # The venue answers our pings, unless nothing comes at all.
            if line.is_silent and asyncio.get_running_loop().time() - line.heard_s >= SILENT_S:
                return f"silent for {SILENT_S:g} s"
            if self.session.frames != frames:
                self._take([e.FeedHeard(self.session.feed, self._now())])
            frames = self.session.frames


def _engine_config(now: Ns) -> EngineConfig:
    """Return what the engine of a life that begins at `now` is set up with."""
    return EngineConfig(
        order_id_prefix="kd",
        epoch=now // MILLISECOND,
        limits=LIMITS,
        order_ttl=SECOND,
        heartbeat=250 * MILLISECOND,
        reconcile_every=5 * SECOND,
        failures_max=3,
        probe_every=SECOND,
        order_expiry=EXPIRY,
        order_group_limit=GROUP_LIMIT,
    )


def _rest(http: SimHttp) -> Rest:
    """Return the real calls over a simulated wire."""
    rest = Rest("http://sim", None, http.clock)
    # Each group of calls keeps the way to the venue under this name; there is no other door.
    rest._http = http
    return rest


__all__ = ["LIMITS", "SHARD", "Life", "Restless"]
