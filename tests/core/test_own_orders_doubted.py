"""Own orders of unknown outcome: what a probe teaches, and what a life before this one has left."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.orders import Order
from daemon.core.own_orders import ADOPTED
from daemon.core.state import State
from daemon.core.units import SECOND
from tests.core.order_words import filled, placed, updated, watching
from tests.core.worlds import T0, TICKER, reconciled


@pytest.fixture
def state() -> State:
    """One market is watched."""
    return watching()


def unknown(state: State) -> Order:
    """An order whose answer was lost, and that is being probed for."""
    order = placed(state)
    state.apply(e.OrderUnknown("place", "kd-1-1", "timeout", T0))
    order.is_probing = True
    return order


def probed(fill: int, left: int = 0) -> e.OrderAccepted:
    """The venue's yes to a probe."""
    return e.OrderAccepted("probe", "kd-1-1", "id-probe", fill, left, T0, T0)


def test_a_probe_that_is_refused_as_a_duplicate_says_that_the_order_arrived(state: State) -> None:
    """As what, the stream or the lists will tell: until then it is as unknown as before."""
    order = unknown(state)
    state.apply(e.OrderRejected("probe", "kd-1-1", "order_already_exists", "", T0))
    assert ("unknown", True, False) == (order.state, order.has_arrived, order.is_probing)
    state.apply(updated("executed", 1_000, 0))
    assert ("executed", 1_000) == (order.state, order.exposed)


def test_a_probe_that_is_taken_says_that_the_order_never_arrived(state: State) -> None:
    """Its id is used up: it never will."""
    order = unknown(state)
    state.apply(probed(0))
    assert ("rejected", {}) == (order.state, state.orders)


@pytest.mark.parametrize("is_fill_first", [True, False])
def test_what_a_probe_fills_is_a_fill_of_the_order(state: State, is_fill_first: bool) -> None:
    """Booked once, under the id that both share, whoever tells first."""
    order = unknown(state)
    fill = e.OrderFilled("t", "id-probe", "kd-1-1", TICKER, "bid", 100, 1, 0, True, T0, T0)
    for event in (fill, probed(1)) if is_fill_first else (probed(1), fill):
        state.apply(event)
    assert ("canceled", 1, {}) == (order.state, order.filled, state.orders)
    assert 1 == state.ledger.position_qty(TICKER)


@pytest.mark.parametrize(
    "answer",
    [
        e.OrderRejected("probe", "kd-1-1", "insufficient_balance", "", T0 + SECOND),
        e.OrderRejected("probe", "kd-1-1", "trading_is_paused", "", T0 + SECOND),
        e.OrderDropped("probe", "kd-1-1", "HTTP 429", T0 + SECOND),
        e.OrderUnknown("probe", "kd-1-1", "timeout", T0 + SECOND),
    ],
    ids=["balance", "paused", "limited", "unknown"],
)
def test_other_answers_to_a_probe_teach_nothing(state: State, answer: e.Event) -> None:
    """The order is what it was; a probe without an answer may itself still arrive."""
    order = unknown(state)
    state.apply(answer)
    assert ("unknown", False, False) == (order.state, order.has_arrived, order.is_probing)
    is_lost = isinstance(answer, e.OrderUnknown)
    assert T0 + SECOND * is_lost == order.sent_at_latest


def test_a_probe_that_could_not_have_been_taken_changes_nothing(state: State) -> None:
    """The order rests already, and an immediate order doesn't rest: counted, and left to the lists."""
    order = unknown(state)
    state.apply(updated("resting", 0, 1_000))
    state.apply(probed(0))
    assert ("resting", 1) == (order.state, state.counts["illegal_order_events"])
    other = placed(state, "kd-1-2")
    state.apply(e.OrderUnknown("place", "kd-1-2", "timeout", T0))
    state.apply(msgspec.structs.replace(probed(0, 1), client_order_id="kd-1-2"))
    assert ("unknown", 2) == (other.state, state.counts["illegal_order_events"])


def test_a_fill_names_an_order_whose_answer_was_lost(state: State) -> None:
    """It arrived; fills that the lists told without our id before are its own."""
    order = unknown(state)
    state.apply(msgspec.structs.replace(filled(300, "t0"), client_order_id=None))
    state.apply(filled(400))
    assert ("id-kd-1-1", 700, 300) == (order.order_id, order.booked, order.exposed)


def test_a_recovered_order_blocks_its_market_and_counts_whole(state: State) -> None:
    """A previous life's journal has it without an end: it may rest. Told twice it is one."""
    event = e.OrderRecovered("kd-0-9", TICKER, "ask", 6_000, 500, "rest", None, T0, T0)
    for _ in range(2):
        state.apply(event)
    (order,) = state.orders.values()
    assert ("unknown", ADOPTED, ("ask", 6_000, 500)) == (order.state, order.strategy, order.stake)
    assert 1 == state.counts["recovered_orders"]


def test_a_recovered_order_that_had_traded_before_the_first_reading_does_not_keep_us_from_believing_it(
    state: State,
) -> None:
    """Its fills are in the cash and the positions that are adopted: it waits for none, and is booked once."""
    state.apply(e.OrderRecovered("kd-1-1", TICKER, "bid", 4_000, 1_000, "rest", "id-kd-1-1", T0, T0))
    state.apply(updated("canceled", 400, 0))
    held = (e.PositionSnapshot(TICKER, 400, 1_600_000, 0, 0),)
    fills = (filled(400, name=None),)
    for at in (T0 + 5 * SECOND, T0 + 10 * SECOND, T0 + 15 * SECOND):
        state.apply(reconciled(at, positions=held, fills=fills))
    state.apply(filled(400))
    assert ({}, True, 400) == (
        state.orders,
        state.account.is_reconciled,
        state.ledger.position_qty(TICKER),
    )


@pytest.mark.parametrize("is_recovered", [True, False])
def test_a_fill_that_was_counted_when_its_order_was_taken_over_does_not_count_twice(
    state: State, is_recovered: bool
) -> None:
    """The word on the order was faster than its fill: half of it still rests, and stays exposed."""
    if is_recovered:
        state.apply(e.OrderRecovered("kd-1-1", TICKER, "bid", 4_000, 1_000, "rest", "id-kd-1-1", T0, T0))
        listed = e.OrderSnapshot("id-kd-1-1", "kd-1-1", TICKER, "bid", 4_000, 500, 500)
        state.apply(reconciled(T0 + 5 * SECOND, orders=(listed,)))
    else:
        state.apply(updated("resting", 500, 500))
    state.apply(filled(500))
    state.apply(updated("resting", 500, 500))
    (order,) = state.orders.values()
    assert ("resting", 500, 500) == (order.state, order.filled, order.exposed)
    state.apply(updated("executed", 1_000, 0))
    state.apply(filled(500, "t2"))
    assert {} == state.orders
