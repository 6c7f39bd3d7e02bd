"""From a frame's bytes to the bytes of the order that it causes, on the socket of a venue on loopback.

Ours: session, journal, book, features, LightGBM, strategy, plan, risk, fdatasync of the intent, order
queue, signature, HTTP. Against: a bare aiohttp POST of such an order, signed, after the same fdatasync.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from daemon.assembly import ModelRef, setup_of
from daemon.config import parse_config
from daemon.core import events as e
from daemon.core.commands import Command, PlaceOrder
from daemon.core.engine import Engine, Slot
from daemon.core.pacer import Pacer
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import MILLISECOND, MONEY_ONE, SECOND, Ns
from daemon.kalshi.auth import Signer
from daemon.kalshi.costs import RECORDED
from daemon.kalshi.encode import encode_place
from daemon.kalshi.rest import Rest
from daemon.kalshi.session import Session
from daemon.scoring.registry import load_model
from daemon.shell.journal import Journal, JournalHeader
from daemon.shell.loop import Inbox, Pump
from daemon.shell.queue import OrderQueue
from tests.bench.walk import OPEN_AT, STRIKE, frames_of_a_walk, listing, reference

ROOT = Path(__file__).parents[2]
WARM = 60
Key: TypeAlias = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
_PATH = "/trade-api/v2/portfolio/events/orders"
CONFIG = """
[risk]
orders_per_minute_max = 100000
requests_per_minute_max = 100000
"""


class EachTick:
    """Takes with every change of the book, and not with the answers to that: no order is like the last."""

    name = "each_tick"
    features: tuple[str, ...] = ()
    book_changed_max: int | None = None

    def __init__(self) -> None:
        self._number = 0
        self._changed_at: int | None = None

    def wants(self, view: MarketView) -> Wanted:
        """Return one immediate order at the best price for a book that has changed."""
        if view.book.changed_at == self._changed_at:
            return Wanted((), "no tick")
        self._changed_at = view.book.changed_at
        self._number += 1
        if view.book.ask is None:
            return Wanted((), "one-sided")
        qty = 100 * (1 + self._number % 7)
        return Wanted((Target("bid", view.book.ask, qty, "take", "tick"),), "tick")


class TickClock:
    """The time that the frames tell: decisions, answers and signatures are all of it."""

    def __init__(self) -> None:
        self.at: Ns = OPEN_AT

    def now(self) -> Ns:
        """Return it."""
        return self.at


class OrderPath:
    """The daemon's way of an order, whole, to a venue that is only a socket."""

    def __init__(self, rest: Rest, clock: TickClock, folder: Path) -> None:
        config = parse_config("bench.toml", CONFIG, ROOT)
        model = load_model(config.path(config.model.path))
        ref = ModelRef(str(model.folder), model.metadata.name, model.metadata.version, "")
        setup = setup_of(config, ref, OPEN_AT // MILLISECOND)
        slot = Slot(EachTick(), frozenset({"KXBTC15M"}))
        self.engine = Engine(setup.engine, [slot], model.scorer, model.scorer.schema)
        header = JournalHeader(
            kalshid_version="bench", instance="bench", epoch=setup.engine.epoch,
            engine=msgspec.Raw(msgspec.msgpack.encode(setup)),
        )  # fmt: skip
        self.journal = Journal.create(folder, header)
        self.clock = clock
        self.inbox = Inbox()
        self.session = Session(is_private=False)
        self.queue = OrderQueue(
            rest, Pacer(10_000, 10_000, 20), RECORDED, now=clock.now, vouch=self.engine.vouch,
            synced=self.journal.synced, emit=self.inbox.put, requests_per_s_max=1_000_000, in_flight_max=4,
        )  # fmt: skip
        self.pump = Pump(
            self.engine, self.inbox, self.journal, self.queue, _NoReads(),  # type: ignore[arg-type]
            now=clock.now, is_followed=True, on_latency=lambda _ns: None,
            on_batch=self._note, begin_sync=self.journal.begin_sync,
        )  # fmt: skip
        self._placed: str | None = None

    def _note(self, _events: list[e.Event], commands: list[Command]) -> None:
        for command in commands:
            if type(command) is PlaceOrder:
                self._placed = command.client_order_id

    def begin(self) -> None:
        """Bring the market up: listed, subscribed, the account believed, the reference known."""
        now = self.clock.at
        self.session.watch([listing().ticker])
        events: list[e.Event] = [e.MarketListed(listing(), now), *self.session.connected(now)]
        events.append(e.OrderGroupTold(listing().exchange_index, "g", False, now))
        events += self.session.receive(
            b'{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}', now
        )
        for step in (10, 20):
            at = now + step * SECOND
            events.append(e.AccountReconciled(at, at, 100_000 * MONEY_ONE, (), (), ()))
        for step in range(600):
            events.append(reference(now + step * SECOND // 2, STRIKE + (step % 7) * MONEY_ONE))
        self.clock.at = now + 300 * SECOND
        self.pump.turn(events)

    async def take(self, at: Ns, frame: bytes) -> tuple[int, str | None]:
        """Take one frame, wait for the answer to its order; return when it came and the order's id."""
        self.clock.at = at
        sent, self._placed = self.queue.sent_total, None
        started = time.perf_counter_ns()
        self.inbox.extend(self.session.receive(frame, at))
        self.pump.turn(await self.inbox.drain(0))
        placed = self._placed
        if placed is not None:
            # The loop sleeps until the answer comes, as it does in the daemon and in the bare way: turning
            # idly it would keep the interpreter's lock from the thread that waits for the disk. And the
            # answer has a turn of its own, as in the daemon: what is due after it burdens no tick.
            self.pump.turn(await self.inbox.drain(10))
        assert self.queue.sent_total == sent + (placed is not None)
        return started, placed


class _NoReads:
    """Nothing is read here: the account was told at the start."""

    def put(self, command: object) -> None:
        """Take a wish and leave it."""


@asynccontextmanager
async def order_sink() -> AsyncIterator[str]:
    """Run the far end; give its base URL."""
    process = subprocess.Popen(  # noqa: ASYNC220 - started once, before anything is measured
        [sys.executable, "-m", "tests.bench.order_sink"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        port = int(await asyncio.to_thread(process.stdout.readline))
        yield f"http://127.0.0.1:{port}/trade-api/v2"
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


class BarePost:
    """What anybody would write: sync a line, sign, post."""

    def __init__(self, session: aiohttp.ClientSession, base: str, signer: Signer, folder: Path) -> None:
        self._session = session
        self._url = f"{base}/portfolio/events/orders"
        self._signer = signer
        self._fd = os.open(folder / "bare.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _record(self, body: bytes) -> None:
        os.write(self._fd, body)
        os.fdatasync(self._fd)

    async def send(self, order: PlaceOrder) -> int:
        """Record and send one order; return when that began."""
        started = time.perf_counter_ns()
        body = encode_place(order)
        await asyncio.get_running_loop().run_in_executor(None, self._record, body)
        headers = self._signer.headers(
            "POST", "/trade-api/v2/portfolio/events/orders", time.time_ns() // MILLISECOND
        )
        async with self._session.post(
            self._url, data=body, headers={**headers, "Content-Type": "application/json"}
        ) as response:
            await response.read()
        return started

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def _bare_order(number: int) -> PlaceOrder:
    return PlaceOrder(
        client_order_id=f"bare-{number}", ticker=listing().ticker, side="bid", price=5_200, qty=100,
        time_in_force="immediate_or_cancel", post_only=False, exchange_index=2, strategy="bare",
        reason="tick", decided_at=0, deadline=0, book_changed_max=None,
    )  # fmt: skip


async def _measure(key: Key, count: int, folder: Path) -> dict[str, float]:
    signer, clock = Signer("bench", key), TickClock()
    ours: list[tuple[int, str]] = []
    bare: list[tuple[int, str]] = []
    async with (
        order_sink() as base,
        Rest(base, signer, clock.now, read_timeout_s=5, write_timeout_s=5) as rest,
        aiohttp.ClientSession() as session,
    ):
        path = OrderPath(rest, clock, folder)
        post = BarePost(session, base, signer, folder)
        path.begin()
        sending = asyncio.create_task(path.queue.run())
        for number, (at, frame, spot) in enumerate(frames_of_a_walk(WARM + count)):
            path.inbox.put(reference(at, spot))
            began, name = await path.take(at, frame)
            bare_began = await post.send(_bare_order(number))  # in turns: both meet the same machine
            if number >= WARM and name is not None:
                ours.append((began, name))
                bare.append((bare_began, f"bare-{number}"))
        sending.cancel()
        path.journal.close()
        post.close()
        async with session.get(f"{base}/log") as response:
            arrived = msgspec.json.decode(await response.read(), type=dict[str, int])
    mine = [arrived[name] - began for began, name in ours]
    theirs = [arrived[name] - began for began, name in bare]
    return {
        "orders": float(len(mine)),
        "p50_us": statistics.median(mine) / 1e3,
        "p99_us": statistics.quantiles(mine, n=100)[98] / 1e3,
        "bare_p50_us": statistics.median(theirs) / 1e3,
        "bare_p99_us": statistics.quantiles(theirs, n=100)[98] / 1e3,
        "ratio": statistics.median(mine) / statistics.median(theirs),
    }


def order_rates(count: int = 1_000) -> dict[str, dict[str, float]]:
    """Return, by kind of key, microseconds from a frame's bytes to its order's bytes, ours and bare."""
    keys: dict[str, Key] = {
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    }
    rates = {}
    for name, key in keys.items():
        with tempfile.TemporaryDirectory() as folder:
            rates[name] = asyncio.run(_measure(key, count, Path(folder)))
    return rates


def test_the_measured_path_orders_with_nearly_every_tick() -> None:
    """What the benchmark measures is real work, with either kind of key; the ratio is for people to judge."""
    for rates in order_rates(count=150).values():
        assert rates["orders"] > 140
        assert rates["p50_us"] > 0
        assert rates["bare_p50_us"] > 0
