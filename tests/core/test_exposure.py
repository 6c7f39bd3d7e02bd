"""Exposure: what the account is worth, and what it could lose elsewhere."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.exposure import cash_free, loss_elsewhere, mark, marked_equity
from daemon.core.units import MONEY_ONE, PRICE_ONE
from tests.core.worlds import CASH, NOW, TICKER, Scripted, trading


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


def test_free_cash_and_losses_elsewhere_count_positions() -> None:
    """A position in another market is a loss elsewhere."""
    state = trading(Scripted()).state
    state.apply(e.OrderFilled("t", "o", None, "OTHER", "ask", 4_000, 100, 0, True, NOW, None))
    assert loss_elsewhere(state, TICKER) == 60 * PRICE_ONE
    assert loss_elsewhere(state, "OTHER") == 0
    assert cash_free(state) == CASH - 60 * PRICE_ONE
