"""The report as one HTML file: no script, nothing loaded, light and dark, readable on a telephone."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from daemon.core.units import DAY
from daemon.lab.judging.blocks import Interval
from daemon.lab.judging.charts import bar_chart, interval_chart, line_chart, reliability_chart
from daemon.lab.judging.record import TradingRecord
from daemon.lab.judging.reliability import ReliabilityBin
from daemon.lab.judging.report import JSON_FILE, Importance, Report, encode_report
from daemon.lab.judging.sheet import document, table

HTML_FILE = "report.html"
EVENTS_SHOWN = 20
FEATURES_SHOWN = 30


def _number(value: float | None, form: str = ".5f") -> str:
    return "unknown" if value is None else format(value, form)


def _interval(found: Interval, form: str = "+.5f") -> str:
    if found.value is None:
        return "unknown"
    if found.low is None or found.high is None:
        return f"{found.value:{form}} [unknown]"
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _forecasts(report: Report) -> str:
    rows = [
        (
            found.name,
            _interval(found.brier, ".5f"),
            _interval(found.log_loss, ".4f"),
            _number(found.auc, ".3f"),
            _number(found.said_mean, ".3f"),
        )
        for found in report.forecasts
    ]
    heads = ("forecast", "Brier", "log-loss", "AUC", "mean said")
    return table("Lower Brier and log-loss are better. 95 % intervals.", heads, rows)


def _comparisons(report: Report) -> str:
    rows = [
        (
            f"{found.ours} over {found.rival}",
            _interval(found.brier_skill, "+.3f"),
            _interval(found.brier_gain),
            _interval(found.log_loss_gain),
        )
        for found in report.comparisons
    ]
    caption = "Above 0 is better than the rival. Skill is 1 - Brier / the rival's Brier."
    return table(caption, ("who over whom", "skill", "Brier gain", "log-loss gain"), rows)


def _calibration(report: Report) -> str:
    rows = []
    for found in report.forecasts:
        error, line = found.calibration_error, found.line
        rows.append(
            (
                found.name,
                _number(error.ece, ".4f"),
                f"{error.null_mean:.4f}, 95 % below {error.null_high:.4f}",
                f"{error.p_value:.3f}",
                _number(found.z.z, "+.2f"),
                _interval(Interval(line.slope, line.slope_low, line.slope_high, 0), ".2f"),
                _interval(Interval(line.intercept, line.intercept_low, line.intercept_high, 0), "+.2f"),
            )
        )
    heads = ("forecast", "ECE", "ECE if calibrated", "p", "Spiegelhalter Z", "slope", "intercept")
    caption = "A calibrated model has p above 0.05, |Z| below 2, slope 1 and intercept 0."
    names = list(report.reliability)
    key = " ".join(f'<b class="key{n}">{"●○"[n]} {escape(name)}</b>' for n, name in enumerate(names))
    bins = [
        (name, f"{b.low:.2f}-{b.high:.2f}", f"{b.rows}", f"{b.blocks}", f"{b.said:.3f}", _rate(b))
        for name in names
        for b in report.reliability[name]
    ]
    return (
        table(caption, heads, rows)
        + f"<p>{key}, dots by their count of rows, whiskers 95 % over events</p>"
        + reliability_chart([(name, report.reliability[name]) for name in names])
        + table("The diagram's bins.", ("forecast", "bin", "rows", "events", "said", "happened"), bins)
    )


def _rate(found: ReliabilityBin) -> str:
    return _interval(Interval(found.rate, found.rate_low, found.rate_high, found.blocks), ".3f")


def _folds(report: Report) -> str:
    names = [found.name for found in report.forecasts]
    rows = [
        (
            f"fold {found.fold}",
            f"{found.rows}",
            f"{found.blocks}",
            *(_number(found.brier[name]) for name in names),
            _interval(found.gain_over_market),
        )
        for found in report.folds
    ]
    heads = ("fold", "rows", "events", *(f"Brier {name}" for name in names), "gain over market")
    gains = [(f"fold {found.fold}", found.gain_over_market) for found in report.folds]
    return interval_chart(gains, "The model's Brier gain over the market, by fold") + table(
        "Brier scores by fold.", heads, rows
    )


def _events(report: Report) -> str:
    names = [found.name for found in report.forecasts]
    ordered = sorted(
        report.events,
        key=lambda found: (-abs(found.brier[report.market] - found.brier["model"]) * found.rows, found.event),
    )
    rows = [
        (
            found.event,
            f"{found.rows}",
            f"{found.yes_rate:.2f}",
            *(_number(found.brier[name], ".4f") for name in names),
        )
        for found in ordered[:EVENTS_SHOWN]
    ]
    caption = f"Of {len(report.events)} events, those that moved the comparison most; all are in {JSON_FILE}."
    return table(caption, ("event", "rows", "YES", *(f"Brier {name}" for name in names)), rows)


def _net_values(report: Report) -> str:
    rows = [
        (
            found.name,
            f"{found.trades}",
            _interval(found.net, "+.4f"),
            _number(found.gross, "+.4f"),
            _number(found.fee, ".4f"),
            _number(found.expected, "+.4f"),
        )
        for found in report.net_values
    ]
    heads = ("bought", "rows", "net", "gross", "fee", "expected net")
    return table(
        "Dollars per contract, bought at the ask (NO at 1 - bid) where it seemed to pay.", heads, rows
    )


def _trading(record: TradingRecord) -> str:
    fall = record.drawdown
    rows = [
        ("days", f"{record.days}"),
        ("profit, net of fees", f"{record.profit:,.2f} $"),
        ("fees", f"{record.fees:,.2f} $"),
        ("Sharpe, daily equity, 365 days", _number(record.sharpe_365, ".2f")),
        ("Sharpe by the custom of 252 days", _number(record.sharpe_252, ".2f")),
        ("Sortino, 365 days", _number(record.sortino_365, ".2f")),
        ("deepest drawdown", f"{fall.amount:,.2f} $ ({fall.share:.2%})"),
        ("longest drawdown", f"{record.drawdown_longest_ns / DAY:.1f} days"),
        ("events won", "unknown" if record.win_rate is None else _interval(record.win_rate, ".3f")),
        ("profit factor", _number(record.profit_factor, ".2f")),
        ("turnover a year", f"{record.turnover_per_year:.1f}"),
        ("probability that Sharpe is above 0", _number(record.psr, ".3f")),
        (f"the same, deflated for {record.trials} trials", _number(record.dsr, ".3f")),
    ]
    if record.overfitting is not None:
        over = record.overfitting
        rows.append(("probability of overfitting", f"{over.pbo:.3f} over {over.splits} splits"))
    chart = line_chart(record.equity, "The account's worth in dollars at each day's end")
    return chart + table("From daily equity, all days of the calendar.", ("figure", "value"), rows)


def _features(importance: Sequence[Importance]) -> str:
    shown = importance[:FEATURES_SHOWN]
    rows = [(found.feature, f"{found.gain:.3f}", f"{found.shap:.4f}") for found in shown]
    caption = (
        "Gain is of the training rows. SHAP is exact, on the held-out rows, in the raw score's unit: logits."
        + (f" Of {len(importance)} features the first {len(shown)}; all are in {JSON_FILE}."
           if len(importance) > len(shown) else "")
    )  # fmt: skip
    bars = [(found.feature, found.shap) for found in shown]
    return bar_chart(bars, "Mean absolute SHAP by feature, in the raw score's unit") + table(
        caption, ("feature", "share of gain", "mean |SHAP|"), rows
    )


def render(report: Report) -> str:
    """Return the page, well-formed as XML too. Its first line is the verdict; all names are escaped."""
    parts = report.parts
    sections = [
        ("Forecasts", _forecasts(report)),
        ("Comparisons", _comparisons(report)),
        ("Calibration", _calibration(report)),
        ("Folds", _folds(report)),
        ("Events", _events(report)),
    ]
    if report.net_values:
        sections.append(("Net value per contract", _net_values(report)))
    if report.trading is not None:
        sections.append(("Trading", _trading(report.trading)))
    if report.importance:
        sections.append(("Features", _features(report.importance)))
    body = "".join(f"<section><h2>{title}</h2>{content}</section>" for title, content in sections)
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return document(
        f"{report.model}: held-out report",
        f'<p class="verdict">{escape(report.headline)}</p><h1>{escape(report.model)}</h1>'
        f'<p class="soft">{report.rows} rows of {report.independent} independent outcomes,'
        f" seed {report.seed}. The market's word is its {escape(report.market)}."
        f" Brier {parts.brier:.5f} = reliability {parts.reliability:.5f} - resolution"
        f" {parts.resolution:.5f} + uncertainty {parts.uncertainty:.5f} {parts.within:+.5f} within bins.</p>"
        + (f"<ul>{notes}</ul>" if notes else "")
        + body,
    )


def write_report(report: Report, folder: Path) -> None:
    """Write `report.json` and `report.html` into a folder, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((JSON_FILE, encode_report(report)), (HTML_FILE, render(report).encode())):
        partial = folder / f".{name}.partial"
        partial.write_bytes(content)
        partial.replace(folder / name)
