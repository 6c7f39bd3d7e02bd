"""The report of a daily model: figures by hand, a verdict that is honest, and a page that loads nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from daemon.lab.daily_report import HTML_FILE, JSON_FILE, DailyReport, judge_daily, render, write_report
from daemon.lab.folds import Fold
from daemon.lab.judging.record import trading_record

EVENTS = 40
ROWS = EVENTS * 5


def report_of(skill: float, events: int = EVENTS, seed: int = 3) -> DailyReport:
    """Return the report of forecasts that know a share of what comes; below 0 they know the contrary."""
    drawn = np.random.default_rng(seed)
    label = drawn.normal(0, 0.03, ROWS)
    predicted = skill * label + 0.2 * drawn.normal(0, 0.03, ROWS)
    event = np.array([f"E{row * events // ROWS:02}" for row in range(ROWS)])
    at = np.arange(ROWS, dtype=np.int64) // 10
    half = ROWS // 2
    folds = [
        Fold(0, None, np.arange(5), np.arange(half)),
        Fold(0, None, np.arange(9), np.arange(half, ROWS)),
    ]
    return judge_daily(
        model="daily/1", series=("KXMADE",), seed=1, predicted=predicted, label=label, at=at, event=event,
        folds=folds, trading=None, trials=7,
    )  # fmt: skip


def test_figures_by_hand() -> None:
    """Errors of two forecasts, against saying 0; rows that were in no test are in no figure."""
    label = np.array([0.02, -0.04, 0.5])
    found = judge_daily(
        model="m", series=(), seed=1, predicted=np.array([0.01, -0.01, np.nan]), label=label,
        at=np.array([1, 2, 3]), event=np.array(["A", "B", "C"]),
        folds=[Fold(0, None, np.array([2]), np.array([0, 1]))], trading=None, trials=1,
    )  # fmt: skip
    assert (2, 2, 2) == (found.rows, found.events, found.days)
    assert [0.0005**0.5, 0.001**0.5] == [pytest.approx(found.rmse), pytest.approx(found.rmse_zero)]
    assert [0.02, 0.03] == [pytest.approx(found.mae), pytest.approx(found.mae_zero)]
    assert pytest.approx(0.5) == found.skill.value
    assert found.rank_correlation.value is None
    assert pytest.approx(found.rmse) == found.folds[0].rmse


def test_the_verdict_is_honest() -> None:
    """Skill is claimed where the whole interval shows it; of noise, of the contrary, of too few it is not."""
    assert 'smaller than that of saying "no change"' in report_of(0.8).headline
    assert "shown to beat" in report_of(0.02).headline
    assert "worse" in report_of(-0.5).headline
    assert "Too few events" in report_of(0.8, events=10).headline


def test_ranks_are_of_a_days_markets() -> None:
    """Forecasts in the order of what came have a correlation near 1."""
    found = report_of(5.0).rank_correlation
    assert found.value is not None
    assert found.value > 0.95
    assert ROWS // 10 == found.blocks


def test_the_report_is_written_whole(tmp_path: Path) -> None:
    """Read back it is the same; the page begins with the verdict and loads nothing."""
    found = report_of(0.8)
    write_report(found, tmp_path)
    assert {JSON_FILE, HTML_FILE} == {path.name for path in tmp_path.iterdir()}
    assert found == msgspec.json.decode((tmp_path / JSON_FILE).read_bytes(), type=DailyReport)
    page = render(found)
    assert page.index("verdict") < page.index("<table")
    assert not [word for word in ("<script", "src=", "http:", "https:") if word in page]


def test_a_profit_of_few_events_says_little() -> None:
    """The notes tell how many events were traded, where they are too few to mean anything."""
    record = trading_record(
        np.array([1, 2, 3]), [101.0, 99.0, 120.0], 100.0, event_profits=[1.0, 19.0], notional=[50.0],
        fees=1.0, trials=7,
    )  # fmt: skip
    found = judge_daily(
        model="m", series=(), seed=1, predicted=np.array([0.01, -0.01]), label=np.array([0.02, -0.04]),
        at=np.array([1, 2]), event=np.array(["A", "B"]), folds=[], trading=record, trials=7,
    )  # fmt: skip
    assert "Traded in 2 events only: the profit says little." in found.notes
    assert "+20.00" in render(found)


def test_many_seeds_of_noise_are_no_skill() -> None:
    """Of forty models that know nothing, at most three are said to beat "no change"."""
    claimed = ["smaller" in report_of(0.0, seed=seed).headline for seed in range(40)]
    assert sum(claimed) <= 3
