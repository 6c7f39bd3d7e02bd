"""What strategies of slow markets share: what they may size by, and a limit order close to the mid.

Pure functions of a view. A strategy needn't use them.
"""

from __future__ import annotations

from math import floor

from daemon.core.sizing import edge
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import MONEY_ONE, QTY_ONE, BookSide, Money, Price, Qty


def quotes(view: MarketView) -> tuple[Price, Price] | None:
    """Return the best bid and ask; None where a side is missing, or the book is locked or crossed."""
    bid, ask = view.book.best()
    return None if bid is None or ask is None or bid >= ask else (bid, ask)


def bankroll(view: MarketView) -> Money:
    """Return what a strategy's stakes are shares of: the equity, and no more than its own capital."""
    return view.equity if view.capital is None else min(view.equity, view.capital)


def contracts_for(
    dollars: float, view: MarketView, price: Price, side: BookSide, *, is_taker: bool = True
) -> Qty:
    """Return how many contracts an amount buys at a price, fee included; hundredths, floored."""
    cost = 1 - edge(1.0 if side == "bid" else 0.0, price, side, view.spec.fees, is_taker=is_taker)
    return max(0, floor(dollars / cost * QTY_ONE))


def share_of_bankroll(share: float, view: MarketView, price: Price, side: BookSide) -> Qty:
    """Return how many contracts a share (0 .. 1) of the bankroll buys at a price as a taker, floored."""
    return contracts_for(share * bankroll(view) / MONEY_ONE, view, price, side)


def near_mid(view: MarketView, side: BookSide, qty: Qty, away: Price, reason: str) -> Target | None:
    """Return a limit order that pays no more than `away` beyond the mid.

    It takes what is offered within that; where nothing is, it rests at the mid, or just before the other
    side. What rests is moved only once it is off by half of `away`. None without two quotes, without a price
    on the grid, or for less than a contract.
    """
    found = quotes(view)
    if found is None or qty < QTY_ONE:
        return None
    bid, ask = found
    offered, size = (ask, view.book.ask_size) if side == "bid" else (bid, view.book.bid_size)
    if ask - bid <= 2 * away:
        return Target(side, offered, min(qty, size or 0), "take", reason) if size else None
    if side == "bid":
        price = view.grid.floor(min((bid + ask) // 2, ask - 1))
    else:
        price = view.grid.ceil(max(-(-(bid + ask) // 2), bid + 1))
    return None if price is None else Target(side, price, qty, "rest", reason, slack=away // 2)


def wanted_near_mid(view: MarketView, side: BookSide, qty: Qty, away: Price, reason: str) -> Wanted:
    """Return the order of `near_mid` as the answer for the market; where none comes of it, that is said."""
    target = near_mid(view, side, qty, away, reason)
    return (
        Wanted((), f"{reason}; less than a contract to trade")
        if target is None
        else Wanted((target,), reason)
    )


def is_traded(view: MarketView, contracts_min: int) -> bool:
    """Whether at least so many contracts were traded in 24 hours; unknown is not, unless 0 are asked for."""
    volume = view.spec.volume_day
    return not contracts_min or (volume is not None and volume >= contracts_min * QTY_ONE)
