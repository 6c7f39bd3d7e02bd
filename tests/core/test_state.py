"""State: every fact changes exactly what it says, and what isn't vouched for is marked so."""

from __future__ import annotations

import pytest

from daemon.core import events as e
from daemon.core.orders import Order
from daemon.core.state import ADOPTED, State
from daemon.core.units import MINUTE, MONEY_ONE, PRICE_ONE, SECOND
from tests.core.worlds import CASH, SCHEMA, T0, TICKER, reconciled, snapshot, spec


@pytest.fixture
def state() -> State:
    """A state that watches one market, connected, with a book."""
    subject = State(SCHEMA, "kd-")
    for event in (e.MarketListed(spec(), T0), e.FeedConnected("kalshi", T0), snapshot()):
        subject.apply(event)
    subject.touched.clear()
    return subject


def placed(state: State, name: str = "kd-1-1", qty: int = 1_000) -> Order:
    """An order that was sent."""
    order = Order(
        client_order_id=name, ticker=TICKER, side="bid", price=4_000, qty=qty, style="rest", strategy="s",
        exchange_index=2, at=T0,
    )  # fmt: skip
    state.orders[name] = order
    return order


def accepted(name: str = "kd-1-1", remaining: int = 1_000, filled: int = 0) -> e.OrderAccepted:
    """The venue's yes to a new order."""
    return e.OrderAccepted("place", name, f"id-{name}", filled, remaining, T0, T0)


def filled(qty: int, trade: str = "t1", name: str | None = "kd-1-1") -> e.OrderFilled:
    """A fill of the order."""
    return e.OrderFilled(trade, "id-kd-1-1", name, TICKER, "bid", 4_000, qty, 0, False, T0, T0)


def updated(status: e.OrderStatus, fill: int, left: int, name: str = "kd-1-1") -> e.OrderUpdated:
    """The stream's word on the order."""
    return e.OrderUpdated(f"id-{name}", name, TICKER, "bid", 4_000, status, fill, left, None, T0, T0)


def test_a_delta_changes_the_book_and_touches_the_market(state: State) -> None:
    """One level, one market, and the connection was heard."""
    state.apply(e.BookDeltaReceived(TICKER, "yes", 4_000, 500, T0 + 5, T0 + 3))
    market = state.markets[TICKER]
    assert market.book.bid_size == 40_500
    assert state.feed.heard_at == T0 + 5
    assert list(state.touched) == [TICKER]


def test_unwatched_markets_are_counted(state: State) -> None:
    """Nothing unknown is silently taken in."""
    state.apply(e.BookDeltaReceived("OTHER", "yes", 4_000, 500, T0, T0))
    state.apply(e.MarketSettled("OTHER", T0))
    assert (state.counts["unwatched_deltas"], state.counts["unwatched_market_events"]) == (1, 1)


def test_a_lost_book_is_unsynced_until_its_snapshot(state: State) -> None:
    """A gap loses the book; a snapshot brings it back."""
    state.apply(e.BookLost(TICKER, "gap", T0))
    assert state.markets[TICKER].book.bid is None
    state.apply(snapshot())
    assert state.markets[TICKER].book.bid == 4_000
    assert state.counts["books_lost"] == 1


def test_a_dropped_feed_loses_every_book_and_the_account(state: State) -> None:
    """Fills may be missed while the stream is down."""
    for at in (T0, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    assert state.account.is_reconciled
    state.apply(e.FeedDropped("kalshi", "reset", T0))
    assert not state.markets[TICKER].book.is_synced
    assert not state.account.is_reconciled
    assert not state.feed.is_connected


def test_a_doubt_about_the_private_stream_stops_trading(state: State) -> None:
    """What the stream can't vouch for, two agreeing readings must."""
    for at in (T0, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    state.apply(e.AccountDoubted("gap", T0))
    assert not state.account.is_reconciled
    assert state.markets[TICKER].book.is_synced


def test_the_reference_feed_is_separate(state: State) -> None:
    """Its loss leaves the books alone."""
    state.apply(e.ReferencePriceReceived("kraken", "BTC/USD", 84_000 * MONEY_ONE, T0, T0))
    assert state.reference_price == 84_000 * MONEY_ONE
    state.apply(e.FeedDropped("reference", "reset", T0))
    assert state.reference_price is None
    assert state.markets[TICKER].book.is_synced


def test_a_market_lives_by_its_events(state: State) -> None:
    """Status, close, grid, strike, result, settlement."""
    market = state.markets[TICKER]
    state.apply(e.MarketStatusChanged(TICKER, "inactive", T0))
    state.apply(e.MarketCloseMoved(TICKER, T0 + MINUTE, T0))
    state.apply(e.MarketStrikeSet(TICKER, 5, T0))
    state.apply(e.MarketGridChanged(TICKER, spec().bands[:1], T0))
    assert (market.spec.status, market.spec.close_at, market.spec.strike) == ("inactive", T0 + MINUTE, 5)
    assert not market.grid.contains(4_000)
    for at in (T0, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    state.apply(filled(1_000))
    state.apply(e.MarketDetermined(TICKER, "yes", PRICE_ONE, T0))
    state.apply(e.MarketSettled(TICKER, T0))
    state.apply(e.MarketSettled(TICKER, T0))
    assert state.ledger.cash == CASH - 4 * MONEY_ONE + 10 * MONEY_ONE
    assert state.settlements == {TICKER: PRICE_ONE}
    state.apply(e.MarketDropped(TICKER, T0))
    assert state.markets == {}


def test_a_market_with_a_position_is_not_forgotten(state: State) -> None:
    """What we hold stays watched."""
    for at in (T0, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    state.apply(filled(1_000))
    state.apply(e.MarketDropped(TICKER, T0))
    assert list(state.markets) == [TICKER]


def test_settled_without_a_known_result_doubts_the_account(state: State) -> None:
    """Only the venue's lists can say what was paid."""
    for at in (T0, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    state.apply(e.MarketSettled(TICKER, T0))
    assert not state.account.is_reconciled


@pytest.mark.parametrize("first", ["reply", "stream"])
def test_reply_and_stream_may_come_in_any_order(state: State, first: str) -> None:
    """The same order, whoever is faster; the fill is booked once."""
    order = placed(state)
    said = [accepted(remaining=600, filled=400), updated("resting", 400, 600)]
    for event in said if first == "reply" else said[::-1]:
        state.apply(event)
    assert (order.state, order.order_id, order.filled, order.booked) == ("resting", "id-kd-1-1", 400, 0)
    state.apply(filled(400))
    state.apply(filled(400))
    assert (order.booked, order.remaining, order.exposed) == (400, 600, 600)
    assert state.ledger.position_qty(TICKER) == 400


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
        order.apply("amend_requested", T0)
        state.pending_terms["kd-1-1"] = (4_100, 2_000)
        state.apply(answer)
        assert (order.state, order.price) == ("resting", price)
        assert state.pending_terms == {}
    assert order.qty == 2_000


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


def test_halt_and_stop_are_remembered(state: State) -> None:
    """A halt holds until a person resumes."""
    state.apply(e.HaltRequested("test", T0))
    assert state.halt_reason == "test"
    state.apply(e.ResumeRequested("done", T0))
    assert state.halt_reason is None
    state.apply(e.StopRequested("bye", T0))
    assert state.stop_reason == "bye"
