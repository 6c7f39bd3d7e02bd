"""`make sim SEEDS=0-9999 [MODE=safety]`: live through many seeds, and say which did not hold.

Ends with `N passed, N failed`; a failure prints its seed, its last events, and the command that replays it.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import structlog

from tests.sim.canaries import CANARIES, planted
from tests.sim.world import MODES, Mode, Outcome, live

CHUNK = 8


def seeds_of(text: str) -> list[int]:
    """Return the seeds that `17`, `0-299` or `3,5,10-20` name.

    Raises:
        ValueError: it names none.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    if not seeds:
        raise ValueError(f"{text!r} names no seed")
    return seeds


def quiet() -> None:
    """Let the daemon's parts say nothing: a thousand lives would fill the screen."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def report(outcome: Outcome) -> str:
    """Return what a person is told of a failure."""
    lines = [f"    {one}" for one in outcome.told]
    replay = f"make sim SEEDS={outcome.seed} MODE={outcome.mode}"
    return "\n".join(
        [
            f"seed {outcome.seed}, {outcome.mode}, step {outcome.steps}, {outcome.simulated_s:.3f} s in:",
            f"  {outcome.violation}",
            *lines,
            f"  replay: {replay}",
        ]
    )


def pace(outcomes: list[Outcome], wall_s: float) -> str:
    """Return how much was lived through, and how fast."""
    hours = sum(outcome.simulated_s for outcome in outcomes) / 3600
    lives = sum(outcome.lives for outcome in outcomes)
    orders = sum(outcome.counts.get("orders sent", 0) for outcome in outcomes)
    return (
        f"{hours:.2f} simulated hours, {lives} lives, {orders} orders and amends sent in {wall_s:.1f} s: "
        f"{hours / wall_s * 60:.1f} simulated hours/min"
    )


def _one(asked: tuple[int, Mode, str | None]) -> Outcome:
    seed, mode, bug = asked
    quiet()
    with planted(bug):
        return live(seed, mode)


def _outcomes(asked: list[tuple[int, Mode, str | None]], jobs: int) -> Iterator[Outcome]:
    if jobs < 2 or len(asked) < 2 * CHUNK:
        yield from map(_one, asked)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_one, asked, chunksize=CHUNK)


def main() -> int:
    """Return 0 when all seeds held."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", default="0-299", help="such as 17, 0-9999 or 3,5,10-20")
    parser.add_argument("--mode", choices=[*MODES, "both"], default="both")
    parser.add_argument("--bug", choices=[one.name for one in CANARIES], help="plant this bug")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    words = parser.parse_args()
    modes: tuple[Mode, ...] = MODES if words.mode == "both" else (words.mode,)
    asked = [(seed, mode, words.bug) for seed, mode in product(seeds_of(words.seeds), modes)]
    began_s = time.perf_counter()
    done: list[Outcome] = []
    for outcome in _outcomes(asked, words.jobs):
        done.append(outcome)
        if outcome.violation is not None:
            sys.stdout.write(report(outcome) + "\n")
        elif len(done) % 500 == 0:
            sys.stdout.write(f"{len(done)} of {len(asked)}\n")
            sys.stdout.flush()
    failed = sum(outcome.violation is not None for outcome in done)
    sys.stdout.write(pace(done, time.perf_counter() - began_s) + "\n")
    sys.stdout.write(f"{len(done) - failed} passed, {failed} failed\n")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
