"""State: every fact changes exactly what it says, and what isn't vouched for is marked so."""

from __future__ import annotations

import pytest

from daemon.core import events as e
from daemon.core.account_beliefs import RESULTS_KEPT
from daemon.core.findings import Finding
from daemon.core.orders import Order
from daemon.core.state import State
from daemon.core.units import MINUTE, MONEY_ONE, PRICE_ONE, SECOND, PriceBand
from tests.core.worlds import CASH, LIMITS, SCHEMA, T0, TICKER, reconciled, snapshot, spec


@pytest.fixture
def state() -> State:
    """A state that watches one market, connected, with a book."""
    subject = State(SCHEMA, "kd-")
    for event in (e.MarketListed(spec(), T0), e.FeedConnected("kalshi", T0), snapshot()):
        subject.apply(event)
    subject.touched.clear()
    return subject


def filled(qty: int, trade: str = "t1", name: str | None = "kd-1-1") -> e.OrderFilled:
    """A fill of the order."""
    return e.OrderFilled(trade, "id-kd-1-1", name, TICKER, "bid", 4_000, qty, 0, False, T0, T0)


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
    for at in (T0 + 5 * SECOND, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    assert state.account.is_reconciled
    state.apply(e.FeedDropped("kalshi", "reset", T0))
    assert not state.markets[TICKER].book.is_synced
    assert not state.account.is_reconciled
    assert not state.feed.is_connected


def test_a_doubt_about_the_private_stream_stops_trading(state: State) -> None:
    """What the stream can't vouch for, two agreeing readings must."""
    for at in (T0 + 5 * SECOND, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    state.apply(e.AccountDoubted("gap", T0))
    assert not state.account.is_reconciled
    assert state.markets[TICKER].book.is_synced


def test_the_reference_feed_is_separate(state: State) -> None:
    """Its loss leaves the books alone."""
    state.apply(e.ReferencePriceReceived("kraken", "BTC/USD", 84_000 * MONEY_ONE, T0, T0))
    assert state.reference_price == 84_000 * MONEY_ONE
    state.apply(e.FeedDropped("kraken", "reset", T0))
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
    for at in (T0 + 5 * SECOND, T0 + 10 * SECOND):
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
    for at in (T0 + 5 * SECOND, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    state.apply(filled(1_000))
    state.apply(e.MarketDropped(TICKER, T0))
    assert list(state.markets) == [TICKER]
    state.apply(e.MarketDetermined(TICKER, "yes", PRICE_ONE, T0))
    state.apply(e.MarketSettled(TICKER, T0))
    state.forget_unwatched()
    assert state.markets == {}


def test_settled_without_a_known_result_doubts_the_account(state: State) -> None:
    """Only the venue's lists can say what was paid."""
    for at in (T0 + 5 * SECOND, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    state.apply(e.MarketSettled(TICKER, T0))
    assert not state.account.is_reconciled


def test_halt_and_stop_are_remembered(state: State) -> None:
    """A halt holds until a person resumes."""
    state.apply(e.HaltRequested("test", T0))
    assert state.halt_reason == "test"
    state.apply(e.ResumeRequested("done", T0))
    assert state.halt_reason is None
    state.apply(e.StopRequested("bye", T0))
    assert state.stop_reason == "bye"


def test_a_reading_that_a_person_wants_is_due_and_stops_nothing(state: State) -> None:
    """The account stays believed, and the next decision asks for the lists."""
    for at in (T0 + 5 * SECOND, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    state.is_reading_due = False
    state.apply(e.ReadingRequested("test", T0 + 11 * SECOND))
    assert (True, True) == (state.is_reading_due, state.account.is_reconciled)


def resting(state: State, ticker: str = TICKER) -> Order:
    """An order of ours that rests."""
    order = Order(
        client_order_id="kd-1-1", ticker=ticker, side="bid", price=4_000, qty=1_000, style="rest",
        strategy="s", at=T0, state="resting", order_id="id-kd-1-1",
    )  # fmt: skip
    state.orders[order.client_order_id] = order
    return order


def believed(state: State) -> None:
    """Two readings agree."""
    for at in (T0 + 5 * SECOND, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    assert state.account.is_reconciled
    state.is_reading_due = False


@pytest.mark.parametrize("is_listed", [False, True], ids=["by the stream", "by a listing"])
def test_an_activated_market_has_none_of_our_orders(state: State, is_listed: bool) -> None:
    """The venue cancelled them all: nothing is assumed, the lists must tell, and they do."""
    believed(state)
    order = resting(state)
    state.apply(e.MarketStatusChanged(TICKER, "inactive", T0))
    assert state.account.is_reconciled
    state.apply(e.MarketListed(spec(), T0) if is_listed else e.MarketStatusChanged(TICKER, "active", T0))
    assert (state.account.is_reconciled, state.is_reading_due) == (False, True)
    assert state.orders == {order.client_order_id: order}
    state.apply(reconciled(T0 + 20 * SECOND))
    assert order.state == "unknown"
    assert order.order_id is not None
    gone = (e.EndedOrder(order.order_id, order.client_order_id, TICKER, "canceled", 0),)
    state.apply(reconciled(T0 + 21 * SECOND, doubtful=(TICKER,), ended=gone))
    assert state.orders == {}
    state.apply(reconciled(T0 + 30 * SECOND))
    assert state.account.is_reconciled


def test_an_activation_where_nothing_of_ours_rests_is_no_doubt(state: State) -> None:
    """There is nothing that the venue could have cancelled."""
    believed(state)
    state.apply(e.MarketStatusChanged(TICKER, "inactive", T0))
    state.apply(e.MarketStatusChanged(TICKER, "active", T0))
    assert state.account.is_reconciled


def test_an_order_off_the_new_grid_is_left_to_the_venue(state: State) -> None:
    """It rests with its terms; the grid is for what is sent from here on."""
    order = resting(state)
    state.apply(e.MarketGridChanged(TICKER, (PriceBand(0, 10_000, 700),), T0))
    assert (order.state, order.price) == ("resting", 4_000)
    assert not state.markets[TICKER].grid.contains(order.price)


def test_a_market_that_is_left_has_no_book_and_comes_back_from_the_start(state: State) -> None:
    """Its stream ends; watched again, its book comes with the next snapshot."""
    resting(state)
    state.apply(e.MarketDropped(TICKER, T0))
    market = state.markets[TICKER]
    assert (market.is_unwatched, market.book.is_synced) == (True, False)
    state.apply(e.MarketListed(spec(), T0 + 1))
    assert (state.markets[TICKER] is market, market.is_unwatched) == (True, False)
    state.apply(snapshot(T0 + 2))
    assert market.book.is_synced


def test_a_forgotten_market_is_touched_by_no_price(state: State) -> None:
    """Nothing of it is left behind."""
    state.apply(e.MarketDropped(TICKER, T0))
    state.touched.clear()
    state.apply(e.ReferencePriceReceived("kraken", "BTC/USD", 84_000 * MONEY_ONE, T0, T0))
    assert (state.markets, state.touched) == ({}, {})


def test_a_pause_that_ends_or_begins_asks_for_the_account(state: State) -> None:
    """It may have ended orders; the same status again asks for nothing."""
    believed(state)
    state.apply(e.ExchangeStatusTold(True, False, (), None, T0))
    assert state.is_reading_due
    state.is_reading_due = False
    state.touched.clear()
    state.apply(e.ExchangeStatusTold(True, False, (), None, T0))
    assert (state.is_reading_due, state.touched) == (False, {})
    assert state.account.is_reconciled


def test_refused_frames_are_counted_by_whose_they_are(state: State) -> None:
    """A reference's drift says nothing of the venue's."""
    state.apply(e.FrameRefused("kalshi", "type magic", T0))
    state.apply(e.FrameRefused("kraken", "channel magic", T0))
    assert (state.counts["frames_refused"], state.counts["reference_frames_refused"]) == (1, 1)


def test_quiet_channels_are_for_people(state: State) -> None:
    """Nothing is refused for them."""
    state.apply(e.ChannelQuieted("kalshi", "trade", MINUTE, T0))
    assert state.quiet_channels == {("kalshi", "trade"): MINUTE}
    assert state.vouch(state.markets[TICKER], LIMITS, T0) is None


def test_results_do_not_pile_up() -> None:
    """Markets roll for as long as we live: results and payments that never came are kept up to a bound."""
    state = State(SCHEMA, "k-")
    for number in range(RESULTS_KEPT + 5):
        ticker = f"KXBTC15M-{number}"
        state.apply(e.MarketListed(spec(ticker), T0))
        state.apply(e.MarketDetermined(ticker, "yes", PRICE_ONE, T0))
        state.apply(e.MarketDropped(ticker, T0))
    assert (RESULTS_KEPT, RESULTS_KEPT) == (len(state.settlements), len(state.unpaid))
    assert (0, {}) == (len(state.markets), state.connections._routes)


# --- the ends of markets -------------------------------------------------------------------------


def held(state: State) -> None:
    """Believed, and in possession of 5 YES contracts that cost 2 $."""
    for at in (T0 + 5 * SECOND, T0 + 10 * SECOND):
        state.apply(reconciled(at, positions=(e.PositionSnapshot(TICKER, 500, 2_000_000, 0, 0),)))
    assert state.account.is_reconciled


def test_a_result_may_be_told_twice(state: State) -> None:
    """By the stream and by a list, before and after the payout: the second one changes nothing."""
    held(state)
    for _ in range(2):
        state.apply(e.MarketDetermined(TICKER, "yes", PRICE_ONE, T0 + 20 * SECOND))
    assert {TICKER: T0 + 20 * SECOND} == state.unpaid
    for _ in range(2):
        state.apply(e.MarketSettled(TICKER, T0 + 30 * SECOND))
        state.apply(e.MarketDetermined(TICKER, "yes", PRICE_ONE, T0 + 31 * SECOND))
    assert (CASH + 5_000_000, {}) == (state.ledger.cash, state.unpaid)
    assert "finalized" == state.markets[TICKER].spec.status
    assert state.account.is_reconciled
    assert [] == state.account.findings


def test_another_result_corrects_the_first_until_it_is_paid_out(state: State) -> None:
    """A dispute may end in an amendment: the last word is paid."""
    held(state)
    state.apply(e.MarketDetermined(TICKER, "yes", PRICE_ONE, T0 + 20 * SECOND))
    state.apply(e.MarketStatusChanged(TICKER, "disputed", T0 + 25 * SECOND))
    state.apply(e.MarketDetermined(TICKER, "no", 0, T0 + 30 * SECOND))
    assert ("determined", {TICKER: 0}) == (state.markets[TICKER].spec.status, state.settlements)
    state.apply(e.MarketSettled(TICKER, T0 + 40 * SECOND))
    assert (CASH, 1) == (state.ledger.cash, state.counts["results_corrected"])
    assert state.account.is_reconciled


def test_another_result_after_the_payout_is_a_finding(state: State) -> None:
    """Somebody is wrong about our money: named, counted, and nothing is believed before the lists agree."""
    held(state)
    state.apply(e.MarketDetermined(TICKER, "yes", PRICE_ONE, T0 + 20 * SECOND))
    state.apply(e.MarketSettled(TICKER, T0 + 30 * SECOND))
    state.apply(e.MarketDetermined(TICKER, "no", 0, T0 + 40 * SECOND))
    found = Finding("settlement", TICKER, PRICE_ONE, 0, T0 + 40 * SECOND, "correct")
    assert [found] == state.account.findings
    assert 1 == state.counts["results_disputed"]
    assert not state.account.is_reconciled
    assert {TICKER: PRICE_ONE} == state.settlements


@pytest.mark.parametrize("lists_first", [True, False], ids=["after the lists", "before the lists"])
def test_a_result_that_comes_after_the_payout_is_still_earned(state: State, lists_first: bool) -> None:
    """The stream lost it: the lists tell the cash, and the result tells what was earned, once."""
    held(state)
    state.apply(e.MarketSettled(TICKER, T0 + 20 * SECOND))
    determined = e.MarketDetermined(TICKER, "yes", PRICE_ONE, T0 + 25 * SECOND)
    if not lists_first:
        state.apply(determined)
    for at in (T0 + 30 * SECOND, T0 + 31 * SECOND):
        state.apply(reconciled(at, cash=CASH + 5_000_000))
    if lists_first:
        state.apply(determined)
    assert (CASH + 5_000_000, 0) == (state.ledger.cash, state.ledger.position_qty(TICKER))
    assert 3_000_000 == state.ledger.realized == state.ledger.positions[TICKER].realized
    assert (True, []) == (state.account.is_reconciled, state.account.findings)
    assert {TICKER: PRICE_ONE} == state.settlements
