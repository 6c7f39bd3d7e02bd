"""Tests of orders on the whole exchange."""

from __future__ import annotations

from daemon.core.units import MINUTE, Qty
from daemon.exchange import facts as f
from daemon.exchange.accounts import Account
from daemon.exchange.cash_facts import CashChanged
from daemon.exchange.exchange import Exchange
from daemon.exchange.requests import Amendment, NewOrder, Refused
from tests.exchange.venues import (
    CASH,
    CLOSED,
    SHARD,
    T0,
    TICKER,
    exchange_of,
    placed,
    refused,
    shown,
)


def amended(exchange: Exchange, order: f.OrderState, price: int, qty: Qty, **terms: object) -> object:
    request = Amendment(order.account, order.order_id, TICKER, order.side, price, qty, **terms)  # type: ignore[arg-type]
    return exchange.amend(request, T0)[0]


def test_trades_are_at_the_resting_price_and_told_in_order() -> None:
    """Price improvement goes to the taker; orders come first, then fills, positions, cash, levels, trades."""
    exchange = exchange_of()
    placed(exchange, "b", "ask", 5500, 100)
    taken, facts = exchange.place(NewOrder("a", TICKER, "bid", 6000, 100), T0)
    assert isinstance(taken, f.OrderState)
    assert ("executed", 100, 550_000) == (taken.status, taken.filled, taken.taker_cost)
    assert [
        f.OrderChanged,
        f.OrderChanged,
        f.Filled,
        f.Filled,
        *[f.PositionChanged, f.PositionChanged, CashChanged, CashChanged],
        *[f.LevelChanged, f.Traded],
    ] == [type(fact) for fact in facts]
    assert [5500] == [fact.price for fact in facts if isinstance(fact, f.Traded)]


def test_the_rest_of_a_gtc_order_rests() -> None:
    """What is left of a partly filled order rests at its limit and is told with its client order id."""
    exchange = exchange_of()
    placed(exchange, "sim:x", "ask", 5500, 40)
    order, facts = exchange.place(NewOrder("a", TICKER, "bid", 6000, 100, client_order_id="mine"), T0)
    assert isinstance(order, f.OrderState)
    assert ("resting", 40, 60) == (order.status, order.filled, order.remaining)
    assert f.LevelChanged(TICKER, "yes", 6000, 60, T0, "a", "mine") in facts


def test_an_ioc_order_never_rests() -> None:
    """What can't be filled at once is cancelled: 0 filled and 0 remaining is a success."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 5000, 100, time_in_force="immediate_or_cancel")
    assert ("canceled", 0, 0, 100) == (order.status, order.filled, order.remaining, order.canceled)
    assert {} == shown(exchange)


def test_a_fok_order_is_all_or_nothing() -> None:
    """Too little volume refuses it; enough fills it."""
    exchange = exchange_of()
    expected = ("invalid_order", "fill or kill insufficient volume")
    placed(exchange, "b", "ask", 5000, 90)
    assert expected == refused(exchange, "a", "bid", 5000, 100, time_in_force="fill_or_kill")
    assert "executed" == placed(exchange, "a", "bid", 5000, 90, time_in_force="fill_or_kill").status


def test_refusals_have_the_venues_codes() -> None:
    """Each broken rule has its own code, and nothing changes."""
    exchange = exchange_of()
    placed(exchange, "b", "ask", 5000, 100)
    placed(exchange, "a", "bid", 1000, 100, client_order_id="used")
    found = [
        refused(exchange, "a", "bid", 5005, 100),
        refused(exchange, "a", "bid", 4000, 0),
        refused(exchange, "a", "bid", 5000, 100, post_only=True),
        refused(exchange, "a", "bid", 4000, 100, client_order_id="used"),
        refused(exchange, "a", "bid", 4000, 100, reduce_only=True),
        refused(exchange, "a", "bid", 4000, 100, expires_at=T0),
        refused(exchange, "a", "bid", 9900, 10_000_000),
        refused(exchange, "a", "bid", 4000, 100, CLOSED),
    ]
    assert [
        ("invalid_price", None),
        ("invalid_order_size", None),
        ("invalid_order", "post only cross"),
        ("order_already_exists", None),
        ("invalid_order", "reduce_only can only be used with IoC or FoK orders"),
        ("invalid_order", "Expiration timestamp must be in the future"),
        ("insufficient_balance", None),
        ("market_inactive", None),
    ] == found
    unknown, _ = exchange.place(NewOrder("a", "NOWHERE", "bid", 4000, 100), T0)
    assert Refused("market_not_found") == unknown


def test_a_client_order_id_is_used_for_ever() -> None:
    """Even a cancelled order's client order id can't be used again; another account may use it."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 4000, 100, client_order_id="once")
    exchange.cancel("a", order.order_id, T0)
    assert ("order_already_exists", None) == refused(exchange, "a", "bid", 4000, 100, client_order_id="once")
    placed(exchange, "b", "bid", 4000, 100, client_order_id="once")


def test_reduce_only_is_capped_by_the_position() -> None:
    """A reduce-only order closes what is held and no more."""
    exchange = exchange_of()
    placed(exchange, "sim:x", "ask", 5000, 100)
    placed(exchange, "a", "bid", 5000, 100)
    placed(exchange, "sim:x", "bid", 4900, 500)
    order = placed(exchange, "a", "ask", 4900, 500, reduce_only=True, time_in_force="immediate_or_cancel")
    assert (100, 100, 0) == (order.initial, order.filled, exchange.accounts["a"].qty(TICKER))


def test_a_taker_that_meets_itself_is_cancelled() -> None:
    """taker_at_cross: the resting order stays, the arriving one ends, earlier fills stand."""
    exchange = exchange_of()
    placed(exchange, "b", "ask", 5000, 50)
    own = placed(exchange, "a", "ask", 5100, 100)
    order = placed(exchange, "a", "bid", 5100, 100)
    assert ("canceled", 50, "SelfTradeCancel") == (order.status, order.filled, order.reason)
    resting = exchange.find("a", own.order_id)
    assert resting is not None
    assert ("resting", 100) == (resting.status, resting.remaining)


def test_with_maker_prevention_the_resting_order_is_cancelled() -> None:
    """maker: the own resting order ends and matching goes on."""
    exchange = exchange_of()
    own = placed(exchange, "a", "ask", 5000, 100)
    placed(exchange, "b", "ask", 5100, 100)
    order = placed(exchange, "a", "bid", 5100, 100, self_trade_prevention="maker")
    assert ("executed", 100) == (order.status, order.filled)
    ended = exchange.find("a", own.order_id)
    assert ended is not None
    assert ("canceled", "SelfTradeCancel") == (ended.status, ended.reason)


def test_a_cancel_tells_what_rested_and_works_once() -> None:
    """The second cancel, a stranger's and one of an unknown order are all not_found."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 4000, 100)
    assert Refused("not_found") == exchange.cancel("b", order.order_id, T0)[0]
    assert 100 == exchange.cancel("a", order.order_id, T0)[0]
    assert Refused("not_found") == exchange.cancel("a", order.order_id, T0)[0]
    assert Refused("not_found") == exchange.cancel("a", "nothing", T0)[0]
    assert CASH == exchange.accounts["a"].available(SHARD)


def test_cancel_all_takes_every_resting_order() -> None:
    """All orders of the account go, nobody else's."""
    exchange = exchange_of()
    for price in (3000, 4000):
        placed(exchange, "a", "bid", price, 100)
    placed(exchange, "b", "bid", 3500, 100)
    assert 2 == exchange.cancel_all("a", T0)[0]
    assert {("yes", 3500): 100} == shown(exchange)


def test_only_a_smaller_count_keeps_the_queue_place() -> None:
    """Less, or nothing but another expiry, keeps the place; more, or another price, goes to the back."""
    exchange = exchange_of()
    first, second = placed(exchange, "a", "bid", 4000, 100), placed(exchange, "b", "bid", 4000, 100)
    book = exchange.markets[TICKER].book
    amended(exchange, first, 4000, 60)
    order, other = exchange.find("a", first.order_id), exchange.find("b", second.order_id)
    assert order is not None
    assert other is not None
    assert (0, 60) == (book.ahead(order), book.ahead(other))
    amended(exchange, first, 4000, 60, expires_at=T0 + MINUTE)
    assert (0, 60, T0 + MINUTE) == (book.ahead(order), book.ahead(other), order.expires_at)
    amended(exchange, first, 4000, 120)
    assert (100, 0) == (book.ahead(order), book.ahead(other))


def test_an_amend_counts_what_is_filled() -> None:
    """The amended count is filled plus resting, and an amend may trade."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 4000, 100)
    placed(exchange, "sim:x", "ask", 4000, 30)
    found = amended(exchange, order, 4000, 80)
    assert isinstance(found, f.OrderState)
    assert (80, 30, 50) == (found.initial, found.filled, found.remaining)
    placed(exchange, "sim:x", "ask", 4500, 100)
    found = amended(exchange, order, 4500, 80)
    assert isinstance(found, f.OrderState)
    assert ("executed", 80) == (found.status, found.filled)


def test_an_amend_that_would_cross_ends_a_post_only_order() -> None:
    """It is accepted and cancelled, for PostOnlyCrossCancel."""
    exchange = exchange_of()
    placed(exchange, "b", "ask", 5000, 100)
    order = placed(exchange, "a", "bid", 4000, 100, post_only=True)
    found = amended(exchange, order, 5000, 100)
    assert isinstance(found, f.OrderState)
    assert ("canceled", 0, "PostOnlyCrossCancel") == (found.status, found.filled, found.reason)


def test_amend_refusals_have_the_venues_codes() -> None:
    """A mismatch with the order, a used id, a count already filled and too little cash are refused."""
    exchange = exchange_of()
    placed(exchange, "a", "bid", 1000, 1, client_order_id="used")
    order = placed(exchange, "a", "bid", 4000, 100, client_order_id="mine")
    asked = Amendment("a", order.order_id, TICKER, "ask", 4000, 100)
    assert Refused("order_side_mismatch") == exchange.amend(asked, T0)[0]
    assert Refused("order_id_and_client_order_id_mismatch") == amended(
        exchange, order, 4000, 100, client_order_id="other"
    )
    assert Refused("order_already_exists") == amended(
        exchange, order, 4000, 100, updated_client_order_id="used"
    )
    assert Refused("invalid_order", "invalid amend quantity for order") == amended(exchange, order, 4000, 0)
    assert Refused("invalid_price") == amended(exchange, order, 4005, 100)
    assert Refused("insufficient_balance") == amended(exchange, order, 9000, 1_000_000)


def test_a_decrease_keeps_the_order_and_its_place() -> None:
    """By an amount or to one; to zero ends the order."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 4000, 100)
    found, _ = exchange.decrease("a", order.order_id, 30, T0, is_target=False)
    assert isinstance(found, f.OrderState)
    assert (100, 70, 30) == (found.initial, found.remaining, found.canceled)
    found, _ = exchange.decrease("a", order.order_id, 0, T0, is_target=True)
    assert isinstance(found, f.OrderState)
    assert "canceled" == found.status
    assert Refused("not_found") == exchange.decrease("a", order.order_id, 1, T0, is_target=False)[0]


def test_an_expired_order_is_cancelled() -> None:
    """At its expiry, not before."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 4000, 100, expires_at=T0 + MINUTE)
    assert [] == exchange.advance(T0 + MINUTE - 1)
    exchange.advance(T0 + MINUTE)
    found = exchange.find("a", order.order_id)
    assert found is not None
    assert ("canceled", "ExpiryCancel") == (found.status, found.reason)


def test_an_adopted_account_goes_on_where_it_was() -> None:
    """Cash, positions, resting orders, reservations and used ids come back from what was kept."""
    exchange = exchange_of()
    placed(exchange, "sim:x", "ask", 5000, 50)
    placed(exchange, "a", "bid", 5000, 50)
    placed(exchange, "a", "bid", 4000, 100, client_order_id="resting")
    old = exchange.accounts["a"]
    kept = Account("a")
    kept.cash = dict(old.cash)
    again = Exchange(lambda: "new")
    again.adopt(
        [kept],
        [exchange.markets[TICKER].record()],
        [order.state() for order in old.orders.values()],
        [old.holdings[TICKER].told("a", TICKER, T0)],
    )
    assert (old.available(SHARD), 50) == (kept.available(SHARD), kept.qty(TICKER))
    assert {("yes", 4000): 100} == shown(again)
    assert ("order_already_exists", None) == refused(again, "a", "bid", 4000, 1, client_order_id="resting")
