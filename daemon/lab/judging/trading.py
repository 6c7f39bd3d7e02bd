"""Figures of a trading record: Sharpe, Sortino, drawdowns, wins, profit factor, turnover.

Returns are shares of the account, one per day unless a name says otherwise. What is unknown (no losses to
divide by, a constant record) is None. The markets trade 365 days a year, and so is Sharpe here; the custom of
252 days has a name of its own, and a Sharpe from returns of a second is for reproducing what others state.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from daemon.core.units import Ns
from daemon.lab.judging.arrays import NotJudged, vector
from daemon.lab.judging.blocks import COVERAGE, Interval

DAYS_PER_YEAR = 365
EXCHANGE_DAYS_PER_YEAR = 252
_FLAT = 1e-12
"""A spread below this share of the mean is rounding: the record is constant."""


def sharpe(returns: ArrayLike, periods_per_year: float, risk_free: float = 0.0) -> float | None:
    """Return mean / standard deviation (n - 1) of returns, times the root of periods per year.

    Args:
        returns: one per period, shares of the account.
        periods_per_year: of such periods.
        risk_free: per period, taken off each return.

    Returns:
        None with fewer than 2 returns, or constant ones.
    """
    excess = vector(returns, "returns") - risk_free
    if len(excess) < 2:
        return None
    spread = float(excess.std(ddof=1))
    mean = float(excess.mean())
    return None if spread <= _FLAT * max(1.0, abs(mean)) else mean / spread * sqrt(periods_per_year)


def sharpe_365(daily: ArrayLike) -> float | None:
    """Return the Sharpe ratio of daily returns of a market that trades 365 days a year."""
    return sharpe(daily, DAYS_PER_YEAR)


def sharpe_252(daily: ArrayLike) -> float | None:
    """Return it as if a year had 252 days: to compare with figures of stocks, which are stated so."""
    return sharpe(daily, EXCHANGE_DAYS_PER_YEAR)


def sortino(returns: ArrayLike, periods_per_year: float = DAYS_PER_YEAR) -> float | None:
    """Return mean / downside deviation, annualised; the deviation is over all periods, gains counting 0.

    None with fewer than 2 returns, or without a loss. Source: Sortino and Price 1994.
    """
    values = vector(returns, "returns")
    downside = sqrt(float(np.mean(np.square(np.minimum(values, 0)))))
    if len(values) < 2 or not downside:
        return None
    return float(values.mean()) / downside * sqrt(periods_per_year)


class Drawdown(msgspec.Struct, frozen=True):
    """A fall from a peak: dollars (or whatever equity is counted in), share of the peak, and where.

    `peak`, `trough` and `recovered` count rows from 0; `recovered` is None while the peak is not
    reached again.
    """

    amount: float
    share: float
    peak: int
    trough: int
    recovered: int | None


def max_drawdown(equity: ArrayLike) -> Drawdown:
    """Return the deepest fall by amount; of 0, at the first row, if there is none.

    Raises:
        NotJudged: an equity of 0 or below.
    """
    worth = vector(equity, "equity")
    wrong = ~(worth > 0)
    if wrong.any():
        raise NotJudged(f"equity[{int(np.argmax(wrong))}] is no number above 0")
    peaks = np.maximum.accumulate(worth)
    falls = peaks - worth
    trough = int(falls.argmax())
    peak = int(worth[: trough + 1].argmax())
    after = np.flatnonzero(worth[trough:] >= worth[peak])
    return Drawdown(
        amount=float(falls[trough]),
        share=float(falls[trough] / peaks[trough]),
        peak=peak,
        trough=trough,
        recovered=trough + int(after[0]) if after.size else None,
    )


def longest_drawdown(instants: ArrayLike, equity: ArrayLike) -> Ns:
    """Return the longest time from a peak to its recovery, or to the end where it never came, in Ns."""
    worth = vector(equity, "equity")
    at = np.asarray(instants, dtype=np.int64)
    if len(at) != len(worth):
        raise NotJudged(f"instants: {len(at)} rows, where equity has {len(worth)}")
    longest, peak = 0, 0
    for row in range(1, len(worth)):
        if worth[row] >= worth[peak]:
            # Recovered; a step from peak to higher peak has been under water for no time at all.
            longest = max(longest, int(at[row] - at[peak]) if row - peak > 1 else 0)
            peak = row
    return max(longest, int(at[-1] - at[peak]))


def win_rate(profits: ArrayLike) -> Interval:
    """Return the share of profits above 0, with Wilson's interval.

    Args:
        profits: one per independent outcome (an event, all its fills together), never one per fill.
    """
    values = vector(profits, "profits")
    n, wins = len(values), int(np.count_nonzero(values > 0))
    z = NormalDist().inv_cdf((1 + COVERAGE) / 2)
    rate = wins / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return Interval(rate, max(0.0, centre - half), min(1.0, centre + half), n)


def profit_factor(profits: ArrayLike) -> float | None:
    """Return gains / losses of profits; None without a loss."""
    values = vector(profits, "profits")
    losses = -float(values[values < 0].sum())
    return float(values[values > 0].sum()) / losses if losses else None


def turnover(notional: ArrayLike, equity: ArrayLike, days: float) -> float:
    """Return how often a year the account was traded: dollars traded per mean dollar of equity, in 365 days.

    Args:
        notional: dollars paid or received per fill, above 0.
        equity: the account's worth, at whatever instants.
        days: that the record spans.
    """
    if not days > 0:
        raise NotJudged(f"days is {days}, where numbers above 0 are allowed")
    traded = float(np.asarray(notional, dtype=np.float64).sum())
    return traded / float(vector(equity, "equity").mean()) / days * DAYS_PER_YEAR
