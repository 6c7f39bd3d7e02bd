"""Tests of cash, collateral and reservations."""

from __future__ import annotations

from daemon.core.markets import Fees
from daemon.core.units import MONEY_ONE
from daemon.exchange.accounts import Account, reserve
from tests.exchange.venues import CASH, SHARD, T0, TICKER, exchange_of, order_of, placed

FREE = Fees("quadratic", MONEY_ONE)


def test_buying_yes_locks_the_price_and_selling_locks_the_rest() -> None:
    """A bid at P reserves P a contract, an ask 1 - P."""
    assert 4000 * 100 == reserve(0, [order_of("1", "a", "bid", 4000, 100)], FREE)
    assert 3500 * 100 == reserve(0, [order_of("1", "a", "ask", 6500, 100)], FREE)


def test_held_contracts_cover_the_best_priced_order_first() -> None:
    """What closes needs no cash; price priority says which order closes."""
    asks = [order_of("1", "a", "ask", 7000, 100), order_of("2", "a", "ask", 6000, 100)]
    assert 3000 * 100 == reserve(100, asks, FREE)
    assert 0 == reserve(200, asks, FREE)
    assert 3000 * 100 + 4000 * 50 == reserve(50, asks, FREE)


def test_makers_that_pay_fees_reserve_them() -> None:
    """Where makers pay, a resting order reserves its fee too: 0.0175 x P x (1-P) a contract."""
    paying = Fees("quadratic_with_maker_fees", MONEY_ONE)
    assert 500_000 + 4_375 == reserve(0, [order_of("1", "a", "bid", 5000, 100)], paying)


def test_a_fill_moves_cash_position_and_reservation() -> None:
    """1 contract at 0.52 taken costs 0.5375 (recorded), and nothing stays reserved."""
    exchange = exchange_of()
    placed(exchange, "sim:x", "ask", 5200, 100)
    placed(exchange, "a", "bid", 5200, 100)
    account = exchange.accounts["a"]
    assert CASH - 537_500 == account.cash[SHARD]
    assert (100, 520_000, 17_500) == (
        account.qty(TICKER),
        account.holdings[TICKER].cost,
        account.holdings[TICKER].fees,
    )
    assert CASH - 537_500 == account.available(SHARD)


def test_selling_what_is_held_frees_cash_at_the_trade_price() -> None:
    """Closing needs no collateral: with all cash spent it still works."""
    exchange = exchange_of()
    account = exchange.accounts["a"]
    placed(exchange, "a", "bid", 5000, 100)
    placed(exchange, "sim:x", "ask", 5000, 100)
    account.cash[SHARD] = 0
    placed(exchange, "sim:x", "bid", 6000, 100)
    placed(exchange, "a", "ask", 6000, 100, time_in_force="immediate_or_cancel")
    assert (0, 600_000 - 16_800) == (account.qty(TICKER), account.cash[SHARD])


def test_a_settlement_pays_a_position_once() -> None:
    """YES pays the settlement price, NO the rest; a second time pays nothing."""
    account = Account("a")
    holding = account.holding(TICKER, SHARD)
    holding.trade(-100, 4000)
    assert 1_000_000 == account.apply_settlement(TICKER, 0, T0)
    assert 0 == account.apply_settlement(TICKER, 0, T0)
    assert (0, 400_000) == (holding.qty, holding.realized)


def test_the_house_is_not_checked() -> None:
    """An account of the house trades without cash, and its reservations are not computed."""
    account = Account("sim:x", is_house=True)
    assert account.affords(order_of("1", "sim:x", "bid", 5000, 10**9), 0, FREE)
    assert 0 == account.reserved(SHARD)
