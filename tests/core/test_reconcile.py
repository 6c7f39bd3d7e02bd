"""Reconciliation: believed when two readings agree, a finding when two disagree, absence proven by time."""

from __future__ import annotations

import pytest

from daemon.core import events as e
from daemon.core.findings import Finding
from daemon.core.orders import Order
from daemon.core.own_orders import READ_LAG
from daemon.core.reconcile import UNPAID_MAX
from daemon.core.state import State
from daemon.core.units import PRICE_ONE, SECOND
from tests.core.worlds import CASH, SCHEMA, T0, TICKER, reconciled, spec

HELD = (e.PositionSnapshot(TICKER, 500, 2_000_000, 0, 0),)


@pytest.fixture
def state() -> State:
    """A state that watches one market."""
    subject = State(SCHEMA, "kd-")
    subject.apply(e.MarketListed(spec(), T0))
    return subject


def unknown(state: State, at: int, order_id: str | None = None) -> Order:
    """An order whose outcome isn't known since `at`."""
    order = Order(
        client_order_id="kd-1-1", ticker=TICKER, side="bid", price=4_000, qty=1_000, style="rest",
        strategy="s", at=at, state="unknown", order_id=order_id,
    )  # fmt: skip
    state.orders["kd-1-1"] = order
    return order


def test_one_reading_is_not_believed(state: State) -> None:
    """A fill between two reads of one reconciliation would be lost or counted twice."""
    state.apply(reconciled(T0, positions=HELD))
    assert not state.account.is_reconciled
    state.apply(reconciled(T0 + SECOND, positions=HELD))
    assert state.account.is_reconciled
    assert state.ledger.position_qty(TICKER) == 500


def test_readings_that_differ_are_adopted_again(state: State) -> None:
    """Until two agree, the last one is taken and nothing is traded."""
    state.apply(reconciled(T0))
    state.apply(reconciled(T0 + SECOND, positions=HELD))
    assert not state.account.is_reconciled
    state.apply(reconciled(T0 + 2 * SECOND, positions=HELD))
    assert state.account.is_reconciled
    assert state.account.findings == []


def test_a_difference_that_two_readings_show_is_a_finding(state: State) -> None:
    """Counted, named, and the venue's word is taken."""
    state.apply(reconciled(T0))
    state.apply(reconciled(T0 + SECOND))
    state.apply(reconciled(T0 + 2 * SECOND, cash=CASH - 5))
    assert state.account.findings == []
    state.apply(reconciled(T0 + 3 * SECOND, cash=CASH - 5))
    assert state.account.findings == [Finding("cash_drift", "cash", CASH, CASH - 5, T0 + 3 * SECOND, "halt")]
    assert state.ledger.cash == CASH - 5
    assert state.account.is_reconciled


def test_nothing_is_concluded_while_something_moves(state: State) -> None:
    """An order in flight, or a fill within the read lag, may explain any difference."""
    state.apply(reconciled(T0))
    state.apply(reconciled(T0 + SECOND))
    unknown(state, T0 + SECOND)
    for step in range(2, 5):
        state.apply(reconciled(T0 + step * SECOND, cash=CASH - 5))
    state.orders.clear()
    fill = e.OrderFilled("t", "o", None, TICKER, "bid", 4_000, 100, 0, True, T0 + 9 * SECOND, None)
    state.apply(fill)
    for at in (T0 + 9 * SECOND, T0 + 9 * SECOND + READ_LAG):
        state.apply(reconciled(at, cash=1))
    assert state.account.findings == []


def test_a_fill_that_the_stream_lost_is_booked_from_the_list(state: State) -> None:
    """Once, whichever path tells it first."""
    state.apply(reconciled(T0))
    state.apply(reconciled(T0 + SECOND))
    fill = e.OrderFilled("t", "o", None, TICKER, "bid", 4_000, 100, 7, True, T0 + 2 * SECOND, None)
    after = CASH - 400_007
    seen = (e.PositionSnapshot(TICKER, 100, 400_000, 0, 7),)
    for step in (2, 3, 9):
        state.apply(reconciled(T0 + step * SECOND, cash=after, positions=seen, fills=(fill,)))
    assert state.ledger.cash == after
    assert state.account.findings == []


def test_a_fill_that_only_the_lists_tell_after_a_doubt_ends_its_order(state: State) -> None:
    """The position comes from the lists, and the order waits for no fill any more: trading can go on."""
    for at in (T0, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    order = unknown(state, T0 + 11 * SECOND, "id-kd-1-1")
    order.state = "resting"
    state.apply(e.FeedDropped("kalshi", "reset", T0 + 12 * SECOND))
    fill = e.OrderFilled(
        "t1", "id-kd-1-1", None, TICKER, "bid", 4_000, 1_000, 0, False, T0 + 20 * SECOND, None
    )
    held = (e.PositionSnapshot(TICKER, 1_000, 4_000_000, 0, 0),)
    for at in (T0 + 20 * SECOND, T0 + 30 * SECOND, T0 + 40 * SECOND):
        state.apply(reconciled(at, positions=held, fills=(fill,)))
    assert state.orders == {}
    assert state.account.is_reconciled
    assert (state.ledger.position_qty(TICKER), state.ledger.fills_total) == (1_000, 1)


def test_a_doubt_lasts_while_the_list_lacks_an_order_that_may_rest(state: State) -> None:
    """Two readings of one moment agree on the cash, and say nothing of an order that is just being missed."""
    for at in (T0, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    now = T0 + 20 * SECOND
    order = unknown(state, now, "id-kd-1-1")
    order.state = "resting"
    state.apply(e.AccountDoubted("gap", now - 5 * SECOND))
    for _ in range(3):
        state.apply(reconciled(now + SECOND))
    assert (state.account.is_reconciled, order.state) == (False, "resting")
    state.apply(reconciled(now + 3 * SECOND))
    assert (state.account.is_reconciled, order.state) == (False, "unknown")
    ended = e.EndedOrder("id-kd-1-1", "kd-1-1", TICKER, "canceled", 0)
    state.apply(reconciled(now + 4 * SECOND, doubtful=(TICKER,), ended=(ended,)))
    assert (state.account.is_reconciled, state.orders) == (True, {})


def test_a_payment_that_we_were_not_told_of_is_taken_from_the_lists(state: State) -> None:
    """For a while it explains why the lists differ; then we have missed it, and they are right."""
    for at in (T0, T0 + SECOND):
        state.apply(reconciled(at, positions=HELD))
    state.apply(e.MarketDetermined(TICKER, "yes", PRICE_ONE, T0 + SECOND))
    paid = CASH + 5_000_000
    for at in (T0 + 2 * SECOND, T0 + UNPAID_MAX, T0 + UNPAID_MAX + SECOND):
        state.apply(reconciled(at, cash=paid))
    assert (500, CASH) == (state.ledger.position_qty(TICKER), state.ledger.cash)
    state.apply(reconciled(T0 + UNPAID_MAX + 2 * SECOND, cash=paid))
    assert (0, paid) == (state.ledger.position_qty(TICKER), state.ledger.cash)


def test_lists_that_may_be_older_than_a_doubt_are_not_believed(state: State) -> None:
    """They lag, so that two of them agree on what was true before we missed something."""
    for at in (T0, T0 + SECOND):
        state.apply(reconciled(at))
    doubted_at = T0 + 10 * SECOND
    state.apply(e.AccountDoubted("gap", doubted_at))
    for at in (doubted_at, doubted_at + READ_LAG - 1):
        state.apply(reconciled(at))
    assert not state.account.is_reconciled
    for at in (doubted_at + READ_LAG, doubted_at + READ_LAG + SECOND):
        state.apply(reconciled(at, cash=CASH - 400_000, positions=HELD))
    assert state.account.is_reconciled
    assert (500, CASH - 400_000) == (state.ledger.position_qty(TICKER), state.ledger.cash)
    assert [] == state.account.findings


def test_lists_that_may_be_older_than_a_fill_do_not_undo_it(state: State) -> None:
    """After a doubt too: what the stream told just before they were asked for may be missing in them."""
    for at in (T0, T0 + SECOND):
        state.apply(reconciled(at))
    state.apply(e.AccountDoubted("gap", T0 + 10 * SECOND))
    state.apply(e.OrderFilled("t", "o", None, TICKER, "bid", 4_000, 100, 0, True, T0 + 14 * SECOND, None))
    state.apply(reconciled(T0 + 15 * SECOND))
    assert 100 == state.ledger.position_qty(TICKER)


def test_lists_that_may_be_older_than_a_payout_show_no_finding(state: State) -> None:
    """Two in a row that still hold what we were paid for just now say nothing."""
    for at in (T0, T0 + SECOND):
        state.apply(reconciled(at, positions=HELD))
    state.apply(e.MarketDetermined(TICKER, "yes", PRICE_ONE, T0 + 10 * SECOND))
    state.apply(e.MarketSettled(TICKER, T0 + 20 * SECOND))
    for at in (T0 + 20 * SECOND, T0 + 20 * SECOND + READ_LAG):
        state.apply(reconciled(at, positions=HELD))
    for at in (T0 + 30 * SECOND, T0 + 31 * SECOND):
        state.apply(reconciled(at, cash=CASH + 5_000_000))
    assert [] == state.account.findings
    assert (0, CASH + 5_000_000) == (state.ledger.position_qty(TICKER), state.ledger.cash)
