"""Tests of markets' lives and of what a tape does to them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.markets import Fees
from daemon.core.units import HOUR, MONEY_ONE, SECOND, PriceBand, Side
from daemon.exchange import facts as f
from daemon.exchange.cash_facts import CashChanged
from daemon.exchange.market import Market
from daemon.exchange.requests import Amendment, NewOrder, Refused
from tests.exchange.venues import (
    CASH,
    CLOSED,
    LATER,
    SHARD,
    T0,
    TICKER,
    exchange_of,
    placed,
    rebuilt,
    refused,
    shown,
    spec_of,
)


def test_a_market_opens_and_closes_by_the_clock() -> None:
    """Orders are refused before the open and after the close; resting ones are cancelled at the close."""
    exchange = exchange_of()
    later = spec_of("LATER")
    exchange.list_market(later, T0 - HOUR)
    order = placed(exchange, "a", "bid", 4000, 100)
    facts = exchange.advance(CLOSED)
    assert ("market_inactive", None) == refused(exchange, "a", "bid", 4000, 100, CLOSED)
    found = exchange.find("a", order.order_id)
    assert found is not None
    assert ("canceled", "CloseCancel") == (found.status, found.reason)
    assert f.BookReplaced(TICKER, (), (), CLOSED) in facts
    assert f.MarketClosed(TICKER, CLOSED) in facts
    assert [] == exchange.advance(CLOSED + SECOND)


def test_after_the_close_even_a_cancel_is_refused() -> None:
    """Every order operation after the close time is market_inactive, though the clock wasn't told yet."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 4000, 100)
    assert Refused("market_inactive") == exchange.cancel("a", order.order_id, CLOSED)[0]


def test_after_the_close_every_operation_is_refused_whatever_became_of_the_order() -> None:
    """Executed, cancelled by the close or resting: market_inactive; before, what is done is not found."""
    exchange = exchange_of()
    rests = placed(exchange, "a", "bid", 4000, 100)
    placed(exchange, "b", "ask", 5000, 100)
    done = placed(exchange, "a", "bid", 5000, 100)
    assert Refused("not_found") == exchange.cancel("a", done.order_id, CLOSED - 1)[0]
    exchange.advance(CLOSED)
    for order in (rests, done):
        amendment = Amendment("a", order.order_id, TICKER, "bid", 4000, 200)
        assert [Refused("market_inactive")] * 3 == [
            exchange.cancel("a", order.order_id, CLOSED)[0],
            exchange.decrease("a", order.order_id, 1, CLOSED, is_target=False)[0],
            exchange.amend(amendment, CLOSED)[0],
        ]
    assert Refused("not_found") == exchange.cancel("a", "unknown", CLOSED)[0]


def test_a_settlement_pays_every_account_once() -> None:
    """Holders of the right side get a dollar a contract; cash plus fees is what was paid in."""
    exchange = exchange_of()
    placed(exchange, "a", "bid", 6000, 100)
    placed(exchange, "b", "ask", 6000, 100)
    exchange.advance(CLOSED)
    assert [f.Determined(TICKER, "yes", 10_000, CLOSED + SECOND)] == exchange.determine(
        TICKER, "yes", 10_000, CLOSED + SECOND
    )
    assert [] == exchange.determine(TICKER, "no", 0, CLOSED + SECOND)
    facts = exchange.settle(TICKER, CLOSED + 7 * SECOND)
    assert [] == exchange.settle(TICKER, CLOSED + 8 * SECOND)
    assert f.Settled(TICKER, CLOSED + 7 * SECOND) == facts[-1]
    paid = {fact.account: fact.payout for fact in facts if isinstance(fact, f.PaidOut)}
    assert {"a": 1_000_000, "b": 0} == paid
    cash = exchange.accounts["a"].cash[SHARD] + exchange.accounts["b"].cash[SHARD]
    assert 2 * CASH == cash + exchange.fees_total
    assert "finalized" == exchange.markets[TICKER].status


def test_a_result_needs_a_closed_market() -> None:
    """Determining an open market, or settling one without a result, is a mistake of the program."""
    exchange = exchange_of()
    with pytest.raises(AssertionError, match="is active"):
        exchange.determine(TICKER, "yes", 10_000, T0)
    with pytest.raises(AssertionError, match="no result"):
        exchange.settle(TICKER, T0)


def test_reactivation_cancels_what_rested() -> None:
    """While inactive nothing is placed but cancels go; on activation all resting orders are cancelled."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 4000, 100)
    other = placed(exchange, "a", "bid", 3000, 100)
    exchange.deactivate(TICKER, T0)
    assert ("market_inactive", None) == refused(exchange, "a", "bid", 4000, 100)
    assert 100 == exchange.cancel("a", other.order_id, T0)[0]
    assert f.MarketActivated(TICKER, T0) == exchange.activate(TICKER, T0)[-1]
    found = exchange.find("a", order.order_id)
    assert found is not None
    assert "HaltCancel" == found.reason


def test_listing_again_changes_nothing() -> None:
    """A market that is listed already stays as it is."""
    exchange = exchange_of()
    placed(exchange, "a", "bid", 4000, 100)
    assert [] == exchange.list_market(spec_of(), T0)
    assert {("yes", 4000): 100} == shown(exchange)


def test_changes_of_a_listing_are_told() -> None:
    """Strike, close time and tick table may change in mid-life."""
    exchange = exchange_of()
    assert [f.StrikeSet(TICKER, 5, "greater", T0)] == exchange.set_strike(TICKER, 5, "greater", T0)
    assert [f.CloseMoved(TICKER, CLOSED - SECOND, T0)] == exchange.move_close(TICKER, CLOSED - SECOND, T0)
    bands = exchange.markets[TICKER].spec.bands[:1]
    assert [f.GridChanged(TICKER, bands, T0)] == exchange.change_grid(TICKER, bands, T0)
    assert ("invalid_price", None) == refused(exchange, "a", "bid", 4000, 100)


def test_a_closed_market_opens_again_when_its_close_moves() -> None:
    """Told as a moved close, then as an activation; it closes again by the clock."""
    exchange = exchange_of()
    exchange.advance(CLOSED)
    later = CLOSED + SECOND
    assert [
        f.CloseMoved(TICKER, later, CLOSED),
        f.MarketActivated(TICKER, CLOSED),
    ] == exchange.move_close(TICKER, later, CLOSED)
    placed(exchange, "a", "bid", 4000, 100, CLOSED)
    facts = exchange.advance(later)
    assert f.MarketClosed(TICKER, later) == facts[-1]
    assert ["CloseCancel"] == [fact.order.reason for fact in facts if isinstance(fact, f.OrderChanged)]


def test_an_order_that_an_older_grid_let_in_stays_where_it_is() -> None:
    """It may shrink in its place and be cancelled; at its price nothing new may come, nor may it grow."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 50, 300)
    cents = (PriceBand(0, 10_000, 100),)
    exchange.change_grid(TICKER, cents, T0)
    assert {("yes", 50): 300} == shown(exchange)
    assert ("invalid_price", None) == refused(exchange, "a", "bid", 50, 100)
    for qty, expected in ((400, "invalid_price"), (200, None)):
        outcome, _ = exchange.amend(Amendment("a", order.order_id, TICKER, "bid", 50, qty), T0)
        assert expected == getattr(outcome, "code", None)
    assert 200 == exchange.cancel("a", order.order_id, T0)[0]


def test_a_disputed_result_pays_nothing_until_it_is_amended() -> None:
    """The amended result is the one that is paid, and it is told as a determination."""
    exchange = exchange_of()
    placed(exchange, "sim:x", "ask", 4000, 100)
    placed(exchange, "a", "bid", 4000, 100)
    exchange.advance(CLOSED)
    exchange.determine(TICKER, "yes", 10_000, CLOSED)
    assert [f.Disputed(TICKER, CLOSED)] == exchange.dispute(TICKER, CLOSED)
    with pytest.raises(AssertionError, match="is disputed"):
        exchange.settle(TICKER, CLOSED)
    told = f.Determined(TICKER, "scalar", 2500, CLOSED)
    assert [told] == exchange.amend_result(TICKER, "scalar", 2500, CLOSED)
    paid = [fact for fact in exchange.settle(TICKER, CLOSED) if isinstance(fact, f.PaidOut)]
    assert [250_000] == [fact.payout for fact in paid]


def test_a_settlement_may_be_told_twice_and_is_paid_once() -> None:
    """The second message moves nothing."""
    exchange = exchange_of()
    placed(exchange, "sim:x", "ask", 4000, 100)
    placed(exchange, "a", "bid", 4000, 100)
    exchange.advance(CLOSED)
    exchange.determine(TICKER, "yes", 10_000, CLOSED)
    exchange.settle(TICKER, CLOSED)
    cash = dict(exchange.accounts["a"].cash)
    later = CLOSED + SECOND
    assert [f.Settled(TICKER, later)] == exchange.settle(TICKER, later, is_told_again=True)
    assert cash == exchange.accounts["a"].cash


def test_a_settlement_tells_the_cash_it_made() -> None:
    """Of every account that was paid."""
    exchange = exchange_of()
    placed(exchange, "b", "ask", 4000, 100)
    placed(exchange, "a", "bid", 4000, 100)
    exchange.advance(CLOSED)
    exchange.determine(TICKER, "no", 0, CLOSED)
    told = [fact for fact in exchange.settle(TICKER, CLOSED) if isinstance(fact, CashChanged)]
    assert [
        CashChanged(name, SHARD, exchange.accounts[name].cash[SHARD], CLOSED) for name in ("a", "b")
    ] == told


def test_an_events_own_fees_stand_in_for_its_series() -> None:
    """For new fills, and for what makers reserve; lifted, the series' are in force again."""
    exchange = exchange_of()
    event = exchange.markets[TICKER].spec.event_ticker
    series = exchange.markets[TICKER].spec.fees
    own = Fees("quadratic_with_maker_fees", 2 * MONEY_ONE)
    placed(exchange, "a", "bid", 5000, 100)
    account = exchange.accounts["a"]
    assert 500_000 == account.reserved(SHARD)
    expected = f.EventFeesChanged(event, "quadratic_with_maker_fees", 2 * MONEY_ONE, T0)
    assert [expected] == exchange.change_event_fees(event, own, T0)
    assert 500_000 + 8_750 == account.reserved(SHARD)
    exchange.change_event_fees(event, Fees("quadratic", 3 * MONEY_ONE), T0)
    record = exchange.markets[TICKER].record()
    assert series == Market.from_record(record).series_fees
    assert [f.EventFeesChanged(event, None, None, T0)] == exchange.change_event_fees(event, None, T0)
    assert (series, 500_000) == (exchange.markets[TICKER].spec.fees, account.reserved(SHARD))


def test_a_recorded_level_that_crosses_fills_our_order() -> None:
    """At our price, as maker, and what it took is taken from the recorded level."""
    exchange = exchange_of(is_shadow=True)
    exchange.apply_snapshot(TICKER, ((3900, 500),), ((5900, 500),), T0)
    placed(exchange, "a", "bid", 4000, 100)
    facts = exchange.apply_delta(TICKER, "no", 6100, 60, T0)
    fills = [fact for fact in facts if isinstance(fact, f.Filled)]
    assert [(4000, 60, False)] == [(fill.price, fill.qty, fill.is_taker) for fill in fills]
    assert {("yes", 3900): 500, ("yes", 4000): 40, ("no", 5900): 500} == shown(exchange)


def test_our_taker_takes_recorded_depth() -> None:
    """A crossing order trades with the tape at the recorded prices, best first."""
    exchange = exchange_of(is_shadow=True)
    exchange.apply_snapshot(TICKER, (), ((5900, 50), (6000, 50)), T0)
    order = placed(exchange, "a", "bid", 4100, 80)
    assert ("executed", 80, 4000 * 50 + 4100 * 30) == (order.status, order.filled, order.taker_cost)
    assert {("no", 5900): 20} == shown(exchange)


def test_a_recorded_print_fills_what_it_goes_through() -> None:
    """A print below our bid fills it at our price, and is itself told as recorded."""
    exchange = exchange_of(is_shadow=True)
    exchange.apply_snapshot(TICKER, ((4000, 500),), (), T0)
    placed(exchange, "a", "bid", 4000, 100)
    facts = exchange.apply_print(TICKER, "t-1", 3900, 70, "no", T0)
    assert f.Traded(TICKER, "t-1", 3900, 70, "no", T0) == facts[-1]
    assert 70 == exchange.accounts["a"].qty(TICKER)


def test_a_recorded_summary_is_the_markets_own() -> None:
    """Last price, volume and open interest are the tape's."""
    exchange = exchange_of(is_shadow=True)
    told = f.TickerTold(TICKER, 4000, 4100, 100, 100, 4050, 10, 12_300, 4_500, T0)
    assert [told] == exchange.apply_ticker(told)
    market = exchange.markets[TICKER]
    assert (4050, 12_300, 4_500) == (market.last, market.volume, market.open_interest)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("delta"), st.sampled_from(("yes", "no")), st.integers(40, 60), st.integers(-300, 300)
            ),
            st.tuples(
                st.just("place"), st.sampled_from(("bid", "ask")), st.integers(40, 60), st.integers(1, 300)
            ),
            st.tuples(
                st.just("print"), st.sampled_from(("yes", "no")), st.integers(40, 60), st.integers(1, 300)
            ),
            st.tuples(st.just("snapshot"), st.just("yes"), st.integers(40, 49), st.integers(1, 300)),
        ),
        max_size=40,
    )
)
def test_a_tapes_book_is_what_was_told(acts: list[tuple[str, str, int, int]]) -> None:
    """Whatever tape and orders do, listeners can rebuild the shown book, and nobody owes."""
    exchange = exchange_of(is_shadow=True)
    told = rebuilt(exchange.apply_snapshot(TICKER, ((4000, 100),), ((5000, 100),), T0))
    for act, side, cents, qty in acts:
        price = cents * 100
        match act:
            case "delta":
                way: Side = "yes" if side == "yes" else "no"
                # The recording holds no less than what is shown less our own part.
                if (
                    exchange.markets[TICKER].book.size(way, price)
                    - _own(exchange_orders(exchange), way, price)
                    < -qty
                ):
                    continue
                rebuilt(exchange.apply_delta(TICKER, way, price, qty, T0), told)
            case "place":
                request = NewOrder("a", TICKER, side, price, qty)  # type: ignore[arg-type]
                rebuilt(exchange.place(request, T0)[1], told)
            case "print":
                rebuilt(exchange.apply_print(TICKER, "t", price, qty, side, T0), told)  # type: ignore[arg-type]
            case _:
                rebuilt(exchange.apply_snapshot(TICKER, ((price, qty),), ((5000, qty),), T0), told)
        assert shown(exchange) == told
        assert exchange.accounts["a"].cash[SHARD] >= 0


def exchange_orders(exchange: object) -> list[tuple[str, int, int]]:
    from daemon.exchange.exchange import Exchange
    from daemon.exchange.matching import outcome

    assert isinstance(exchange, Exchange)
    return [
        (outcome(order.side), order.own_price, order.remaining)
        for order in exchange.markets[TICKER].book.orders()
    ]


def _own(orders: list[tuple[str, int, int]], side: str, price: int) -> int:
    return sum(qty for way, level, qty in orders if (way, level) == (side, price))


def test_what_no_longer_expires_is_not_kept() -> None:
    """An expiry that is moved ten thousand times, years ahead, leaves no trail; the last one counts."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 4000, 100, expires_at=T0 + HOUR)
    for number in range(10_000):
        exchange.amend(
            Amendment("a", order.order_id, TICKER, "bid", 4000, 100, expires_at=LATER - number), T0
        )
    exchange.amend(Amendment("a", order.order_id, TICKER, "bid", 4000, 100, expires_at=T0 + 5), T0)
    assert len(exchange._expiries) <= 1025
    assert [] == exchange.advance(T0 + 4)
    assert "ExpiryCancel" in str(exchange.advance(T0 + 5))


def test_what_the_clock_brings_about_comes_in_the_order_of_time() -> None:
    """However far it leaps; in one instant markets are told as they were listed, and each change once."""
    exchange = exchange_of()
    early, late = spec_of("EARLY"), spec_of("LATE")
    exchange.list_market(late, T0)
    exchange.list_market(early, T0)
    exchange.move_close("LATE", CLOSED + SECOND, T0)
    exchange.move_close("EARLY", CLOSED - SECOND, T0)
    closed = [fact.ticker for fact in exchange.advance(CLOSED + HOUR) if isinstance(fact, f.MarketClosed)]
    assert ["EARLY", TICKER, "LATE"] == closed
    assert [] == exchange.advance(CLOSED + 2 * HOUR)


def test_a_listing_costs_the_same_however_many_markets_there_are() -> None:
    """Only what is due is looked at: no market is touched by another one's listing, or by a quiet clock."""
    exchange = exchange_of()
    looks: list[str] = []

    class Watched(dict[str, Market]):
        def __getitem__(self, ticker: str) -> Market:
            looks.append(ticker)
            return super().__getitem__(ticker)

    for number in range(50):
        exchange.list_market(spec_of(f"M{number}"), T0)
    exchange.markets = Watched(exchange.markets)
    exchange.list_market(spec_of("NEW"), T0)
    exchange.advance(T0 + SECOND)
    assert {"NEW"} == set(looks)
