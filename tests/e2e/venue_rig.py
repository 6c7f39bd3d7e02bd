"""The daemon's own parts against a sandbox process: a restless strategy, and an operator in trouble.

Everything but the strategy and the screen is what `kalshid run` runs: sockets, sessions, journal, queue,
engine. What the daemon believes can be read at any time, and be held against the exchange.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import unittest.mock
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec

from daemon.assembly import ModelRef, setup_of
from daemon.config import parse_config
from daemon.core.engine import Engine, Slot
from daemon.core.pacer import Pacer
from daemon.core.scorer import FeatureSchema
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import MILLISECOND, Money, Qty
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.costs import Costs
from daemon.kalshi.rest import Rest
from daemon.kraken.rest import KrakenRest
from daemon.parts import Outside, Parts
from daemon.shell import stream
from daemon.shell.clock import SystemClock
from daemon.shell.journal import Journal, JournalHeader
from daemon.shell.loop import Inbox
from daemon.shell.metrics import Metrics
from daemon.shell.read_gate import gate_for
from daemon.venue import Address
from tests.e2e.daemon_process import ROOT, free_port

EVENT = "KXTEST-E1"
CONFIG = """
[markets]
series = ["KXTEST"]
refresh_s = 1
[risk]
orders_per_minute_max = 1000
[feed]
silent_max_s = 3
[breaker]
probe_every_s = 1
[venue]
request_timeout_s = 2
[reconcile]
every_s = 2
[audit]
every_s = 1
"""


class SandboxProcess:
    """`kalshid sandbox` in a world that stands still; it can be killed and started again on its ports."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ports = ["--port", str(free_port()), "--admin-port", str(free_port())]
        self._words = ["--state", str(folder), "--world", "still", *ports]
        self._process: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "daemon", "sandbox", *self._words]
        with (self._folder / "sandbox.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd=ROOT
            )
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        assert line, (self._folder / "sandbox.log").read_text()[-2000:]
        self.ready = json.loads(line)

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process is None or self._process.poll() is not None

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait for that."""
        if self._process is None:
            return
        if self._process.poll() is None:
            os.kill(self._process.pid, number)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None


class Requoter:
    """Wants something else every 300 ms: two orders, the same elsewhere, nothing. So orders never rest."""

    name = "requoter"
    features: tuple[str, ...] = ()
    book_changed_max: int | None = None

    def __init__(self) -> None:
        self.is_quoting = True

    def wants(self, view: MarketView) -> Wanted:
        """Return this moment's quotes."""
        step = view.now // (300 * MILLISECOND) % 3
        if not self.is_quoting or step == 2:
            return Wanted((), "a pause")
        bid = 4_600 + 100 * step
        if view.book.ask is None or view.book.bid is None:
            return Wanted((), "one-sided")
        return Wanted(
            (
                Target("bid", bid, 100, "rest", "quote"),
                Target("ask", 10_000 - bid, 100, "rest", "quote"),
            ),
            "quote",
        )


class VenueRig:
    """A sandbox, its operator, and the daemon's parts that trade there. Built by `venue_rig`."""

    def __init__(self, sandbox: SandboxProcess, admin: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self._admin = admin
        self.strategy = Requoter()
        self.parts: Parts
        self.engine: Engine
        self.metrics: Metrics
        self.rest: Rest
        self.refusals: Counter[str] = Counter()
        """How often each reason not to trade was in force when looked at, some hundred times a second."""
        self.replies: dict[str, int] = {}
        """Order requests by the status of their answer; "none" where none came."""

    # --- the operator ---------------------------------------------------------------------------

    async def call(self, call: str, /, **body: object) -> Any:
        """Make an admin call and return its answer."""
        url = self.sandbox.ready["admin_url"] + call
        async with self._admin.post(url, json=body) as reply:
            answer = await reply.json()
            assert reply.status == 200, f"{call} {body}: {reply.status} {answer}"
            return answer

    async def hits(self, id_: int) -> int:
        """How often a fault has hit."""
        async with self._admin.get(self.sandbox.ready["admin_url"] + "/faults") as reply:
            rules = (await reply.json())["faults"]
        return next(int(rule["hit"]) for rule in rules if rule["id"] == id_)

    async def make_market(self, ticker: str, **changes: object) -> None:
        """List a market of the test event and quote it."""
        await self.call("/markets", series_ticker="KXTEST", event_ticker=EVENT, ticker=ticker, **changes)
        await self.quote(ticker)

    async def quote(self, ticker: str) -> None:
        """Put the operator's quotes into a book, around which ours are better."""
        bids = [["0.4500", "100.00"], ["0.4400", "200.00"]]
        asks = [["0.5500", "100.00"], ["0.5600", "200.00"]]
        await self.call("/book", ticker=ticker, bids=bids, asks=asks)

    async def watch_refusals(self) -> None:
        """Note why the daemon would not trade, until cancelled."""
        while True:
            state, limits = self.engine.state, self.engine.config.limits
            for market in state.markets.values():
                self.refusals[state.vouch(market, limits, time.time_ns()) or "none"] += 1
            await asyncio.sleep(0.01)

    # --- what the daemon believes, and what is true ---------------------------------------------

    @property
    def counts(self) -> dict[str, int]:
        """The sessions' counters."""
        return self.parts.feeds.counters

    @property
    def is_trading(self) -> bool:
        """Whether the daemon would send an order in every open market it watches."""
        engine, now = self.engine, time.time_ns()
        if engine.phase != "trading" or engine.breakers.worst != "closed" or not engine.state.markets:
            return False
        state = engine.state
        return all(
            market.book.is_synced and state.vouch(market, engine.config.limits, now) is None
            for market in state.markets.values()
            if market.spec.status == "active" and now < market.spec.close_at
        )

    async def until(self, happened: Callable[[], bool], what: str, within_s: float = 60.0) -> None:
        """Wait until something is true."""
        try:
            async with asyncio.timeout(within_s):
                while not happened():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            state = self.engine.state
            raise AssertionError(
                f"it did not come to this within {within_s:g} s: {what}; phase {self.engine.phase}, breaker"
                f" {self.engine.breakers.worst}, orders {list(state.orders.values())}, refusals"
                f" {dict(self.engine.refusals)}, counts {dict(state.counts)}, session {self.counts}"
            ) from None

    async def truth(self) -> tuple[Money, dict[str, Qty], int]:
        """Cash, positions and the number of resting orders, as the exchange has them."""
        positions = await self.rest.positions()
        cash = await self.rest.balance()
        orders = await self.rest.orders("resting")
        return cash, {one.ticker: one.qty for one in positions if one.qty}, len(orders)

    def belief(self) -> tuple[Money | None, dict[str, Qty], int]:
        """The same as the daemon believes it."""
        ledger, state = self.engine.state.ledger, self.engine.state
        positions = {ticker: one.qty for ticker, one in ledger.positions.items() if one.qty}
        return ledger.cash, positions, sum(order.is_open for order in state.orders.values())

    async def agrees(self) -> None:
        """Stop quoting, wait until nothing is under way, and hold belief against truth, to the last unit."""
        self.strategy.is_quoting = False
        await self.until(lambda: not self.engine.state.orders, "no order is left", 90)
        await self.until(lambda: self.engine.state.account.is_reconciled, "reconciled")
        await asyncio.sleep(0.6)  # the lists at the venue run behind
        assert await self.truth() == self.belief()
        listed = await self.rest.order_records()
        ids = [record.order.client_order_id for record in listed]
        assert len(ids) == len(set(ids)), "an intent became two orders"
        assert len(ids) <= self.engine.orders_total, "more orders than intents"
        self.strategy.is_quoting = True

    def observe(self, method: str, path: str, status: int | None, _seconds: float) -> None:
        """Count the answers to order requests."""
        if method != "GET" and "/orders" in path:
            key = "none" if status is None else str(status)
            self.replies[key] = self.replies.get(key, 0) + 1

    async def open_parts(self, folder: Path, stack: AsyncExitStack, config_text: str) -> dict[str, Any]:
        """Build the daemon's parts; return their tasks."""
        ready, clock = self.sandbox.ready, SystemClock()
        config = parse_config("config.toml", config_text, folder)
        signer = Signer(ready["key_id"], load_private_key(Path(ready["private_key_path"])))
        self.rest = await stack.enter_async_context(
            Rest(ready["rest_url"], signer, clock.now, self.observe, read_timeout_s=2, write_timeout_s=2)
        )
        limits = await self.rest.account_limits()
        costs = Costs(await self.rest.endpoint_costs())
        model = ModelRef("none", "none", "1", "0" * 64)
        setup = setup_of(config, model, time.time_ns() // MILLISECOND, is_backfilled=True)
        # A fault each few seconds is no venue that keeps failing: attempts begin at once after each.
        stack.enter_context(unittest.mock.patch.object(stream, "HEALTHY_S", 1.0))
        # Asked often, so that the strategy's restlessness needs no moving book.
        engine_config = msgspec.structs.replace(setup.engine, heartbeat=100 * MILLISECOND)
        self.engine = Engine(
            engine_config, [Slot(self.strategy, frozenset(("KXTEST",)))], None, FeatureSchema(("mid",))
        )
        header = JournalHeader(
            kalshid_version="test",
            instance="rig",
            epoch=setup.engine.epoch,
            engine=msgspec.Raw(msgspec.msgpack.encode(setup)),
        )
        journal = Journal.create(folder / "journal", header)
        stack.callback(journal.close)
        gate = gate_for(limits, costs, now=clock.now)
        self.rest.gate = gate
        kraken = await stack.enter_async_context(KrakenRest(ready["reference_rest_url"]))
        self.metrics = Metrics()
        pacer = Pacer(limits.write.bucket_capacity, limits.write.refill_rate, config.orders.reserve_tokens)
        self.parts = Parts(
            config, self.engine, journal, Outside(self.rest, pacer, gate, kraken, costs.writes()),
            inbox=Inbox(), clock=clock, metrics=self.metrics,
        )  # fmt: skip
        address = Address(
            rest_url=ready["rest_url"],
            ws_url=ready["ws_url"],
            reference_ws_url=ready["reference_ws_url"],
            reference_rest_url=ready["reference_rest_url"],
            key_id=ready["key_id"],
            private_key_file=Path(ready["private_key_path"]),
        )
        return {**self.parts.tasks(address, signer), "pump": self.parts.pump.run()}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sandbox.end()


async def _hit_quotes(rig: VenueRig, tickers: list[str]) -> None:
    """Trade with our quotes now and then, as others would."""
    step = 0
    while True:
        await asyncio.sleep(0.4)
        step += 1
        side, price = ("ask", "0.4600") if step % 2 else ("bid", "0.5400")
        try:
            await rig.call(
                "/orders", ticker=tickers[step % len(tickers)], side=side, price=price, count="1.00"
            )
        except (AssertionError, aiohttp.ClientError, OSError):
            continue  # the market is closed, or the sandbox is down: that is what is being tested


@asynccontextmanager
async def venue_rig(
    folder: Path, *, markets: int = 1, config_text: str = CONFIG, tier: str = "advanced"
) -> AsyncIterator[VenueRig]:
    """A rig that trades in so many markets; all of it ends with the block."""
    sandbox = SandboxProcess(folder / "sandbox")
    await sandbox.start()
    async with AsyncExitStack() as stack:
        stack.callback(sandbox.end)
        admin = await stack.enter_async_context(aiohttp.ClientSession())
        rig = VenueRig(sandbox, admin)
        await rig.call("/account/tier", tier=tier)
        tickers = [f"{EVENT}-M{number}" for number in range(markets)]
        for ticker in tickers:
            await rig.make_market(ticker)
        parts = await rig.open_parts(folder, stack, config_text)
        tasks = [asyncio.create_task(part, name=name) for name, part in parts.items()]
        tasks.append(asyncio.create_task(_hit_quotes(rig, tickers), name="others"))
        tasks.append(asyncio.create_task(rig.watch_refusals(), name="watch"))
        try:
            await rig.until(lambda: rig.is_trading, "it trades")
            yield rig
            for task in tasks:
                if task.done() and not task.cancelled():
                    task.result()  # a part that ended is a failure, whatever the test saw
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
