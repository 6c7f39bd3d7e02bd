"""A small past: a store and a journal of one run, each figure of which a test can count by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from daemon.core import events as e
from daemon.core.commands import Decided
from daemon.core.units import DAY, HOUR, MILLISECOND, SECOND, Ns, Price
from daemon.report.period import Period
from daemon.shell.journal import Journal, JournalHeader
from daemon.shell.store import STORE_NAME, Store
from daemon.shell.store import rows as r

DAY_0: Ns = 20_000 * DAY
DAY_NAME = "2024-10-04"
PERIOD = Period(DAY_NAME, DAY_0, DAY_0 + DAY)
NOON: Ns = DAY_0 + 12 * HOUR
M, N = "KXT-A-1", "KXT-B-1"


def run(at: Ns, mode: str = "sandbox") -> r.Run:
    """The beginning of a run."""
    return r.Run(at, mode, "0", "[]", "m", "l", "c")


def fill(
    name: str,
    at: Ns,
    price: Price,
    *,
    side: str = "bid",
    qty: int = 100,
    ticker: str = M,
    fee: int = 10_000,
    taker: int = 1,
    predicted: int | None = 10_000,
    mid: Price | None = None,
    has_name: bool = True,
) -> r.Fill:
    """A fill of one contract of order `o-<name>`; its fee is a cent, as our rule says."""
    client_order_id = f"kd-{name}" if has_name else None
    return r.Fill(
        at, name, f"o-{name}", client_order_id, ticker, side, price, qty, fee, predicted, taker, mid
    )


def place(
    name: str,
    at: Ns,
    price: Price,
    *,
    strategy: str | None = "s",
    score: float | None = None,
    ticker: str = M,
) -> r.Intent:
    """The decision to place order `kd-<name>`."""
    return r.Intent(
        at, f"kd-{name}", "place", ticker, "bid", price, 100, "take", "enter", strategy, "x", score
    )


def quote(at: Ns, bid: Price, ask: Price, ticker: str = M) -> e.BookSnapshotReceived:
    """A whole book of one bid and one ask."""
    return e.BookSnapshotReceived(ticker, ((bid, 100),), ((10_000 - ask, 100),), at, at)


def heard(at: Ns) -> e.FeedHeard:
    """A word that changes no book: time went on."""
    return e.FeedHeard("kalshi", at)


def keep_store(folder: Path, epoch: int, *rows: r.Row) -> None:
    """Write what a run left in the store."""
    store = Store(folder / STORE_NAME, epoch)
    store.put(rows)
    store.close()
    assert 0 == store.lost_total


def keep_journal(folder: Path, epoch: int, records: Sequence[e.Event]) -> Path:
    """Write what a run left in its journal, a decision behind each record."""
    header = JournalHeader(
        kalshid_version="0", instance="t", epoch=epoch, engine=msgspec.Raw(msgspec.msgpack.encode({}))
    )
    journal = Journal.create(folder / "journal", header)
    for record in records:
        journal.append([record, Decided(record.received_at)])
    journal.close()
    return journal.path


def epoch_of(at: Ns) -> int:
    """The epoch of a run that begins at an instant."""
    return at // MILLISECOND


def small_day(folder: Path) -> None:
    """Two fills of one strategy in M around noon, one of nobody's in N, and what books stood at around them.

    M is bought at 40c, decided at a mid of 41c, and sold at 45c; N is bought at 20c, and pays 1 $.
    """
    epoch = epoch_of(DAY_0 + HOUR)
    paid_at = NOON + HOUR
    keep_store(
        folder, epoch,
        run(DAY_0 + HOUR),
        place("a", NOON - SECOND, 4_100), fill("a", NOON, 4_000),
        place("b", NOON + 9 * SECOND, 4_500, score=0.25),
        fill("b", NOON + 10 * SECOND, 4_500, side="ask", taker=0),
        fill("c", NOON, 2_000, ticker=N, predicted=None),
        r.Settlement(paid_at, N, 10_000, 100, 1_000_000, 10_000),
        r.JudgedMarket(paid_at, M, 30, 1.0, 0.2, 0.3, None),
        r.EquityPoint(NOON, 0, 100_000_000, 5_000_000, 0, 0, "trading"),
        r.EquityPoint(NOON + HOUR, 0, 98_000_000, 3_000_000, 0, 0, "trading"),
        r.Finding(NOON, "fill_missed", "o-c", None, 100, "adopt"),
        r.Halt(NOON + HOUR, "latch", "a <test>", "cli"),
        r.RefusalCount(NOON, M, "s", "wide_spread", 3),
        r.RunEnd(NOON + 2 * HOUR, "asked", 0),
    )  # fmt: skip
    keep_journal(
        folder, epoch,
        [
            quote(DAY_0 + HOUR, 4_000, 4_200), quote(DAY_0 + HOUR, 1_900, 2_100, N),
            quote(NOON + SECOND // 2, 4_300, 4_500), heard(NOON + 4 * SECOND),
            quote(NOON + 20 * SECOND, 4_400, 4_600),
            e.FeedDropped("kalshi", "gone", NOON + 100 * SECOND),
            e.FeedConnected("kalshi", NOON + 103 * SECOND),
            heard(NOON + 400 * SECOND),
        ],
    )  # fmt: skip
