"""A registry as the lab leaves it: a daily model of changes with its table, a probability with its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daemon.core.units import DAY, SECOND
from daemon.lab.daily_table import DailyRow, DailyTable, write_daily_table
from daemon.lab.fitting.rows import fit_rows
from daemon.lab.fitting.trees import fit_trees
from daemon.lab.judging.page import write_report
from daemon.lab.judging.report import judge
from daemon.lab.promotion import metadata_sha256, promote
from daemon.lab.registry import Draft, register, report_folder
from daemon.scoring.metadata import Label, Training
from daemon.scoring.structural import normal_cdf
from tests.lab.judging.market_rows import market_rows
from tests.scoring.kinds import Row, structural

DAILY_NAMES = (
    *(f"RET_{day}" for day in range(1, 11)), *(f"VOL_YES_{day}" for day in range(1, 4)),
    "RET_STD_5", "DIST_50",
)  # fmt: skip
FIRST = 1_700_000_000 * SECOND


@dataclass(frozen=True)
class Made:
    """The folders of a made registry; `daily` is champion of the daily line."""

    root: Path
    daily: Path
    probability: Path


def daily_model(root: Path, seed: int = 1, rows: int = 200, required: tuple[str, ...] = ("RET_1",)) -> Path:
    """Write a small regressor of made-up days, with unknown values among its rows."""
    rng = np.random.default_rng(seed)
    x = rng.normal(scale=0.05, size=(rows, len(DAILY_NAMES)))
    x[:, 1:][rng.random((rows, len(DAILY_NAMES) - 1)) < 0.1] = np.nan
    y = 0.3 * x[:, 0] + rng.normal(scale=0.01, size=rows)
    at = FIRST + np.arange(rows) * DAY
    made = fit_rows(DAILY_NAMES, x, y, at, at + DAY, np.arange(rows))
    fitted = fit_trees("regressor", made, {"num_leaves": 5, "min_data_in_leaf": 10}, 12, seed)
    draft = Draft(
        name="daily-trees", kind="lightgbm", names=DAILY_NAMES, required=required, content=fitted.text, x=x,
        label=Label(definition="the change of the mid in dollars", horizon="24 hours"), output="change",
        training=Training(
            source="made up", seed=seed, split="none", markets_by_part={}, rows_by_part={"fit": rows},
            trees=12, parameters={"num_leaves": 5}, ends_at="2026-11-19T15:00:00Z",
        ),
        metrics={"rmse": 0.0123, "rmse_zero": 0.0125}, notes="a test's",
    )  # fmt: skip
    return register(root, draft)


def daily_rows(days: int = 30) -> tuple[DailyRow, ...]:
    """Two markets a day, the last day still open."""
    rng = np.random.default_rng(3)
    rows = []
    for day in range(days):
        is_open = day == days - 1
        for ticker in ("KXCPI-26NOV-T0.2", "KXCPI-26NOV-T0.3"):
            predicted, realised, gained = rng.normal(scale=[0.02, 0.03, 2.0]).tolist()
            rows.append(
                DailyRow(
                    f"2026-10-{day + 1:02d}", ticker, "KXCPI-26NOV", 0.4, predicted,
                    None if is_open else realised, 0.5 if predicted > 0 else -0.5, 12.0,
                    None if is_open else gained,
                )
            )  # fmt: skip
    return tuple(rows)


def write_table(folder: Path, rows: tuple[DailyRow, ...]) -> DailyTable:
    """Write a daily table of a model."""
    table = DailyTable(
        1, f"{folder.parent.name}/{folder.name}", metadata_sha256(folder), ("KXCPI",),
        "Nothing here beats saying that the price stays.", 1_000.0, 0.2,
        sum(row.pnl for row in rows if row.pnl is not None), rows,
    )  # fmt: skip
    write_daily_table(table, folder)
    return table


def made_registry(root: Path) -> Made:
    """Write both models, the table, the report, and make the daily one champion of its line."""
    daily = daily_model(root)
    write_table(daily, daily_rows())
    probability = structural(root, normal, name="hourly")
    write_report(judge(market_rows(events=40), model="hourly/1", seed=1), report_folder(probability))
    promote(root, "daily", daily, FIRST, reason="the first one")
    return Made(root, daily, probability)


def normal(row: Row) -> float:
    """What the formula says: P(YES) by the distance to the strike."""
    return normal_cdf(row[0] or 0.0)
