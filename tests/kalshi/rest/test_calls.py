"""What the calls share: queries, parts of paths and lists, caches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import MILLISECOND
from daemon.kalshi.rest.calls import CACHED_MAX, chunks, millis, part, query, remember


def test_a_query_holds_what_is_known() -> None:
    """None is left out; 0 and the empty text are values."""
    assert {"a": 0, "b": ""} == query(a=0, b="", c=None)


def test_a_part_of_a_path_is_encoded_whole() -> None:
    """A slash in a name would be another path, and another signature."""
    assert "A%2FB%20C" == part("A/B C")


def test_unknown_times_stay_unknown() -> None:
    """None is no time, 0 is one."""
    assert (None, 0, 5 * MILLISECOND) == (millis(None), millis(0), millis(5))


@given(st.lists(st.text(max_size=3), max_size=50), st.integers(1, 20))
def test_parts_of_a_list_are_the_list(tickers: list[str], size: int) -> None:
    """Nothing is lost, doubled or moved, and no part is empty or too long."""
    parts = list(chunks(tickers, size))
    assert tickers == [ticker for some in parts for ticker in some]
    assert all(0 < len(some) <= size for some in parts)


def test_a_cache_has_an_end() -> None:
    """At its bound it starts anew instead of growing."""
    known: dict[str, int] = {}
    for number in range(CACHED_MAX):
        remember(known, str(number), number)
    assert (CACHED_MAX, 7) == (len(known), remember(known, "new", 7))
    assert {"new": 7} == known
