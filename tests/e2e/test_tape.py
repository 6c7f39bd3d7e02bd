"""Recorded production books through the sandbox's wire into the daemon: what it saw is what was recorded.

Uses the shared recording beside the checkout, and skips, loudly, where it is absent. The book that the
daemon built (from the events in its journal, through the core's own `Book`) is compared with a book that
is built here from the raw rows, and its top with the exchange's own ticker messages.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daemon.cli import main
from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.units import PRICE_ONE
from daemon.shell.journal import read_journal
from tests.e2e.daemon_process import ROOT, Daemon, write_config

RECORDED = ROOT / "../shared/data/kalshi_btc15m_2026-05"
SESSION = "rv600_next_evidence_shadow_20260513T205117Z"
EVERY = 1_000
FIRST_ROWS_MAY_MISS = 50
"""The daemon subscribes while the session begins: its first snapshot may hold the first rows already."""

Delta = tuple[str, str, int, int, int]
Tops = list[tuple[int, int | None, int | None]]


class RawBook:
    """A book from raw rows: sizes by side and price, nothing else. Kept apart from the core's on purpose."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[int, int]] = {"yes": {}, "no": {}}

    def replace(self, yes: str, no: str) -> None:
        for side, text in (("yes", yes), ("no", no)):
            levels = json.loads(text) if text else []
            self.sides[side] = {round(float(p) * 10_000): round(float(q) * 100) for p, q in levels}

    def change(self, side: str, price: int, delta: int) -> None:
        sizes = self.sides[side]
        sizes[price] = sizes.get(price, 0) + delta
        if not sizes[price]:
            del sizes[price]


def rows(name: str, columns: list[str]) -> list[dict[str, Any]]:
    """The rows of one recorded table that belong to the session, in recorded order."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(RECORDED / name, columns=columns, filters=[("session", "=", SESSION)])
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def play(folder: Path, **changes: str) -> Daemon:
    """Run the daemon on the recorded session, as fast as possible."""
    if not RECORDED.is_dir():
        pytest.skip(f"the recorded books are not here: {RECORDED}")
    daemon = Daemon(write_config(folder, **changes), "--tape", str(RECORDED), "--session", SESSION)
    assert daemon.wait(180) == 0, daemon.log[-4000:]
    return daemon


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Daemon:
    """A run without orders: ours would stand in the public book, as at the exchange, and not in the rows."""
    return play(tmp_path_factory.mktemp("watching"), enabled="false")


def daemon_events(run: Daemon) -> Iterator[e.Event]:
    """What the daemon took in, in order."""
    for batch in read_journal(run.journals[-1]):
        for record in batch:
            if isinstance(record, e.Event):
                yield record


def test_it_trades_on_the_recorded_books(tmp_path: Path) -> None:
    """Frames, decisions, orders, fills, a settled market; reconciled, and replayable."""
    run = play(tmp_path)
    summary = run.summary
    assert summary["frames"] > 37_000
    assert summary["decisions"] > 1_000
    assert summary["orders"] > 0
    assert summary["fills"] > 0
    assert summary["reconciled"]
    assert summary["reconcile_findings"] == 0
    assert summary["orders_open"] == 0
    assert [m["ticker"] for m in summary["markets"] if m["settled_at_price"] is not None] != []
    model = ROOT / "strategies/models/btc15m-demo/1"
    result = CliRunner().invoke(main, ["replay", str(run.journals[-1]), "--model", str(model)])
    assert result.exit_code == 0, result.output


def test_the_book_is_the_raw_rows_at_every_thousandth(run: Daemon) -> None:
    """Rebuilt from the parquet rows alone, without a line of the daemon's code."""
    snapshots = rows("orderbook_snapshots.parquet", ["recv_ns", "ticker", "seq", "yes", "no", "session"])
    deltas = rows(
        "orderbook_deltas.parquet",
        ["recv_ns", "exch_ms", "ticker", "seq", "side", "price_e4", "delta_e2", "session"],
    )
    raw = [(row["recv_ns"], kind, row) for kind, found in ((0, snapshots), (1, deltas)) for row in found]
    raw.sort(key=lambda entry: entry[:2])
    feed = iter(raw)
    raw_books: dict[str, RawBook] = {}
    books: dict[str, Book] = {}
    skipped = compared = seen = 0

    def advance_to(wanted: Delta) -> None:
        """Apply raw rows up to the one that the daemon has just taken in."""
        nonlocal skipped
        for _at, kind, row in feed:
            book = raw_books.setdefault(row["ticker"], RawBook())
            if kind == 0:
                book.replace(row["yes"], row["no"])
                continue
            book.change(row["side"], row["price_e4"], row["delta_e2"])
            if (row["ticker"], row["side"], row["price_e4"], row["delta_e2"], row["exch_ms"]) == wanted:
                return
            skipped += 1
        raise AssertionError(f"the daemon took in a delta that was not recorded: {wanted}")

    for event in daemon_events(run):
        match event:
            case e.BookSnapshotReceived():
                books.setdefault(event.ticker, Book(event.ticker)).apply_snapshot(event)
            case e.BookLost():
                books.setdefault(event.ticker, Book(event.ticker)).lose(event.reason)
            case e.BookDeltaReceived():
                assert event.sent_at is not None
                wanted = (event.ticker, event.side, event.price, event.delta, event.sent_at // 1_000_000)
                advance_to(wanted)
                book = books[event.ticker]
                book.apply_delta(event)
                seen += 1
                if seen % EVERY == 0 and book.is_synced:
                    assert book.yes.sizes == raw_books[event.ticker].sides["yes"]
                    assert book.no.sizes == raw_books[event.ticker].sides["no"]
                    compared += 1
            case _:
                pass
    assert seen > 37_000
    assert compared >= seen // EVERY - 1
    assert skipped <= FIRST_ROWS_MAY_MISS


def tops_of(run: Daemon) -> dict[str, Tops]:
    """The best YES bid and ask after every change, by the exchange's milliseconds."""
    books: dict[str, Book] = {}
    tops: dict[str, Tops] = {}
    for event in daemon_events(run):
        if isinstance(event, e.BookSnapshotReceived):
            books.setdefault(event.ticker, Book(event.ticker)).apply_snapshot(event)
        elif isinstance(event, e.BookDeltaReceived) and event.sent_at is not None:
            book = books[event.ticker]
            book.apply_delta(event)
            tops.setdefault(event.ticker, []).append((event.sent_at // 1_000_000, book.bid, book.ask))
    return tops


def test_the_top_of_book_agrees_with_the_exchanges_own_ticker(
    run: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ticker is conflated: it must match the state at its instant, or one of the 1.5 s before."""
    tops = tops_of(run)
    instants = {ticker: [at for at, _bid, _ask in found] for ticker, found in tops.items()}
    total, matched = 0, {0: 0, 100: 0, 1_500: 0}
    for row in rows("ticker.parquet", ["exch_ms", "ticker", "yes_bid", "yes_ask", "session"]):
        found = tops.get(row["ticker"])
        if found is None or not found[0][0] + 1_500 <= row["exch_ms"] <= found[-1][0]:
            continue
        bid, ask = round(row["yes_bid"] * PRICE_ONE), round(row["yes_ask"] * PRICE_ONE)
        told = (bid or None, None if ask == PRICE_ONE else ask)
        total += 1
        last = bisect_right(instants[row["ticker"]], row["exch_ms"])
        for window in matched:
            first = bisect_right(instants[row["ticker"]], row["exch_ms"] - window - 1)
            states = found[max(0, min(first, last) - 1) : last]
            matched[window] += any((b, a) == told for _at, b, a in states)
    shares = {window: count / total for window, count in matched.items()}
    with capsys.disabled():
        print(f"\ntop of book against {total} ticker messages: share equal within ms {shares}")  # noqa: T201
    assert total > 300
    assert shares[1_500] >= 0.999
