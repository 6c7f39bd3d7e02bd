"""What a run did, as plain values: for scripts (`--summary FILE`) and as the last words to a person."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from daemon.core.engine import Engine
from daemon.core.exposure import mark
from daemon.core.model_record import ModelRecord
from daemon.core.units import MONEY_ONE, PRICE_ONE, QTY_ONE
from daemon.shell.histogram import Histogram
from daemon.shell.open_orders import OrderLine, open_orders
from daemon.shell.samples import Sources

LIVE = "live"
"""The mode of real money."""


def mode_words(mode: str) -> str:
    """Return what a person reads first: whether the money is real."""
    return "LIVE · real money" if mode == LIVE else f"PAPER · {mode}"


class Latency(msgspec.Struct, frozen=True):
    """Upper bounds of two quantiles, in seconds, by log2 bucket; None when nothing was measured."""

    p50: float | None
    p99: float | None
    count: int


class MarketOutcome(msgspec.Struct, frozen=True):
    """What one market came to. Dollars; `settled_at_price` is what one YES contract paid, None if open."""

    ticker: str
    position: float
    settled_at_price: float | None
    pnl: float
    fees: float


class ScoreRecord(msgspec.Struct, frozen=True):
    """How the default model and its challenger did on the same instants (`core.model_record`).

    `brier` is the mean Brier score by source over the markets that ended, empty before the first one.
    """

    compared: int
    """Instants at which both models had a score."""
    difference_mean: float | None
    judged: int
    """Markets that ended."""
    brier: dict[str, float]


class Summary(msgspec.Struct, frozen=True):
    """The JSON of `kalshid run --summary FILE`. Money is in dollars."""

    mode: str
    is_live: bool
    """Whether the money was real."""
    exit_reason: str
    exit_code: int
    seconds: float
    frames: int
    gaps: int
    session: dict[str, int]
    """The venue sessions' counters: gaps, refused shapes, error codes, …."""
    audits: dict[str, int]
    backfill: dict[str, int]
    reference: dict[str, int]
    """What came of Kraken's stream."""
    events: dict[str, int]
    decisions: int
    orders: int
    fills: int
    refusals: dict[str, int]
    fees: float
    pnl: float | None
    cash: float | None
    reconciled: bool
    reconcile_findings: int
    orders_open: int
    latency_seconds: dict[str, Latency]
    markets: list[MarketOutcome]
    journal: str
    orders_left: list[OrderLine]
    """Orders of ours that may still trade at the exchange."""
    scores: ScoreRecord


def _latency(histogram: Histogram) -> Latency:
    return Latency(histogram.quantile_s(0.5), histogram.quantile_s(0.99), histogram.count)


def _outcomes(engine: Engine) -> list[MarketOutcome]:
    outcomes = []
    for ticker, position in sorted(engine.state.ledger.positions.items()):
        price = mark(engine.state, ticker)
        unrealized = 0 if price is None or not position.qty else position.value(price) - position.cost
        settled = engine.state.settlements.get(ticker)
        outcomes.append(
            MarketOutcome(
                ticker=ticker,
                position=position.qty / QTY_ONE,
                settled_at_price=None if settled is None else settled / PRICE_ONE,
                pnl=(position.realized + unrealized - position.fees) / MONEY_ONE,
                fees=position.fees / MONEY_ONE,
            )
        )
    return outcomes


def _scores(record: ModelRecord) -> ScoreRecord:
    return ScoreRecord(record.comparisons, record.difference_mean, record.judged_total, record.brier())


def summarize(sources: Sources, *, mode: str, exit_reason: str, exit_code: int, seconds: float) -> Summary:
    """Return what the run did."""
    engine, metrics, counters = sources.engine, sources.metrics, sources.feeds.counters
    state, pnl = engine.state, engine.gathering.pnl()
    return Summary(
        mode=mode,
        is_live=mode == LIVE,
        exit_reason=exit_reason,
        exit_code=exit_code,
        seconds=round(seconds, 3),
        frames=counters["frames"],
        gaps=counters["gaps"],
        session=dict(sorted(counters.items())),
        audits=dict(sources.audit.counts),
        backfill=dict(sources.backfill.counts),
        reference=dict(sources.reference.session.counters),
        events=dict(sorted(state.counts.items())),
        decisions=engine.decisions_total,
        orders=engine.orders_total,
        fills=state.ledger.fills_total,
        refusals=dict(engine.refusals.most_common()),
        fees=state.ledger.fees / MONEY_ONE,
        pnl=None if pnl is None else pnl / MONEY_ONE,
        cash=None if state.ledger.cash is None else state.ledger.cash / MONEY_ONE,
        reconciled=state.account.is_reconciled,
        reconcile_findings=state.account.log.total,
        orders_open=sum(order.is_open for order in state.orders.values()),
        latency_seconds={
            "tick_to_decision": _latency(metrics.decision),
            "queue_wait": _latency(metrics.queue_wait),
            "order_request": _latency(metrics.order_request),
            "read_wait": _latency(metrics.read_wait),
        },
        markets=_outcomes(engine),
        journal=str(sources.journal.path),
        orders_left=open_orders(state),
        scores=_scores(engine.models.record),
    )


def write_summary(summary: Summary, path: Path) -> None:
    """Write the summary as indented JSON, making its folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")


def _venue_words(summary: Summary) -> str:
    """Return what was wrong between the venue and us; empty where nothing was."""
    session, audits = summary.session, summary.audits
    counts = {
        "books differed from the venue's REST book": audits["unequal"],
        "frames refused": session["refused"],
        "resets": session["resets"],
        "reads of the past failed": summary.backfill["failures"],
        "candles of Kraken came too late": summary.reference["candles_late"],
        "findings about the account": summary.reconcile_findings,
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def print_summary(summary: Summary, console: Console) -> None:
    """Tell a person what the run did."""
    pnl = "unknown" if summary.pnl is None else f"${summary.pnl:+,.2f}"
    agreed = "reconciled" if summary.reconciled else "[red]not reconciled[/]"
    style = "bold white on red" if summary.is_live else "black on cyan"
    console.print(
        f"[{style}] {mode_words(summary.mode)} [/] "
        f"[bold]{escape(summary.exit_reason)}[/] after {summary.seconds:,.1f} s: {summary.frames:,} frames, "
        f"{summary.gaps} gaps noticed, {summary.decisions:,} decisions, {summary.orders} orders, "
        f"{summary.fills} fills, fees ${summary.fees:,.2f}, "
        f"P&L {pnl}, {agreed}, {summary.orders_open} orders open"
    )
    if told := _venue_words(summary):
        console.print(told)
    if summary.markets:
        table = Table("market", "position", "settled at", "P&L", "fees", box=None, header_style="dim")
        for market in summary.markets:
            settled = "–" if market.settled_at_price is None else f"{market.settled_at_price:.2f}"
            table.add_row(
                market.ticker,
                f"{market.position:+,.0f}",
                settled,
                f"{market.pnl:+,.2f}",
                f"{market.fees:,.2f}",
            )
        console.print(table)
    for line in summary.orders_left:
        console.print(f"[red]left at the exchange:[/] {escape(str(line))}")
    if summary.refusals:
        reasons = ", ".join(f"{name} {count}" for name, count in summary.refusals.items())
        console.print(f"refused: {reasons}", style="dim")
    console.print(f"journal: {escape(summary.journal)}", style="dim")
