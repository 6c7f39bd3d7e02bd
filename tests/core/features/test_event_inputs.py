"""What the markets of an event share: sums that follow every change, members that come and go."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.events import MarketListed
from daemon.core.features.event_inputs import EventInputs, EventMember, Events
from daemon.core.markets import MarketStatus
from daemon.core.scorer import FeatureSchema
from daemon.core.state import State
from daemon.core.units import HOUR
from tests.core.features.quoted import above, below
from tests.core.worlds import T0, snapshot, spec


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 9_000), st.integers(1, 1_000)))
)
def test_the_sum_is_that_of_all_that_count_after_every_change(steps: list[tuple[int, int, int, int]]) -> None:
    """Kept up at a constant cost, it equals the sum over the members, unknown while one is."""
    event = EventInputs()
    members = [EventMember(event, above(f"M{number}", number)) for number in range(4)]
    for place, what, bid, more in steps:
        member = members[place % 4]
        if what < 3:
            member.quote(bid, bid + more, is_empty=False)
        elif what == 3:
            member.lose()
        elif what == 4:
            status: MarketStatus = "determined" if more % 2 else "active"
            member.relist(msgspec.structs.replace(member.spec, status=status))
        else:
            member.quote(0, 10_000, is_empty=True)
        counted = [one.double_mid for one in members if one.spec.status == "active"]
        known = [one for one in counted if one is not None]
        is_known = 0 < len(known) == len(counted)
        assert (sum(known) if is_known else None) == event.double_sum()


def test_a_member_that_leaves_takes_its_share_along() -> None:
    """And one that joins under the same ticker replaces the first."""
    event = EventInputs()
    one = EventMember(event, above("A", 1))
    one.quote(4_000, 4_200, is_empty=False)
    again = EventMember(event, above("A", 1))
    assert event.double_sum() is None
    again.quote(1_000, 2_000, is_empty=False)
    assert event.double_sum() == 3_000
    event.leave("A")
    event.leave("A")
    assert (event.double_sum(), event.members) == (None, {})


def test_markets_rank_by_strike_among_those_that_close_with_them() -> None:
    """Below a number comes before above it; another close is another ladder; no number, no rank."""
    event = EventInputs()
    specs = [above("C", 30), below("A", 10), above("B", 10), above("X", 5, close_at=9 * HOUR)]
    for one in specs:
        EventMember(event, one)
    assert [event.rank(one) for one in specs] == [(2, 2), (0, 2), (1, 2), (0, 0)]
    assert event.rank(msgspec.structs.replace(above("D", 1), strike=None)) is None


def test_events_go_with_their_last_market() -> None:
    """Whoever lives for months keeps no events of the past."""
    events = Events()
    EventMember(events.of("E"), above("A", 1))
    EventMember(events.of("E"), above("B", 2))
    events.forget("E", "A")
    assert len(events) == 1
    events.forget("E", "B")
    events.forget("E", "B")
    assert len(events) == 0


@pytest.fixture
def state() -> State:
    """Two outcomes of one event that exclude each other, both with a book, in a state."""
    subject = State(FeatureSchema(("event_mid_sum",)), "kd-")
    for ticker in ("E-A", "E-B"):
        listed = spec(ticker, event_ticker="E", structure="exclusive")
        subject.apply(MarketListed(listed, T0))
        subject.apply(snapshot(T0, ticker=ticker))
    return subject


def test_a_change_of_one_outcome_is_read_by_the_other_and_decides_only_itself(state: State) -> None:
    """The sum is shared; only the market that changed is marked for a decision."""
    before = state.markets["E-B"].features.row(T0)
    state.touched.clear()
    state.apply(e.BookDeltaReceived("E-A", "yes", 4_100, 100, T0 + 1, T0))
    assert ["E-A"] == list(state.touched)
    after = state.markets["E-B"].features.row(T0 + 1)
    assert before[0] is not None
    assert after[0] is not None
    assert after[0] > before[0]
    assert after == state.markets["E-A"].features.row(T0 + 1)


def test_a_lost_outcome_makes_the_sum_unknown_and_a_forgotten_one_leaves(state: State) -> None:
    """Unknown until its next snapshot, or until it isn't watched any more."""
    state.apply(e.BookLost("E-A", "test", T0 + 1))
    assert state.markets["E-B"].features.row(T0 + 1) == [None]
    state.apply(e.MarketDropped("E-A", T0 + 2))
    assert "E-A" not in state.markets
    assert state.markets["E-B"].features.row(T0 + 2) != [None]
    assert len(state.events) == 1
