"""`daemon/PROFILE.md`: where each microsecond goes. Made by the benchmark, `make bench PROFILE=1`."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from tests.bench.stages import STAGES, timed
from tests.bench.test_bench_decision import WARM, OursUnderTest
from tests.bench.test_bench_wire import stage_means
from tests.bench.walk import frames_of_a_walk

PAGE = Path(__file__).parents[2] / "daemon" / "PROFILE.md"
PER_S = 50
HEAD = f"""# Where the microseconds go

Made by `make bench PROFILE=1`; the stages are those of `tests/bench/stages.py`, and are the functions named
there. Microseconds of one book delta, from its bytes to the decision: 24 features, 200 trees of 31 leaves,
one market, the shipped strategy with two orders resting.

* **busy**: one frame after the other, in one process; the median of a stage in ticks without an order.
* **ordering**: the same, of the ticks in which an order was decided; the mean.
* **paced**: over a WebSocket on loopback, {PER_S} ticks a second, an order with each, in a process of its
  own; the mean. A loop that sleeps between ticks finds its caches cold.

A function that calls another stage's is not charged for it. What the clock itself costs is taken off, as far
as it can be; what a tick takes without it is told below the table.

| stage | what it does | busy | ordering | paced |
|---|---|---:|---:|---:|
"""


async def busy(folder: Path, count: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return microseconds by stage: the median of ticks without orders, and the mean of those with some."""
    quiet: dict[str, list[int]] = {stage.name: [] for stage in STAGES}
    ordering: dict[str, list[int]] = {stage.name: [] for stage in STAGES}
    with timed() as clock:
        ours = OursUnderTest(folder)
        for number, (at, frame, spot) in enumerate(frames_of_a_walk(WARM + count, slow=WARM)):
            if number % 20 == 0 or number < WARM:
                ours.refer(at, spot)
            clock.take()
            before = ours.sink.orders
            await ours.take(at, frame)
            if number > WARM:
                kept = quiet if ours.sink.orders == before else ordering
                for name, took in clock.take().items():
                    kept[name].append(took)
        ours.journal.close()
    return (
        {name: statistics.median(took) / 1e3 for name, took in quiet.items()},
        {name: statistics.mean(took) / 1e3 if took else 0.0 for name, took in ordering.items()},
    )


async def whole_tick(folder: Path, count: int) -> float:
    """Return the median microseconds of a tick, without a clock around its stages."""
    ours, found, threshold = OursUnderTest(folder), [], gc.get_threshold()
    for number, (at, frame, spot) in enumerate(frames_of_a_walk(WARM + count, slow=WARM)):
        if number % 20 == 0 or number < WARM:
            ours.refer(at, spot)
        if number == WARM:
            gc.collect()
            gc.freeze()
            gc.set_threshold(20_000, 20, 20)  # as `app` does
        began = time.perf_counter_ns()
        found.append(await ours.take(at, frame) - began)
    ours.journal.close()
    gc.unfreeze()
    gc.set_threshold(*threshold)
    return statistics.median(found[WARM + 1 :]) / 1e3


def measure_stages(count: int = 3_000, seconds: float = 3.0) -> tuple[float, dict[str, tuple[float, ...]]]:
    """Return a tick's median without clocks, and by stage: busy, ordering, paced; all in microseconds."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        whole = asyncio.run(whole_tick(Path(one), count))
        quiet, ordering = asyncio.run(busy(Path(other), count))
    paced = stage_means(PER_S, seconds)
    return whole, {
        stage.name: (quiet[stage.name], ordering[stage.name], paced[stage.name]) for stage in STAGES
    }


def machine() -> str:
    """Return what the figures were measured on, in words."""
    model = "unknown processor"
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
    load = os.getloadavg()[0]
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("lightgbm", "websockets", "msgspec", "aiohttp")
    )
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, load {load:.1f}; CPython"
        f" {platform.python_version()}, {libraries}"
    )


def page(whole: float, stages: Mapping[str, tuple[float, ...]], on: str) -> str:
    """Return the document."""
    rows = [
        f"| {stage.name} | {stage.does} | " + " | ".join(f"{took:.1f}" for took in stages[stage.name]) + " |"
        for stage in STAGES
    ]
    sums = [sum(column) for column in zip(*stages.values(), strict=True)]
    rows.append("| **all** | | " + " | ".join(f"**{total:.1f}**" for total in sums) + " |")
    tail = f"\nA busy tick without the clock around its stages: {whole:.1f} us.\n\nMeasured on: {on}.\n"
    return HEAD + "\n".join(rows) + "\n" + tail


def write_profile(target: Path = PAGE) -> None:
    """Measure, and write the document."""
    whole, stages = measure_stages()
    target.write_text(page(whole, stages, machine()), encoding="utf-8")
