"""What the store costs a tick that concerns no order of ours: nearly all of them."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from daemon.core import events as e
from daemon.shell.store import STORE_NAME, Recorder
from daemon.shell.store.rows import Run
from tests.core.worlds import NOW, TICKER, Scripted, trading

ROUNDS = 9


def store_rates(count: int = 20_000) -> dict[str, float]:
    """Return nanoseconds a quiet tick: the store's part, and the core's of the same tick, by turns."""
    engine = trading(Scripted())
    tick = [e.BookDeltaReceived(TICKER, "yes", 3_900, 100, NOW, NOW)]
    with tempfile.TemporaryDirectory() as folder:
        run = Run(NOW, "sandbox", "0", "[]", "", "", "")
        recorder = Recorder(Path(folder) / STORE_NAME, engine, run, cost=lambda *_: 10, now=lambda: NOW)
        ours, cores = [], []
        for _ in range(ROUNDS):
            started = time.perf_counter_ns()
            for _ in range(count):
                recorder.on_batch(tick, [])
            ours.append((time.perf_counter_ns() - started) / count)
            started = time.perf_counter_ns()
            for _ in range(count // 10):
                engine.handle(tick[0])
                engine.decide(NOW)
            cores.append((time.perf_counter_ns() - started) / (count // 10))
        recorder.close()
    return {"store_ns": median(ours), "core_ns": median(cores), "ratio": median(ours) / median(cores)}


def test_the_store_costs_a_quiet_tick_less_than_its_decision() -> None:
    """By far: it looks at the tick's type, and at what else may be due."""
    assert store_rates(2_000)["ratio"] < 0.5
