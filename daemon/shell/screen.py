"""What a person sees of a running daemon: one screen, refreshed in place.

The loop takes a plain picture of the beliefs (`picture`), cheap; a thread renders it, so that drawing
does not sit between a tick and its decision.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from daemon.core.engine import Decision, Engine
from daemon.core.exposure import mark, marked_equity
from daemon.core.units import MONEY_ONE, PRICE_ONE, QTY_ONE, SECOND, Money, Ns, Price
from daemon.shell.metrics import Metrics
from daemon.shell.summary import LIVE, mode_words

REFRESH_S = 0.25
DECISIONS_SHOWN = 8
MARKETS_SHOWN = 12


class MarketRow(msgspec.Struct, frozen=True):
    """One line of the markets table."""

    ticker: str
    status: str
    closes_in_s: int
    is_synced: bool
    bid: Price | None
    ask: Price | None
    score: float | None
    position: int
    orders: int
    value: Money


class Picture(msgspec.Struct, frozen=True):
    """All that the screen shows, as plain values."""

    mode: str
    phase: str
    at: Ns
    is_connected: bool
    reference: float | None
    frames: int
    frames_per_s: float
    gaps: int
    lag_ms: float | None
    breaker: str
    cash: Money | None
    equity: Money | None
    pnl: Money | None
    fees: Money
    fills: int
    orders: int
    open_orders: int
    decision_p50_us: float | None
    decision_p99_us: float | None
    markets: tuple[MarketRow, ...]
    decisions: tuple[Decision, ...]
    refusals: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
    findings: int = 0
    """Beliefs about the account that the venue did not share."""


def picture(
    engine: Engine, metrics: Metrics, *, mode: str, now: Ns, frames: int, frames_per_s: float, gaps: int,
    notes: tuple[str, ...],
) -> Picture:  # fmt: skip
    """Return what the daemon believes now, for the screen."""
    state = engine.state
    rows = []
    # Those that are over come last: they must not push the open ones off the screen.
    by_close = sorted(
        state.markets.items(),
        key=lambda item: (item[1].spec.close_at <= now, abs(item[1].spec.close_at - now)),
    )
    for ticker, market in by_close:
        book, position = market.book, state.ledger.positions.get(ticker)
        price = mark(state, ticker)
        value = 0
        if position is not None and position.qty:
            value = (position.cost if price is None else position.value(price)) - position.cost
        rows.append(
            MarketRow(
                ticker=ticker,
                status=market.spec.status,
                closes_in_s=(market.spec.close_at - now) // SECOND,
                is_synced=book.is_synced,
                bid=book.bid,
                ask=book.ask,
                score=engine.scores.get(ticker),
                position=position.qty if position is not None else 0,
                orders=len(state.open_orders(ticker)),
                value=value,
            )
        )
    p50, p99 = metrics.decision.quantile_s(0.5), metrics.decision.quantile_s(0.99)
    return Picture(
        mode=mode,
        phase=engine.phase,
        at=now,
        is_connected=state.feed.is_connected,
        reference=None if state.reference_price is None else state.reference_price / MONEY_ONE,
        frames=frames,
        frames_per_s=frames_per_s,
        gaps=gaps,
        lag_ms=None if state.feed.lag.lag is None else state.feed.lag.lag / 1e6,
        breaker=engine.breakers.worst,
        cash=state.ledger.cash,
        equity=marked_equity(state),
        pnl=engine.gathering.pnl(),
        fees=state.ledger.fees,
        fills=state.ledger.fills_total,
        orders=engine.orders_total,
        open_orders=sum(order.is_open for order in state.orders.values()),
        decision_p50_us=None if p50 is None else p50 * 1e6,
        decision_p99_us=None if p99 is None else p99 * 1e6,
        markets=tuple(rows[:MARKETS_SHOWN]),
        decisions=tuple(engine.decisions.last)[-DECISIONS_SHOWN:],
        refusals=tuple(engine.refusals.most_common(5)),
        notes=notes,
        findings=state.account.log.total,
    )


def _cents(price: Price | None) -> str:
    return "–" if price is None else f"{price / 100:.1f}"


def _dollars(money: Money | None, *, sign: bool = False) -> str:
    if money is None:
        return "–"
    return f"{money / MONEY_ONE:{'+' if sign else ''},.2f}"


def _tone(money: Money | None) -> str:
    return "dim" if not money else "green" if money > 0 else "red"


def _clock(seconds: int) -> str:
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, rest = divmod(seconds, 3600)
    return (
        f"{sign}{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{sign}{rest // 60}:{rest % 60:02d}"
    )


class _Tail:
    """A ticker, cut at its front where it doesn't fit: what tells two of them apart is their end."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        yield Text(
            self._text if len(self._text) <= width else f"…{self._text[len(self._text) - width + 1 :]}"
        )

    def __rich_measure__(self, _console: Console, _options: ConsoleOptions) -> Measurement:
        return Measurement(8, len(self._text))


def _header(shown: Picture) -> RenderableType:
    grid = Table.grid(padding=(0, 3))
    phase = {"trading": "bold green", "halted": "bold red"}.get(shown.phase, "bold yellow")
    line = Text.assemble(
        ("kalshid  ", "bold"),
        (f" {mode_words(shown.mode)} ", "bold white on red" if shown.mode == LIVE else "black on cyan"),
        "  ",
        (shown.phase, phase),
        f"   {datetime.fromtimestamp(shown.at / SECOND, UTC):%Y-%m-%d %H:%M:%S} UTC",
    )
    feed = Text("connected" if shown.is_connected else "down", "green" if shown.is_connected else "bold red")
    reference = "–" if shown.reference is None else f"{shown.reference:,.2f}"
    lag = "–" if shown.lag_ms is None else f"{shown.lag_ms:.0f} ms"
    tick = "–"
    if shown.decision_p50_us is not None and shown.decision_p99_us is not None:
        tick = f"p50 ≤ {shown.decision_p50_us:,.0f} µs, p99 ≤ {shown.decision_p99_us:,.0f} µs"
    grid.add_row(
        Text.assemble("feed ", feed),
        f"{shown.frames_per_s:,.0f} msg/s  ({shown.frames:,} in all, {shown.gaps} gaps, lag {lag})",
        f"BTC {reference}",
        Text.assemble("breaker ", (shown.breaker, "green" if shown.breaker == "closed" else "bold red")),
    )
    money = Text.assemble(
        "cash ", (_dollars(shown.cash), "bold"), "   equity ", (_dollars(shown.equity), "bold"),
        "   P&L ", (_dollars(shown.pnl, sign=True), f"bold {_tone(shown.pnl)}"),
        f"   fees {_dollars(shown.fees)}   orders {shown.orders} ({shown.open_orders} open)"
        f"   fills {shown.fills}   tick→decision {tick}",
        (f"   findings {shown.findings}" if shown.findings else "", "bold red"),
    )  # fmt: skip
    return Group(line, grid, money)


def _markets(shown: Picture) -> Table:
    table = Table(expand=True, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("market")
    table.add_column("book", no_wrap=True)
    for title in ("closes", "bid", "ask", "mid", "model", "edge", "ord", "pos", "P&L"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in shown.markets:
        mid = (row.bid + row.ask) / 2 if row.bid is not None and row.ask is not None else None
        edge = None if row.score is None or mid is None else row.score * 100 - mid / 100
        book = Text("synced", "green") if row.is_synced else Text("unsynced", "red")
        if row.status != "active":
            book = Text("not open" if row.status == "initialized" else row.status, "dim")
        table.add_row(
            _Tail(row.ticker),
            book,
            _clock(row.closes_in_s),
            _cents(row.bid),
            _cents(row.ask),
            "–" if mid is None else f"{mid / 100:.2f}",
            "–" if row.score is None else f"{row.score * 100:.1f}",
            "–" if edge is None else Text(f"{edge:+.1f}c", "green" if edge > 0 else "red"),
            str(row.orders or ""),
            Text(f"{row.position / QTY_ONE:+,.0f}" if row.position else "", "bold"),
            Text(_dollars(row.value, sign=True) if row.position else "", _tone(row.value)),
        )
    return table


def _decisions(shown: Picture) -> Table:
    table = Table(expand=True, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("time", no_wrap=True)
    table.add_column("market", ratio=3)
    table.add_column("strategy", no_wrap=True)
    table.add_column("decision", no_wrap=True)
    table.add_column("why", ratio=6, no_wrap=True)
    tones = {"place": "green", "amend": "cyan", "cancel": "yellow", "refused": "red", "idle": "dim"}
    for decision in reversed(shown.decisions):
        table.add_row(
            f"{datetime.fromtimestamp(decision.at / SECOND, UTC):%H:%M:%S}",
            _Tail(decision.ticker),
            Text(decision.strategy),
            Text(decision.outcome, tones[decision.outcome]),
            Text(decision.reason),
        )
    return table


def render(shown: Picture) -> RenderableType:
    """Return the whole screen."""
    parts: list[RenderableType] = [
        Panel(_header(shown), border_style="cyan"),
        Panel(_markets(shown), title="markets", title_align="left", border_style="dim"),
        Panel(_decisions(shown), title="last decisions", title_align="left", border_style="dim"),
    ]
    if shown.refusals:
        parts.append(
            Text("refused: " + ", ".join(f"{name} {count}" for name, count in shown.refusals), "dim")
        )
    parts += [Text(note, "yellow") for note in shown.notes]
    return Group(*parts)


assert PRICE_ONE == 100 * 100, "the screen shows prices in cents"


class Screen:
    """Draws the newest picture a few times a second, in a thread of its own."""

    def __init__(self, console: Console, take: Callable[[], Picture | None]) -> None:
        self._console = console
        self._take = take
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="screen", daemon=True)

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def stop(self) -> None:
        """Draw a last time and leave the picture standing."""
        self._stopped.set()
        self._thread.join(timeout=2)

    def _draw(self) -> None:
        with Live(console=self._console, auto_refresh=False, transient=False) as live:
            while not self._stopped.wait(REFRESH_S):
                self._show(live)
            self._show(live)

    def _show(self, live: Live) -> None:
        shown = self._take()
        if shown is not None:
            live.update(render(shown), refresh=True)
