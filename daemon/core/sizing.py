"""How much to buy of one market: fractional Kelly for a binary contract, fees included, for YES and NO.

With cost c = p + fee(p) per contract, W the wealth and q the probability of winning, full Kelly
stakes f* = (q - c) / (1 - c) of the wealth and so holds f* W / c contracts. Buying NO at 1 - p is the
same with 1 - q. A fraction L of it keeps 2L - L^2 of the growth at a fraction of the risk.

Source: Kelly 1956; closed forms and examples in the quantitative notes 3.9, formulas 1 to 6. The markets of
one event belong together and are sized together: see `joint_sizing`.
Floats inform the decision here; what comes out is floored to whole hundredths of a contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import TypeAlias

import msgspec

from daemon.core.book import Book
from daemon.core.fees import fee_per_contract
from daemon.core.markets import Fees
from daemon.core.units import MONEY_ONE, PRICE_ONE, QTY_ONE, BookSide, Money, Price, PriceGrid, Qty

Offer: TypeAlias = tuple[Price, Qty]
"""A YES price and how much can be bought there."""

_ROUNDING = 1e-7
"""What floats lose of a whole hundredth of a contract, or of a price."""


def _win_and_cost(q: float, price: Price, side: BookSide, fees: Fees, is_taker: bool) -> tuple[float, float]:
    """The probability that the bought outcome wins, and its cost in dollars with fee."""
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"not a probability: {q!r}")
    if not 0 < price < PRICE_ONE:
        raise ValueError(f"not an order price: {price!r}")
    yes_price = price / PRICE_ONE
    fee = fee_per_contract(fees, yes_price, is_taker)  # by place: names cost as much again
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
    if not (0.0 <= q <= 1.0 and 0 < price < PRICE_ONE):
        _win_and_cost(q, price, side, fees, is_taker)  # says what is wrong
    yes_price = price / PRICE_ONE  # `_win_and_cost`, without a call, as in `kelly_qty`
    fee = fee_per_contract(fees, yes_price, is_taker)
    return q - (yes_price + fee) if side == "bid" else (1 - q) - (1 - yes_price + fee)


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
    if not (0.0 <= q <= 1.0 and 0 < price < PRICE_ONE):
        _win_and_cost(q, price, side, fees, is_taker)  # says what is wrong
    # `_win_and_cost` and `_full_kelly`, without calls: quotes are sized with every tick.
    win, cost = q, price / PRICE_ONE
    # Most makers pay none.
    fee = fee_per_contract(fees, cost, is_taker) if is_taker or fees.fee_type != "quadratic" else 0.0
    if side == "ask":
        win, cost = 1.0 - q, 1.0 - cost
    cost += fee
    if win <= cost or equity <= 0 or cost >= 1.0:
        return 0
    stake = fraction * ((win - cost) / (1.0 - cost))
    if stake <= 0.0:
        return 0
    more = floor(stake * (equity / MONEY_ONE) / cost * QTY_ONE) - held
    if more <= 0:
        return 0
    return more if more < qty_max else max(0, qty_max)


class Sized(msgspec.Struct, frozen=True, gc=False):
    """What to buy of one outcome: contracts, and the YES price of the last of them.

    An order of this size at this price buys no level that isn't worth its cost. `price` is None, and `qty` 0,
    where nothing is.
    """

    qty: Qty
    price: Price | None


NOTHING = Sized(0, None)


def shrinkage(gain: float, error: float) -> float:
    """Return the share of a Kelly stake to keep when the probability has a standard error: formula 6.

    Args:
        gain: the edge, in dollars per contract after fees.
        error: the standard error of the probability; 0 for a probability that is known.
    """
    if gain <= 0:
        return 0.0
    return gain * gain / (gain * gain + error * error)


def offers_of(book: Book, side: BookSide, levels: int) -> tuple[Offer, ...]:
    """Return the best levels at which a side can buy, as (YES price, size), best first.

    For `bid` those are the YES asks, for `ask` the YES bids; empty where nobody quotes.
    """
    if side == "ask":
        ladder = book.yes
        return tuple([(price, ladder.sizes[price]) for price in reversed(ladder.prices[-levels:])])
    ladder = book.no
    return tuple([(PRICE_ONE - price, ladder.sizes[price]) for price in reversed(ladder.prices[-levels:])])


def kelly_through_book(
    q: float,
    offers: Sequence[Offer],
    side: BookSide,
    fees: Fees,
    equity: Money,
    fraction: float,
    qty_max: Qty,
    held: Qty = 0,
    error: float = 0.0,
) -> Sized:
    """Return what to take from a book's levels: as `kelly_qty`, level by level (formula 4).

    A level of cost c is bought while c < q W_n / (q W_n + (1-q) W_y), W_y and W_n being the wealth if the
    bought outcome wins or loses, after what was bought so far. The wealth is `fraction` of the equity, so
    that one deep level gives exactly `kelly_qty`; with an error of the model's each level counts by its own
    shrunk edge (formula 6).

    Args:
        q: P(the market settles YES).
        offers: (YES price, size), best first, as `offers_of` gives them.
        side: `bid` buys YES, `ask` buys NO.
        fees: the market's fee rule; we pay the taker's.
        equity: cash plus positions at cost.
        fraction: the share of full Kelly, 0 .. 1.
        qty_max: the most to buy now.
        held: what is already held of the bought outcome; negative for the other outcome.
        error: the standard error of `q`.

    Raises:
        ValueError: as `kelly_qty`.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"not a fraction of Kelly: {fraction!r}")
    bought, spent, last = 0.0, 0.0, None
    held_value: float | None = None
    for price, size in offers:
        win, cost = _win_and_cost(q, price, side, fees, is_taker=True)
        if win <= cost or cost >= 1 or equity <= 0:
            break
        if held_value is None:
            held_value = cost * held / QTY_ONE
        share = fraction * shrinkage(win - cost, error)
        lose_wealth = share * equity / MONEY_ONE - held_value - spent
        win_wealth = lose_wealth + held / QTY_ONE + bought
        more = (win * (1 - cost) * lose_wealth - (1 - win) * cost * win_wealth) / (cost * (1 - cost))
        more = min(more, size / QTY_ONE, qty_max / QTY_ONE - bought)
        if more <= 0:
            break
        bought, spent, last = bought + more, spent + more * cost, price
        if more < size / QTY_ONE:
            break
    qty = floor(bought * QTY_ONE + _ROUNDING)
    return Sized(qty, last) if qty > 0 else NOTHING


class Room(msgspec.Struct, frozen=True, gc=False):
    """What may still be bought: contracts of the market, and dollars at stake by what they belong to.

    None is no limit of that kind. All markets of one settlement win or lose together: their stakes add up.
    """

    market: Qty | None = None
    event: Money | None = None
    settlement: Money | None = None
    strategy: Money | None = None
    total: Money | None = None

    @property
    def stake(self) -> Money | None:
        """The least of the dollar limits, not below 0; None without any."""
        stakes = [one for one in (self.event, self.settlement, self.strategy, self.total) if one is not None]
        return max(0, min(stakes)) if stakes else None

    def qty_max(self, price: Price, side: BookSide, fees: Fees, *, is_taker: bool) -> Qty | None:
        """Return how many contracts fit, each at its cost with fee, floored; None without any limit."""
        counts = [] if self.market is None else [max(0, self.market)]
        if (stake := self.stake) is not None:
            _, cost = _win_and_cost(0.5, price, side, fees, is_taker)
            counts.append(floor(stake / MONEY_ONE / cost * QTY_ONE))
        return min(counts) if counts else None


def price_for_edge(
    q: float, side: BookSide, fees: Fees, gain: float, grid: PriceGrid, *, is_taker: bool
) -> Price | None:
    """Return the best price for the other side at which a contract still has an edge of `gain`, on the grid.

    A bid's highest price or an ask's lowest one. None where there is none between 0 and 1 dollar.

    Args:
        q: P(the market settles YES).
        side: `bid` buys YES, `ask` buys NO.
        fees: the market's fee rule.
        gain: the least edge, in dollars per contract after fees.
        grid: where orders are accepted.
        is_taker: whether we pay the taker's fee.
    """
    win = q if side == "bid" else 1 - q
    worth = min(1.0, win - gain)
    # The cost p + k p (1 - p) = worth, solved for the price p of the bought outcome.
    rate = fee_per_contract(fees, 0.5, is_taker=is_taker) * 4
    if worth <= 0:
        return None
    own = worth if not rate else ((1 + rate) - ((1 + rate) ** 2 - 4 * rate * worth) ** 0.5) / (2 * rate)
    if side == "bid":
        return grid.floor(floor(own * PRICE_ONE + _ROUNDING))
    return grid.ceil(PRICE_ONE - floor(own * PRICE_ONE + _ROUNDING))
