"""Order lists: what is listed is so, absence proves an end only in time, the list of ends tells which end."""

from __future__ import annotations

import pytest

from daemon.core import events as e
from daemon.core.lifecycle import OrderState
from daemon.core.orders import Order
from daemon.core.own_orders import ABSENT_AFTER, READ_LAG
from daemon.core.state import State
from daemon.core.units import SECOND
from tests.core.worlds import SCHEMA, T0, TICKER, reconciled, spec

LISTED = e.OrderSnapshot("id-kd-1-1", "kd-1-1", TICKER, "bid", 4_000, 0, 1_000)
DOUBTFUL = (TICKER,)


@pytest.fixture
def state() -> State:
    """A state that watches one market, with an account that was adopted."""
    subject = State(SCHEMA, "kd-")
    subject.apply(e.MarketListed(spec(), T0))
    subject.apply(reconciled(T0 - 20 * SECOND))
    return subject


def doubted(
    state: State, at: int = T0, order_id: str | None = None, order_state: OrderState = "unknown"
) -> Order:
    """An order whose outcome isn't known since `at`."""
    order = Order(
        client_order_id="kd-1-1", ticker=TICKER, side="bid", price=4_000, qty=1_000, style="rest",
        strategy="s", at=at, state=order_state, order_id=order_id,
    )  # fmt: skip
    state.orders["kd-1-1"] = order
    return order


def ended(status: e.OrderStatus, filled: int = 0) -> tuple[e.EndedOrder, ...]:
    """The list of a market's ended orders."""
    return (e.EndedOrder("id-kd-1-1", "kd-1-1", TICKER, status, filled),)


def test_an_unknown_order_in_the_list_rests(state: State) -> None:
    """The list is the venue's word."""
    order = doubted(state)
    state.apply(reconciled(T0 + SECOND, orders=(LISTED,)))
    assert ("resting", "id-kd-1-1") == (order.state, order.order_id)


def test_an_order_that_left_the_list_is_unknown_after_the_read_lag(state: State) -> None:
    """Reads lag: absence right after a change proves nothing; later it proves an end, and not which."""
    order = doubted(state, T0, "id-kd-1-1", "resting")
    state.apply(reconciled(T0 + READ_LAG - 1))
    assert "resting" == order.state
    state.apply(reconciled(T0 + READ_LAG))
    assert "unknown" == order.state
    state.apply(reconciled(T0 + READ_LAG + SECOND, doubtful=DOUBTFUL, ended=ended("canceled", 300)))
    assert ("canceled", 300) == (order.state, order.exposed)


@pytest.mark.parametrize("order_state", ["resting", "amending", "canceling", "unknown"])
def test_what_the_list_of_ends_has_is_over(state: State, order_state: OrderState) -> None:
    """What has ended stays so: such a list can be late, and not wrong."""
    order = doubted(state, T0 + 10 * SECOND, "id-kd-1-1", order_state)
    state.apply(reconciled(T0, doubtful=DOUBTFUL, ended=ended("executed", 1_000)))
    assert ("executed", 1_000) == (order.state, order.exposed)
    assert ["kd-1-1"] == list(state.orders)  # until its fills are booked
    fill = e.OrderFilled("t", "id-kd-1-1", None, TICKER, "bid", 4_000, 1_000, 0, False, T0 + SECOND, None)
    state.apply(fill)
    assert {} == state.orders


def test_a_lost_answer_is_found_in_the_list_of_ends(state: State) -> None:
    """It arrived, traded in part, and its remainder was cancelled: no fill is lost or awaited twice."""
    order = doubted(state)
    fill = e.OrderFilled("t", "id-kd-1-1", None, TICKER, "bid", 4_000, 400, 0, True, T0 + SECOND, None)
    state.apply(reconciled(T0 + SECOND, fills=(fill,)))
    assert "unknown" == order.state
    state.apply(reconciled(T0 + 2 * SECOND, doubtful=DOUBTFUL, ended=ended("canceled", 400)))
    assert ("canceled", 400, {}) == (order.state, order.booked, state.orders)


def test_an_order_that_was_never_seen_is_unknown_until_its_signature_has_expired(state: State) -> None:
    """A delayed request may still arrive; after its timestamp is too old it can't, and both lists lack it."""
    order = doubted(state)
    state.apply(reconciled(T0 + ABSENT_AFTER - 1, doubtful=DOUBTFUL))
    state.apply(reconciled(T0 + ABSENT_AFTER))
    assert "unknown" == order.state
    state.apply(reconciled(T0 + ABSENT_AFTER, doubtful=DOUBTFUL))
    assert ("rejected", {}) == (order.state, state.orders)


def test_a_probe_that_may_still_arrive_puts_the_proof_of_absence_off(state: State) -> None:
    """While it is under way nothing is concluded; unanswered, its own signature has to expire."""
    order = doubted(state)
    order.is_probing = True
    state.apply(reconciled(T0 + 2 * ABSENT_AFTER, doubtful=DOUBTFUL))
    probed_at = T0 + 30 * SECOND
    state.apply(e.OrderUnknown("probe", "kd-1-1", "timeout", probed_at))
    state.apply(reconciled(T0 + ABSENT_AFTER, doubtful=DOUBTFUL))
    assert "unknown" == order.state
    state.apply(reconciled(probed_at + ABSENT_AFTER, doubtful=DOUBTFUL))
    assert "rejected" == order.state


@pytest.mark.parametrize("has_id", [True, False])
def test_an_order_that_arrived_and_no_list_has_is_given_up_late_and_counted(
    state: State, has_id: bool
) -> None:
    """Every intent ends within a bounded time, also where the venue forgets; a late word brings it back."""
    order = doubted(state, T0, "id-kd-1-1" if has_id else None)
    order.has_arrived = True
    state.apply(reconciled(T0 + ABSENT_AFTER - 1, doubtful=DOUBTFUL))
    assert "unknown" == order.state
    state.apply(reconciled(T0 + ABSENT_AFTER, doubtful=DOUBTFUL))
    assert ("canceled", 1) == (order.state, state.counts["orders_forgotten"])
    late = e.OrderUpdated(
        "id-kd-1-1", "kd-1-1", TICKER, "bid", 4_000, "resting", 0, 1_000, None, T0 + 40 * SECOND, T0
    )
    state.apply(late)
    assert "resting" == state.orders["kd-1-1"].state


@pytest.mark.parametrize("order_state", ["placing", "amending", "canceling"])
def test_a_list_says_nothing_of_an_order_whose_answer_is_on_its_way(
    state: State, order_state: OrderState
) -> None:
    """The answer comes, or the word that none did."""
    order = doubted(state, T0, None if order_state == "placing" else "id-kd-1-1", order_state)
    state.apply(reconciled(T0 + 10 * SECOND, doubtful=DOUBTFUL))
    assert order_state == order.state


def test_what_traded_before_anything_was_believed_is_awaited_from_nobody() -> None:
    """At a start the lists about to be adopted hold it; its fills may be older than any list goes back."""
    state = State(SCHEMA, "kd-")
    recovered = e.OrderRecovered("kd-0-1", TICKER, "bid", 4_000, 1_000, "rest", None, T0, T0)
    state.apply(recovered)
    rests = e.OrderSnapshot("id", "kd-0-1", TICKER, "bid", 4_000, 400, 600)
    state.apply(reconciled(T0 + 60 * SECOND, orders=(rests,)))
    order = state.orders["kd-0-1"]
    assert ("resting", 400, 600) == (order.state, order.booked, order.exposed)
    done = (e.EndedOrder("id", "kd-0-1", TICKER, "executed", 1_000),)
    assert state.ledger.cash is None  # lists lag: these may lack what the order has traded
    state.apply(reconciled(T0 + 65 * SECOND, orders=(rests,)))
    assert state.ledger.cash is not None
    state.apply(reconciled(T0 + 70 * SECOND, doubtful=DOUBTFUL, ended=done))
    assert 600 == order.exposed


def test_an_order_that_ended_before_anything_was_believed_blocks_no_start() -> None:
    """The stream told its end and kept its fills: the lists that are adopted have them."""
    state = State(SCHEMA, "kd-")
    state.apply(e.OrderRecovered("kd-0-1", TICKER, "bid", 4_000, 1_000, "rest", None, T0, T0))
    told = e.OrderUpdated("id", "kd-0-1", TICKER, "bid", 4_000, "executed", 1_000, 0, None, T0, T0)
    state.apply(told)
    assert ["kd-0-1"] == list(state.orders)
    for at in (T0 + SECOND, T0 + 10 * SECOND, T0 + 11 * SECOND):
        state.apply(reconciled(at))
    assert ({}, True) == (state.orders, state.account.is_reconciled)


def test_an_amend_that_only_moves_the_expiry_is_not_shown_to_have_arrived_by_the_terms(state: State) -> None:
    """They were so before: it may still arrive, and would undo another amend that we sent meanwhile."""
    order = doubted(state, T0, "id-kd-1-1", "resting")
    order.request_amend(order.price, order.qty, T0, T0 + 100 * SECOND)
    state.apply(e.OrderUnknown("amend", "kd-1-1", "timeout", T0))
    state.apply(reconciled(T0 + 3 * SECOND, orders=(LISTED,)))
    assert ("resting", (4_000, 1_000)) == (order.state, order.pending)
    state.apply(reconciled(T0 + ABSENT_AFTER, orders=(LISTED,)))
    assert order.pending is None


def test_a_total_that_only_a_cancel_let_us_conclude_gives_way_to_the_list_of_ends(state: State) -> None:
    """A person had made the order smaller: what the cancel took out less had not traded."""
    state.apply(reconciled(T0 - 10 * SECOND))
    order = doubted(state, T0, "id-kd-1-1", "canceling")
    state.apply(e.OrderAccepted("cancel", "kd-1-1", "id-kd-1-1", None, 0, T0, T0, reduced_by=400))
    assert ("canceled", 600, 600) == (order.state, order.filled, order.exposed)
    state.apply(reconciled(T0 + READ_LAG - 1, doubtful=DOUBTFUL, ended=ended("canceled", 0)))
    assert 600 == order.exposed
    state.apply(reconciled(T0 + READ_LAG, doubtful=DOUBTFUL, ended=ended("canceled", 100)))
    assert 100 == order.exposed
    state.apply(reconciled(T0 + READ_LAG + SECOND, doubtful=DOUBTFUL, ended=ended("canceled", 0)))
    assert {} == state.orders


def test_an_amend_of_unknown_outcome_stays_possible_until_it_can_no_longer_arrive(state: State) -> None:
    """The list shows the old terms, which are in force; the new ones are still counted at their worst."""
    order = doubted(state, T0, "id-kd-1-1", "resting")
    order.request_amend(4_100, 2_000, T0)
    state.apply(e.OrderUnknown("amend", "kd-1-1", "timeout", T0))
    state.apply(reconciled(T0 + 3 * SECOND, orders=(LISTED,)))
    assert ("resting", ("bid", 4_100, 2_000)) == (order.state, order.stake)
    state.apply(reconciled(T0 + ABSENT_AFTER, orders=(LISTED,)))
    assert ("bid", 4_000, 1_000) == order.stake
