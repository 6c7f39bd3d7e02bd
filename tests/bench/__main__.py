"""`make bench`: measure, print as ratios of one run, and write the figures as JSON.

Figures depend on the machine; the ratios travel better. Nothing here asserts anything. With `--profile`,
`make bench PROFILE=1`, `daemon/PROFILE.md` is made anew as well.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from statistics import median

import pytest

from tests.bench.profile import PAGE, write_profile
from tests.bench.recovery import Plan
from tests.bench.recovery import measure as measure_life
from tests.bench.scale import delta_costs, memory_per_market
from tests.bench.test_bench_decision import decision_rates
from tests.bench.test_bench_feed import feed_rates
from tests.bench.test_bench_orders import order_rates
from tests.bench.test_bench_sandbox import sandbox_rates
from tests.bench.test_bench_scale import ACTIVE_MAX, IDLE_MAX
from tests.bench.test_bench_start import start_rates
from tests.bench.test_bench_store import store_rates
from tests.bench.test_bench_wire import wire_rates
from tests.bench.test_bench_write_ahead import write_ahead_rates

BOOK_PER_S_WANTED = 20_000
ORDERS_PER_S_WANTED = 1_000
CUT_S_WANTED = 2.0
GAP_S_WANTED = 0.5
STORM_PER_S_WANTED = 20_000
START_S_WANTED = 3.0


def measure() -> dict[str, dict[str, object]]:
    """Return name -> median, unit, and the ratio with what it is measured against."""
    feed = feed_rates(rounds=1)
    figures: dict[str, dict[str, object]] = {
        "feed_messages": {
            "median": round(feed["session_per_s"]),
            "unit": "messages/s: decode, sequence, apply, top of book; one core",
            "ratio": round(feed["ratio"], 2),
            "against": "json.loads into dicts, same frames, same run",
        },
    }
    figures |= write_ahead_figures()
    figures |= order_figures()
    figures |= wire_figures()
    figures |= scale_figures()
    figures |= start_figures()
    figures |= sandbox_figures()
    figures |= life_figures()
    store = store_rates()
    figures["store_quiet_tick"] = {
        "median": round(store["store_ns"]),
        "unit": "ns of the store's part in a tick that concerns no order",
        "ratio": round(store["ratio"], 3),
        "against": f"the core's part, {store['core_ns']:.0f} ns, same run",
    }
    try:
        decision = decision_rates(naive_count=50)
    except pytest.skip.Exception as absent:
        sys.stdout.write(f"tick_to_decision: not measured: {absent}\n")
        return figures
    figures["tick_to_decision"] = {
        "median": round(decision["ours_p50_us"], 1),
        "p99": round(decision["ours_p99_us"], 1),
        "durable_p99": round(decision["durable_p99_us"], 1),
        "unit": f"us from a frame's bytes to a scored decision; p99 {decision['ours_p99_us']:.0f},"
        f" {decision['durable_p99_us']:.0f} until the intents of orders are on disk",
        "ratio": round(decision["ratio"], 1),
        "ratio_of_means": round(decision["mean_ratio"], 1),
        "against": f"the naive pipeline, {decision['naive_p50_us']:.0f} us, same frames, same run; at least"
        " 100 is wanted",
        "orders": decision["orders"],
    }
    return figures


def order_figures() -> dict[str, dict[str, object]]:
    """Return how long an order takes from the tick that causes it to the socket, by kind of key."""
    return {
        f"tick_to_order_{key}": {
            "median": round(rates["p50_us"]),
            "p99": round(rates["p99_us"]),
            "unit": "us from a frame's bytes to its order's bytes at a venue on loopback, intent on disk",
            "ratio": round(rates["ratio"], 2),
            "against": f"a bare signed aiohttp POST after an fdatasync, {rates['bare_p50_us']:.0f} us"
            f" (p99 {rates['bare_p99_us']:.0f}), same run; at most 1.5 is wanted",
            "orders": rates["orders"],
        }
        for key, rates in order_rates(count=400).items()
    }


def wire_figures() -> dict[str, dict[str, object]]:
    """Return how long an order takes from the exchange's delta to the exchange, by ticks a second."""
    return {
        f"wire_to_wire_{per_s}": {
            "median": round(rates["p50_us"]),
            "p99": round(rates["p99_us"]),
            "unit": f"us from a delta's sending to its order's coming, {per_s} ticks/s on loopback",
            "ratio": round(rates["ratio"], 2),
            "against": f"a bare client: fdatasync, signature, aiohttp POST, {rates['bare_p50_us']:.0f} us"
            f" (p99 {rates['bare_p99_us']:.0f}), tick about; at most 1.6 is wanted",
        }
        for per_s, rates in wire_rates(seconds=1.0).items()
    }


def scale_figures() -> dict[str, dict[str, object]]:
    """Return what a delta costs among many markets, and what a market keeps in memory."""
    costs = delta_costs(rounds=7)
    kept = memory_per_market(idle=200, active=1, deltas=3_000)
    return {
        "delta_of_10000_markets": {
            "median": round(costs["many_us"], 1),
            "unit": "us a delta, 10,000 markets, uniform traffic",
            "ratio": round(costs["ratio"], 2),
            "against": f"{costs['few_us']:.1f} us with 20 markets, in turns; at most 1.5 is wanted",
        },
        "idle_market": {
            "median": round(kept["idle_bytes"]),
            "unit": "bytes of a market that nothing happens in",
            "ratio": round(kept["idle_bytes"] / IDLE_MAX, 2),
            "against": f"the {IDLE_MAX:,} that it may keep",
        },
        "active_market": {
            "median": round(kept["active_bytes"]),
            "unit": "bytes of a market with 5 deltas a second for ten minutes",
            "ratio": round(kept["active_bytes"] / ACTIVE_MAX, 2),
            "against": f"the {ACTIVE_MAX:,} that it may keep",
        },
    }


def start_figures() -> dict[str, dict[str, object]]:
    """Return how long a start takes until the first scored decision."""
    took = start_rates(rounds=1)
    return {
        "start": {
            "median": round(took["best_s"], 2),
            "unit": f"s from exec to the first scored decision; {took['ready_s']:.2f} until orders may leave,"
            " 2 s of it until an account's lists may count",
            "ratio": round(took["best_s"] / START_S_WANTED, 2),
            "against": f"the {START_S_WANTED:g} s that are wanted",
        }
    }


def write_ahead_figures() -> dict[str, dict[str, object]]:
    """Return how long an intent takes to be on disk, by how many there are in one decision."""
    return {
        f"intents_on_disk_{size}": {
            "median": round(rates["journal_p50_us"]),
            "p99": round(rates["journal_p99_us"]),
            "unit": f"us until {size} intents of one decision are durable in the journal",
            "ratio": round(rates["ratio"], 2),
            "against": f"SQLite WAL, synchronous=FULL: {rates['sqlite_p50_us']:.0f} us"
            f" (p99 {rates['sqlite_p99_us']:.0f}), same run",
        }
        for size, rates in write_ahead_rates(count=500).items()
    }


def sandbox_figures() -> dict[str, dict[str, object]]:
    """Return what the sandbox carries, on the core that it gets."""
    carried = sandbox_rates(seconds=1.0, orders=2_000)
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


def life_figures() -> dict[str, dict[str, object]]:
    """Return how soon the daemon recovers with a thousand markets, and what it carries of a storm."""
    life = measure_life(Plan(markets=1000, cuts=1, gaps=2, per_s=STORM_PER_S_WANTED, seconds=4, idle_s=1))
    cut_s, gap_s = median(life.cut_s), median(life.gap_s)
    ages, memory = life.age_p99_ms, life.rss_quarter_mb
    carried_s = life.messages / life.drained_s
    return {
        "cut_recovery": {
            "median": round(cut_s, 3),
            "unit": f"s from a cut of {life.connections} connections to 1,000 books synced;"
            f" {median(life.redial_s):.3f} s of it until the last one was up, its backoff's chance included;"
            f" {median(life.cut_backfilled_s):.1f} s until the past was whole",
            "ratio": round(cut_s / CUT_S_WANTED, 2),
            "against": f"the {CUT_S_WANTED:g} s that it may take",
        },
        "gap_recovery": {
            "median": round(gap_s, 3),
            "unit": "s from a gap in the numbers of 400 markets to all of their books synced",
            "ratio": round(gap_s / GAP_S_WANTED, 2),
            "against": f"the {GAP_S_WANTED:g} s that it may take",
        },
        "storm": {
            "median": round(carried_s),
            "per_core_s": round(life.per_core_s),
            "unit": f"messages/s through the whole daemon, 1,000 markets, none lost;"
            f" {life.per_core_s:,.0f} per second of its one core"
            f" (the sandbox: {life.sandbox_per_core_s:,.0f} of its own)",
            "ratio": round(carried_s / STORM_PER_S_WANTED, 2),
            "against": f"the {STORM_PER_S_WANTED:,}/s that were asked of the sandbox;"
            f" age p99 by quarter {', '.join(f'{age:.0f}' for age in ages)} ms,"
            f" memory {memory[0]:.0f} to {memory[-1]:.0f} MB, idle {life.idle_cpu:.1%} of a core",
        },
    }


def main(target: Path, *, is_profile: bool) -> None:
    """Measure, print and write."""
    figures = measure()
    for name, figure in figures.items():
        sys.stdout.write(f"{name}: {figure['median']:,} {figure['unit']}\n")
        sys.stdout.write(f"    {figure['ratio']} x {figure['against']}\n")
    machine = {"machine": platform.machine(), "python": platform.python_version()}
    target.write_text(json.dumps({"on": machine, **figures}, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"written to {target}\n")
    if is_profile:
        write_profile()
        sys.stdout.write(f"{PAGE.name} is made anew\n")


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--profile"]
    main(Path(words[0] if words else "bench.json"), is_profile="--profile" in sys.argv)
