"""The summary: what a run did, the same in JSON and in words."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
from rich.console import Console

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.units import PRICE_ONE
from daemon.shell.metrics import Metrics
from daemon.shell.summary import Latency, MarketOutcome, Summary, print_summary, summarize, write_summary
from tests.core.worlds import TICKER, Scripted, engine
from tests.shell.beliefs import LATER, lived

JOURNAL = "var/[odd]/1.journal"


def summary(subject: Engine) -> Summary:
    metrics = Metrics()
    metrics.decision.observe(70_000)
    return summarize(
        subject,
        metrics,
        mode="sandbox",
        exit_reason="--for 30s [sic]",
        exit_code=0,
        seconds=30.12345,
        counters={"frames": 1_234, "gaps": 2},
        journal=JOURNAL,
    )


def test_it_says_what_was_done() -> None:
    """Counts, money in dollars, quantiles by bucket, and each market's outcome."""
    subject = lived()
    found = summary(subject)
    assert (
        ("sandbox", "--for 30s [sic]", 0, 30.123, 1_234, 2),
        (subject.decisions_total, 1, 1, {"qty_out_of_range": 1}, 1),
        (0.0168, 0.0232, 9_998.3832, True, 0),
    ) == (
        (found.mode, found.exit_reason, found.exit_code, found.seconds, found.frames, found.gaps),
        (found.decisions, found.orders, found.fills, found.refusals, found.orders_open),
        (found.fees, found.pnl, found.cash, found.reconciled, found.reconcile_findings),
    )
    assert Latency(128e-6, 128e-6, 1) == found.latency_seconds["tick_to_decision"]
    assert Latency(None, None, 0) == found.latency_seconds["queue_wait"]
    # 4 contracts bought at 40 c, marked at 41 c.
    assert [MarketOutcome(TICKER, 4.0, None, 0.0232, 0.0168)] == found.markets


def test_a_settled_market_shows_what_it_paid() -> None:
    """The settlement price, no position, and a P&L that is realised."""
    subject = lived()
    subject.handle(e.MarketDetermined(TICKER, "yes", PRICE_ONE, LATER))
    subject.handle(e.MarketSettled(TICKER, LATER))
    (outcome,) = summary(subject).markets
    assert MarketOutcome(TICKER, 0.0, 1.0, 2.3832, 0.0168) == outcome


def test_what_is_not_known_is_none() -> None:
    """A run that never read its account has no P&L, not one of zero."""
    found = summary(engine(Scripted()))
    assert (None, None, False, []) == (found.pnl, found.cash, found.reconciled, found.markets)


def test_the_file_reads_back_as_it_was(tmp_path: Path) -> None:
    """JSON for scripts, in a folder that is made if it is missing."""
    path = tmp_path / "new" / "folder" / "summary.json"
    written = summary(lived())
    write_summary(written, path)
    assert written == msgspec.json.decode(path.read_bytes(), type=Summary)
    assert {"frames", "gaps", "decisions", "orders", "fills", "refusals", "fees", "pnl", "reconciled"} | {
        "exit_reason",
        "latency_seconds",
    } <= set(msgspec.json.decode(path.read_bytes()))


def test_a_person_reads_the_same_in_words() -> None:
    """Everything of interest on a few lines; brackets in a reason or a path are shown as they are."""
    console = Console(width=200, file=io.StringIO(), color_system=None)
    print_summary(summary(lived()), console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for words in (
        "--for 30s [sic] after 30.1 s: 1,234 frames, 2 gaps noticed",
        "1 orders, 1 fills, fees $0.02, P&L $+0.02, reconciled, 1 orders open",
        TICKER,
        "refused: qty_out_of_range 1",
        f"journal: {JOURNAL}",
    ):
        assert words in text


def test_what_a_person_must_not_overlook() -> None:
    """An account that does not agree, and a P&L that nobody knows."""
    console = Console(width=200, file=io.StringIO(), color_system=None)
    print_summary(summary(engine(Scripted())), console)
    assert isinstance(console.file, io.StringIO)
    assert "P&L unknown, not reconciled" in console.file.getvalue()
