"""How much to buy: fractional Kelly for a binary contract, fees included, for YES and NO.

With cost c = p + fee(p) per contract, W the wealth and q the probability of winning, full Kelly
stakes f* = (q - c) / (1 - c) of the wealth and so holds f* W / c contracts. Buying NO at 1 - p is the
same with 1 - q. A fraction L of it keeps 2L - L^2 of the growth at a fraction of the risk.

Source: Kelly 1956; closed forms and examples in the quantitative notes 3.9, formulas 1, 2, 3 and 5.
Floats inform the decision here; what comes out is floored to whole hundredths of a contract.
"""

from __future__ import annotations

from math import floor

from daemon.core.fees import fee_per_contract
from daemon.core.markets import Fees
from daemon.core.units import MONEY_ONE, PRICE_ONE, QTY_ONE, BookSide, Money, Price, Qty


def _win_and_cost(q: float, price: Price, side: BookSide, fees: Fees, is_taker: bool) -> tuple[float, float]:
    """The probability that the bought outcome wins, and its cost in dollars with fee."""
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"not a probability: {q!r}")
    if not 0 < price < PRICE_ONE:
        raise ValueError(f"not an order price: {price!r}")
    yes_price = price / PRICE_ONE
    fee = fee_per_contract(fees, yes_price, is_taker=is_taker)
    return (q, yes_price + fee) if side == "bid" else (1 - q, 1 - yes_price + fee)


def edge(q: float, price: Price, side: BookSide, fees: Fees, is_taker: bool) -> float:
    """Return the expected gain in dollars of one contract after fees; negative is a loss.

    Args:
        q: P(the market settles YES).
        price: the YES price at which we would trade.
        side: `bid` buys YES, `ask` buys NO.
        fees: the market's fee rule.
        is_taker: whether we pay the taker's fee.

    Raises:
        ValueError: `q` is not a probability or `price` not an order price.
    """
    win, cost = _win_and_cost(q, price, side, fees, is_taker)
    return win - cost


def kelly_fraction(q: float, price: Price, side: BookSide, fees: Fees, is_taker: bool) -> float:
    """Return full Kelly's stake as a share of the wealth, 0 .. 1; 0 without an edge after fees.

    Arguments and errors are those of `edge`.
    """
    return _full_kelly(*_win_and_cost(q, price, side, fees, is_taker))


def _full_kelly(win: float, cost: float) -> float:
    return (win - cost) / (1 - cost) if win > cost and cost < 1 else 0.0


def kelly_qty(
    q: float,
    price: Price,
    side: BookSide,
    fees: Fees,
    is_taker: bool,
    equity: Money,
    fraction: float,
    qty_max: Qty,
    held: Qty = 0,
) -> Qty:
    """Return how many contracts to buy: a fraction of Kelly's holding, less what is held, capped.

    Args:
        q: P(the market settles YES).
        price: the YES price at which we would trade.
        side: `bid` buys YES, `ask` buys NO.
        fees: the market's fee rule.
        is_taker: whether we pay the taker's fee.
        equity: cash plus positions at cost; Kelly's W + cX where X is held (formula 3).
        fraction: the share of full Kelly, 0 .. 1.
        qty_max: the most to buy now.
        held: what is already held of the bought outcome; negative for the other outcome, which is
            bought back first.

    Returns:
        Hundredths of a contract, floored; 0 without an edge, without equity, or when enough is held.

    Raises:
        ValueError: as `edge`, and a `fraction` outside 0 .. 1.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"not a fraction of Kelly: {fraction!r}")
    win, cost = _win_and_cost(q, price, side, fees, is_taker)
    stake = fraction * _full_kelly(win, cost)
    if stake <= 0 or equity <= 0:
        return 0
    wanted = floor(stake * (equity / MONEY_ONE) / cost * QTY_ONE)
    return max(0, min(wanted - held, qty_max))
