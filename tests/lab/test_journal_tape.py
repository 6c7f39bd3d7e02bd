"""Journals as tapes: what is public arrives as it was, what is ours stays behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import CancelOrder, Decided, Reconcile
from daemon.core.markets import Fees, MarketSpec
from daemon.core.records import frame
from daemon.core.units import SECOND, PriceBand
from daemon.exchange.tape import (
    TapeCounts,
    TapeDecided,
    TapeDelta,
    TapeManifest,
    TapeReader,
    TapeRecord,
    TapeSession,
    TapeSnapshot,
    TapeSpot,
    TapeTold,
    TapeTrade,
)
from daemon.lab.journal_tape import import_journals, journals_in
from daemon.lab.tape_events import events_of
from daemon.shell.journal import JournalUnreadable, Record, read_journal

GOLDEN = min((Path(__file__).parents[1] / "golden").glob("*.journal"))
T = 1_790_000_000 * SECOND
SPEC = MarketSpec(
    "M", "E", "S", "", "initialized", T, T + 900 * SECOND, None, "greater_or_equal",
    (PriceBand(0, 10_000, 10),), Fees("quadratic", 1_000_000), 2,
)  # fmt: skip
HEADER = read_journal(GOLDEN).header


def write_journal(folder: Path, batches: Sequence[Sequence[Record]], epoch: int = 7) -> Path:
    """A journal of an earlier life, with the golden one's engine."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{epoch}.journal"
    header = msgspec.structs.replace(HEADER, epoch=epoch)
    path.write_bytes(b"".join(frame(msgspec.msgpack.encode(one)) for one in (header, *batches)))
    return path


def records_of(folder: Path, manifest: TapeManifest) -> tuple[TapeSession, list[TapeRecord]]:
    entry = manifest.sessions[0]
    return entry, list(TapeReader((folder / entry.file).read_bytes(), entry.file))[1:-1]


def test_public_facts_become_records_in_their_order(tmp_path: Path) -> None:
    """Both clocks kept; each life of a connection counts anew; a lost book leaves one number out."""
    up, lost = e.FeedConnected("kalshi", T), e.BookLost("M", "a gap", T + 4)
    path = write_journal(
        tmp_path,
        [
            [up, e.BookSnapshotReceived("M", ((4000, 100),), (), T + 1, None)],
            [e.BookDeltaReceived("M", "yes", 4000, 50, T + 2, T - 5), Decided(T + 3)],
            [lost, e.BookSnapshotReceived("M", (), (), T + 5, None)],
            [e.ReferencePriceReceived("kraken", "BTC/USD", 7, T + 6, T + 5), up],
            [e.TradePrinted("M", "t", 4000, 10, "no", T + 7, T + 6)],
            [e.BookSnapshotReceived("M", (), (), T + 8, None)],
        ],
    )
    entry, records = records_of(tmp_path / "out", import_journals([path], tmp_path / "out"))

    assert [
        TapeTold(up),
        TapeSnapshot("M", ((4000, 100),), (), 1, 0, T + 1, None),
        TapeDelta("M", "yes", 4000, 50, 2, 0, T + 2, T - 5),
        TapeDecided(T + 3),
        TapeTold(lost),
        TapeSnapshot("M", (), (), 4, 0, T + 5, None),
        TapeSpot("kraken", "BTC/USD", 7, "", T + 6, T + 5),
        TapeTold(up),
        TapeTrade("M", "t", 4000, 10, "no", 1, T + 7, T + 6),
        TapeSnapshot("M", (), (), 1, 1, T + 8, None),
    ] == records
    assert ("journal-7", ("kalshi#1", "kalshi#2")) == (entry.session, entry.conns)
    assert TapeCounts(snapshots=3, deltas=1, trades=1, spots=1, told=3, decided=1, jumps=1) == entry.counts


def test_what_is_ours_stays_in_the_journal(tmp_path: Path) -> None:
    """Fills, orders, positions and a person's words leave only the trace that their market was looked at."""
    fill = e.OrderFilled("f", "o", "c", "M", "bid", 4000, 100, 5, True, T, None)
    batches: list[list[Record]] = [
        [fill, CancelOrder("c-2", "o-2", "N", 0, "why", T), Decided(T + 1)],
        [e.OrderAccepted("cancel", "c-2", "o-2", None, 0, T + 2, None), Decided(T + 3)],
        [e.HaltRequested("a person's words", T + 4), Decided(T + 5), Reconcile("due", T + 5), Decided(T + 6)],
        [e.QueuePlacesRead(T + 6, T + 7, (e.QueuePlace("o", "M", 4000, 100),)), Decided(T + 7)],
    ]
    _, records = records_of(
        tmp_path / "out", import_journals([write_journal(tmp_path, batches)], tmp_path / "out")
    )

    assert [
        TapeDecided(T + 1, ("M", "N")), TapeDecided(T + 3, ("N",)),
        TapeDecided(T + 5, (), is_all_touched=True), TapeDecided(T + 6), TapeDecided(T + 7),
    ] == records  # fmt: skip


def test_markets_are_listed_as_they_ended(tmp_path: Path) -> None:
    """Strike, close and outcome as they were told last, with the instant at which the strike was."""
    path = write_journal(
        tmp_path,
        [
            [e.MarketListed(SPEC, T), e.MarketStrikeSet("M", 5, T + 1), e.MarketListed(SPEC, T + 2)],
            [e.MarketCloseMoved("M", T + 9, T + 3), e.MarketDetermined("M", "no", 0, T + 10)],
            [e.MarketStrikeSet("X", 5, T + 11)],
        ],
    )
    (market,) = import_journals([path], tmp_path / "out").markets

    assert ("M", 5, T + 1, T + 9, "no") == (
        market.ticker, market.strike, market.strike_known_at, market.close_at, market.outcome,
    )  # fmt: skip


def test_a_folders_journals_are_sessions_by_their_start(tmp_path: Path) -> None:
    """Each start of the daemon is one, the oldest first."""
    for epoch in (8, 5):
        write_journal(tmp_path / "in", [[e.FeedConnected("kalshi", T + epoch)]], epoch)
    manifest = import_journals(journals_in(tmp_path / "in"), tmp_path / "out")

    assert ["journal-5", "journal-8"] == [entry.session for entry in manifest.sessions]


def test_the_golden_journal_comes_back_as_its_public_events(tmp_path: Path) -> None:
    """Journal to tape to events: every public event, equal and in order, and every decision."""
    manifest = import_journals([GOLDEN], tmp_path / "out")
    entry, records = records_of(tmp_path / "out", manifest)
    back = list(events_of(entry, {}, records))
    expected = [
        record.now if isinstance(record, Decided) else record
        for batch in read_journal(GOLDEN)
        for record in batch
        if isinstance(record, (Decided, *_PUBLIC))
    ]

    assert expected == [one.received_at if isinstance(one, TapeDecided) else one for one in back]
    assert len(expected) > 2_000


_PUBLIC = (
    e.BookDeltaReceived, e.BookSnapshotReceived, e.TradePrinted, e.ReferencePriceReceived, e.FeedHeard,
    e.FeedConnected, e.FeedDropped, e.MarketListed, e.MarketStatusChanged, e.MarketStrikeSet,
    e.MarketDetermined, e.MarketSettled, e.MarketDropped, e.BookLost, e.BookAudited, e.CandleBackfilled,
    e.TradesBackfilled, e.MarketBackfilled, e.ReferenceCandleClosed, e.ReferenceStatusTold, e.MarketRouted,
    e.TradesLost, e.MarketCloseMoved, e.MarketGridChanged, e.DailyBarRead,
)  # fmt: skip


def test_settings_travel_with_the_session(tmp_path: Path) -> None:
    """What features depend on besides events is the journal's own."""
    (entry,) = import_journals([GOLDEN], tmp_path / "out").sessions

    assert entry.settings is not None
    assert SECOND == entry.settings.heartbeat
    assert ("kraken", "cfbenchmarks") == entry.settings.reference.prefer


def test_no_journal_is_refused_by_name(tmp_path: Path) -> None:
    """An empty folder, a file that is none, and one without a public word."""
    with pytest.raises(JournalUnreadable, match="no journal here"):
        journals_in(tmp_path)
    (tmp_path / "1.journal").write_bytes(b"nothing")
    with pytest.raises(JournalUnreadable, match=r"1\.journal: not a journal"):
        import_journals([tmp_path / "1.journal"], tmp_path / "out")
    silent = write_journal(tmp_path / "in", [[e.HaltRequested("why", T)]])
    with pytest.raises(JournalUnreadable, match="nothing public"):
        import_journals([silent], tmp_path / "other")
    assert not (tmp_path / "other" / "manifest.json").exists()
