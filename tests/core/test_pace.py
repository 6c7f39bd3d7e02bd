"""The pace: what went out within a minute, and no longer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.orders import Order
from daemon.core.pace import Pace
from daemon.core.units import MINUTE, SECOND, Ns, Qty
from tests.core.risk.cases import resting
from tests.core.worlds import NOW, TICKER


def test_what_is_a_minute_old_is_forgotten() -> None:
    """Requests and orders alike; a moment before it counts."""
    pace, order = Pace(), resting()
    pace.note_request(NOW, is_reducing=True)
    pace.note_placed(order, NOW)
    almost = NOW + MINUTE - 1
    assert (pace.requests(almost), pace.placed(almost), pace.recent(TICKER, almost)) == (
        1,
        1,
        ((NOW, order),),
    )
    assert (pace.requests(NOW + MINUTE), pace.placed(NOW + MINUTE)) == (0, 0)
    assert pace.recent(TICKER, NOW + MINUTE) == ()


def test_recent_orders_are_of_one_market() -> None:
    """Another market's are not the same order."""
    pace = Pace()
    pace.note_placed(resting(), NOW)
    assert pace.recent("OTHER", NOW) == ()


def ended(filled: Qty) -> Order:
    """An immediate order that is over, with what it has traded booked."""
    order = resting()
    order.apply("told_canceled", NOW)
    order.filled = order.booked = filled
    return order


def test_what_ended_untraded_is_recent_for_a_moment_only() -> None:
    """It can't be a repeated execution; what has traded, or may still, counts for the whole minute."""
    pace = Pace()
    orders = [ended(0), ended(500), resting(), ended(0)]
    for order in orders:
        pace.note_placed(order, NOW)
    assert [(NOW, order) for order in orders] == list(pace.recent(TICKER, NOW + 49, 50))
    left = [(NOW, orders[1]), (NOW, orders[2])]
    assert left == list(pace.recent(TICKER, NOW + 50, 50))
    assert left == list(pace.recent(TICKER, NOW + MINUTE - 1, 50))
    assert 4 == pace.placed(NOW + MINUTE - 1)
    pace.note_placed(ended(0), NOW + MINUTE)
    assert (1, 1) == (len(pace.recent(TICKER, NOW + MINUTE, 50)), pace.placed(NOW + MINUTE))


@given(
    st.lists(
        st.tuples(st.integers(0, 40 * SECOND), st.sampled_from([0, 500, None]), st.booleans()), max_size=30
    ),
    st.integers(0, 30 * SECOND),
)
def test_asking_forgets_nothing_that_counts(
    steps: list[tuple[Ns, Qty | None, bool]], untraded_for: Ns
) -> None:
    """Asked at any time or never, what may count stays: the traded and open ones, and the young ones."""
    asked, unasked, now = Pace(), Pace(), NOW
    for wait, filled, is_asked in steps:
        now += wait
        order = resting() if filled is None else ended(filled)
        for pace in (asked, unasked):
            pace.note_placed(order, now)
        if is_asked:
            asked.recent(TICKER, now, untraded_for)
    assert unasked.recent(TICKER, now, untraded_for) == asked.recent(TICKER, now, untraded_for)
    expected = [
        (at, order)
        for at, order in unasked.recent(TICKER, now)
        if at > now - untraded_for or order.state == "resting" or order.filled
    ]
    assert expected == list(asked.recent(TICKER, now, untraded_for))


@given(
    st.lists(st.tuples(st.integers(0, 20 * SECOND), st.sampled_from([0, 500]), st.booleans()), max_size=30),
    st.integers(0, MINUTE),
    st.integers(0, MINUTE),
)
def test_asking_changes_no_later_answer(
    steps: list[tuple[Ns, Qty, bool]], before: Ns, untraded_for: Ns
) -> None:
    """What is asked at the moment of sending is in no journal: nor may it count for a window set since."""
    asked, unasked, now = Pace(), Pace(), NOW
    for wait, filled, is_asked in steps:
        now += wait
        order = ended(filled)
        for pace in (asked, unasked):
            pace.note_placed(order, now)
        if is_asked:
            asked.recent(TICKER, now, before)
    assert unasked.recent(TICKER, now, untraded_for) == asked.recent(TICKER, now, untraded_for)
