"""Seeds through the whole daemon, and what the simulation itself promises."""

from __future__ import annotations

import asyncio
import time

import pytest

from daemon.core.units import SECOND
from tests.sim.__main__ import pace, quiet, report, seeds_of
from tests.sim.clock import StoodStill, VirtualLoop
from tests.sim.exposures import Stake, worst_ends
from tests.sim.venue import T0
from tests.sim.violations import NAMES, Violation
from tests.sim.world import MODES, Outcome, live

SEEDS = 300
"""In the gate; half of them in each mode. `make sim` lives through more."""
PART = 30


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    quiet()


@pytest.mark.parametrize("first", range(0, SEEDS, PART))
def test_every_invariant_holds_at_every_step_and_all_comes_to_rest(first: int) -> None:
    """Crashes, lost answers, late requests, holes in the stream: no seed finds a lie."""
    began_s = time.perf_counter()
    outcomes = [live(seed, MODES[seed % 2]) for seed in range(first, first + PART)]
    failed = [report(outcome) for outcome in outcomes if outcome.violation is not None]
    assert [] == failed, "\n".join(failed)
    print(pace(outcomes, time.perf_counter() - began_s))  # noqa: T201 - `pytest -rP` shows it


def test_a_seed_is_one_story() -> None:
    """The same seed twice gives the same journal, record by record."""
    first, again = live(7, "safety"), live(7, "safety")
    assert (first.digest, first.steps, first.simulated_s) == (again.digest, again.steps, again.simulated_s)


def test_lives_are_not_idle() -> None:
    """Orders go out, end, and are judged; books and the account are looked at; some lives crash."""
    outcomes = [live(seed, "safety") for seed in range(5)]
    looked_at = {name for outcome in outcomes for name in outcome.counts}
    assert {
        "orders sent", "ends judged", "books judged", "accounts judged", "exposures judged"
    } == looked_at  # fmt: skip
    assert max(outcome.lives for outcome in outcomes) > 1
    assert sum(outcome.counts["orders sent"] for outcome in outcomes) > 200


def test_a_failure_names_its_invariant_its_seed_and_what_replays_it() -> None:
    """Whoever reads it can run it again."""
    broken = Violation("cancels_go_first", "an example")
    outcome = Outcome(17, "safety", 1.0, 0.1, 5, 1, {}, "", broken, ("the last event",))
    text = report(outcome)
    for part in (
        "cancels_go_first",
        NAMES["cancels_go_first"],
        "make sim SEEDS=17 MODE=safety",
        "the last event",
    ):
        assert part in text


@pytest.mark.parametrize(("text", "seeds"), [("17", [17]), ("3-5", [3, 4, 5]), ("1,4-5", [1, 4, 5])])
def test_seeds_are_named_singly_or_by_span(text: str, seeds: list[int]) -> None:
    """Both may be mixed."""
    assert seeds == seeds_of(text)


def test_the_worst_ends_are_reckoned_apart_from_the_core() -> None:
    """Holding 10 YES, a bid for 10 more at 40 cents hurts by NO, an ask of 20 at 60 by YES."""
    stakes = [Stake("bid", 4_000, 1_000), Stake("ask", 6_000, 2_000)]
    assert (10_000 * 1_000 - 4_000 * 2_000, -4_000 * 1_000) == worst_ends(1_000, stakes)


def test_virtual_time_jumps_and_keeps_order() -> None:
    """An hour passes at once; what is due first happens first."""
    loop = VirtualLoop(T0)
    happened: list[str] = []

    async def hour() -> None:
        loop.call_later(1800, happened.append, "half")
        loop.call_later(60, happened.append, "minute")
        await asyncio.sleep(3600)

    began_s = time.perf_counter()
    loop.run_until_complete(hour())
    now = loop.now()
    loop.close()
    assert (["minute", "half"], T0 + 3600 * SECOND) == (happened, now)
    assert time.perf_counter() - began_s < 60


def test_a_world_in_which_nothing_can_happen_is_an_error() -> None:
    """A task that waits for what never comes is told of, not waited for."""
    loop = VirtualLoop(T0)
    with pytest.raises(StoodStill):
        loop.run_until_complete(asyncio.Event().wait())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
