"""The account as a whole: the drop copy, corrections and doubts, as events to the state."""

from __future__ import annotations

import pytest

from daemon.core import events as e
from daemon.core.day_record import DayRecord
from daemon.core.findings import Finding
from daemon.core.reconcile import FLOWS_WITHIN
from daemon.core.state import State
from daemon.core.unheard import HEARD_WITHIN
from daemon.core.units import DAY, MINUTE, PRICE_ONE, SECOND
from tests.core.worlds import CASH, LIMITS, SCHEMA, T0, TICKER, reconciled, snapshot, spec

AT = T0 + 20 * SECOND
FILL = e.OrderFilled("t", "id-kd-1-1", None, TICKER, "bid", 4_000, 100, 7, True, AT, AT)
FOUND = Finding("fill_missed", f"{TICKER} t", None, 100, AT + HEARD_WITHIN, "correct")


@pytest.fixture
def state() -> State:
    """A state that watches one market, is connected, believed, and has one order whose id it knows."""
    subject = State(SCHEMA, "kd-")
    for event in (e.MarketListed(spec(), T0), e.FeedConnected("kalshi", T0), snapshot()):
        subject.apply(event)
    for at in (T0 + 5 * SECOND, T0 + 10 * SECOND):
        subject.apply(reconciled(at))
    accepted = e.OrderAccepted("place", "kd-1-1", "id-kd-1-1", 0, 100, AT, AT)
    subject.apply(accepted)
    assert subject.account.is_reconciled
    return subject


def look(state: State, at: int) -> None:
    """A heartbeat's look, on a stream that was heard just now."""
    state.apply(e.FeedHeard("kalshi", at))
    state.review(LIMITS, at)


def test_the_drop_copy_is_booked_at_once_and_only_once(state: State) -> None:
    """The list may tell it again, and the stream may tell it still."""
    for event in (e.FillsRead(AT, AT, (FILL,)), e.FillsRead(AT, AT, (FILL,)), FILL):
        state.apply(event)
    assert (100, CASH - 400_007, 1) == (
        state.ledger.position_qty(TICKER),
        state.ledger.cash,
        state.ledger.fills_total,
    )


def test_a_fill_that_the_stream_tells_later_is_no_finding(state: State) -> None:
    """The list was faster; the account stays believed."""
    look(state, AT)
    state.apply(e.FillsRead(AT, AT, (FILL,)))
    state.apply(FILL)
    look(state, AT + 2 * HEARD_WITHIN)
    assert (True, []) == (state.account.is_reconciled, state.account.findings)


def test_a_fill_that_a_healthy_stream_never_tells_is_found_and_the_account_read_anew(state: State) -> None:
    """It may have kept more from us."""
    look(state, AT)
    state.apply(e.FillsRead(AT, AT, (FILL,)))
    look(state, AT + HEARD_WITHIN - 1)
    assert [] == state.account.findings
    state.is_reading_due = False
    look(state, AT + HEARD_WITHIN)
    assert [FOUND] == state.account.findings
    assert (False, True) == (state.account.is_reconciled, state.is_reading_due)


def test_what_a_broken_connection_kept_is_a_correction(state: State) -> None:
    """That was to be expected: counted apart."""
    look(state, AT)
    state.apply(e.FillsRead(AT, AT, (FILL,)))
    state.apply(e.FeedDropped("kalshi", "reset", AT + 1))
    state.apply(e.FeedConnected("kalshi", AT + 2))
    look(state, AT + 2 * HEARD_WITHIN)
    assert ([], 1) == (state.account.findings, state.counts["corrections"])


def test_before_the_first_reading_nobody_knows_which_fills_are_news() -> None:
    """They are in the positions that are about to be told."""
    state = State(SCHEMA, "kd-")
    state.apply(e.FillsRead(T0, T0, (FILL,)))
    assert (0, None) == (state.ledger.fills_total, state.ledger.cash)


def test_a_correction_after_the_payout_is_booked_exactly(state: State) -> None:
    """Told as an event of its own; what the market paid is known everywhere from then on."""
    state.apply(FILL)
    for event in (
        e.MarketDetermined(TICKER, "yes", PRICE_ONE, AT + SECOND),
        e.MarketSettled(TICKER, AT + 2 * SECOND),
        e.SettlementCorrected(TICKER, 2_500, AT + 60 * SECOND),
        e.SettlementCorrected(TICKER, 2_500, AT + 61 * SECOND),
        e.MarketSettled(TICKER, AT + 62 * SECOND),
    ):
        state.apply(event)
    assert CASH - 400_007 + 250_000 == state.ledger.cash
    assert (250_000 - 400_000, 1) == (state.ledger.realized, state.counts["settlements_corrected"])
    assert ({TICKER: 2_500}, 2_500) == (state.settlements, state.markets[TICKER].settlement_price)
    assert (True, 1) == (state.account.is_reconciled, state.account.log.total)


def test_the_cash_of_a_correction_is_waited_for(state: State) -> None:
    """The venue books it a while later: neither a finding before nor after."""
    state.apply(FILL)
    for event in (
        e.MarketDetermined(TICKER, "yes", PRICE_ONE, AT + SECOND),
        e.MarketSettled(TICKER, AT + 2 * SECOND),
        e.SettlementCorrected(TICKER, 0, AT + 60 * SECOND),
    ):
        state.apply(event)
    before, after = CASH - 400_007 + 1_000_000, CASH - 400_007
    for step, cash in enumerate((before, before, before, after, after)):
        state.apply(reconciled(AT + (70 + step) * SECOND, cash=cash))
    assert (1, after, True) == (state.account.log.total, state.ledger.cash, state.account.is_reconciled)
    assert "settlement" == state.account.findings[0].kind


@pytest.mark.parametrize(("after", "count"), [(30 * SECOND, 0), (120 * SECOND, 1)], ids=["legacy", "later"])
def test_an_order_in_our_name_that_the_stream_tells_is_an_orphan_once(
    state: State, after: int, count: int
) -> None:
    """Two daemons of one prefix on one account: each cancels the other's orders, and says so."""
    at = T0 + after
    told = e.OrderUpdated("id-kd-9-1", "kd-9-1", TICKER, "bid", 4_000, "resting", 0, 500, None, at, at)
    listed = e.OrderSnapshot("id-kd-9-1", "kd-9-1", TICKER, "bid", 4_000, 0, 500)
    for event in (told, told, reconciled(at + 5 * SECOND, orders=(listed,))):
        state.apply(event)
    assert [Finding("orphan", "kd-9-1", None, 500, at, "cancel")] * count == state.account.findings
    assert ["adopted"] == [order.strategy for order in state.orders.values()]


@pytest.mark.parametrize(("spacing", "expected"), [(SECOND, "halt"), (30 * SECOND, "cancel")])
def test_the_third_order_in_our_name_within_a_minute_halts(state: State, spacing: int, expected: str) -> None:
    """Two daemons with one name would cancel each other's orders on and on."""
    at = AT + 2 * MINUTE
    for number in range(3):
        name = f"kd-other-{number}"
        told = e.OrderUpdated(
            f"v-{name}", name, TICKER, "bid", 4_000, "resting", 0, 100, None, at + number * spacing, None
        )
        state.apply(told)
    assert [("orphan", "cancel")] * 2 + [("orphan", expected)] == [
        (finding.kind, finding.rule) for finding in state.account.findings
    ]


def test_a_day_that_goes_on_is_believed_once_the_owners_money_is_known() -> None:
    """What was deposited meanwhile makes no room for a loss, and what was there before is in the record."""
    state = State(SCHEMA, "kd-")
    record = DayRecord(T0 // DAY, T0 - MINUTE, 0, 0, 0)
    state.apply(e.DayRecovered(record, T0))
    for step in range(3):
        state.apply(reconciled(T0 + step * SECOND))
    assert not state.account.is_reconciled
    before = e.CashFlow("old", 5, 0, T0 - MINUTE)
    state.apply(e.CashFlowsRead(T0, T0, (before, e.CashFlow("new", 7, 0, T0 - 1))))
    state.apply(reconciled(T0 + 3 * SECOND))
    assert (True, 7) == (state.account.is_reconciled, state.ledger.transferred)


def test_without_the_owners_lists_a_day_goes_on_after_a_minute() -> None:
    """It is counted that nobody told what the owner moved."""
    state = State(SCHEMA, "kd-")
    state.apply(e.DayRecovered(DayRecord(T0 // DAY, T0 - MINUTE, 0, 0, 0), T0))
    told = []
    for at in (T0, T0 + FLOWS_WITHIN - 1, T0 + FLOWS_WITHIN):
        state.apply(reconciled(at))
        told.append(state.account.is_reconciled)
    assert ([False, False, True], 1) == (told, state.counts["flows_unread"])
