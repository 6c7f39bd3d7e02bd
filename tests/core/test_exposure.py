"""Exposure: what the account is worth, and what all other markets add to one proposal."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.exposure import (
    Beyond,
    beyond,
    cash_free,
    event_losses,
    event_of,
    is_ladder,
    mark,
    marked_equity,
)
from daemon.core.state import State
from daemon.core.units import MINUTE, MONEY_ONE, BookSide
from tests.core.worlds import CASH, NOW, TICKER, Scripted, snapshot, spec, trading

EVENT = spec().event_ticker
HIGHER = f"{EVENT}-T110"


def fill(
    ticker: str, side: BookSide = "bid", price: int = 6_000, qty: int = 100, trade: str = ""
) -> e.OrderFilled:
    """One of our fills: one contract at 60 cents."""
    return e.OrderFilled(
        f"t-{ticker}-{side}",
        "o",
        None,
        ticker,
        side,
        price,
        qty,
        0,
        True,
        NOW,
        None,
    )


def world(*tickers: str, **changes: object) -> Engine:
    """An engine that trades, with more markets like the first one."""
    subject = trading(Scripted())
    for ticker in tickers:
        subject.handle(e.MarketListed(spec(ticker, event_ticker=EVENT, **changes), NOW))
        subject.handle(snapshot(NOW, ticker))
    return subject


def seen(state: State) -> Beyond:
    """What the others add to the first market."""
    return beyond(state, state.markets[TICKER])


def test_equity_is_marked_at_the_mid_and_at_cost_without_a_book() -> None:
    """100 contracts bought at 42, mid 41; then the book is lost; then the result is known."""
    state = trading(Scripted()).state
    state.apply(e.OrderFilled("t", "o", None, TICKER, "bid", 4_200, 10_000, 0, True, NOW, None))
    assert mark(state, TICKER) == 4_100
    assert marked_equity(state) == CASH - MONEY_ONE
    state.apply(e.BookLost(TICKER, "gap", NOW))
    assert marked_equity(state) == CASH
    state.apply(e.MarketDetermined(TICKER, "no", 0, NOW))
    assert marked_equity(state) == CASH - 42 * MONEY_ONE
    assert mark(state, "never heard of") is None


def test_a_thin_book_makes_no_loss_and_an_empty_side_hides_none() -> None:
    """100 contracts bought at 42: the bids go, one cent is left; then nobody bids and all offer at a cent."""
    state = trading(Scripted()).state
    state.apply(e.OrderFilled("t", "o", None, TICKER, "bid", 4_200, 10_000, 0, True, NOW, None))
    state.apply(snapshot(NOW, yes=((100, 50_000),), no=((100, 50_000),)))
    assert marked_equity(state) == CASH
    state.apply(snapshot(NOW, yes=(), no=((9_900, 50_000),)))
    assert marked_equity(state) == CASH - 41_500_000


def test_a_position_elsewhere_is_a_loss_and_a_cost_elsewhere() -> None:
    """One that we know nothing of counts in no event, series or settlement of ours, but in all totals."""
    state = trading(Scripted()).state
    state.apply(fill("OTHER-1-2", "ask", 4_000))
    assert cash_free(state, 2) == CASH - 600_000
    assert seen(state) == Beyond((), 0, 600_000, 0, 0, 0, 100, 600_000)
    assert event_losses(state) == {"OTHER-1": 600_000}
    assert event_of(state, "LONE") == "LONE"


def test_an_order_can_take_its_own_shards_cash_only() -> None:
    """Other shards' is worth nothing to it; where no parts were told, all of it counts."""
    state = trading(Scripted()).state
    assert [CASH, CASH] == [cash_free(state, shard) for shard in (0, 2)]
    parts = ((0, CASH - 500), (2, 500))
    state.ledger.adopt(e.AccountReconciled(NOW, NOW, CASH, (), (), (), cash_by_shard=parts))
    assert [CASH - 500, 500, 0] == [cash_free(state, shard) for shard in (0, 2, 3)]


def test_the_other_strikes_of_an_event_are_one_ladder_on_a_known_underlying() -> None:
    """YES above 100 and NO above 110 at 60 cents each cost 1.20 $, and one of them wins."""
    subject = world(HIGHER, strike=85_000 * MONEY_ONE)
    state = subject.state
    assert is_ladder(state.markets[TICKER])
    state.apply(fill(HIGHER, "ask", 4_000))
    state.apply(fill(TICKER))
    found = seen(state)
    assert (found.event_reach, found.series_reach, found.settlement_reach, found.total_reach) == (100,) * 4
    assert [one.results.loss for one in found.event_markets] == [600_000]
    assert event_losses(state) == {EVENT: 200_000}
    # One leg is paid out: what it brought is not forgotten while the other one is open.
    state.apply(e.MarketDetermined(TICKER, "yes", 10_000, NOW))
    state.apply(e.MarketSettled(TICKER, NOW))
    assert event_losses(state) == {EVENT: 200_000}
    assert seen(state).event_realized == 400_000


def test_markets_that_close_together_on_one_underlying_settle_together() -> None:
    """Another event, another series, one instant: one surprise moves both. A minute later is another one."""
    subject = world()
    other = spec("KXBTCD-1-T1", series_ticker="KXBTCD", event_ticker="KXBTCD-1")
    later = spec(
        "KXBTCD-2-T1", series_ticker="KXBTCD", event_ticker="KXBTCD-2", close_at=spec().close_at + MINUTE
    )
    elsewhere = spec("KXETHD-1-T1", series_ticker="KXETHD", event_ticker="KXETHD-1")
    for market in (other, later, elsewhere):
        subject.handle(e.MarketListed(market, NOW))
        subject.state.apply(fill(market.ticker))
    found = seen(subject.state)
    assert (found.event_reach, found.series_reach, found.settlement_reach, found.total_reach) == (
        0,
        0,
        100,
        300,
    )
    assert found.other_events_loss == 3 * 600_000


def test_an_event_whose_markets_are_all_flat_is_over() -> None:
    """What was lost there is the ledger's, and no loss that can still come."""
    state = trading(Scripted()).state
    state.apply(fill("OTHER-1-2", "bid", 6_000))
    state.apply(fill("OTHER-1-2", "ask", 5_000))
    assert event_losses(state) == {}
    assert seen(state).other_events_loss == 0
