"""Reconciliation: believed when two readings agree, a finding when two disagree, absence proven by time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.findings import Finding
from daemon.core.orders import Order
from daemon.core.own_orders import READ_LAG
from daemon.core.reconcile import LEGACY, UNPAID_MAX
from daemon.core.state import State
from daemon.core.unheard import HEARD_WITHIN
from daemon.core.units import PRICE_ONE, SECOND
from tests.core.worlds import CASH, SCHEMA, T0, TICKER, reconciled, spec

LISTED = e.OrderSnapshot("id-kd-1-1", "kd-1-1", TICKER, "bid", 4_000, 0, 1_000)
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


# --- findings: whose doing, and what follows -----------------------------------------------------

LATER = T0 + LEGACY + SECOND
OTHER = "KXELSEWHERE-1"


def believed(state: State, positions: tuple[e.PositionSnapshot, ...] = ()) -> None:
    """Two readings agree; the life before this one is over."""
    for at in (T0, T0 + SECOND):
        state.apply(reconciled(at, positions=positions))
    assert state.account.is_reconciled


def found(state: State, **lists: object) -> list[tuple[str, str, str]]:
    """What two readings in a row of these lists come to."""
    for at in (LATER + 10 * SECOND, LATER + 20 * SECOND):
        state.apply(reconciled(at, **lists))  # type: ignore[arg-type]
    return [(finding.kind, finding.subject, finding.rule) for finding in state.account.findings]


def by_hand(trade: str, at: int, name: str | None = "by-hand") -> e.OrderFilled:
    """A fill of an order that is not ours."""
    return e.OrderFilled(trade, f"hand-{trade}", name, TICKER, "bid", 4_000, 100, 0, True, at, at)


def resting(state: State, at: int = T0) -> Order:
    """An order of ours that rests, and of which nothing was heard since `at`."""
    order = unknown(state, at, "id-kd-1-1")
    order.state = "resting"
    return order


def test_more_cash_is_a_deposit(state: State) -> None:
    """Reported, and trading goes on."""
    believed(state)
    assert [("cash_drift", "cash", "correct")] == found(state, cash=CASH + 5)
    assert (state.ledger.cash, state.ledger.transferred) == (CASH + 5, 5)


def test_less_cash_that_nothing_explains_halts(state: State) -> None:
    """Either we lose money that we don't count, or somebody takes it."""
    believed(state)
    assert [("cash_drift", "cash", "halt")] == found(state, cash=CASH - 5)


def test_less_cash_that_was_withdrawn_is_the_owners(state: State) -> None:
    """The lists are wanted with the first difference, and explain the second."""
    believed(state)
    state.apply(reconciled(LATER, cash=CASH - 5))
    assert LATER == state.account.flows.missing_at
    state.apply(e.CashFlowsRead(LATER, LATER, (e.CashFlow("w", -5, 0, LATER),)))
    assert [("cash_drift", "cash", "correct")] == found(state, cash=CASH - 5)
    assert state.account.flows.missing_at is None
    assert state.ledger.transferred == -5


def test_a_position_that_differs_where_only_we_trade_halts(state: State) -> None:
    """Nobody else could have changed it."""
    believed(state, HELD)
    assert [("position_drift", TICKER, "halt")] == found(state)


def test_a_position_that_differs_where_others_trade_is_theirs(state: State) -> None:
    """And so is the cash that went with it."""
    believed(state)
    state.account.owners.share(TICKER, T0)
    assert [("cash_drift", "cash", "correct"), ("position_drift", TICKER, "correct")] == found(
        state, cash=CASH - 2_000_000, positions=HELD
    )
    assert state.ledger.transferred == 0


def test_a_position_that_differs_where_we_never_traded_is_somebody_elses(state: State) -> None:
    """A market that we don't watch."""
    believed(state)
    held = (e.PositionSnapshot(OTHER, 500, 2_000_000, 0, 0),)
    assert [("position_drift", OTHER, "correct")] == found(state, positions=held)


def test_a_fill_by_hand_is_booked_and_is_no_reason_to_halt(state: State) -> None:
    """The account's position is what it is; the venue says whose order it was."""
    believed(state)
    state.apply(by_hand("h", LATER))
    held = (e.PositionSnapshot(TICKER, 100, 400_000, 0, 0),)
    assert [("fill_unknown", f"{TICKER} h", "adopt")] == found(state, cash=CASH - 400_000, positions=held)
    assert state.account.is_reconciled


def test_a_fill_in_a_list_is_somebody_elses_only_when_it_can_be_no_order_of_ours(state: State) -> None:
    """One that was sent and never acknowledged may turn out to be it."""
    believed(state)
    order = unknown(state, LATER)
    state.apply(e.FillsRead(LATER, LATER, (by_hand("h", LATER, None),)))
    state.account.review(state, is_well=False, now=LATER + HEARD_WITHIN)
    assert [] == state.account.findings
    order.order_id = "id-kd-1-1"
    state.account.review(state, is_well=False, now=LATER + HEARD_WITHIN)
    assert ["fill_unknown"] == [finding.kind for finding in state.account.findings]


def test_a_fill_whose_order_is_told_later_is_ours(state: State) -> None:
    """The list of fills was faster than the answer."""
    believed(state)
    unknown(state, LATER)
    fill = e.OrderFilled("t", "id-kd-1-1", None, TICKER, "bid", 4_000, 100, 0, True, LATER, LATER)
    state.apply(e.FillsRead(LATER, LATER, (fill,)))
    state.apply(e.OrderAccepted("place", "kd-1-1", "id-kd-1-1", 100, 900, LATER, LATER))
    state.account.review(state, is_well=False, now=LATER + 9 * HEARD_WITHIN)
    assert [] == state.account.findings


@pytest.mark.parametrize(("at", "rules"), [(T0 + 2 * SECOND, []), (LATER, ["halt"])], ids=["legacy", "later"])
def test_a_fill_in_our_name_of_an_order_that_we_never_sent_halts(
    state: State, at: int, rules: list[str]
) -> None:
    """But for the first minute, when it may be of the life before this one."""
    believed(state)
    state.apply(by_hand("h", at, "kd-9-9"))
    assert rules == [finding.rule for finding in state.account.findings]
    assert 100 == state.ledger.position_qty(TICKER)


def test_an_order_in_our_name_that_we_never_sent_is_an_orphan_once(state: State) -> None:
    """It is taken over, and cancelled like any that nobody owns."""
    believed(state)
    assert [("orphan", "kd-1-1", "cancel")] == found(state, orders=(LISTED,))
    assert ["adopted"] == [order.strategy for order in state.orders.values()]


def test_an_order_of_the_life_before_is_no_finding(state: State) -> None:
    """Whatever the first minute shows."""
    for at in (T0, T0 + SECOND):
        state.apply(reconciled(at, orders=(LISTED,)))
    assert [] == found(state, orders=(LISTED,))


@pytest.mark.parametrize("is_told", [True, False])
def test_an_order_that_has_left_the_list_is_a_ghost_if_the_stream_stays_silent(
    state: State, is_told: bool
) -> None:
    """The list may only be faster."""
    believed(state)
    resting(state)
    state.account.review(state, is_well=True, now=LATER)
    state.apply(reconciled(LATER))
    if is_told:
        told = e.OrderUpdated(
            "id-kd-1-1", "kd-1-1", TICKER, "bid", 4_000, "canceled", 0, 0, None, LATER + 1, LATER
        )
        state.apply(told)
    state.account.review(state, is_well=True, now=LATER + HEARD_WITHIN)
    assert ([] if is_told else ["ghost"]) == [finding.kind for finding in state.account.findings]


def test_terms_that_differ_are_taken_and_found_if_the_stream_stays_silent(state: State) -> None:
    """The venue's are in force."""
    believed(state)
    order = resting(state)
    state.account.review(state, is_well=True, now=LATER)
    other = e.OrderSnapshot("id-kd-1-1", "kd-1-1", TICKER, "bid", 4_100, 0, 1_000)
    state.apply(reconciled(LATER, orders=(other,)))
    assert 4_100 == order.price
    state.account.review(state, is_well=True, now=LATER + HEARD_WITHIN)
    assert ["quantity"] == [finding.kind for finding in state.account.findings]


@given(
    cash=st.sampled_from([CASH, CASH - 5, CASH + 5]),
    qty=st.sampled_from([0, 500, -300]),
    has_order=st.booleans(),
    has_fill=st.booleans(),
    is_known=st.booleans(),
)
def test_a_reconciliation_that_is_repeated_changes_nothing(
    cash: int, qty: int, has_order: bool, has_fill: bool, is_known: bool
) -> None:
    """Once it is concluded: cash, positions, orders and findings stay, however often it is read."""
    state = State(SCHEMA, "kd-")
    state.apply(e.MarketListed(spec(), T0))
    believed(state)
    if is_known:
        resting(state)
    held = (e.PositionSnapshot(TICKER, qty, abs(qty) * 4_000, 0, 0),) if qty else ()
    fills = (by_hand("h", LATER, None),) if has_fill else ()
    orders = (LISTED,) if has_order else ()

    def read(step: int) -> object:
        state.apply(
            reconciled(LATER + step * 40 * SECOND, cash=cash, positions=held, orders=orders, fills=fills)
        )
        ledger = state.ledger
        return (
            ledger.cash,
            {ticker: (one.qty, one.cost) for ticker, one in ledger.positions.items()},
            {
                name: (order.state, order.price, order.qty, order.filled)
                for name, order in state.orders.items()
            },
            list(state.account.findings),
            ledger.realized,
        )

    for step in range(4):
        concluded = read(step)
    assert [concluded] * 3 == [read(step) for step in range(4, 7)]
