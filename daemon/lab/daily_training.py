"""A daily model from the store to the registry: walked forward, judged, written with its table.

Folds keep an event whole: one is tested only if it opened after the boundary, and trained on only if the last
of its labels was known by then. A row's features read its own market and nothing older than its open, so that
a day is embargo enough. Parameters are looked for on folds inside each training part; the registered model is
fitted to all rows in the same way, after its like has been judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from daemon.core.units import DAY, HOUR, MONEY_ONE, PRICE_ONE, SECOND, Ns
from daemon.lab.daily_account import DailyAccount, Terms, run_account
from daemon.lab.daily_report import HTML_FILE, DailyReport, judge_daily, write_report
from daemon.lab.daily_rows import TABLES, DailyRows
from daemon.lab.daily_table import DECIDED_AT, DailyRow, DailyTable, write_daily_table
from daemon.lab.fitting.rows import FitRows, Floats
from daemon.lab.fitting.trees import FittedTrees, fit_trees
from daemon.lab.folds import Fold, Instants, Rows, Rule, check_folds, even_boundaries, walk_forward
from daemon.lab.promotion import metadata_sha256
from daemon.lab.registry import Draft, figures, register, report_folder
from daemon.lab.tuning import Plan, Range, tune
from daemon.scoring.metadata import Label, Training, file_sha256

RULE = Rule(purge=DAY, embargo=DAY)
FIRST_SHARE = 0.5
"""Of the events, before the first boundary."""
INNER_FOLDS = 2
SPACE: dict[str, Range] = {
    "learning_rate": Range(0.01, 0.2, is_log=True),
    "num_leaves": Range(3, 31, is_log=True, is_whole=True),
    "min_data_in_leaf": Range(20, 400, is_log=True, is_whole=True),
    "lambda_l2": Range(1e-3, 100, is_log=True),
    "feature_fraction": Range(0.4, 1.0),
    "bagging_fraction": Range(0.5, 1.0),
}
MANIFEST_FILE = "daily_manifest.json"
LABEL = Label(
    definition=f"change of the mid in dollars, said at {DECIDED_AT // HOUR}:00 UTC from the days before",
    horizon="24 hours",
)
_NOTES = (
    "metrics are of walk-forward tests by whole events, in dollars per contract: rmse, mae of the model and"
    " of saying 0 (_zero); skill = 1 - squared error / that of saying 0, with a 95 % interval over events;"
    " profit of the portfolio strategy's weights, spreads and fees paid."
)


class DailyManifest(msgspec.Struct, frozen=True):
    """What a daily model was made of: sha256 of every file of the store, and of the rows."""

    series: tuple[str, ...]
    features: tuple[str, ...]
    rows: int
    rows_sha256: str
    inputs: dict[str, str]


@dataclass(frozen=True)
class Order:
    """What is to be trained: the model's name, how it is looked for, and what its metadata shall say."""

    name: str
    series: tuple[str, ...]
    seed: int = 1
    folds: int = 4
    trials: int = 10
    commit: str | None = None


@dataclass(frozen=True)
class Trained:
    """Where the model lies, and what was found out about it."""

    folder: Path
    report: DailyReport
    table: DailyTable

    @property
    def page(self) -> Path:
        """The report to be read."""
        return report_folder(self.folder) / HTML_FILE


def train_daily(
    root: Path, rows: DailyRows, order: Order, say: Callable[[str], None] = lambda _: None
) -> Trained:
    """Train, judge and register a daily model; it is never promoted by this.

    Args:
        root: the registry.
        rows: from the store.
        order: what is wanted.
        say: told of each step.

    Raises:
        NoDailyRows: no row has a label.
        NotFolded: too few events for so many folds.
        ModelRefused: the daemon would not load what came out.
    """
    fit, numbers = rows.fit_rows()
    # A boundary lies the embargo before the first row of an event, so that this one can be tested.
    boundaries = [begin - RULE.embargo for begin in even_boundaries(fit.span, order.folds, FIRST_SHARE)]
    folds = walk_forward(fit.span, boundaries, RULE)
    event = np.asarray(rows.events())
    check_folds(fit.span.at, fit.span.label_at, [fit.span.group], folds, RULE)
    said = np.full(rows.count, np.nan)
    studies = root / f".{order.name}.studies"
    for number, fold in enumerate(folds, start=1):
        say(f"fold {number} of {len(folds)}: {len(fold.train):,} rows to train, {len(fold.test):,} to test")
        tested = _tested(rows, event, numbers, fold)
        said[tested] = _fit(fit, fold, order, studies).predict(rows.x[tested])
    terms = Terms()
    account = run_account(rows, said, terms)
    say("the model of all rows")
    everything = Fold(
        int(fit.span.label_at.max()) + 1, None, np.argsort(fit.span.at, kind="stable"), _NO_ROWS
    )
    final = _fit(fit, everything, order, studies)
    manifest = DailyManifest(order.series, rows.names, rows.count, rows.sha256(), rows.inputs)
    report = judge_daily(
        model=order.name, series=order.series, seed=order.seed, predicted=said[numbers], label=fit.y,
        at=fit.span.at, event=event[numbers], folds=folds, trading=account.record(rows, terms, order.trials),
        trials=order.trials,
    )  # fmt: skip
    folder = register(root, _draft(order, fit, final, report, manifest, folds))
    named = msgspec.structs.replace(report, model=f"{order.name}/{folder.name}")
    table = _table(folder, order, rows, said, final, account, terms, report.headline)
    write_report(named, report_folder(folder))
    (report_folder(folder) / MANIFEST_FILE).write_bytes(_encode(manifest))
    write_daily_table(table, folder)
    studies.unlink(missing_ok=True)
    return Trained(folder, named, table)


def _tested(rows: DailyRows, event: NDArray[np.str_], numbers: Instants, fold: Fold) -> Rows:
    """The rows of a fold's tested events that would have been forecast then, by their numbers in `rows`.

    Also those without a label: that a market has no two prices a day later is known a day later, and it is
    there that most is lost.
    """
    begins = fold.boundary + RULE.embargo
    names, place = np.unique(event, return_inverse=True)
    first = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(first, place, rows.at)
    is_tested = np.isin(names, event[numbers[fold.test]])
    is_bare = ~np.isin(names, event[numbers])
    is_tested |= is_bare & (first >= begins) & (fold.end is None or first < fold.end)
    close_at = np.array([rows.markets[one].spec.close_at for one in rows.market], dtype=np.int64)
    return np.flatnonzero(is_tested[place] & (rows.at >= begins) & (rows.at + DAY < close_at))


_NO_ROWS = np.empty(0, dtype=np.intp)


def _fit(fit: FitRows, fold: Fold, order: Order, studies: Path) -> FittedTrees:
    """The best of some trials on folds inside a fold's training rows, fitted to all of those."""
    plan = Plan(
        name=order.name, trials=order.trials, seed=order.seed, folds=INNER_FOLDS, rounds=20, trees_max=300,
        space=SPACE, fixed={"bagging_freq": 1, "objective": "regression"},
    )  # fmt: skip
    tuned = tune("regressor", fit, fold, RULE, plan, studies)
    return fit_trees("regressor", fit.only(fold.train), tuned.parameters, tuned.trees, order.seed)


def _date(at: Ns, form: str = "%Y-%m-%d") -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).strftime(form)


def _encode(manifest: DailyManifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def _draft(
    order: Order,
    fit: FitRows,
    model: FittedTrees,
    report: DailyReport,
    manifest: DailyManifest,
    folds: list[Fold],
) -> Draft:
    metrics = {
        "rows": float(report.rows), "rmse": report.rmse, "rmse_zero": report.rmse_zero,
        "mae": report.mae, "mae_zero": report.mae_zero,
        **figures({"skill": report.skill, "rank_correlation": report.rank_correlation}),
    }  # fmt: skip
    if report.trading is not None:
        metrics["profit"] = report.trading.profit
        if report.trading.sharpe_365 is not None:
            metrics["sharpe_365"] = report.trading.sharpe_365
    instant = "%Y-%m-%dT%H:%M:%SZ"
    return Draft(
        name=order.name,
        kind="lightgbm",
        names=fit.names,
        required=(),
        content=model.text,
        x=fit.x,
        label=LABEL,
        training=Training(
            source=f"the store's {', '.join(TABLES)} of {', '.join(order.series)}",
            seed=order.seed,
            split=f"walk-forward, {len(folds)} folds of whole events, a day's gaps; then fitted to all rows",
            markets_by_part={"train": fit.outcomes},
            rows_by_part={"train": fit.count},
            trees=model.trees,
            parameters=model.parameters,
            begins_at=_date(int(fit.span.at.min()), instant),
            ends_at=_date(int(fit.span.label_at.max()), instant),
            manifests={"daily": file_sha256(_encode(manifest))},
            seeds={"all": order.seed},
            purge_s=RULE.purge / SECOND,
            embargo_s=RULE.embargo / SECOND,
            commit=order.commit,
        ),
        metrics=metrics,
        notes=_NOTES,
        output="change",
    )


def _table(
    folder: Path, order: Order, rows: DailyRows, said: Floats, final: FittedTrees, account: DailyAccount,
    terms: Terms, headline: str,
) -> DailyTable:  # fmt: skip
    """The rows of the tests, those that were held into their close, and what is forecast of now."""
    newest = final.predict(rows.x)
    last = int(rows.at.max())
    begins = rows.at[~np.isnan(said)].min()
    found = []
    for row in range(rows.count):
        market = rows.markets[rows.market[row]]
        at, is_now = int(rows.at[row]), int(rows.at[row]) == last and market.payout is None
        forecast = newest[row] if is_now and at + DAY < market.spec.close_at else said[row]
        is_held = bool(account.contracts[row])
        if at < begins or np.isnan(rows.mid[row]) or (np.isnan(forecast) and not is_held):
            continue
        mid = float(rows.mid[row])
        realised = _known(rows.label[row])
        if realised is None and market.payout is not None and at + DAY >= market.spec.close_at:
            realised = market.payout / PRICE_ONE - mid
        found.append(
            DailyRow(
                day=_date(at),
                ticker=market.spec.ticker,
                event=market.spec.event_ticker,
                mid=mid,
                predicted=_known(forecast),
                realised=realised,
                weight=_known(account.weight[row]),
                contracts=float(account.contracts[row]),
                pnl=_known(account.pnl[row]),
            )
        )
    found.sort(key=lambda one: (one.day, one.ticker))
    return DailyTable(
        format=1,
        model=f"{order.name}/{folder.name}",
        metadata_sha256=metadata_sha256(folder),
        series=order.series,
        headline=headline,
        start=terms.start / MONEY_ONE,
        stake=terms.gross_share,
        profit=(account.worth - terms.start) / MONEY_ONE,
        rows=tuple(found),
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
