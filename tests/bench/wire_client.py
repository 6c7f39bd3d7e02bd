"""The clients of the wire-to-wire measurement, each in a process of its own: `ours`, and `bare`.

`python -m tests.bench.wire_client ours|bare|timed WS_URL HTTP_URL FOLDER`, until stdin ends. Ours is the
daemon's way: connection, session, journal, book, 24 features, LightGBM, strategy, plan, risk, fdatasync of
the intent, order queue, signature, HTTP. Bare is what anybody would write who does not think at all: receive
a frame, write and fdatasync a line, sign, post an order of the same size on a kept-alive connection.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import connect

from daemon.assembly import setup_of
from daemon.config import parse_config
from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.commands import PlaceOrder
from daemon.core.engine import Engine, Slot
from daemon.core.models import Model
from daemon.core.pacer import Pacer
from daemon.core.units import MILLISECOND, MINUTE, MONEY_ONE, SECOND
from daemon.kalshi.auth import Signer
from daemon.kalshi.costs import RECORDED
from daemon.kalshi.encode import encode_place
from daemon.kalshi.rest import Rest
from daemon.kalshi.session import Session
from daemon.scoring.lightgbm import LightGBMScorer
from daemon.shell.journal import Journal, JournalHeader
from daemon.shell.loop import Inbox, Pump
from daemon.shell.queue import OrderQueue
from daemon.shell.stream import run_feed
from tests.bench.stages import timed
from tests.bench.test_bench_orders import CONFIG, EachTick
from tests.bench.walk import STRIKE, TICKER, listing, reference
from tests.bench.wide_model import NAME, SCHEMA, VERSION, model_ref, model_text

ROOT = Path(__file__).parents[2]
ORDERS = "/portfolio/events/orders"
STAGES_FILE = "stages.json"
WARM_FRAMES = 40
NO_GROUP = "[orders]\ngroup_contracts_max = 0\n"
"""The far end knows orders and nothing else."""
OFTEN = "duplicate_window_ms = 1\n"


class _NoReads:
    def put(self, command: object) -> None:
        """Take a wish and leave it: the account was told at the start."""


class Ours:
    """The daemon's way from a frame to an order."""

    def __init__(self, rest: Rest, folder: Path) -> None:
        config, began = parse_config("bench.toml", NO_GROUP + CONFIG + OFTEN, ROOT), time.time_ns()
        setup = setup_of(config, model_ref(folder), began // MILLISECOND)
        scorer = LightGBMScorer(model_text(), NAME, VERSION, SCHEMA, frozenset({"mid"}))
        slot = Slot(EachTick(), frozenset({"KXBTC15M"}))
        self.engine = Engine(setup.engine, [slot], {"default": Model(scorer)}, SCHEMA)
        header = JournalHeader(
            kalshid_version="bench", instance="bench", epoch=setup.engine.epoch,
            engine=msgspec.Raw(msgspec.msgpack.encode(setup)),
        )  # fmt: skip
        self.journal = Journal.create(folder / "journal", header)
        self.inbox, self.session = Inbox(), Session(is_private=False)
        self.queue = OrderQueue(
            rest, Pacer(1_000_000, 1_000_000, 20), RECORDED, now=time.time_ns, vouch=self.engine.vouch,
            synced=self.journal.synced, emit=self.inbox.put, requests_per_s_max=1_000_000, in_flight_max=4,
        )  # fmt: skip
        self.pump = Pump(
            self.engine, self.inbox, self.journal, self.queue, _NoReads(),  # type: ignore[arg-type]
            now=time.time_ns, is_followed=False, on_latency=lambda _ns: None,
            on_batch=lambda _events, _commands: None, begin_sync=self.journal.begin_sync,
        )  # fmt: skip
        self.session.watch([TICKER])
        self._tell(began)

    def _tell(self, began: int) -> None:
        """Tell what REST would: the market, and the reference's past."""
        spec = msgspec.structs.replace(listing(), open_at=began - 10 * MINUTE, close_at=began + 60 * MINUTE)
        self.inbox.put(e.MarketListed(spec, began - 310 * SECOND))
        for step in range(600):
            at = began - 300 * SECOND + step * SECOND // 2
            self.inbox.put(reference(at, STRIKE + (step % 7) * MONEY_ONE))

    async def _tell_on(self) -> None:
        """Tell what goes on being told: the account, until it is believed, and the reference."""
        for number in range(1_000_000):
            now = time.time_ns()
            if not self.engine.state.account.is_reconciled:
                self.inbox.put(e.AccountReconciled(now, now, 100_000 * MONEY_ONE, (), (), ()))
            self.inbox.put(reference(now, STRIKE + (number % 7) * MONEY_ONE))
            await asyncio.sleep(0.25)

    async def run(self, ws_url: str) -> None:
        """Run all that a tick passes, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell_on())
            tasks.create_task(self.queue.run())
            tasks.create_task(self.pump.run())
            backoff, emit = Backoff(random.random), self.inbox.extend
            tasks.create_task(run_feed(ws_url, None, self.session, time.time_ns, emit, backoff=backoff))


async def run_bare(ws_url: str, http_url: str, signer: Signer, folder: Path) -> None:
    """Post an order for every frame, until cancelled."""
    fd = os.open(folder / "bare.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def record(body: bytes) -> None:
        os.write(fd, body)
        os.fdatasync(fd)

    order = PlaceOrder(
        client_order_id="kd-mwq8cfit-1", ticker=TICKER, side="bid", price=5_200, qty=100,
        time_in_force="immediate_or_cancel", post_only=False, exchange_index=2, strategy="bare",
        reason="tick", decided_at=0, deadline=0, book_changed_max=None,
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    async with connect(ws_url, compression=None) as feed, aiohttp.ClientSession() as session:
        await feed.send('{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta"]}}')
        path = "/bare" + ORDERS
        async for frame in feed:
            if '"orderbook_delta","sid"' not in str(frame):
                continue
            body = encode_place(order)
            await loop.run_in_executor(None, record, body)
            headers = signer.headers("POST", path, time.time_ns() // MILLISECOND)
            async with session.post(
                http_url + ORDERS, data=body, headers={**headers, "Content-Type": "application/json"}
            ) as response:
                await response.read()


async def run(
    kind: str, ws_url: str, http_url: str, folder: Path, on_warm: Callable[[], object] | None = None
) -> int:
    """Run one of the two until stdin ends; return how many frames ours took since `on_warm` was called."""
    frames = 0
    signer = Signer("0d3a9c1e-5b7f-4f7c-9a54-1f2d3c4b5a69", Ed25519PrivateKey.generate())
    if kind == "bare":
        work = asyncio.create_task(run_bare(ws_url, http_url, signer, folder))
        await asyncio.to_thread(sys.stdin.read)
    else:
        async with Rest(http_url, signer, time.time_ns, read_timeout_s=5, write_timeout_s=5) as rest:
            ours = Ours(rest, folder)
            gc.collect()
            gc.freeze()  # as `app` does
            gc.set_threshold(20_000, 20, 20)
            work = asyncio.create_task(ours.run(ws_url))
            if on_warm is not None:
                while ours.session.frames < WARM_FRAMES:  # noqa: ASYNC110 - before anything is measured
                    await asyncio.sleep(0.01)
                on_warm()
                frames = -ours.session.frames
            await asyncio.to_thread(sys.stdin.read)
            frames += ours.session.frames
    work.cancel()
    return frames


def run_timed(ws_url: str, http_url: str, folder: Path) -> None:
    """Run ours with a clock around every stage, and leave their mean microseconds by frame in the folder."""
    with timed() as clock:
        frames = asyncio.run(run("ours", ws_url, http_url, folder, clock.take))
        means = {name: took / 1e3 / max(1, frames) for name, took in clock.take().items()}
    (folder / STAGES_FILE).write_text(json.dumps(means), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "timed":
        run_timed(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        asyncio.run(run(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
