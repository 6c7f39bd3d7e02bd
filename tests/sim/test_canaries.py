"""Planted bugs are found: a simulation that finds nothing proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim.__main__ import quiet
from tests.sim.canaries import CANARIES, Canary, planted
from tests.sim.test_simulation import SEEDS
from tests.sim.violations import NAMES
from tests.sim.world import MODES, live

PAGE = Path(__file__).parents[2] / "daemon" / "CANARIES.md"


@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: canary.name)
def test_a_planted_bug_is_found_within_the_gate_s_seeds(canary: Canary) -> None:
    """By an invariant that is meant for it; what else it breaks on the way is no matter."""
    quiet()
    seeds = [*range(canary.first, SEEDS), *range(canary.first)]
    with planted(canary.name):
        outcomes = (live(seed, MODES[seed % 2]) for seed in seeds)
        names = (one.violation.name for one in outcomes if one.violation is not None)
        assert any(name in canary.found_by for name in names), f"not found within {SEEDS} seeds"


def test_every_canary_is_found_by_an_invariant_that_there_is() -> None:
    """Names of invariants are the module's own."""
    assert set() == {name for canary in CANARIES for name in canary.found_by} - set(NAMES)


def test_the_page_is_the_table() -> None:
    """The documentation can't say something else than what is planted."""
    rows = [
        f"| {one.name} | {one.bug} | {', '.join(f'`{name}`' for name in one.found_by)} |" for one in CANARIES
    ]
    found = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "---" not in line]
    assert rows == found[1:]


def test_the_page_lists_the_invariants() -> None:
    """Each by its name and in words."""
    text = PAGE.read_text()
    missing = [name for name, words in NAMES.items() if f"- `{name}`: {words}" not in text]
    assert [] == missing
