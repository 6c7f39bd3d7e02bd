"""Time to recover and sustained load: the daemon's parts against a sandbox process, with many markets.

The figures are told by `make bench`; what is asserted holds on any machine: nothing lost, every book the
exchange's, and neither age nor memory growing within one run (see `recovery`).
"""

from __future__ import annotations

import pytest

from tests.bench.recovery import Figures, Plan, measure

AGE_GROWTH_MAX = 3.0
AGE_FLOOR_MS = 1000.0
"""Below this no growth is seen: on a machine with other work a single pause is as long."""
MEMORY_GROWTH_MAX = 1.15


def assert_steady(figures: Figures) -> None:
    """Neither age nor memory grew from the load's first quarter to its last."""
    first, *_, last = figures.age_p99_ms
    assert last <= max(AGE_GROWTH_MAX * first, AGE_FLOOR_MS), figures
    first, *_, last = figures.rss_quarter_mb
    assert last <= MEMORY_GROWTH_MAX * first, figures


def test_a_small_life_comes_through_whole() -> None:
    """Cuts and gaps are recovered from, a gap costs the books of its sid only, and no message is lost."""
    plan = Plan(markets=60, markets_per_connection=25, cuts=1, gaps=1, per_s=2000, seconds=1)
    figures = measure(plan)
    assert (3, 1, 1, 2000) == (
        figures.connections, len(figures.cut_s), len(figures.gap_s), figures.messages
    )  # fmt: skip


@pytest.mark.full
def test_a_minute_of_storm_with_a_thousand_markets_loses_nothing() -> None:
    """20,000 messages a second for 60 s; neither age nor memory grows from the first quarter to the last."""
    figures = measure(Plan(markets=1000, cuts=3, gaps=3, per_s=20_000, seconds=60))
    assert 1_200_000 == figures.messages
    assert_steady(figures)


@pytest.mark.full
def test_five_thousand_markets_come_back_from_a_cut() -> None:
    """They are spread over 13 connections; all are synced and backfilled at the start and after each cut."""
    figures = measure(Plan(markets=5000, cuts=2, gaps=1))
    assert (13, 2, 1) == (figures.connections, len(figures.cut_backfilled_s), len(figures.gap_s))
