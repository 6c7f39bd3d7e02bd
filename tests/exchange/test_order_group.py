"""Tests of one order group's count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import SECOND, Ns, Qty
from daemon.exchange.order_group import WINDOW, OrderGroup
from tests.exchange.venues import SHARD, T0


def group_of(limit: Qty) -> OrderGroup:
    """Return a group of its own."""
    return OrderGroup("g", "a", SHARD, limit)


def test_a_match_counts_for_fifteen_seconds() -> None:
    """A nanosecond before it still counts, at 15 seconds no more."""
    group = group_of(1000)
    group.match(300, T0)
    assert (700, 700, 1000) == (
        group.allowance(T0),
        group.allowance(T0 + WINDOW - 1),
        group.allowance(T0 + WINDOW),
    )


def test_a_triggered_group_allows_nothing_until_it_is_reset() -> None:
    """However long ago it matched."""
    group = group_of(1000)
    group.match(1000, T0)
    group.is_triggered = True
    assert 0 == group.allowance(T0 + 10 * WINDOW)
    group.reset()
    assert (1000, 0) == (group.allowance(T0), group.matched(T0))


@given(st.lists(st.tuples(st.integers(0, 9 * SECOND), st.integers(1, 500)), max_size=40))
def test_the_count_is_the_sum_over_the_window(steps: list[tuple[Ns, Qty]]) -> None:
    """Whenever it matches, and it is asked, the rolling count equals the one counted anew."""
    group, now = group_of(100_000), T0
    matches: list[tuple[Ns, Qty]] = []
    for wait, qty in steps:
        now += wait
        group.match(qty, now)
        matches.append((now, qty))
        assert sum(size for at, size in matches if at > now - WINDOW) == group.matched(now)
