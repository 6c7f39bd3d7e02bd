"""What a binary market on the index's last-minute mean is worth, for a price that moves as a Brownian motion.

The mean of the last minute varies less than the price at its end. With `left` seconds to the close and a
volatility v a second, the mean's variance is v^2 (left - 40) before the minute begins; within it the
values already stamped are known, and the m that are to come vary as v^2 (m / 60)^2 m / 3.
"""

from __future__ import annotations

import math

from daemon.sandbox.flows.spot import SETTLEMENT_VALUES

_ROOT_HALF = math.sqrt(0.5)


def probability(
    price: float, strike: float, volatility_s: float, left_s: float, known: float, known_count: int
) -> float:
    """Return the chance that the settlement value reaches the strike, strictly between 0 and 1.

    Args:
        price: of the underlying, in dollars.
        strike: in dollars.
        volatility_s: of the price's logarithm, per root of a second.
        left_s: seconds to the close.
        known: the sum of the settlement values stamped so far, in dollars.
        known_count: how many of the 60 those are.
    """
    if not known_count:
        mean, variance_s = price, max(left_s - 40.0, 20.0)
    else:
        to_come = SETTLEMENT_VALUES - known_count
        mean = (known + to_come * price) / SETTLEMENT_VALUES
        variance_s = (to_come / SETTLEMENT_VALUES) ** 2 * to_come / 3
    deviation = price * volatility_s * math.sqrt(variance_s)
    if deviation < 1e-9:
        return 0.9999 if mean >= strike else 0.0001
    chance = 0.5 * math.erfc(-(mean - strike) / deviation * _ROOT_HALF)
    return min(0.9999, max(0.0001, chance))
