"""Wire to wire on loopback: the exchange sends a delta, the exchange receives the order that it caused.

Ours against a bare client that does not think (see `wire_client`), each in a process of its own, at the same
pace, tick about: both meet the same machine.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.wire_client import STAGES_FILE

ROOT = Path(__file__).parents[2]
NAMES = ("ours", "bare")
WARM_ROUNDS_MAX = 60
WARM_TICKS = 8


@contextmanager
def _process(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a module until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def _answer(process: subprocess.Popen[str], asked: dict[str, object] | None = None) -> dict[str, list[float]]:
    assert process.stdin is not None
    assert process.stdout is not None
    if asked is not None:
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
    line = process.stdout.readline()
    assert line, "the exchange ended"
    answer: dict[str, list[float]] = json.loads(line)
    return answer


def _start(stack: ExitStack, folder: Path, **kinds: str) -> subprocess.Popen[str]:
    """Start the exchange, and clients by name, of a kind each; return the exchange once all are warm."""
    exchange = stack.enter_context(_process("tests.bench.wire_exchange"))
    ports = _answer(exchange)
    for name, kind in kinds.items():
        path = folder / name
        path.mkdir()
        urls = (f"ws://127.0.0.1:{ports['ws']}/{name}", f"http://127.0.0.1:{ports['http']}/{name}")
        stack.enter_context(_process("tests.bench.wire_client", kind, *urls, str(path)))
    for _ in range(WARM_ROUNDS_MAX):  # until all are up, vouched for, and warm
        took = _answer(exchange, {"names": list(kinds), "per_s": 50, "ticks": WARM_TICKS})
        if all(len(of_one) == WARM_TICKS for of_one in took.values()):
            break
    return exchange


def stage_means(per_s: int, seconds: float) -> dict[str, float]:
    """Return microseconds by stage of a tick that causes an order, at a pace; the mean."""
    with tempfile.TemporaryDirectory() as folder:
        with ExitStack() as stack:
            exchange = _start(stack, Path(folder), ours="timed")
            _answer(exchange, {"names": ["ours"], "per_s": per_s, "ticks": max(10, round(per_s * seconds))})
        means: dict[str, float] = json.loads(
            (Path(folder) / "ours" / STAGES_FILE).read_text(encoding="utf-8")
        )
    return means


def wire_rates(*, rates: tuple[int, ...] = (50, 400), seconds: float = 3.0) -> dict[str, dict[str, float]]:
    """Return, by ticks a second, microseconds from delta to order: p50 and p99 of both, and the ratio.

    `orders` is how many of our ticks had one, as a share.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        exchange = _start(stack, Path(folder), ours="ours", bare="bare")
        found = {}
        for per_s in rates:
            ticks = max(10, round(per_s * seconds))
            took = _answer(exchange, {"names": NAMES, "per_s": per_s, "ticks": ticks})
            ours, bare = took["ours"], took["bare"]
            found[f"{per_s}"] = {
                "p50_us": statistics.median(ours),
                "p99_us": statistics.quantiles(ours, n=100)[98],
                "bare_p50_us": statistics.median(bare),
                "bare_p99_us": statistics.quantiles(bare, n=100)[98],
                "ratio": statistics.median(ours) / statistics.median(bare),
                "orders": len(ours) / ticks,
            }
    return found


def test_every_tick_is_answered_by_an_order_on_both_ways() -> None:
    """What is compared is the same work: a delta went out, and an order came back."""
    (rates,) = wire_rates(rates=(100,), seconds=0.3).values()
    assert rates["orders"] > 0.9
    assert rates["p50_us"] > 0
    assert rates["bare_p50_us"] > 0
