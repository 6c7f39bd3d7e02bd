"""All figures of a small day, each counted by hand from what happened in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.config import load_config
from daemon.core.units import DAY, MINUTE
from daemon.report.facts import AccountPoint
from daemon.report.figures import POINTS_MAX, Figures, gather_figures
from daemon.report.period import Period
from daemon.shell.store import rows as r
from tests.report.days import DAY_0, NOON, PERIOD, M, N, epoch_of, fill, keep_store, place, run, small_day

LIMITS = load_config(Path(__file__).parents[2] / "config.toml").limits()
NOW = DAY_0 + 3 * DAY


def figures(folder: Path, period: Period = PERIOD, now: int = NOW, mode: str = "sandbox") -> Figures:
    """The figures of a folder."""
    return gather_figures(folder, mode, LIMITS, period, now)


def test_a_small_day(tmp_path: Path) -> None:
    """Results, mark-outs at the four horizons, slippage, calibration, risk, incidents: as counted by hand."""
    small_day(tmp_path)
    found = figures(tmp_path)
    assert [(N, 790_000), (M, 30_000)] == [(one.name, one.pnl) for one in found.results.by_market]
    assert [("no strategy", 790_000), ("s", 30_000)] == [
        (one.name, one.pnl) for one in found.results.by_strategy
    ]
    total = found.results.total
    assert (820_000, 30_000, None, 3) == (total.pnl, total.fees, total.fees_predicted, total.fills)
    # Bought at 40c, sold at 45c, bought at 20c: mids of 44c, 44c, 20c; then 45c, 45c, 20c; then lost.
    assert [500 / 3, 500 / 3, 500 / 3, None] == [
        value if (value := one.all.value) is None else pytest.approx(10_000 * value)
        for one in found.mark_outs
    ]
    nobody, own = found.slippages
    assert (None, pytest.approx(-0.01), pytest.approx(-0.005)) == (
        nobody.against_mid.value, own.against_mid.value, own.against_limit.value
    )  # fmt: skip
    assert [(0.2, 1, 0.25, 1.0)] == [(one.low, one.markets, one.said, one.paid) for one in found.calibration]
    assert (5_000_000, LIMITS.total_loss_max) == (found.risk[0].most, found.risk[0].limit)
    assert ["run", "finding", "feed", "halt", "run"] == [one.kind for one in found.incidents]
    assert (1, ()) == (found.runs, found.notes)


def test_a_day_without_a_run_is_empty_and_one_without_fills_is_not(tmp_path: Path) -> None:
    """Whether nobody ran, or nothing was traded, are two things."""
    small_day(tmp_path)
    assert figures(tmp_path, mode="demo").is_empty
    assert figures(tmp_path, Period("next", DAY_0 + DAY, DAY_0 + 2 * DAY)).is_empty
    before = Period("before", DAY_0, DAY_0)
    assert figures(tmp_path, before).is_empty
    keep_store(tmp_path, epoch_of(DAY_0 + DAY), run(DAY_0 + DAY))
    idle = figures(tmp_path, Period("next", DAY_0 + DAY, DAY_0 + 2 * DAY))
    assert (False, 0, 0) == (idle.is_empty, idle.results.total.fills, idle.results.total.pnl)


def test_what_is_not_over_and_what_is_missing_is_said(tmp_path: Path) -> None:
    """Today's end is now; a run whose journal is gone has no mark-outs, and the report says why."""
    keep_store(tmp_path, 1, run(DAY_0), place("a", NOON, 4_000), fill("a", NOON, 4_000, mid=4_900))
    found = figures(tmp_path, now=NOON + MINUTE)
    assert NOON + MINUTE == found.until
    assert 3 == len(found.notes)
    assert "1 of 1 runs have no journal here" in found.notes[0]
    assert [None] * 4 == [one.all.value for one in found.mark_outs]
    assert 80_000 == found.results.total.pnl, "the store's own mid says what it is worth"


def test_the_account_is_thinned_and_falls_are_by_the_day(tmp_path: Path) -> None:
    """A page has few points; a fall is from where its day began, and none is below 0."""
    points = [
        r.EquityPoint(DAY_0 + number * MINUTE, 0, 1_000 - number, 0, 0, 0, "trading")
        for number in range(1_000)
    ]
    keep_store(tmp_path, 1, run(DAY_0), *points)
    found = figures(tmp_path)
    assert len(found.account) <= POINTS_MAX
    assert AccountPoint(DAY_0, 1_000, 0) == found.account[0]
    assert 999 == found.risk[1].most
