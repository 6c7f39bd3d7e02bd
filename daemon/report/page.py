"""The report as one HTML file: no script, nothing loaded, light and dark. Its first word is PAPER or LIVE."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from daemon.core.units import MONEY_ONE, QTY_ONE, SECOND, Money, Ns, Price, Qty
from daemon.lab.judging.charts import line_chart, reliability_chart, signed_bar_chart
from daemon.lab.judging.reliability import ReliabilityBin
from daemon.lab.judging.sheet import document, table
from daemon.report.figures import Figures
from daemon.report.quality import HORIZONS, MarkOut, Mean
from daemon.report.results import Result
from daemon.report.risk import RiskUse
from daemon.shell.page.reliability import wilson

BARS_MAX = 20
ROWS_MAX = 200
_NOTHING = '<p class="soft">Nothing in this period.</p>'


def kind_of(mode: str) -> str:
    """Return LIVE for real money, else PAPER."""
    return "LIVE" if mode == "live" else "PAPER"


def dollars(money: Money | None) -> str:
    """Return an amount for people, its sign always there: +1,234.5600 $."""
    return "unknown" if money is None else f"{money / MONEY_ONE:+,.4f} $"


def _paid(money: Money | None) -> str:
    return "unknown" if money is None else f"{money / MONEY_ONE:,.4f} $"


def _contracts(qty: Qty) -> str:
    return f"{qty / QTY_ONE:,.2f}"


def _cents(mean: Mean) -> str:
    return "unknown" if mean.value is None else f"{100 * mean.value:+.2f}c ({mean.fills:,})"


def _time(at: Ns) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _results(found: Sequence[Result], what: str) -> str:
    if not found:
        return _NOTHING
    shown = found if len(found) <= BARS_MAX else (*found[: BARS_MAX // 2], *found[-BARS_MAX // 2 :])
    bars = [(one.name, None if one.pnl is None else one.pnl / MONEY_ONE) for one in shown]
    rows = [
        (
            one.name,
            dollars(one.pnl),
            _paid(one.fees),
            _paid(one.fees_predicted),
            f"{one.fills:,}",
            _contracts(one.traded_qty),
            _contracts(one.held_qty),
        )
        for one in found[:ROWS_MAX]
    ]
    heads = (what, "P&L, fees off", "fees", "fees by our rule", "fills", "traded", "still held")
    caption = "Contracts are signed: above 0 is YES."
    if len(found) > ROWS_MAX:
        caption += f" The best {ROWS_MAX} of {len(found)}; all are in --json."
    words = f"Profit and loss by {what}, the best and the worst" if shown is not found else f"P&L by {what}"
    return signed_bar_chart(bars, words, "{:+,.2f} $".format) + table(caption, heads, rows)


def _account(figures: Figures) -> str:
    if not figures.account:
        return '<p class="soft">The account was never reconciled in this period.</p>'
    first, last = figures.account[0], figures.account[-1]
    return (
        line_chart([point.equity / MONEY_ONE for point in figures.account], "Equity at marks in dollars")
        + f'<p class="soft">Equity at marks in dollars, {_time(first.at)} to {_time(last.at)} UTC, while the'
        " account was reconciled. Deposits are in it.</p>"
    )


def _mark_outs(found: Sequence[MarkOut]) -> str:
    if not any(one.all.fills for one in found):
        return '<p class="soft">No fill whose book is known.</p>'
    bars = [(f"after {one.after // SECOND} s", one.all.value) for one in found]
    rows = [
        (f"{one.after // SECOND} s", _cents(one.all), _cents(one.makers), _cents(one.takers)) for one in found
    ]
    caption = (
        "What a contract had gained so long after its fill, at the mid, fees left out (of how many fills)."
    )
    heads = ("after", "all", "resting", "taking")
    return signed_bar_chart(bars, "Mark-outs in cents a contract", _bar_cents) + table(caption, heads, rows)


def _bar_cents(value: float) -> str:
    return f"{100 * value:+.2f}c"


def _fills(figures: Figures) -> str:
    if not figures.fills:
        return _NOTHING
    shown = figures.fills[-ROWS_MAX:]
    rows = [
        (
            _time(one.at),
            one.ticker,
            f"{'buy' if one.side == 'bid' else 'sell'} {_contracts(one.qty)} at {one.price / 100:g}c",
            *map(_tick, one.gained),
            _tick(one.against_mid),
            _paid(one.fee),
            "taking" if one.is_taker else "resting",
            one.strategy,
        )
        for one in shown
    ]
    after = [f"+{horizon // SECOND} s" for horizon in HORIZONS]
    caption = (
        "UTC, of YES, oldest first. What a contract had gained so long after its fill, at the mid, fees left"
        " out; and what it cost more than the mid at the decision."
    )
    total = figures.results.total.fills
    if total > len(shown):
        caption += f" The last {len(shown)} of {total:,}; more are in --json."
    return table(caption, ("when", "market", "what", *after, "cost", "fee", "how", "strategy"), rows)


def _tick(price: Price | None) -> str:
    return "unknown" if price is None else f"{price / 100:+.2f}c"


def _slippage(figures: Figures) -> str:
    if not figures.slippages:
        return _NOTHING
    bars = [(one.strategy, one.against_mid.value) for one in figures.slippages]
    rows = [(one.strategy, _cents(one.against_mid), _cents(one.against_limit)) for one in figures.slippages]
    caption = (
        "What fills cost more than the decision, a contract; below 0 is better than it (of how many fills)."
    )
    return signed_bar_chart(bars, "Cost against the mid at the decision", _bar_cents) + table(
        caption, ("strategy", "against the mid then", "against the price decided"), rows
    )


def _calibration(figures: Figures) -> str:
    judged = figures.judged
    brier = (
        ""
        if judged is None
        else f"<p>Markets that ended: {judged.markets:,}, looked at {judged.instants:,} times:"
        f" Brier {judged.model:.5f} of the model, {judged.mid:.5f} of the mid; lower is better.</p>"
    )
    if not figures.calibration:
        return brier + '<p class="soft">No market that we placed orders in by a score has ended.</p>'
    bins = []
    for one in figures.calibration:
        low, high = wilson(one.paid, one.markets)
        bins.append(
            ReliabilityBin(one.low, one.high, one.markets, one.markets, one.said, one.paid, low, high)
        )
    rows = [
        (f"{one.low:.1f}-{one.high:.1f}", f"{one.markets}", f"{one.said:.3f}", f"{one.paid:.3f}")
        for one in figures.calibration
    ]
    caption = (
        "The mean score at which a market's orders were placed, and the share that paid. 95 % intervals."
    )
    return (
        brier
        + reliability_chart([("the scores", bins)])
        + table(caption, ("score", "markets", "said", "paid"), rows)
    )


def _amount(use: RiskUse, value: int | None, absent: str) -> str:
    if value is None:
        return absent
    if use.unit == "count":
        return f"{value:,}"
    return f"{value / MONEY_ONE:,.2f} $" if use.unit == "dollars" else _contracts(value)


def _risk(figures: Figures) -> str:
    rows = [
        (
            use.name,
            _amount(use, use.most, "unknown"),
            _amount(use, use.limit, "off"),
            "" if use.most is None or not use.limit else f"{use.most / use.limit:.1%}",
        )
        for use in figures.risk
    ]
    refused = [(name, f"{count:,}") for name, count in figures.refusals]
    found = table("Limits are those configured now.", ("what", "most", "limit", "used"), rows)
    if not refused:
        return found + '<p class="soft">Nothing was refused.</p>'
    return found + table("How often a refusal began.", ("refusal", "times"), refused)


def _incidents(figures: Figures) -> str:
    if not figures.incidents:
        return '<p class="soft">None: no halt, no finding, no gap.</p>'
    rows = [(_time(one.at), one.kind, one.words) for one in figures.incidents]
    caption = "UTC, oldest first."
    if figures.incidents_total > len(figures.incidents):
        caption += f" The first {len(figures.incidents)} of {figures.incidents_total:,}."
    return table(caption, ("when", "kind", "what"), rows, is_words=True)


def headline(figures: Figures) -> str:
    """Return the period's result in one line; its first word is PAPER or LIVE."""
    total = figures.results.total
    first = f"{kind_of(figures.mode)} {figures.days}: "
    if figures.is_empty:
        return first + f"no daemon in mode {figures.mode} ran"
    if not total.fills:
        return first + f"no fills, P&L {dollars(total.pnl)}"
    return first + f"P&L {dollars(total.pnl)} with fees of {_paid(total.fees)} off, {total.fills:,} fills"


def render(figures: Figures) -> str:
    """Return the page, well-formed as XML too; all names are escaped. An empty period says so."""
    found = figures.results
    sections = [
        ("Account", _account(figures)),
        ("By strategy", _results(found.by_strategy, "strategy")),
        ("By event", _results(found.by_event, "event")),
        ("By market", _results(found.by_market, "market")),
        ("Mark-outs", _mark_outs(figures.mark_outs)),
        ("Slippage", _slippage(figures)),
        ("Fills", _fills(figures)),
        ("Calibration", _calibration(figures)),
        ("Risk", _risk(figures)),
        ("Incidents", _incidents(figures)),
    ]
    if figures.is_empty:
        sections = []
    body = "".join(f"<section><h2>{title}</h2>{content}</section>" for title, content in sections)
    notes = "".join(f"<li>{escape(note)}</li>" for note in figures.notes)
    words = headline(figures)
    return document(
        f"{kind_of(figures.mode)} {figures.days}: kalshid",
        f'<p class="verdict">{escape(words)}</p><h1>{escape(figures.days)}, mode {escape(figures.mode)}</h1>'
        f'<p class="soft">{_time(figures.since)} to {_time(figures.until)} UTC, runs of the daemon:'
        f" {figures.runs}.</p>" + (f"<ul>{notes}</ul>" if notes else "") + body,
    )


def write_page(path: Path, page: str) -> None:
    """Write a page for its owner only, whole or not at all. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.touch(mode=0o600)
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
