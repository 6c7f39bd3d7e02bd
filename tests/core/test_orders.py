"""Orders: what has traded never falls, and the plan asks for exactly the difference."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.lifecycle import HAPPENINGS, IN_FLIGHT, Happening, IllegalHappening, OrderState
from daemon.core.orders import Order, ProposeAmend, ProposeCancel, ProposePlace, ProposeWithdraw, plan
from daemon.core.strategy import Target
from daemon.core.units import BookSide


def order(
    name: str = "a", side: BookSide = "bid", price: int = 4000, qty: int = 1000, state: OrderState = "resting"
) -> Order:
    """An order, for tests."""
    return Order(
        client_order_id=name,
        ticker="M",
        side=side,
        price=price,
        qty=qty,
        style="rest",
        strategy="s",
        at=0,
        state=state,
        order_id=f"id-{name}",
    )


def rest(side: BookSide, price: int, qty: int = 1000) -> Target:
    """A resting target, for tests."""
    return Target(side, price, qty, "rest", "because")


@given(st.lists(st.sampled_from(HAPPENINGS), max_size=30), st.lists(st.integers(0, 1500), max_size=10))
def test_filled_never_falls_and_states_stay_in_the_table(
    happenings: list[Happening], fills: list[int]
) -> None:
    """Whatever the venue tells in whatever order: filled grows, and a closed order stays closed."""
    subject = order(state="placing")
    closed = False
    for index, happening in enumerate(happenings):
        before = subject.filled
        if index < len(fills):
            subject.tell_filled(fills[index])
        with contextlib.suppress(IllegalHappening):
            subject.apply(happening, index)
        assert subject.filled >= before
        assert subject.exposed >= 0
        assert not (closed and subject.is_open)
        closed = not subject.is_open


def test_a_fill_that_is_told_but_not_booked_is_still_exposure() -> None:
    """Between the venue's total and the fill itself the missing part counts."""
    subject = order(qty=1000)
    subject.tell_filled(400)
    subject.apply("told_canceled", 1)
    assert not subject.is_done
    assert subject.exposed == 400
    subject.booked = 400
    assert subject.is_done
    assert subject.exposed == 0


def test_what_rests_right_is_kept() -> None:
    """No request for an order that is where it should be, a quarter more or less in size."""
    assert plan("M", "s", [rest("bid", 4000)], [order(qty=1200)], "why") == []


def test_an_order_within_the_targets_slack_is_kept() -> None:
    """A target may say that not every tick is worth a request."""
    near = Target("bid", 4_100, 1_000, "rest", "because", slack=100)
    assert plan("M", "s", [near], [order(price=4_000)], "why") == []
    assert plan("M", "s", [near], [order(price=3_900)], "why") == [ProposeAmend("M", "s", "a", near)]


def test_nothing_rests_a_target_is_placed() -> None:
    """From nothing to a target: one place."""
    assert plan("M", "s", [rest("bid", 4000)], [], "why") == [ProposePlace("M", "s", rest("bid", 4000))]


def test_no_target_takes_everything_out() -> None:
    """From orders to nothing: cancels, with the reason."""
    found = plan("M", "s", [], [order("a"), order("b", side="ask", price=6000)], "stale")
    assert found == [ProposeCancel("M", "s", "a", "stale"), ProposeCancel("M", "s", "b", "stale")]


def test_a_moved_target_amends() -> None:
    """One request instead of two."""
    found = plan("M", "s", [rest("bid", 4100)], [order("a")], "why")
    assert found == [ProposeAmend("M", "s", "a", rest("bid", 4100))]


def test_one_target_keeps_one_of_two_equal_orders() -> None:
    """Two orders where one is wanted: the second goes."""
    found = plan("M", "s", [rest("bid", 4000)], [order("a"), order("b")], "why")
    assert found == [ProposeCancel("M", "s", "b", "why")]


@pytest.mark.parametrize("state", sorted(IN_FLIGHT))
def test_a_side_with_an_answer_outstanding_is_left_alone(state: OrderState) -> None:
    """Nothing is added to what isn't known yet."""
    withdrawn = [] if state != "placing" else [ProposeWithdraw("M", "s", "a", "why")]
    assert withdrawn == plan("M", "s", [rest("bid", 4500)], [order(state=state)], "why")
    assert withdrawn == plan("M", "s", [], [order(state=state)], "why")


def test_a_new_order_that_may_wait_is_withdrawn_once_and_only_when_it_is_not_wanted() -> None:
    """Where it is wanted as it is, or was asked back already, it is left alone."""
    waiting = order(state="placing")
    near = Target("bid", 4_100, 1_000, "rest", "because", slack=100)
    assert [] == plan("M", "s", [near], [waiting], "why")
    far = msgspec.structs.replace(near, price=4_200)
    assert [ProposeWithdraw("M", "s", "a", "why")] == plan("M", "s", [far], [waiting], "why")
    waiting.is_withdrawn = True
    assert [] == plan("M", "s", [far], [waiting], "why")


def test_an_order_that_a_late_amend_may_still_move_is_taken_out_not_amended() -> None:
    """Two amends on their way may arrive in any order; where it rests right it is kept."""
    subject = order()
    subject.pending = (4_100, 2_000)
    assert [] == plan("M", "s", [rest("bid", 4_000)], [subject], "why")
    moved = rest("bid", 4_500)
    expected = [ProposeCancel("M", "s", "a", "why"), ProposePlace("M", "s", moved)]
    assert expected == plan("M", "s", [moved], [subject], "why")


def test_cancels_come_before_what_adds_risk() -> None:
    """Sides are planned one by one; what goes out goes out first."""
    taker = Target("bid", 6000, 100, "take", "edge")
    found = plan("M", "s", [taker], [order("a", side="ask", price=6000)], "why")
    assert found == [ProposeCancel("M", "s", "a", "why"), ProposePlace("M", "s", taker)]


@given(
    st.lists(st.tuples(st.sampled_from(["bid", "ask"]), st.integers(1, 99)), max_size=4),
    st.lists(st.tuples(st.sampled_from(["bid", "ask"]), st.integers(1, 99)), max_size=4),
)
def test_a_plan_that_is_carried_out_leaves_nothing_to_ask_for(
    existing: list[tuple[BookSide, int]], wanted: list[tuple[BookSide, int]]
) -> None:
    """Planning is a fixed point: after the plan's orders rest, the next plan is empty."""
    orders = {str(i): order(str(i), side, price * 100) for i, (side, price) in enumerate(existing)}
    targets = [rest(side, price * 100) for side, price in dict.fromkeys(wanted)]
    for index, proposal in enumerate(plan("M", "s", targets, orders.values(), "why")):
        match proposal:
            case ProposeCancel():
                del orders[proposal.client_order_id]
            case ProposeAmend():
                moved = orders[proposal.client_order_id]
                moved.price, moved.qty = proposal.target.price, proposal.target.qty
            case ProposePlace():
                name = f"new-{index}"
                orders[name] = order(name, proposal.target.side, proposal.target.price)
    assert plan("M", "s", targets, orders.values(), "why") == []
    assert sorted((o.side, o.price) for o in orders.values()) == sorted((t.side, t.price) for t in targets)
