"""What features share: the top of the book with its flow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.book import Book
from daemon.core.events import BookDeltaReceived, BookSnapshotReceived, Level
from daemon.core.features.inputs import TopOfBook
from daemon.core.units import Side


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


@given(
    st.lists(st.tuples(st.sampled_from(("yes", "no")), st.integers(38, 42), st.integers(-2, 2)), max_size=60)
)
def test_one_side_looked_at_is_as_good_as_both(changes: list[tuple[Side, int, int]]) -> None:
    """Of each change of one outcome's ladder, empty ones among them: the same top, flow and answer."""
    built, one, both = book((), ()), TopOfBook(), TopOfBook()
    both.update(built)
    one.update(built)
    for side, price, delta in changes:
        built.apply_delta(BookDeltaReceived("T", side, price * 100, delta, 2, None))
        if not built.is_synced:
            return
        found = one.update(built, side)
        assert both.update(built) == found
        assert [getattr(both, name) for name in both.__slots__] == [
            getattr(one, name) for name in one.__slots__
        ]
