"""`make bench`: measure, print as ratios of one run, and write the figures as JSON.

Figures depend on the machine; the ratios travel better. Nothing here asserts anything.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import pytest

from tests.bench.test_bench_decision import decision_rates
from tests.bench.test_bench_feed import feed_rates
from tests.bench.test_bench_sandbox import sandbox_rates

BOOK_PER_S_WANTED = 20_000
ORDERS_PER_S_WANTED = 1_000


def measure() -> dict[str, dict[str, object]]:
    """Return name -> median, unit, and the ratio with what it is measured against."""
    feed = feed_rates()
    figures: dict[str, dict[str, object]] = {
        "feed_messages": {
            "median": round(feed["session_per_s"]),
            "unit": "messages/s: decode, sequence, apply, top of book; one core",
            "ratio": round(feed["ratio"], 2),
            "against": "json.loads into dicts, same frames, same run",
        },
    }
    figures |= sandbox_figures()
    try:
        decision = decision_rates()
    except pytest.skip.Exception as absent:
        sys.stdout.write(f"tick_to_decision: not measured: {absent}\n")
        return figures
    figures["tick_to_decision"] = {
        "median": round(decision["ours_p50_us"], 1),
        "p99": round(decision["ours_p99_us"], 1),
        "unit": "us from a frame's bytes to a scored decision, intents of orders on disk",
        "ratio": round(decision["ratio"], 1),
        "ratio_of_means": round(decision["mean_ratio"], 1),
        "against": f"the naive pipeline, {decision['naive_p50_us']:.0f} us, same frames, same run",
        "orders": decision["orders"],
    }
    return figures


def sandbox_figures() -> dict[str, dict[str, object]]:
    """Return what the sandbox carries, on the core that it gets."""
    carried = sandbox_rates()
    wanted = {"book": BOOK_PER_S_WANTED, "orders": ORDERS_PER_S_WANTED}
    units = {"book": "book messages/s to each of 4 clients", "orders": "signed orders/s"}
    return {
        f"sandbox_{name}": {
            "median": round(rates["per_s"]),
            "per_core_s": round(rates["per_core_s"]),
            "unit": f"{units[name]}; {rates['per_core_s']:,.0f} per second of the sandbox's one core",
            "ratio": round(rates["per_s"] / wanted[name], 2),
            "against": f"the {wanted[name]:,}/s that no test should need more than",
        }
        for name, rates in carried.items()
    }


def main(target: Path) -> None:
    """Measure, print and write."""
    figures = measure()
    for name, figure in figures.items():
        sys.stdout.write(f"{name}: {figure['median']:,} {figure['unit']}\n")
        sys.stdout.write(f"    {figure['ratio']} x {figure['against']}\n")
    machine = {"machine": platform.machine(), "python": platform.python_version()}
    target.write_text(json.dumps({"on": machine, **figures}, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"written to {target}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench.json"))
