"""The report of a daily model: its forecasts against saying "no change", and what trading them made.

The first line is the verdict: whether the whole interval of the gain in squared error is above 0, drawn by
whole events. It says nothing of money: what spreads and fees leave of it stands in the trading record.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from daemon.lab.fitting.rows import Floats
from daemon.lab.folds import Fold, Instants
from daemon.lab.judging.blocks import (
    BLOCKS_MIN,
    Interval,
    blocks_of,
    mean_interval,
    paired_difference,
    skill_interval,
)
from daemon.lab.judging.charts import line_chart
from daemon.lab.judging.record import TradingRecord

JSON_FILE = "daily_report.json"
HTML_FILE = "daily_report.html"
MARKETS_MIN = 3
"""Fewer forecasts on one day have no order worth a correlation."""


class FoldError(msgspec.Struct, frozen=True):
    """One fold's test: root mean square errors in dollars, of the model and of saying 0."""

    rows: int
    events: int
    trained_rows: int
    rmse: float
    rmse_zero: float


class DailyReport(msgspec.Struct, frozen=True):
    """All figures on held-out rows. Errors are in dollars per contract; None is unknown.

    `skill` is 1 - squared error / that of saying 0; `gain_absolute` the mean absolute error of saying 0 less
    the model's. Intervals are of whole events. `rank_correlation` is Spearman's, of the markets of a day,
    averaged over days, its interval of days.
    """

    headline: str
    model: str
    series: tuple[str, ...]
    seed: int
    rows: int
    events: int
    days: int
    rmse: float
    rmse_zero: float
    mae: float
    mae_zero: float
    skill: Interval
    gain_squared: Interval
    gain_absolute: Interval
    rank_correlation: Interval
    folds: tuple[FoldError, ...]
    trading: TradingRecord | None
    trials: int
    notes: tuple[str, ...]


def judge_daily(
    *,
    model: str,
    series: tuple[str, ...],
    seed: int,
    predicted: Floats,
    label: Floats,
    at: Instants,
    event: NDArray[np.str_],
    folds: list[Fold],
    trading: TradingRecord | None,
    trials: int,
) -> DailyReport:
    """Return the report of held-out forecasts.

    Args:
        model: its name and version.
        series: that it is of.
        seed: of the bootstraps.
        predicted: dollars, shape (rows,), NaN where the row was in no test.
        label: what came, dollars, shape (rows,).
        at: when each row was decided.
        event: each row's event, shape (rows,).
        folds: whose tests they are.
        trading: what they made, costs paid.
        trials: how many models this one was chosen from.
    """
    tested = np.flatnonzero(~np.isnan(predicted))
    said, came = predicted[tested], label[tested]
    blocks = blocks_of(event[tested])
    squared, squared_zero = (said - came) ** 2, came**2
    skill = skill_interval(squared, squared_zero, blocks, seed)
    gain = paired_difference(squared, squared_zero, blocks, seed)
    return DailyReport(
        headline=_headline(gain, skill),
        model=model,
        series=series,
        seed=seed,
        rows=len(tested),
        events=blocks.count,
        days=len(np.unique(at[tested])),
        rmse=_root(squared),
        rmse_zero=_root(squared_zero),
        mae=float(np.abs(said - came).mean()),
        mae_zero=float(np.abs(came).mean()),
        skill=skill,
        gain_squared=gain,
        gain_absolute=paired_difference(np.abs(said - came), np.abs(came), blocks, seed),
        rank_correlation=_rank_correlation(said, came, at[tested], seed),
        folds=tuple(
            FoldError(
                len(one.test),
                len(np.unique(event[one.test])),
                len(one.train),
                _root((predicted[one.test] - label[one.test]) ** 2),
                _root(label[one.test] ** 2),
            )
            for one in folds
        ),
        trading=trading,
        trials=trials,
        notes=_notes(trading, blocks.count),
    )


def _root(squares: Floats) -> float:
    return float(np.sqrt(squares.mean()))


def _headline(gain: Interval, skill: Interval) -> str:
    if skill.value is None or skill.low is None or skill.high is None:
        return 'Nothing is known of the model\'s skill over saying "no change".'
    found = f"{skill.value:+.1%} [{skill.low:+.1%}, {skill.high:+.1%}] over {skill.blocks} events"
    if gain.is_above_zero:
        return f'The model\'s squared error is smaller than that of saying "no change": skill {found}.'
    if gain.is_below_zero:
        return f'The model is worse than saying "no change": skill {found}.'
    if skill.blocks < BLOCKS_MIN:
        return f'Too few events (of {BLOCKS_MIN}) to say whether anything beats "no change": skill {found}.'
    return f'Nothing here is shown to beat saying "no change": skill {found}.'


def _rank_correlation(said: Floats, came: Floats, at: Instants, seed: int) -> Interval:
    found, days = [], []
    for day in np.unique(at):
        here = at == day
        if here.sum() < MARKETS_MIN:
            continue
        ours, theirs = rankdata(said[here]), rankdata(came[here])
        if ours.std() and theirs.std():
            found.append(float(np.corrcoef(ours, theirs)[0, 1]))
            days.append(int(day))
    return mean_interval(found, blocks_of(days), seed) if found else Interval(None, None, None, 0)


def _notes(trading: TradingRecord | None, events: int) -> tuple[str, ...]:
    notes = [f"Markets of one event share its fate: {events} events are what the intervals are drawn from."]
    if trading is None:
        notes.append("No forecast was worth its costs: nothing was traded.")
    elif trading.profit <= 0:
        notes.append("Spreads and fees took more than the forecasts brought.")
    if trading is not None and trading.win_rate is not None and trading.win_rate.blocks < BLOCKS_MIN:
        notes.append(f"Traded in {trading.win_rate.blocks} events only: the profit says little.")
    return tuple(notes)


def write_report(report: DailyReport, folder: Path) -> None:
    """Write the report as JSON and as a page, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"
    for name, content in ((JSON_FILE, encoded), (HTML_FILE, render(report).encode())):
        partial = folder / f".{name}.partial"
        partial.write_bytes(content)
        partial.replace(folder / name)


_STYLE = (
    ":root{color-scheme:light dark}body{margin:0 auto;max-width:56rem;padding:1rem;font:16px/1.5 system-ui,"
    "sans-serif;overflow-wrap:anywhere}.verdict{font-weight:600;border-left:4px solid;padding-left:.75rem}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:.3rem .6rem;border-bottom:1px solid #8886;text-align:right;"
    "white-space:nowrap}th:first-child,td:first-child{text-align:left}svg{width:100%;max-width:30rem;height:auto}"
    "text{fill:currentColor;font:11px system-ui,sans-serif}.grid{stroke:#8886}.curve{fill:none;"
    "stroke-width:2}.s0{stroke:currentColor}"
)


def _interval(found: Interval, form: str) -> str:
    if found.value is None:
        return "unknown"
    if found.low is None or found.high is None:
        return f"{found.value:{form}}"
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(one)}</td>" for one in row) + "</tr>" for row in rows)
    return f'<div class="wide" tabindex="0"><table><tr>{head}</tr>{body}</table></div>'


def render(report: DailyReport) -> str:
    """Return the report as one page that loads nothing."""
    errors = _table(
        ("$ per contract", "model", '"no change"', "gain"),
        [
            ("root mean square", f"{report.rmse:.5f}", f"{report.rmse_zero:.5f}",
             f"skill {_interval(report.skill, '+.2%')}"),
            ("mean absolute", f"{report.mae:.5f}", f"{report.mae_zero:.5f}",
             _interval(report.gain_absolute, "+.5f")),
        ],
    )  # fmt: skip
    folds = _table(
        ("fold", "trained rows", "tested rows", "events", "model", '"no change"'),
        [
            (str(number), str(one.trained_rows), str(one.rows), str(one.events), f"{one.rmse:.5f}",
             f"{one.rmse_zero:.5f}")
            for number, one in enumerate(report.folds, start=1)
        ],
    )  # fmt: skip
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"/>'
        f"<title>{escape(report.model)}: daily report</title><style>{_STYLE}</style></head><body>"
        f'<p class="verdict">{escape(report.headline)}</p><h1>{escape(report.model)}</h1>'
        f"<p>{escape(', '.join(report.series))}: {report.rows} rows of {report.events} events on"
        f" {report.days} days, seed {report.seed}, {report.trials} trials.</p><ul>{notes}</ul>"
        f"<h2>Errors</h2>{errors}<p>Rank correlation of a day's markets:"
        f" {_interval(report.rank_correlation, '+.3f')}.</p><h2>Folds</h2>{folds}{_trading(report.trading)}"
        "</body></html>\n"
    )


def _trading(record: TradingRecord | None) -> str:
    if record is None:
        return ""
    unknown = "unknown"
    rows: list[tuple[str, ...]] = [
        ("profit, $", f"{record.profit:+,.2f}"),
        ("fees, $", f"{record.fees:,.2f}"),
        ("Sharpe, 365 days", unknown if record.sharpe_365 is None else f"{record.sharpe_365:+.2f}"),
        ("deepest fall, $", f"{record.drawdown.amount:,.2f} ({record.drawdown.share:.2%})"),
        ("probability that Sharpe is above 0", unknown if record.psr is None else f"{record.psr:.2f}"),
        ("the same after all trials", unknown if record.dsr is None else f"{record.dsr:.2f}"),
    ]
    chart = line_chart(record.equity, "The account in dollars, day by day")
    return f"<h2>Trading, spreads and fees paid</h2>{_table(('', ''), rows)}{chart}"
