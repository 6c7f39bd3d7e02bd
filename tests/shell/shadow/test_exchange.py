"""The shadow account on streamed books: what fills, what is not taken, and whose word ends a market."""

from __future__ import annotations

import pytest

from daemon.core import events as e
from daemon.core.units import MINUTE, MONEY_ONE, PRICE_ONE, QTY_ONE, SECOND
from daemon.exchange.requests import Amendment, Refused
from daemon.shell.shadow.exchange import ACCOUNT, ORDERS_KEPT, UNKNOWN_BOOK
from tests.exchange.venues import T0, TICKER
from tests.shell.shadow.paper import CASH, NOW, Paper, delta, snapshot, spec


def test_a_crossing_order_takes_what_is_shown_and_waits_for_the_rest() -> None:
    """At the shown prices, no deeper than there is; cash and position are exact."""
    paper = Paper()
    order = paper.resting("bid", 4_200, 5 * QTY_ONE)
    assert ("resting", 300, 200) == (order.status, order.filled, order.remaining)
    assert [(4_200, 300, True)] == [(fill.price, fill.qty, fill.is_taker) for fill in paper.fills]
    fee = paper.fills[0].fee
    assert CASH - 3 * 4_200 * 100 - fee == paper.cash
    assert 300 == paper.shadow.account.qty(TICKER)


def test_a_resting_order_stands_behind_all_that_was_there() -> None:
    """A print at its price eats the queue first; what is left of it fills us."""
    paper = Paper()
    paper.resting("bid", 4_000)
    paper.hear(e.TradePrinted(TICKER, "t1", 4_000, 300, "no", NOW, NOW))
    assert [] == paper.fills
    paper.hear(e.TradePrinted(TICKER, "t2", 4_000, 40, "no", NOW, NOW))
    assert [(40, False)] == [(fill.qty, fill.is_taker) for fill in paper.fills]


def test_a_book_that_comes_to_our_price_fills_us() -> None:
    """An ask at our bid would have met us."""
    paper = Paper()
    paper.resting("bid", 4_100)
    paper.hear(delta("no", 5_900, 60))
    assert [(4_100, 60)] == [(fill.price, fill.qty) for fill in paper.fills]


@pytest.mark.parametrize(
    "loss",
    [
        e.BookLost(TICKER, "gap", NOW),
        e.FeedDropped("kalshi", "cut", NOW),
        e.MarketRouted(TICKER, "kalshi-2", NOW),
        e.BookSnapshotReceived(TICKER, ((4_000, 0),), (), NOW, NOW),
    ],
)
def test_a_book_that_was_lost_takes_no_order_until_its_next_snapshot(loss: e.Event) -> None:
    """Filling on what the book once was would be a lie; cancels pass."""
    paper = Paper()
    order = paper.resting("bid", 4_000)
    paper.hear(loss, delta("no", 6_000, 500))
    assert [] == paper.fills, "a delta of a book that is not known moves nothing"
    assert UNKNOWN_BOOK == paper.place("bid", 4_200)
    amendment = Amendment(ACCOUNT, order.order_id, TICKER, "bid", 4_100, QTY_ONE)
    assert UNKNOWN_BOOK == paper.shadow.amend(amendment, NOW)[0]
    assert QTY_ONE == paper.shadow.cancel(order.order_id, NOW)[0]
    paper.hear(snapshot())
    assert not isinstance(paper.place("bid", 4_200), Refused)


def test_another_connections_end_is_not_this_books() -> None:
    """Only what came over the connection that dropped is unknown."""
    paper = Paper()
    paper.hear(e.FeedDropped("kalshi-2", "cut", NOW), e.FeedDropped("kraken", "cut", NOW))
    assert not isinstance(paper.place("bid", 4_000), Refused)


def test_nobody_listed_it_nobody_trades_it() -> None:
    """Books and prints of unknown markets are counted, orders there refused by the venue's word."""
    paper = Paper(is_listed=False)
    paper.hear(snapshot(), delta("yes", 4_000, 1), e.TradePrinted(TICKER, "t", 4_000, 1, "yes", NOW, NOW))
    assert 1 == paper.shadow.counts["unlisted_snapshots"]
    assert Refused("market_not_found") == paper.place("bid", 4_000)


def test_cash_is_one_purse_on_all_shards() -> None:
    """A market of another shard finds the cash that nothing reserves; what is reserved stays."""
    paper = Paper()
    other = "KXBTC15M-26SEP251515-30"
    paper.hear(e.MarketListed(spec(other, exchange_index=1), NOW), snapshot(other))
    paper.resting("bid", 4_000, 1_000 * QTY_ONE)
    assert not isinstance(paper.place("bid", 4_000, 1_500 * QTY_ONE, ticker=other), Refused)
    assert Refused("insufficient_balance") == paper.place("bid", 4_000, 10 * QTY_ONE)
    assert CASH == paper.cash


def test_the_venues_result_pays() -> None:
    """Determined and settled by its events; told again, or first without a result, it pays once."""
    for is_early in (False, True):
        paper = Paper()
        paper.resting("bid", 4_200, 3 * QTY_ONE)
        resting = paper.resting("bid", 3_900)
        after = paper.cash
        at = NOW + MINUTE
        determined, settled = e.MarketDetermined(TICKER, "yes", PRICE_ONE, at), e.MarketSettled(TICKER, at)
        paper.hear(*((settled, determined) if is_early else (determined, settled)), settled, determined)
        assert after + 3 * MONEY_ONE == paper.cash
        assert 1 == len(paper.shadow.account.settlements)
        assert "canceled" == paper.shadow.account.orders[resting.order_id].status
        paper.hear(e.MarketDetermined(TICKER, "no", 0, at))
        assert 1 == paper.shadow.counts["results_changed_after_payout"]


def test_a_market_follows_its_listing() -> None:
    """Suspended, activated, closed, its end moved, its grid changed: as the venue tells."""
    paper = Paper()
    paper.hear(e.MarketStatusChanged(TICKER, "inactive", NOW))
    assert Refused("market_inactive") == paper.place("bid", 4_000)
    paper.hear(e.MarketStatusChanged(TICKER, "active", NOW), e.MarketListed(spec(), NOW))
    order = paper.resting("bid", 4_000)
    paper.hear(e.MarketCloseMoved(TICKER, NOW + SECOND, NOW))
    paper.shadow.advance(NOW + SECOND)
    assert "canceled" == paper.shadow.account.orders[order.order_id].status
    assert Refused("market_inactive") == paper.place("bid", 4_000, at=NOW + SECOND)


def test_a_paused_exchange_takes_cancels_only_and_fills_nothing() -> None:
    """As REST tells of it, for all shards or one."""
    paper = Paper()
    order = paper.resting("bid", 4_100)
    shards = (e.ShardStatus(2, True, False),)
    paper.hear(e.ExchangeStatusTold(True, True, shards, None, NOW), delta("no", 5_900, 100))
    assert ([], Refused("trading_is_paused")) == (paper.fills, paper.place("bid", 4_000))
    assert QTY_ONE == paper.shadow.cancel(order.order_id, NOW)[0]
    paper.hear(e.ExchangeStatusTold(False, False, (), None, NOW))
    assert Refused("exchange_is_paused") == paper.place("bid", 4_000)
    paper.hear(e.ExchangeStatusTold(True, True, (), None, NOW))
    assert not isinstance(paper.place("bid", 4_000), Refused)


def test_what_is_told_late_counts_as_of_now() -> None:
    """Time never goes back here, whatever an event's stamp says."""
    paper = Paper()
    paper.shadow.advance(NOW + MINUTE)
    order = paper.place("bid", 4_000, at=NOW)
    assert not isinstance(order, Refused)
    assert NOW + MINUTE == order.created_at


def test_what_is_over_is_forgotten() -> None:
    """Dropped markets in which nothing is held, and orders that ended long ago; positions are kept."""
    paper = Paper()
    order = paper.resting("bid", 4_200)
    paper.hear(e.MarketDropped(TICKER, NOW))
    later = NOW + ORDERS_KEPT + MINUTE
    paper.shadow.advance(later)
    assert order.order_id not in paper.shadow.account.orders
    assert TICKER in paper.shadow.exchange.markets
    paper.hear(e.MarketDetermined(TICKER, "no", 0, later), e.MarketSettled(TICKER, later))
    paper.shadow.advance(later + MINUTE)
    assert {} == paper.shadow.exchange.markets
    assert {} == paper.shadow.account.holdings


def test_it_starts_with_what_was_asked_for() -> None:
    """A new account has its cash and nothing else."""
    paper = Paper(is_listed=False)
    assert (CASH, {}, {}) == (paper.cash, paper.shadow.account.orders, paper.shadow.account.holdings)
    assert T0 <= NOW
