"""The summary: what a run did, the same in JSON and in words."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.model_record import ModelRecord
from daemon.core.units import PRICE_ONE
from daemon.shell.summary import (
    Latency,
    MarketOutcome,
    ScoreRecord,
    Summary,
    mode_words,
    print_summary,
    summarize,
    write_summary,
)
from tests.core.worlds import T0, TICKER, Scripted, engine
from tests.kalshi.frames import frame, subscribed
from tests.shell.beliefs import LATER, lived
from tests.shell.standing import standing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for the journal whose name is no markup."""
    return tmp_path / "[odd]"


def summary(subject: Engine, folder: Path, unequal: int = 0) -> Summary:
    """Of a run whose session took four frames: one can't be read, and one shows a gap."""
    with standing(subject, folder) as sources:
        sources.metrics.decision.observe(70_000)
        session = sources.feeds.session
        session.connected(T0)
        session.receive(b"no frame at all", T0)
        session.receive(subscribed("user_orders", 1), T0)
        session.receive(frame("ok", {}, id=9, sid=1, seq=1), T0)
        session.receive(frame("ok", {}, id=9, sid=1, seq=7), T0)
        sources.audit.counts["unequal"] += unequal
        return summarize(
            sources, mode="sandbox", exit_reason="--for 30s [sic]", exit_code=0, seconds=30.12345
        )


@pytest.mark.parametrize(("mode", "words"), [("shadow", "PAPER · shadow"), ("live", "LIVE · real money")])
def test_whether_the_money_is_real_is_said_first(folder: Path, mode: str, words: str) -> None:
    """In JSON as a flag, to a person as the first words."""
    found = msgspec.structs.replace(summary(lived(), folder), mode=mode, is_live=mode == "live")
    out = io.StringIO()
    print_summary(found, Console(file=out, width=200, color_system=None))
    assert out.getvalue().strip().startswith(words)
    assert words == mode_words(mode)


def test_it_says_what_was_done(folder: Path) -> None:
    """Counts, money in dollars, quantiles by bucket, and each market's outcome."""
    subject = lived()
    found = summary(subject, folder)
    assert (
        ("sandbox", "--for 30s [sic]", 0, 30.123, 4, 1),
        (subject.decisions_total, 1, 1, {"qty_out_of_range": 1}, 1),
        (0.0168, 0.0232, 9_998.3832, True, 0),
    ) == (
        (found.mode, found.exit_reason, found.exit_code, found.seconds, found.frames, found.gaps),
        (found.decisions, found.orders, found.fills, found.refusals, found.orders_open),
        (found.fees, found.pnl, found.cash, found.reconciled, found.reconcile_findings),
    )
    assert Latency(128e-6, 128e-6, 1) == found.latency_seconds["tick_to_decision"]
    assert Latency(None, None, 0) == found.latency_seconds["queue_wait"]
    assert (1, 1, 4) == tuple(found.session[name] for name in ("gaps", "refused", "frames"))
    assert {"equal": 0, "unequal": 0, "void": 0, "failed": 0} == found.audits
    assert {"markets": 0, "trades": 0, "candles": 0, "failures": 0} == found.backfill
    # 4 contracts bought at 40 c, marked at 41 c.
    assert [MarketOutcome(TICKER, 4.0, None, 0.0232, 0.0168)] == found.markets


def test_a_settled_market_shows_what_it_paid(folder: Path) -> None:
    """The settlement price, no position, and a P&L that is realised."""
    subject = lived()
    subject.handle(e.MarketDetermined(TICKER, "yes", PRICE_ONE, LATER))
    subject.handle(e.MarketSettled(TICKER, LATER))
    (outcome,) = summary(subject, folder).markets
    assert MarketOutcome(TICKER, 0.0, 1.0, 2.3832, 0.0168) == outcome


def test_what_is_not_known_is_none(folder: Path) -> None:
    """A run that never read its account has no P&L, not one of zero."""
    found = summary(engine(Scripted()), folder)
    assert (None, None, False, []) == (found.pnl, found.cash, found.reconciled, found.markets)


def test_the_file_reads_back_as_it_was(tmp_path: Path, folder: Path) -> None:
    """JSON for scripts, in a folder that is made if it is missing."""
    path = tmp_path / "new" / "folder" / "summary.json"
    written = summary(lived(), folder)
    write_summary(written, path)
    assert written == msgspec.json.decode(path.read_bytes(), type=Summary)
    assert {"frames", "gaps", "decisions", "orders", "fills", "refusals", "fees", "pnl", "reconciled"} | {
        "exit_reason",
        "latency_seconds",
    } <= set(msgspec.json.decode(path.read_bytes()))


def test_a_person_reads_the_same_in_words(folder: Path) -> None:
    """Everything of interest on a few lines; brackets in a reason or a path are shown as they are."""
    console = Console(width=200, file=io.StringIO(), color_system=None)
    print_summary(summary(lived(), folder, unequal=2), console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for words in (
        "--for 30s [sic] after 30.1 s: 4 frames, 1 gaps noticed",
        "1 orders, 1 fills, fees $0.02, P&L $+0.02, reconciled, 1 orders open",
        TICKER,
        f"left at the exchange: {summary(lived(), folder / 'again').orders_left[0]}",
        "refused: qty_out_of_range 1",
        "2 books differed from the venue's REST book, 1 frames refused",
        f"journal: {folder}",
    ):
        assert words in text


def test_what_a_person_must_not_overlook(folder: Path) -> None:
    """An account that does not agree, and a P&L that nobody knows."""
    console = Console(width=200, file=io.StringIO(), color_system=None)
    print_summary(summary(engine(Scripted()), folder), console)
    assert isinstance(console.file, io.StringIO)
    assert "P&L unknown, not reconciled" in console.file.getvalue()


def test_without_trouble_nothing_is_said_of_it(folder: Path) -> None:
    """A line of what went wrong stands only where something did."""
    found = summary(lived(), folder)
    calm = msgspec.structs.replace(found, session=found.session | {"refused": 0})
    console = Console(width=200, file=io.StringIO(), color_system=None)
    print_summary(calm, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "differed" not in text
    assert "frames refused" not in text


def test_scores_of_a_challenger_are_counted(folder: Path) -> None:
    """Beside the default's and the mid's, where a market that was compared has ended; else there are none."""
    assert ScoreRecord(0, None, 0, {}) == summary(lived(), folder).scores
    subject = lived()
    record = subject.models.record = ModelRecord(has_challenger=True)
    record.compare(0.5, 0.75)
    record.add(TICKER, 0.5, 0.75, 0.5)
    record.judge(TICKER, PRICE_ONE, LATER)
    expected = ScoreRecord(1, 0.25, 1, {"model": 0.25, "mid": 0.25, "challenger": 0.0625})
    assert expected == summary(subject, folder / "again").scores
