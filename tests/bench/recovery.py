"""One life of the daemon's parts under a whole market list: start, cuts, gaps, and a storm of book messages.

Run as a process of its own (`python -m tests.bench.recovery '{"markets": 1000, ...}'`), so that daemon and
sandbox have a core each, and nothing else's memory is counted. It prints what it measured as one JSON line.
What holds on any machine (nothing lost, every book the exchange's) is asserted here; figures are only told.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from daemon.assembly import HEARTBEAT
from daemon.core import events as e
from daemon.core.commands import Command
from daemon.core.strategy import MarketView, Wanted
from daemon.core.units import MILLISECOND, SECOND, Ns
from daemon.kalshi.book_sync import CALM
from daemon.shell import stream
from tests.bench.test_bench_sandbox import cpu_s
from tests.e2e.venue_rig import Requoter, SandboxProcess, VenueRig

ROOT = Path(__file__).parents[2]
EVENT = "KXTEST-LOAD"
DEPTH_PER_MARKET = 20
"""Levels moved in each book before the daemon comes: about six rest on each side."""
BOOKS_COMPARED = 50
GAP_COUNT = 3
HEALTHY_S = 1.0
"""Instead of a minute: each cut is the first one after a time of health, and a run is not an hour."""
CONFIG = """
[venue]
markets_per_connection = {}
[markets]
series = ["KXTEST"]
"""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to put the daemon through. 0 of anything leaves it out."""

    markets: int
    markets_per_connection: int = 400
    cuts: int = 0
    gaps: int = 0
    per_s: int = 0
    seconds: float = 0.0
    idle_s: float = 0.0


class Figures(msgspec.Struct, kw_only=True):
    """What was seen. Times in seconds, memory in MB."""

    connections: int = 0
    listed_s: float = 0.0
    """From the parts' start until the core knew every market."""
    synced_s: float = 0.0
    backfilled_s: float = 0.0
    rss_mb: float = 0.0
    idle_cpu: float = 0.0
    """Processor seconds per second while nothing happens."""
    cut_s: list[float] = []
    """From each cut to all books synced."""
    cut_backfilled_s: list[float] = []
    redial_s: list[float] = []
    """The part of `cut_s` until the last connection was up again, its backoff included."""
    gap_s: list[float] = []
    messages: int = 0
    sent_s: float = 0.0
    drained_s: float = 0.0
    """From the load's start until the core had handled its last message."""
    per_core_s: float = 0.0
    """Messages per second of the daemon's core; 0 where nothing was sent."""
    sandbox_per_core_s: float = 0.0
    age_p99_ms: list[float] = []
    """For each quarter of the load: from the exchange's stamp to the decision, oldest of each batch."""
    rss_quarter_mb: list[float] = []


class Idle(Requoter):
    """Looks at each market that it is asked about, and wants nothing."""

    name = "idle"

    def wants(self, view: MarketView) -> Wanted:
        """Return no target."""
        return Wanted((), "idle" if view.book.bid is not None else "one-sided")


class Watcher:
    """Counts what the core has handled, batch by batch."""

    def __init__(self, rig: VenueRig) -> None:
        self.deltas = 0
        self.connected_at: Ns = 0
        self.lost_at: Ns | None = None
        self.ages: list[tuple[Ns, Ns]] = []
        pump = rig.parts.pump
        self._before = pump._on_batch
        pump._on_batch = self._on_batch

    def _on_batch(self, events: list[e.Event], commands: list[Command]) -> None:
        self._before(events, commands)
        oldest: Ns | None = None
        for event in events:
            if type(event) is e.BookDeltaReceived:
                self.deltas += 1
                if oldest is None:
                    oldest = event.sent_at
            elif type(event) is e.BookLost:
                self.lost_at = self.lost_at or event.received_at
            elif type(event) is e.FeedConnected:
                self.connected_at = event.received_at
        if oldest is not None:
            now = time.time_ns()
            self.ages.append((now, now - oldest))


class Life:
    """The daemon's parts against a sandbox with many markets."""

    def __init__(self, rig: VenueRig, plan: Plan) -> None:
        self._rig = rig
        self._plan = plan
        self._tickers: Sequence[str] = ()
        self._watcher: Watcher
        self.figures = Figures()

    async def _until(self, happened: Callable[[], bool], within_s: float = 300.0) -> float:
        """Wait, and return the seconds that it took."""
        began = time.perf_counter()
        async with asyncio.timeout(within_s):
            while not happened():  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        return time.perf_counter() - began

    def _are_synced(self) -> bool:
        markets = self._rig.engine.state.markets
        return len(markets) == self._plan.markets and all(one.book.is_synced for one in markets.values())

    def _are_backfilled(self) -> bool:
        markets = self._rig.engine.state.markets.values()
        return not any(one.is_backfill_due for one in markets)

    # --- before ---------------------------------------------------------------------------------

    async def list_markets(self) -> None:
        """List the markets, and give each book its depth."""
        made = await self._rig.call(
            "/markets", series_ticker="KXTEST", event_ticker=EVENT, count=self._plan.markets
        )
        self._tickers = made["tickers"]
        await self._load(200_000, DEPTH_PER_MARKET * self._plan.markets / 200_000)

    async def _load(self, per_s: int, seconds: float, tickers: Sequence[str] = ()) -> dict[str, Any]:
        which = {"tickers": tickers} if tickers else {"event_ticker": EVENT}
        await self._rig.call("/load/start", per_s=per_s, seconds=seconds, **which)
        return await self._loaded()

    async def _loaded(self) -> dict[str, Any]:
        """Wait for the end of the load, and return its report."""
        while True:
            report: dict[str, Any] = (await self._standing())["load"]
            if not report["is_running"]:
                return report
            await asyncio.sleep(0.05)

    async def _standing(self) -> dict[str, Any]:
        async with self._rig._admin.get(self._rig.sandbox.ready["admin_url"] + "/load") as reply:
            standing: dict[str, Any] = await reply.json()
            return standing

    async def start(self, folder: Path, stack: AsyncExitStack) -> None:
        """Start the parts and wait until every book is synced, and every past whole."""
        figures, engine_of = self.figures, self._rig
        parts = await self._rig.open_parts(folder, stack, CONFIG.format(self._plan.markets_per_connection))
        # The rig's is quicker than the daemon's: a look at every market costs what it costs in earnest.
        engine = self._rig.engine
        engine.config = msgspec.structs.replace(engine.config, heartbeat=HEARTBEAT)
        self._watcher = Watcher(self._rig)
        tasks = [asyncio.create_task(part, name=name) for name, part in parts.items()]
        stack.push_async_callback(_end, tasks)
        figures.listed_s = await self._until(
            lambda: len(engine_of.engine.state.markets) == self._plan.markets
        )
        figures.synced_s = figures.listed_s + await self._until(self._are_synced)
        figures.backfilled_s = figures.synced_s + await self._until(self._are_backfilled)
        figures.connections = len(self._rig.parts.feeds.sessions)
        gc.collect()
        figures.rss_mb = _rss_mb()

    async def idle(self) -> None:
        """See what nothing costs."""
        used = time.process_time()
        await asyncio.sleep(self._plan.idle_s)
        self.figures.idle_cpu = (time.process_time() - used) / self._plan.idle_s

    # --- recovery -------------------------------------------------------------------------------

    async def cut(self) -> None:
        """Cut all connections at once, as after a long time of health; see all books come back."""
        await asyncio.sleep(HEALTHY_S)
        figures, state = self.figures, self._rig.engine.state
        drops = self._drops()
        began_at = time.time_ns()
        await self._rig.call("/faults", kind="cut", stream="kalshi", next=figures.connections)
        await self._until(lambda: self._drops() == drops + figures.connections)
        await self._until(self._are_synced)
        figures.cut_s.append((time.time_ns() - began_at) / SECOND)
        figures.redial_s.append((self._watcher.connected_at - began_at) / SECOND)
        await self._until(self._are_backfilled)
        figures.cut_backfilled_s.append((time.time_ns() - began_at) / SECOND)
        assert state.halt_reason is None

    def _drops(self) -> int:
        return sum(count for name, count in self._rig.engine.state.counts.items() if name.endswith("_drops"))

    async def gap(self) -> None:
        """Skip numbers of one subscription; see its books come back, and the others never leave."""
        await asyncio.sleep(1.1 * CALM / SECOND)  # a loss on the heels of another asks more slowly
        ticker = self._tickers[0]
        lost = self._rig.engine.state.counts["books_lost"]
        self._watcher.lost_at = None
        await self._rig.call(
            "/faults", kind="sequence_gap", channel="orderbook_delta", market=ticker, next=1, count=GAP_COUNT
        )
        await self._rig.call("/load/start", tickers=[ticker], per_s=1, seconds=1.0)
        await self._until(lambda: self._watcher.lost_at is not None)
        await self._until(self._are_synced)
        lost_at = self._watcher.lost_at
        assert lost_at is not None
        self.figures.gap_s.append((time.time_ns() - lost_at) / SECOND)
        feeds = self._rig.parts.feeds
        concerned = sum(feeds.feed_of(one) == feeds.feed_of(ticker) for one in self._tickers)
        assert lost + concerned == self._rig.engine.state.counts["books_lost"]
        await self._loaded()

    # --- the storm ------------------------------------------------------------------------------

    async def storm(self) -> None:
        """Take a stream of book messages; lose none of them."""
        figures, plan, watcher = self.figures, self._plan, self._watcher
        lost = dict(self._rig.engine.state.counts)
        deltas, watcher.ages = watcher.deltas, []
        pid = int(self._rig.sandbox.ready["pid"])
        used, sandbox_used, began = time.process_time(), cpu_s(pid), time.perf_counter()
        sampler = asyncio.create_task(self._sample_memory())
        report = await self._load(plan.per_s, plan.seconds)
        figures.messages, figures.sent_s = report["sent"], report["seconds"]
        try:
            await self._until(lambda: watcher.deltas - deltas >= report["sent"], 60)
        except TimeoutError:
            raise AssertionError(f"{watcher.deltas - deltas} of {report['sent']} came") from None
        figures.drained_s = time.perf_counter() - began
        figures.per_core_s = report["sent"] / (time.process_time() - used)
        figures.sandbox_per_core_s = report["sent"] / max(0.01, cpu_s(pid) - sandbox_used)
        await sampler
        figures.age_p99_ms = _quarters_p99(watcher.ages)
        assert report["sent"] == watcher.deltas - deltas
        counts = self._rig.engine.state.counts
        for name in ("books_lost", "resnapshots", "frames_refused"):
            assert lost.get(name, 0) == counts[name], name
        await self._are_numbers_equal()
        await self._are_books_equal()

    async def _sample_memory(self) -> None:
        for _ in range(4):
            await asyncio.sleep(self._plan.seconds / 4)
            gc.collect()
            self.figures.rss_quarter_mb.append(_rss_mb())

    async def _are_numbers_equal(self) -> None:
        """Every connection stands at the number that the sandbox gave last."""
        feeds = self._rig.parts.feeds
        ours = {}
        for feed, link in feeds._links.items():
            assert link.connection is not None
            host, port = link.connection.local_address[:2]
            stream_ = link.session._subscriptions.books.stream
            assert stream_ is not None
            # The faults skipped numbers on the wire, behind the sandbox's own count.
            is_gapped = feed == feeds.feed_of(self._tickers[0])
            skipped = GAP_COUNT * self._plan.gaps if is_gapped else 0
            ours[f"{host}:{port}"] = stream_.last_seq - skipped
        standing = (await self._standing())["subscriptions"]
        # A connection that was cut may not have been noticed there yet.
        theirs = {
            one["peer"]: one["seq"]
            for one in standing
            if one["channel"] == "orderbook_delta" and one["peer"] in ours
        }
        assert theirs == ours

    async def _are_books_equal(self) -> None:
        """What we hold is what the exchange holds, in books all over the list."""
        step = max(1, len(self._tickers) // BOOKS_COMPARED)
        for ticker in self._tickers[::step]:
            told = await self._rig.rest.orderbook(ticker)
            book = self._rig.engine.state.markets[ticker].book
            assert dict(told.yes) == book.yes.sizes, ticker
            assert dict(told.no) == book.no.sizes, ticker


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    failures = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not failures, failures


def _rss_mb() -> float:
    """Return the memory that this process has; 0 where the system doesn't tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _quarters_p99(ages: list[tuple[Ns, Ns]]) -> list[float]:
    if not ages:
        return []
    first, last = ages[0][0], ages[-1][0]
    quarters: list[list[Ns]] = [[], [], [], []]
    for at, age in ages:
        quarters[min(3, 4 * (at - first) // max(1, last - first))].append(age)
    return [sorted(one)[len(one) * 99 // 100] / MILLISECOND if one else 0.0 for one in quarters]


async def live(plan: Plan, folder: Path) -> Figures:
    """Put the daemon through a plan."""
    stream.HEALTHY_S = HEALTHY_S
    sandbox = SandboxProcess(folder / "sandbox")
    await sandbox.start()
    async with AsyncExitStack() as stack:
        stack.callback(sandbox.end)
        admin = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120))
        )
        rig = VenueRig(sandbox, admin)
        rig.strategy = Idle()
        life = Life(rig, plan)
        await life.list_markets()
        await life.start(folder, stack)
        if plan.idle_s:
            await life.idle()
        for _ in range(plan.cuts):
            await life.cut()
        for _ in range(plan.gaps):
            await life.gap()
        if plan.per_s:
            await life.storm()
        return life.figures


def measure(plan: Plan, within_s: float = 600.0) -> Figures:
    """Run a plan in a process of its own and return what it saw."""
    words = [sys.executable, "-m", "tests.bench.recovery", msgspec.json.encode(plan).decode()]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=within_s, check=False)
    assert not done.returncode, (done.stdout + done.stderr)[-4000:]
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Figures)


def main(words: list[str]) -> None:
    """Run the plan that the one argument tells."""
    plan = msgspec.json.decode(words[0], type=Plan)
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(live(plan, Path(folder)))
    sys.stdout.write("\n" + json.dumps(msgspec.to_builtins(figures)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
