"""What features share: the top of the book with its flow."""

from __future__ import annotations

import pytest

from daemon.core.book import Book
from daemon.core.events import BookDeltaReceived, BookSnapshotReceived, Level
from daemon.core.features.inputs import TopOfBook


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
