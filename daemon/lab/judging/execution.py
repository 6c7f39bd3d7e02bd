"""What a taker would have earned per contract at the prices that could be had, fees paid.

The rule is the plainest one: buy YES at the ask where the model's expectation is above the ask and the fee,
buy NO at 1 - bid likewise, else nothing; of two that pay, the better one. Prices, fees and what settlements
pay are exact integers; only the model's expectation is a float, and it decides nothing but the side.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from daemon.core.fees import charge, trade_fee
from daemon.core.markets import Fees
from daemon.core.units import MONEY_ONE, PRICE_ONE, QTY_ONE, Money, Price, Qty
from daemon.lab.judging.arrays import Flags, Floats, Integers, NotJudged, judged_pair, matched
from daemon.lab.judging.blocks import Blocks, Interval, mean_interval

ORDER_QTY: Qty = 10 * QTY_ONE
"""What an order of the figures buys: ten contracts, so that rounding is small, as it is in life."""


class NetValue(msgspec.Struct, frozen=True):
    """Dollars per contract of the rows that would have been bought, as `name` says which.

    `net` has the interval of whole blocks; all None where nothing would have been bought.
    """

    name: str
    trades: int
    net: Interval
    gross: float | None
    """Without fees, at the same prices."""
    fee: float | None
    expected: float | None
    """What the model expected of the same rows, net: the distance to `net` is its optimism."""


def order_fee(fees: Fees, price: Price, qty: Qty = ORDER_QTY) -> Money:
    """Return the whole fee of one taker order that is filled at once, its balance rounding included."""
    return charge(0, -price * qty, trade_fee(fees, price, qty, is_taker=True))[0]


def fee_table(fees: Fees, qty: Qty = ORDER_QTY) -> Integers:
    """Return the order's fee in Money for every price 0 .. 10000, shape (10001,)."""
    return np.array([order_fee(fees, price, qty) for price in range(PRICE_ONE + 1)], dtype=np.int64)


class Purchases:
    """What would have been bought of each row: the side, what it cost, and what it paid.

    All arrays have shape (rows,). `bought` is 1 for YES, -1 for NO, 0 for nothing; Money is per order of
    `qty`.
    """

    def __init__(
        self,
        said: ArrayLike,
        outcomes: ArrayLike,
        bid: ArrayLike,
        ask: ArrayLike,
        fees: Fees,
        margin: float = 0.0,
        qty: Qty = ORDER_QTY,
    ) -> None:
        """Decide each row.

        Args:
            said: the model's P(YES).
            outcomes: 1 for YES, 0 for NO.
            bid: best YES bid in Price units, whole numbers, NaN where nobody bids.
            ask: best YES ask, likewise.
            fees: in force for the markets.
            margin: dollars per contract that the expectation must be above the cost.
            qty: of each order, in Qty.

        Raises:
            NotJudged: a price that is no whole number of Price units inside 1 .. 9999.
        """
        p, y = judged_pair(said, outcomes)
        yes_cost, has_ask = _costs(matched(ask, "ask", len(p)), "ask")
        no_cost, has_bid = _costs(PRICE_ONE - matched(bid, "bid", len(p)), "bid")
        table = fee_table(fees, qty)
        contracts = qty / QTY_ONE
        worth = MONEY_ONE * contracts
        yes_edge = np.where(has_ask, p * worth - yes_cost * qty - table[yes_cost], -np.inf)
        no_edge = np.where(has_bid, (1 - p) * worth - no_cost * qty - table[no_cost], -np.inf)
        least = margin * worth
        buys_yes = (yes_edge > least) & (yes_edge >= no_edge)
        buys_no = (no_edge > least) & ~buys_yes
        self.qty = qty
        self.bought: Integers = buys_yes.astype(np.int64) - buys_no.astype(np.int64)
        cost = np.where(buys_yes, yes_cost, no_cost)
        is_nothing = self.bought == 0
        self.price: Integers = np.where(is_nothing, 0, cost)
        """What a contract of the bought side cost, in Price units."""
        self.fee: Integers = np.where(is_nothing, 0, table[cost])
        pays = np.where(buys_yes, y, 1 - y).astype(np.int64) * PRICE_ONE * qty
        self.gross: Integers = np.where(is_nothing, 0, pays - cost * qty)
        self.net: Integers = self.gross - self.fee
        self.expected: Floats = np.where(is_nothing, 0.0, np.where(buys_yes, yes_edge, no_edge))


def _costs(prices: Floats, name: str) -> tuple[Integers, Flags]:
    """Return whole prices, 1 where there is none, and where there is one."""
    known = ~np.isnan(prices)
    wrong = known & ((prices < 1) | (prices > PRICE_ONE - 1) | (prices != np.round(prices)))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise NotJudged(f"{name}[{row}] is no price: whole numbers 1 .. {PRICE_ONE - 1} (1e-4 $) are allowed")
    return np.where(known, prices, 1).astype(np.int64), known


def net_value(
    purchases: Purchases, blocks: Blocks, seed: int, name: str = "all", rows: Flags | None = None
) -> NetValue:
    """Return the mean net value per contract of what was bought, of some rows or of all."""
    chosen = purchases.bought != 0 if rows is None else rows & (purchases.bought != 0)
    trades = int(np.count_nonzero(chosen))
    if not trades:
        return NetValue(name, 0, Interval(None, None, None, 0), None, None, None)
    per_contract = MONEY_ONE * purchases.qty / QTY_ONE
    return NetValue(
        name=name,
        trades=trades,
        net=mean_interval(purchases.net[chosen] / per_contract, blocks.only(chosen), seed),
        gross=float(purchases.gross[chosen].mean() / per_contract),
        fee=float(purchases.fee[chosen].mean() / per_contract),
        expected=float(purchases.expected[chosen].mean() / per_contract),
    )


def net_values(purchases: Purchases, blocks: Blocks, seed: int) -> tuple[NetValue, ...]:
    """Return the net value of all that was bought, by side, and by the tenth of a dollar that it cost."""
    sides: list[tuple[Literal["YES", "NO"], int]] = [("YES", 1), ("NO", -1)]
    found = [net_value(purchases, blocks, seed)]
    found += [net_value(purchases, blocks, seed, side, purchases.bought == sign) for side, sign in sides]
    tenth = PRICE_ONE // 10
    for number in range(10):
        rows = (purchases.price >= number * tenth) & (purchases.price < (number + 1) * tenth)
        bucket = net_value(purchases, blocks, seed, f"{number * 10}-{number * 10 + 10}c", rows)
        if bucket.trades:
            found.append(bucket)
    return tuple(found)
