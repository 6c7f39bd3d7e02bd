"""Own orders: replies, stream and lists, in any order and more than once, end in the same beliefs."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.own_orders import ADOPTED
from daemon.core.state import State
from daemon.core.units import SECOND
from tests.core.order_words import accepted, filled, placed, updated, watching
from tests.core.worlds import T0, TICKER, reconciled


@pytest.fixture
def state() -> State:
    """One market is watched."""
    return watching()


@pytest.mark.parametrize("first", ["reply", "stream"])
def test_reply_and_stream_may_come_in_any_order(state: State, first: str) -> None:
    """The same order, whoever is faster; the fill is booked once."""
    order = placed(state)
    said: list[e.Event] = [accepted(remaining=600, filled=400), updated("resting", 400, 600)]
    for event in said if first == "reply" else said[::-1]:
        state.apply(event)
    assert (order.state, order.order_id, order.filled, order.booked) == ("resting", "id-kd-1-1", 400, 0)
    state.apply(filled(400))
    state.apply(filled(400))
    assert (order.booked, order.remaining, order.exposed) == (400, 600, 600)
    assert state.ledger.position_qty(TICKER) == 400


def test_a_reply_may_come_after_we_have_asked_for_more(state: State) -> None:
    """The stream told that it rests, we asked to take it out, and only then comes the yes to placing it."""
    order = placed(state)
    state.apply(updated("resting", 0, 1_000))
    order.apply("cancel_requested", T0)
    state.apply(accepted())
    assert order.state == "canceling"
    assert state.counts["illegal_order_events"] == 0


@pytest.mark.parametrize("asked", ["amend", "cancel"])
def test_a_place_without_an_answer_leaves_what_was_asked_since_in_flight(state: State, asked: str) -> None:
    """The stream told that it rests: the next word on it is the answer to the request after its place.

    Found by the simulation (seed 68): the first amend's answer was taken for that of a second one.
    """
    order = placed(state)
    state.apply(updated("resting", 0, 1_000))
    if asked == "amend":
        order.request_amend(4_100, 300, T0)
    else:
        order.apply("cancel_requested", T0)
    state.apply(e.OrderUnknown("place", "kd-1-1", "timeout", T0 + SECOND))
    assert ("amending" if asked == "amend" else "canceling", 0) == (
        order.state,
        state.counts["illegal_order_events"],
    )


def test_an_ioc_that_finds_nothing_is_canceled(state: State) -> None:
    """201 with nothing filled and nothing remaining."""
    order = placed(state)
    state.apply(accepted(remaining=0))
    assert order.state == "canceled"
    assert state.orders == {}


def test_an_executed_order_stays_until_its_fills_are_booked(state: State) -> None:
    """The reply says filled; the position says so when the fill comes."""
    order = placed(state)
    state.apply(accepted(remaining=0, filled=1_000))
    assert order.state == "executed"
    assert order.exposed == 1_000
    state.apply(filled(1_000))
    assert state.orders == {}


def test_a_fill_may_come_after_the_cancel(state: State) -> None:
    """Cancel-then-fill is legal: the reply to the cancel tells how much it didn't take out."""
    order = placed(state)
    state.apply(accepted())
    order.apply("cancel_requested", T0)
    state.apply(e.OrderAccepted("cancel", "kd-1-1", "id-kd-1-1", None, 0, T0, T0, reduced_by=700))
    assert (order.state, order.exposed) == ("canceled", 300)
    state.apply(filled(300))
    assert state.orders == {}
    assert state.ledger.position_qty(TICKER) == 300
    assert state.counts["illegal_order_events"] == 0


@pytest.mark.parametrize("code", ["order_already_exists", "not_found"])
def test_some_rejections_are_unknown_outcomes(state: State, code: str) -> None:
    """409: it arrived once. 404 on a cancel: cancelled or filled, who knows."""
    order = placed(state)
    if code == "not_found":
        state.apply(accepted())
        order.apply("cancel_requested", T0)
    action: e.OrderAction = "cancel" if code == "not_found" else "place"
    state.apply(e.OrderRejected(action, "kd-1-1", code, "", T0))
    assert order.state == "unknown"


def test_a_rejected_amend_leaves_the_old_terms(state: State) -> None:
    """And an accepted one brings the new ones."""
    order = placed(state)
    state.apply(accepted())
    for answer, price in (
        (e.OrderRejected("amend", "kd-1-1", "invalid_price", "", T0), 4_000),
        (e.OrderAccepted("amend", "kd-1-1", "id-kd-1-1", 0, 2_000, T0, T0), 4_100),
    ):
        order.request_amend(4_100, 2_000, T0)
        assert order.stake == ("bid", 4_100, 2_000)
        state.apply(answer)
        assert (order.state, order.price) == ("resting", price)
        assert order.pending is None
    assert order.qty == 2_000


@pytest.mark.parametrize("is_accepted", [True, False])
def test_a_fill_of_the_old_size_while_enlarging_waits_for_the_answer(state: State, is_accepted: bool) -> None:
    """Whether the order is whole depends on which terms are in force; until then it may still trade."""
    order = placed(state)
    state.apply(accepted())
    order.request_amend(4_000, 1_500, T0)
    state.apply(filled(1_000))
    assert (order.state, order.exposed) == ("amending", 500)
    if is_accepted:
        state.apply(e.OrderAccepted("amend", "kd-1-1", "id-kd-1-1", 1_000, 500, T0, T0))
        assert (order.state, order.remaining) == ("resting", 500)
    else:
        state.apply(e.OrderRejected("amend", "kd-1-1", "invalid_order", "", T0))
        assert (order.state, state.orders) == ("executed", {})


def test_dropped_requests_leave_what_was(state: State) -> None:
    """A place that never left is over; a cancel that never left still rests."""
    order = placed(state)
    state.apply(accepted())
    order.apply("cancel_requested", T0)
    state.apply(e.OrderDropped("cancel", "kd-1-1", "refused connection", T0))
    assert order.state == "resting"
    other = placed(state, "kd-1-2")
    state.apply(e.OrderDropped("place", "kd-1-2", "deadline_passed", T0))
    assert other.state == "dropped"
    assert list(state.orders) == ["kd-1-1"]


def test_orders_of_a_previous_life_are_adopted_and_foreign_ones_left_alone(state: State) -> None:
    """The prefix tells which are ours."""
    state.apply(updated("resting", 100, 900, "kd-0-7"))
    state.apply(updated("resting", 0, 900, "by-hand"))
    assert {name: order.strategy for name, order in state.orders.items()} == {"kd-0-7": ADOPTED}
    assert state.counts["foreign_orders"] == 1


def test_a_word_that_lags_behind_does_not_bring_a_closed_order_back(state: State) -> None:
    """A list that was read before the cancel says `resting`; one that is read much later tells the truth."""
    order = placed(state)
    state.apply(accepted())
    order.apply("cancel_requested", T0)
    state.apply(e.OrderAccepted("cancel", "kd-1-1", "id-kd-1-1", None, 0, T0, T0, reduced_by=1_000))
    assert state.orders == {}
    listed = e.OrderSnapshot("id-kd-1-1", "kd-1-1", TICKER, "bid", 4_000, 0, 1_000)
    state.apply(reconciled(T0 + SECOND, orders=(listed,)))
    state.apply(updated("resting", 0, 1_000))
    assert state.orders == {}
    assert state.counts["late_words"] == 2
    state.apply(reconciled(T0 + 3 * SECOND, orders=(listed,)))
    assert list(state.orders) == ["kd-1-1"]


def later(event: e.OrderUpdated, by: int) -> e.OrderUpdated:
    """The same word, arriving so much later."""
    return msgspec.structs.replace(event, received_at=event.received_at + by)


@pytest.mark.parametrize("end", ["executed", "canceled"])
def test_what_the_venue_ended_no_late_word_brings_back(state: State, end: e.OrderStatus) -> None:
    """A stream that is seconds behind tells that it rests, then how it ended: it stays ended throughout."""
    placed(state)
    state.apply(accepted())
    if end == "executed":
        state.apply(filled(1_000))
    state.apply(updated(end, 1_000 if end == "executed" else 0, 0))
    assert {} == state.orders
    state.apply(later(updated("resting", 0, 1_000), 6 * SECOND))
    assert {} == state.orders
    assert 1 == state.counts["late_words"]


def test_an_order_that_we_only_presumed_gone_comes_back_with_its_fills(state: State) -> None:
    """Lists lacked it, its fill came, then a late word: no fill is awaited that was booked before."""
    order = placed(state)
    state.apply(accepted())
    order.is_presumed = True
    state.happen(order, "told_canceled", T0)
    assert {} == state.orders
    state.apply(filled(400))
    state.apply(later(updated("resting", 0, 1_000), 3 * SECOND))
    back = state.orders["kd-1-1"]
    assert (400, 400) == (back.booked, back.filled)
    state.apply(later(updated("canceled", 400, 0), 4 * SECOND))
    assert {} == state.orders
    assert 400 == state.ledger.position_qty(TICKER)


def test_an_order_whose_fills_were_all_booked_does_not_come_back_open(state: State) -> None:
    """Presumed gone, filled whole, and then a late word that it rests."""
    order = placed(state)
    state.apply(accepted())
    order.is_presumed = True
    state.happen(order, "told_canceled", T0)
    state.apply(filled(1_000))
    state.apply(later(updated("resting", 0, 1_000), 3 * SECOND))
    assert {} == state.orders
    assert 1_000 == state.ledger.position_qty(TICKER)


def said_later(event: e.OrderUpdated, by: int) -> e.OrderUpdated:
    """The same word, said and heard so much later."""
    assert event.sent_at is not None
    return msgspec.structs.replace(event, received_at=event.received_at + by, sent_at=event.sent_at + by)


def test_a_word_of_the_stream_that_an_answer_overtook_does_not_bring_old_terms_back(state: State) -> None:
    """Both bear the venue's stamp: the older one tells how much has traded, and nothing else."""
    order = placed(state)
    state.apply(accepted())
    order.request_amend(4_100, 300, T0)
    yes = e.OrderAccepted("amend", "kd-1-1", "id-kd-1-1", 0, 300, T0 + SECOND, T0 + SECOND)
    state.apply(yes)
    state.apply(updated("resting", 200, 800))
    assert (4_100, 300, 200) == (order.price, order.qty, order.filled)


def test_the_word_from_before_an_amend_does_not_end_the_doubt_about_it(state: State) -> None:
    """What was the newest word before the amend left comes late: the amend is as unknown as before."""
    order = placed(state)
    state.apply(accepted())
    order.request_amend(4_100, 300, T0)
    state.apply(e.OrderUnknown("amend", "kd-1-1", "timeout", T0 + SECOND))
    state.apply(updated("resting", 0, 1_000))
    assert "unknown" == order.state
    state.apply(said_later(updated("resting", 0, 1_000), SECOND))
    assert "resting" == order.state


def test_a_cancel_says_what_has_traded_only_when_the_terms_are_known(state: State) -> None:
    """With an amend of unknown outcome the rest may be of either size: the order's end is read."""
    order = placed(state)
    state.apply(accepted())
    order.request_amend(4_000, 300, T0)
    state.apply(e.OrderUnknown("amend", "kd-1-1", "timeout", T0 + SECOND))
    state.apply(said_later(updated("resting", 0, 1_000), SECOND))
    order.apply("cancel_requested", T0 + SECOND)
    state.apply(
        e.OrderAccepted(
            "cancel", "kd-1-1", "id-kd-1-1", None, 0, T0 + SECOND, T0 + 2 * SECOND, reduced_by=300
        )
    )
    assert ("unknown", 0) == (order.state, order.filled)
