"""From a frame's bytes to a scored decision, durability included, against the naive pipeline in one run.

Ours: session, journal (one unsynced write per message here: no conflation helps us), book, features,
LightGBM (24 features, 200 trees of 31 leaves), strategy, plan, risk; and, when orders come out, their
intents on disk by fdatasync. Theirs: the fixed baseline of the shared examples, run as it is. Both see the
same frames, one by one.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import statistics
import tempfile
import time
import typing
from pathlib import Path

import msgspec
import pytest

from daemon.assembly import ModelRef, build_engine, setup_of
from daemon.config import load_config
from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, Command, MakeOrderGroup, PlaceOrder
from daemon.core.engine import Engine
from daemon.core.units import MILLISECOND, MONEY_ONE, SECOND, Ns
from daemon.kalshi.session import Session
from daemon.scoring.registry import load_model
from daemon.shell.journal import Journal, JournalHeader
from daemon.shell.loop import Inbox, Pump
from tests.bench.walk import OPEN_AT, STRIKE, TICKER, frames_of_a_walk, listing, reference
from tests.bench.wide_model import write_wide_model

ROOT = Path(__file__).parents[2]
NAIVE = ROOT / "../shared/examples/naive_pipeline.py"
WARM = 640
"""Messages before the measurement, half a second apart: the windows of minutes are full then, and the naive
pipeline's too."""


class _Sink:
    """Stands behind the pump for queue and reader: every order is accepted at once, takers are filled."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.now: Ns = 0
        self.offset: int | None = None
        self.orders = 0

    def put(self, command: Command, offset: int | None = None) -> None:
        """Answer an order command; note the journal offset that must be on disk first."""
        if isinstance(command, MakeOrderGroup):
            self._inbox.put(e.OrderGroupTold(command.exchange_index, "group", False, self.now))
        if not isinstance(command, PlaceOrder | AmendOrder | CancelOrder):
            return
        self.offset = offset
        self.orders += 1
        name = command.client_order_id
        if isinstance(command, CancelOrder):
            answer = e.OrderAccepted("cancel", name, command.order_id, None, 0, self.now, self.now)
        elif isinstance(command, AmendOrder):
            answer = e.OrderAccepted("amend", name, command.order_id, 0, command.qty, self.now, self.now)
        elif command.time_in_force == "good_till_canceled":
            answer = e.OrderAccepted("place", name, f"id-{name}", 0, command.qty, self.now, self.now)
        else:
            answer = e.OrderAccepted("place", name, f"id-{name}", command.qty, 0, self.now, self.now)
            self._inbox.put(
                e.OrderFilled(
                    name, f"id-{name}", name, TICKER, command.side, command.price, command.qty, 0, True,
                    self.now, self.now,
                )
            )  # fmt: skip
        self._inbox.put(answer)


class OursUnderTest:
    """The daemon's path from bytes to a decision on disk, with everything but the two network ends."""

    def __init__(self, folder: Path) -> None:
        config = load_config(ROOT / "config.toml")
        model = load_model(write_wide_model(folder / "models"))
        ref = ModelRef(str(model.folder), model.metadata.name, model.metadata.version, "")
        setup = setup_of(config, ref, OPEN_AT // MILLISECOND)
        self.model = model
        self.engine: Engine = build_engine(setup, model.scorer, str(ROOT / "config.toml"))
        header = JournalHeader(
            kalshid_version="bench", instance="bench", epoch=setup.engine.epoch,
            engine=msgspec.Raw(msgspec.msgpack.encode(setup)),
        )  # fmt: skip
        self.journal = Journal.create(folder / "journal", header)
        self.inbox = Inbox()
        self.session = Session(is_private=False)
        self.sink = _Sink(self.inbox)
        self.pump = Pump(
            self.engine, self.inbox, self.journal, self.sink, self.sink,  # type: ignore[arg-type]
            now=lambda: self.sink.now, is_followed=True, on_latency=lambda _ns: None,
            on_batch=lambda _events, _commands: None,
        )  # fmt: skip
        self._start()

    def _start(self) -> None:
        now = OPEN_AT
        self.session.watch([TICKER])
        events: list[e.Event] = [e.MarketListed(listing(), now), *self.session.connected(now)]
        events += self.session.receive(
            b'{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}', now
        )
        for step in (10, 20):  # later than the connection, whose coming is a doubt
            at = now + step * SECOND
            events.append(e.AccountReconciled(at, at, 10_000_000_000, (), (), ()))
        for step in range(600):  # the reference windows are full before the first frame
            at = now + step * SECOND // 2
            events.append(reference(at, STRIKE + (step % 7) * MONEY_ONE))
        self.sink.now = now + 300 * SECOND
        self.pump.turn(events)

    async def take(self, at: Ns, frame: bytes) -> int:
        """Take one frame all the way; return when it was decided on. What it orders is on disk afterwards."""
        self.sink.now = at
        self.inbox.extend(self.session.receive(frame, at))
        self.sink.offset = None
        self.pump.turn(await self.inbox.drain(0))
        decided_at = time.perf_counter_ns()
        if self.sink.offset is not None:
            await self.journal.synced(self.sink.offset)
        return decided_at

    def refer(self, at: Ns, spot: int) -> None:
        """Take the spot price along with the next frame, as the reference feed would."""
        self.inbox.put(reference(at, spot))


def load_naive(names: tuple[str, ...], model_file: Path) -> object:
    """Return the fixed baseline. Skips, loudly, where the shared examples are absent."""
    if not NAIVE.is_file():
        pytest.skip(f"the naive pipeline is not here: {NAIVE}")
    found = importlib.util.spec_from_file_location("naive_pipeline", NAIVE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.NaivePipeline(model_file, names)


async def _measure(ours_count: int, naive_count: int, folder: Path) -> dict[str, float]:
    ours = OursUnderTest(folder)
    naive: typing.Any = load_naive(ours.model.scorer.schema.names, ours.model.folder / "model.txt")
    frames = list(frames_of_a_walk(WARM + max(ours_count, naive_count), slow=WARM))
    for at, frame, spot in frames[:WARM]:
        ours.refer(at, spot)
        await ours.take(at, frame)
        naive.on_message(frame.decode())
    mine: list[int] = []
    decided: list[int] = []
    theirs: list[int] = []
    scored = 0
    gc.collect()
    gc.freeze()  # as `app` does
    threshold = gc.get_threshold()
    gc.set_threshold(20_000, 20, 20)
    share = max(1, ours_count // naive_count)
    for number, (at, frame, spot) in enumerate(frames[WARM : WARM + ours_count]):
        if number % 20 == 0:
            ours.refer(at, spot)
        started = time.perf_counter_ns()
        decided.append(await ours.take(at, frame) - started)
        mine.append(time.perf_counter_ns() - started)
        scored += ours.engine.scores.get(TICKER) is not None
        if number % share == 0:  # interleaved: both meet the same machine
            text = frame.decode()
            started = time.perf_counter_ns()
            naive.on_message(text)
            theirs.append(time.perf_counter_ns() - started)
    ours.journal.close()
    assert scored > 0.9 * ours_count, "a path that does not score is not the path to measure"
    gc.unfreeze()
    gc.set_threshold(*threshold)
    return {
        "ours_p50_us": statistics.median(decided) / 1e3,
        "ours_p99_us": statistics.quantiles(decided, n=100)[98] / 1e3,
        "durable_p99_us": statistics.quantiles(mine, n=100)[98] / 1e3,
        "naive_p50_us": statistics.median(theirs) / 1e3,
        "ratio": statistics.median(theirs) / statistics.median(decided),
        "mean_ratio": statistics.mean(theirs) / statistics.mean(mine),
        "scored_share": scored / len(mine),
        "orders": float(ours.sink.orders),
    }


def decision_rates(ours_count: int = 5_000, naive_count: int = 100) -> dict[str, float]:
    """Return microseconds of both ways, interleaved in one run, and their ratios.

    `ours_p50_us` and `ours_p99_us` are until the decision, `durable_p99_us` until its intents are on disk.
    `ratio` is of the medians, `mean_ratio` of the means, in which every fdatasync counts.
    """
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(ours_count, naive_count, Path(folder)))


def test_the_measured_path_scores_and_orders() -> None:
    """What the benchmark measures is real work: nearly every message is scored, and orders come out."""
    rates = decision_rates(ours_count=400, naive_count=2)
    assert rates["scored_share"] > 0.95
    assert rates["orders"] > 0
    assert rates["ratio"] > 1
