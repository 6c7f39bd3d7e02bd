"""A recorder's session as the core would have heard it, and a journal's as it did."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.reference import ReferenceConfig
from daemon.core.units import MINUTE, SECOND
from daemon.exchange.tape import (
    TapeCounts,
    TapeDecided,
    TapeDelta,
    TapeMarket,
    TapeRecord,
    TapeSession,
    TapeSessionStarted,
    TapeSettings,
    TapeSnapshot,
    TapeSpot,
    TapeTold,
    TapeTrade,
)
from daemon.lab.tape_events import STRIKE_DELAY, Happening, events_of
from tests.lab.tiny_tape import MARKETS, START, TICKERS, market

A, B = TICKERS
RECORDER = TapeSession("s", "s.tape", "00", ("c", "d"), START, START, TapeCounts())


def heard(records: list[TapeRecord], markets: tuple[TapeMarket, ...] = MARKETS) -> list[Happening]:
    started = TapeSessionStarted("s", START)
    return list(events_of(RECORDER, {one.ticker: one for one in markets}, [started, *records]))


def of(kind: type[e.Event], found: list[Happening]) -> list[Happening]:
    return [one for one in found if isinstance(one, kind)]


def snapshot(ticker: str, seq: int, at: int, conn: int = 0) -> TapeSnapshot:
    return TapeSnapshot(ticker, ((4000, 100),), ((5000, 100),), seq, conn, START + at, None)


def delta(ticker: str, seq: int, at: int, conn: int = 0) -> TapeDelta:
    return TapeDelta(ticker, "yes", 4000, 10, seq, conn, START + at, None)


def test_a_listing_has_no_strike_before_it_was_seen() -> None:
    """The listing comes without it; the strike is told when the recorder first saw it, and not before."""
    found = heard([delta(A, 1, SECOND), delta(A, 2, 3 * SECOND)])

    assert [None, None] == [one.spec.strike for one in found if isinstance(one, e.MarketListed)]
    assert [e.MarketStrikeSet(one, MARKETS[0].strike or 0, START + 2 * SECOND) for one in TICKERS] == of(
        e.MarketStrikeSet, found
    )


def test_a_strike_of_unknown_age_comes_after_the_open() -> None:
    """Where nobody noted when, the venue's own delay stands for it."""
    late = msgspec.structs.replace(market(A), open_at=START + MINUTE, strike_known_at=None)
    found = heard([delta(A, 1, 2 * MINUTE)], (late,))

    assert [START + MINUTE] == [one.received_at for one in of(e.MarketListed, found)]
    assert [START + MINUTE + STRIKE_DELAY] == [one.received_at for one in of(e.MarketStrikeSet, found)]


def test_nothing_of_a_markets_end_is_told() -> None:
    """The outcome and the end's terms change no event."""
    records: list[TapeRecord] = [snapshot(A, 1, 1), delta(A, 2, 2)]
    other = tuple(msgspec.structs.replace(one, outcome="no") for one in MARKETS)

    assert heard(records) == heard(records, other)
    assert [] == of(e.MarketDetermined, heard([*records, delta(A, 3, 9 * MINUTE)]))


def test_a_gap_loses_the_books_of_its_connection_until_their_snapshots() -> None:
    """Two books over one connection and one over another: only the first two are lost, and deltas dropped."""
    found = heard(
        [
            snapshot(A, 1, 1), snapshot(B, 1, 2, conn=1), delta(A, 2, 3), delta(A, 9, 4),
            delta(A, 10, 5), delta(B, 2, 6, conn=1), snapshot(A, 11, 7), delta(A, 12, 8),
        ]
    )  # fmt: skip

    assert [e.BookLost(A, "seq 9 after 2", START + 4)] == of(e.BookLost, found)
    assert [(A, START + 3), (B, START + 6), (A, START + 8)] == [
        (one.ticker, one.received_at) for one in found if isinstance(one, e.BookDeltaReceived)
    ]


@pytest.mark.parametrize(("seq", "lost"), [(1, []), (5, [A])])
def test_a_snapshot_may_begin_a_subscription(seq: int, lost: list[str]) -> None:
    """Number 1 says nothing of the others; any other that doesn't follow means that frames are missing."""
    found = heard([snapshot(A, 1, 1), delta(A, 2, 2), snapshot(B, seq, 3)])

    assert lost == [one.ticker for one in found if isinstance(one, e.BookLost)]


def test_a_second_copy_of_a_book_is_no_news() -> None:
    """A delta over another connection than its market's last snapshot isn't applied twice."""
    found = heard([snapshot(A, 1, 1), delta(A, 2, 2), delta(A, 1, 2, conn=1)])

    assert 1 == len(of(e.BookDeltaReceived, found))


def test_trades_are_unknown_until_one_is_seen() -> None:
    """A recording without the channel must not read as a market without trades."""
    trade = TapeTrade(A, "t", 4500, 100, "yes", 0, START + 3, None)
    silent = heard([snapshot(A, 1, 1), delta(A, 2, 2), snapshot(B, 3, 4)])
    spoken = heard([snapshot(A, 1, 1), trade, snapshot(B, 2, 4)])

    assert [START + 1, START + 4] == [one.received_at for one in of(e.TradesLost, silent)]
    assert [START + 1] == [one.received_at for one in of(e.TradesLost, spoken)]


def test_a_recorders_spot_is_our_reference() -> None:
    """Whatever venue it was recorded at, with both clocks."""
    found = heard([TapeSpot("elsewhere", "BTC-USD", 85_000_000_000, "7", START + 5, START + 4)])

    assert [e.ReferencePriceReceived("kraken", "BTC/USD", 85_000_000_000, START + 5, START + 4)] == of(
        e.ReferencePriceReceived, found
    )


def test_a_closed_market_is_dropped() -> None:
    """At its close, by time alone; what is still recorded of it is not listed again."""
    found = heard([snapshot(A, 1, 1), delta(A, 2, 6 * MINUTE)])

    assert {(one, START + 5 * MINUTE) for one in TICKERS} == {
        (one.ticker, one.received_at) for one in found if isinstance(one, e.MarketDropped)
    }
    assert [] == of(e.BookDeltaReceived, found)


def test_a_journals_session_passes_through() -> None:
    """What was told is told, what was decided is marked, and nothing is added."""
    settings = TapeSettings(ReferenceConfig(), (), 2, SECOND)
    lost = e.BookLost(A, "a gap", START + 2)
    records: list[TapeRecord] = [
        TapeSessionStarted("s", START), delta(A, 7, 1), TapeTold(lost), TapeDecided(START + 3, (B,)),
        TapeSpot("cfbenchmarks", "BRTI", 1, "", START + 4, None),
    ]  # fmt: skip
    session = msgspec.structs.replace(RECORDER, settings=settings)

    assert [
        e.BookDeltaReceived(A, "yes", 4000, 10, START + 1, None),
        lost,
        TapeDecided(START + 3, (B,)),
        e.ReferencePriceReceived("cfbenchmarks", "BRTI", 1, START + 4, None),
    ] == list(events_of(session, {}, records))
