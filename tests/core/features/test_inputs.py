"""What features share: the top of the book with its flow, and the mids at whole minutes."""

from __future__ import annotations

import pytest

from daemon.core.book import Book
from daemon.core.events import BookDeltaReceived, BookSnapshotReceived, CandleBackfilled, Level
from daemon.core.features.inputs import MINUTES_KEPT, MinuteMids, TopOfBook
from daemon.core.units import MINUTE


def book(yes: tuple[Level, ...], no: tuple[Level, ...]) -> Book:
    built = Book("T")
    built.apply_snapshot(BookSnapshotReceived("T", yes, no, 1, None))
    return built


def test_depth_behind_the_best_is_no_change_of_the_top() -> None:
    """A delta behind the best price leaves the top as it was and says so."""
    top = TopOfBook()
    built = book(((4_000, 100), (4_100, 100)), ((5_800, 100),))
    assert top.update(built)
    built.apply_delta(BookDeltaReceived("T", "yes", 4_000, 50, 2, None))
    assert not top.update(built)


@pytest.mark.parametrize(
    ("yes", "no", "flow"),
    [
        (((4_000, 150),), ((5_800, 300),), 50),
        (((4_100, 80),), ((5_800, 300),), 80),
        (((3_900, 80),), ((5_800, 300),), -100),
        ((), ((5_800, 300),), -100),
        (((4_000, 100),), ((5_800, 200),), 100),
        (((4_000, 100),), ((5_900, 20),), -20),
        (((4_000, 100),), ((5_700, 20),), 300),
        (((4_000, 100),), (), 300),
    ],
    ids=[
        "bid grows",
        "bid better",
        "bid worse",
        "no bid",
        "ask shrinks",
        "ask better",
        "ask worse",
        "no ask",
    ],
)
def test_flow_of_each_kind_of_change(yes: tuple[Level, ...], no: tuple[Level, ...], flow: int) -> None:
    """From bid 100 at 0.40 and ask 300 at 0.42, each move's flow as the paper's cases say."""
    top = TopOfBook()
    top.update(book(((4_000, 100),), ((5_800, 300),)))
    top.update(book(yes, no))
    assert flow == top.flow


def test_a_missing_side_has_no_mid() -> None:
    """With one side empty the mid is unknown, not the other side's price."""
    top = TopOfBook()
    top.update(book(((4_000, 100),), ()))
    assert top.double_mid is None


def candle(minute: int, bid: int | None) -> CandleBackfilled:
    return CandleBackfilled("T", MINUTE, minute * MINUTE, bid, 5_000, 0, 10**18)


def test_live_samples_win_over_candles() -> None:
    """A candle fills only minutes that the live book did not see."""
    minutes = MinuteMids()
    minutes.add(100 * MINUTE - 1, 9_000)
    minutes.sample(101 * MINUTE)
    for minute in (99, 100, 101):
        minutes.on_candle(candle(minute, 3_000))
    assert minutes.known == {99: 8_000, 100: 9_000}


def test_only_the_last_minutes_are_kept() -> None:
    """However long the past that is backfilled, and however long the silence, memory is bounded."""
    minutes = MinuteMids()
    for minute in range(1, 500):
        minutes.on_candle(candle(minute, 3_000))
    assert list(range(500 - MINUTES_KEPT, 500)) == sorted(minutes.known)
    minutes.add(500 * MINUTE, 9_000)
    minutes.sample(10**6 * MINUTE)
    assert len(minutes.known) == MINUTES_KEPT


def test_a_one_sided_candle_is_an_unknown_mid() -> None:
    """A candle without a bid says that the mid was unknown."""
    minutes = MinuteMids()
    minutes.on_candle(candle(7, None))
    assert minutes.known == {7: None}
