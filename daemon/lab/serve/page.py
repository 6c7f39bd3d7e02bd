"""The page at `/`: an example, a form made of the model's schema, the daily table, the diagram."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from urllib.parse import urlencode

from daemon.core.scorer import Output
from daemon.lab.daily_table import DailyTable
from daemon.lab.judging.charts import line_chart, reliability_chart
from daemon.lab.judging.report import Report
from daemon.lab.serve.bodies import Chosen, Scored
from daemon.lab.serve.html import document, section, table
from daemon.lab.serve.rows import Row
from daemon.lab.serve.shelf import Entry
from daemon.scoring.metadata import ModelMetadata

ROWS_SHOWN = 20
WHY: dict[Chosen, str] = {
    "asked for": "as asked for",
    "champion": "champion of the daily line",
    "newest": "the newest; the daily line has no champion",
}


WORDS: dict[Output, str] = {"probability": "a probability", "change": "dollars"}
MEANING: dict[Output, str] = {"probability": "P(YES)", "change": "$"}


@dataclass(frozen=True)
class View:
    """What the page shows. `example` is a row of the model's training and what the model says of it."""

    entry: Entry
    chosen: Chosen
    models: tuple[str, ...]
    example: tuple[Row, Scored]
    report: Report | str | None
    """A text says why it can't be read."""
    daily: DailyTable | str
    """A text says why there is none."""


def example_row(metadata: ModelMetadata) -> Row:
    """Return the frozen row with the fewest missing values, the first of them."""
    rows = [frozen.row for frozen in metadata.frozen_rows]
    return min(rows, key=lambda row: row.count(None))


def render(view: View) -> str:
    """Return the page of a model that answers."""
    said = view.entry.metadata
    parts = [
        _who(view),
        section("An example", _example(view)),
        section("Ask", _form(view)),
        section("The daily table", _daily(view.daily)),
        section("Reliability", _reliability(view)),
    ]
    return document(f"{said.name}/{said.version}: kalshid", "".join(parts), has_script=True)


def render_refusal(reason: str, models: Sequence[str]) -> str:
    """Return the page where no model answers: why, and which could be asked."""
    choice = _choice(models, None) if models else "<p>Train one with <code>kalshid lab</code>.</p>"
    return document(
        "kalshid: no model answers", f'<p class="bad">No model answers: {escape(reason)}</p>{choice}'
    )


def _who(view: View) -> str:
    said = view.entry.metadata
    headline = view.daily.headline if isinstance(view.daily, DailyTable) else None
    if headline is None and isinstance(view.report, Report):
        headline = view.report.headline
    verdict = "" if headline is None else f'<p class="verdict">{escape(headline)}</p>'
    return (
        f"{verdict}<p><b>{escape(view.entry.model)}</b> ({escape(WHY[view.chosen])}) says"
        f" {WORDS[said.output]}: {escape(said.label.definition)}, {escape(said.label.horizon)}.</p>"
        + _choice(view.models, view.entry.model)
    )


def _choice(models: Sequence[str], shown: str | None) -> str:
    options = "".join(
        f"<option{' selected' if model == shown else ''}>{escape(model)}</option>" for model in models
    )
    return (
        '<form class="row" action="/" method="get"><label>Model <br>'
        f'<select name="model">{options}</select></label><button>Show</button></form>'
    )


def _example(view: View) -> str:
    row, scored = view.example
    known = {
        name: repr(value)
        for name, value in zip(_names(view), row, strict=True)
        if value is not None
    }  # fmt: skip
    target = "/predict?" + urlencode({**known, "model": view.entry.model})
    return (
        f'<p class="soft">One row of its training, {len(known)} of {len(row)} features known.</p>'
        f'<pre><a href="{escape(target, quote=True)}">GET {escape(target)}</a></pre>'
        f'<p class="value">{scored.value!r} {MEANING[view.entry.metadata.output]}</p>'
    )


def _names(view: View) -> tuple[str, ...]:
    return tuple(feature.name for feature in view.entry.metadata.feature_schema)


def _form(view: View) -> str:
    said, (row, _) = view.entry.metadata, view.example
    units = {feature.name: feature.unit for feature in said.feature_schema}
    example = dict(zip(_names(view), row, strict=True))
    groups: list[tuple[str, list[str]]] = []
    for stem, members in groupby(_names(view), lambda name: name.rstrip("0123456789").rstrip("_")):
        names = list(members)
        # Features that are few of their kind stand together, not each in a frame.
        title = stem if len(names) > 2 else "others"
        if groups and groups[-1][0] == title:
            groups[-1][1].extend(names)
        else:
            groups.append((title, names))
    fields = "".join(
        f'<fieldset><legend>{escape(stem)}</legend><div class="fields">'
        + "".join(_field(name, units[name], example[name], name in said.required) for name in names)
        + "</div></fieldset>"
        for stem, names in groups
    )
    return (
        '<p class="soft">An empty field is a missing value. The fields hold the example.</p>'
        '<noscript><p class="bad">The form needs the script of this page; the API does not.</p></noscript>'
        f'<form id="ask" action="/predict" method="get" data-meaning="{MEANING[said.output]}">'
        f'<input type="hidden" name="model" value="{escape(view.entry.model, quote=True)}">{fields}'
        '<p class="row"><button>Ask the model</button><button type="reset">Example</button></p></form>'
        '<div id="answer" role="status" hidden><p class="value" id="value"></p><ul id="words"></ul>'
        '<pre id="address"></pre></div>'
    )


def _field(name: str, unit: str, value: float | None, is_required: bool) -> str:
    shown = "" if value is None else f' value="{value!r}"'
    need = " required" if is_required else ""
    words = escape(name).replace("_", "_<wbr>")
    # A feature without a unit has the unit 1.
    notes = [escape(unit)] * (unit != "1") + ["required"] * is_required
    label = f'{words} <span class="soft">{", ".join(notes)}</span>'
    return (
        f'<label>{label}<input type="number" step="any" name="{escape(name, quote=True)}"{shown}{need}>'
        "</label>"
    )


def _with_code(text: str) -> str:
    """What stands between backticks is something to type."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _figure(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)


def _daily(found: DailyTable | str) -> str:
    if isinstance(found, str):
        return f'<p class="soft">{_with_code(found)}.</p>'
    by_day: dict[str, float] = {}
    for row in found.rows:
        if row.pnl is not None:
            by_day[row.day] = by_day.get(row.day, 0.0) + row.pnl
    equity = [found.start]
    for gained in by_day.values():
        equity.append(equity[-1] + gained)
    words = "The account's worth in dollars, day by day"
    chart = line_chart(equity, words) if len(set(equity)) > 1 else ""
    latest = list(reversed(found.rows[-ROWS_SHOWN:]))
    rows = [
        (
            row.day, row.ticker, f"{row.mid:.3f}", _figure(row.predicted, "+.4f"),
            _figure(row.realised, "+.4f"), _figure(row.weight, "+.3f"), f"{row.contracts:g}",
            _figure(row.pnl, "+.2f"),
        )
        for row in latest
    ]  # fmt: skip
    heads = ("day", "market", "mid $", "predicted $", "realised $", "weight", "contracts", "P&L $")
    caption = f"The latest {len(rows)} of {len(found.rows)} rows; all are at /predict/pnl."
    return (
        f"<p>{escape(', '.join(found.series))}: {found.profit:+,.2f} $ on {found.start:,.2f} $, fees and"
        f" spreads paid.</p>{chart}{table(caption, heads, rows, words=(0, 1))}"
    )


def _reliability(view: View) -> str:
    report = view.report
    if isinstance(report, str):
        return f'<p class="bad">{escape(report)}.</p>'
    if report is None:
        why = (
            "it says changes of a price: what happened of what it said is in the daily table"
            if view.entry.metadata.output == "change"
            else "it has no report"
        )
        return f'<p class="soft">{escape(view.entry.model)} has no diagram: {why}.</p>'
    series = list(report.reliability.items())[:2]
    key = " ".join(
        f'<b class="key{number}">{"●○"[number]} {escape(name)}</b>' for number, (name, _) in enumerate(series)
    )
    rows = [
        (name, f"{one.low:.2f} to {one.high:.2f}", str(one.rows), f"{one.said:.3f}", f"{one.rate:.3f}")
        for name, bins in series
        for one in bins
    ]
    heads = ("forecast", "said between", "rows", "said", "happened")
    return (
        f"<p>{key}: dots by their count of rows, whiskers 95 % over events. On the dashed line what was said"
        f" is what happened.</p>{reliability_chart(series)}{table('The bins of the diagram.', heads, rows)}"
    )
