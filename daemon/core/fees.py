"""The venue's fees, exact to a millionth of a dollar, with its per-order rounding accumulator.

    model_fee    = rate x M x C x P x (1 - P)      rate 0.07 for takers; makers by fee type
    trade_fee    = ceil(model_fee, 0.000001)
    change       = revenue - trade_fee             revenue is signed: a buyer's is -P x C
    aligned      = floor(change, 0.0001)           toward minus infinity
    rounding_fee = change - aligned
    accumulator += rounding_fee                    per order, over its taker and maker fills
    rebate       = floor(min(accumulator, trade_fee + rounding_fee), 0.0001)
    fee          = trade_fee + rounding_fee - rebate

Source: exchange fee rounding text of September 2026, direct members (protocol sheet 6.1, 6.2).
"""

from __future__ import annotations

from typing import assert_never

from daemon.core.markets import Fees
from daemon.core.units import PRICE_ONE, Money, Price, Qty

BALANCE_STEP: Money = 100
"""Balances move in steps of $0.0001 for direct members."""

# C x P x (1-P) x M x rate, with Qty 1e-2, Price 1e-4 twice, M 1e-6 and rate 1e-4, is in 1e-20 $.
_MODEL_UNITS_PER_MONEY = 10**14
TAKER_RATE = 700
"""In units of 1e-4, before the multiplier: the same for all fee types."""
_MAKER_RATE = 175
_COMBO_MAKER_RATE = 350


def rate(fees: Fees, *, is_taker: bool) -> int:
    """Return the fee rate in units of 1e-4 (700 is 0.07), before the multiplier."""
    if is_taker:
        return TAKER_RATE
    match fees.fee_type:
        case "quadratic":
            return 0
        case "quadratic_with_maker_fees":
            return _MAKER_RATE
        case "quadratic_with_combo_maker_fees":
            return _COMBO_MAKER_RATE
        case _:
            assert_never(fees.fee_type)


def trade_fee(fees: Fees, price: Price, qty: Qty, *, is_taker: bool) -> Money:
    """Return the fee of one fill before balance rounding: the model fee, rounded up to 1e-6 $."""
    units = qty * price * (PRICE_ONE - price) * fees.multiplier_ppm * rate(fees, is_taker=is_taker)
    return -(-units // _MODEL_UNITS_PER_MONEY)


def fee_per_contract(fees: Fees, price: float, is_taker: bool) -> float:
    """Return the model fee in dollars of one contract at a dollar price: for decisions, never for books."""
    if not is_taker and fees.fee_type == "quadratic":
        return 0.0  # most series, and asked with every tick
    units = TAKER_RATE if is_taker else rate(fees, is_taker=False)
    return units * 1e-4 * fees.multiplier_ppm * 1e-6 * price * (1 - price)


def charge(accumulator: Money, revenue: Money, fee: Money) -> tuple[Money, Money]:
    """Return (fee_cost, new accumulator) of one fill of an order.

    Args:
        accumulator: what rounding has cost this order so far and was not rebated.
        revenue: the signed cash of the fill before fees; a buyer's is minus price times count.
        fee: the fill's `trade_fee`.
    """
    change = revenue - fee
    rounding = change % BALANCE_STEP  # change - floor(change): Python's modulo floors
    accumulator += rounding
    rebate = min(accumulator, fee + rounding)
    rebate -= rebate % BALANCE_STEP  # an accumulator of exactly one step is rebated (sheet 11, row 16)
    return fee + rounding - rebate, accumulator - rebate
