"""What the account is worth and what it could lose, over all markets, from the beliefs in `State`."""

from __future__ import annotations

from daemon.core.orders import Stake
from daemon.core.risk import worst_loss
from daemon.core.state import State
from daemon.core.units import PRICE_ONE, Money, Price


def cash_free(state: State) -> Money:
    """Return cash less what open orders may still take of it; 0 before the first reading."""
    stakes = [order.stake for order in state.orders.values()]
    taken = sum(qty * (price if side == "bid" else PRICE_ONE - price) for side, price, qty in stakes)
    return (state.ledger.cash or 0) - taken


def loss_elsewhere(state: State, ticker: str) -> Money:
    """Return the sum of the worst losses of all markets but one, everything that may still trade included."""
    stakes: dict[str, list[Stake]] = {name: [] for name in state.ledger.positions}
    for order in state.orders.values():
        stakes.setdefault(order.ticker, []).append(order.stake)
    return sum(
        worst_loss(state.ledger.positions.get(name), theirs)
        for name, theirs in stakes.items()
        if name != ticker
    )


def mark(state: State, ticker: str) -> Price | None:
    """Return what one YES contract is taken to be worth: its settlement price, or its book's mid.

    None where neither is known.
    """
    market = state.markets.get(ticker)
    if market is None:
        return None
    if market.settlement_price is not None:
        return market.settlement_price
    bid, ask = market.book.bid, market.book.ask
    return None if bid is None or ask is None else (bid + ask) // 2


def marked_equity(state: State) -> Money | None:
    """Return cash plus positions at their mark, at cost where none is; None before the first reading."""
    if state.ledger.cash is None:
        return None
    total = state.ledger.cash
    for ticker, position in state.ledger.positions.items():
        if position.qty:
            price = mark(state, ticker)
            total += position.cost if price is None else position.value(price)
    return total
