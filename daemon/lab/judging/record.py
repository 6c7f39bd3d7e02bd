"""One account's record in figures: from its daily equity, its profit per event and what it traded."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from daemon.core.units import DAY, Ns
from daemon.lab.judging.arrays import Floats, Integers, matched
from daemon.lab.judging.blocks import Interval
from daemon.lab.judging.equity import every_day, returns_of
from daemon.lab.judging.selection import Overfitting, dsr, psr
from daemon.lab.judging.trading import (
    Drawdown,
    longest_drawdown,
    max_drawdown,
    profit_factor,
    sharpe_252,
    sharpe_365,
    sortino,
    turnover,
    win_rate,
)


class TradingRecord(msgspec.Struct, frozen=True):
    """A record's figures, money in dollars. None is unknown.

    `psr` is the probability that the true Sharpe is above 0; `dsr` that it is above what the luckiest of
    `trials` worthless trials shows. Both are from daily returns, every day of the calendar counted.
    """

    days: int
    profit: float
    sharpe_365: float | None
    sharpe_252: float | None
    sortino_365: float | None
    drawdown: Drawdown
    drawdown_longest_ns: Ns
    win_rate: Interval | None
    profit_factor: float | None
    fees: float
    turnover_per_year: float
    psr: float | None
    dsr: float | None
    trials: int
    overfitting: Overfitting | None
    equity: tuple[float, ...]
    """The account's worth at each day's end, its start in front."""


def trading_record(
    days: Integers,
    worth: ArrayLike,
    start: float,
    *,
    event_profits: ArrayLike,
    notional: ArrayLike,
    fees: float,
    trials: int,
    overfitting: Overfitting | None = None,
) -> TradingRecord:
    """Return the figures of a record.

    Args:
        days: whole days since 1970 that have a value, in order, shape (days,).
        worth: dollars at each day's end, shape (days,).
        start: dollars before the first day.
        event_profits: dollars net, one per event that was traded; may be empty.
        notional: dollars paid per fill.
        fees: dollars, all together.
        trials: how many records this one was chosen from, itself included.
        overfitting: of the sweep that it was chosen from.
    """
    calendar, closes = every_day(days, matched(worth, "worth", len(days)))
    equity: Floats = np.concatenate(([start], closes))
    instants = np.concatenate(([calendar[0]], calendar + 1)) * DAY
    returns = returns_of(closes, start)
    profits = np.asarray(event_profits, dtype=np.float64)
    return TradingRecord(
        days=len(calendar),
        profit=float(closes[-1] - start),
        sharpe_365=sharpe_365(returns),
        sharpe_252=sharpe_252(returns),
        sortino_365=sortino(returns),
        drawdown=max_drawdown(equity),
        drawdown_longest_ns=longest_drawdown(instants, equity),
        win_rate=win_rate(profits) if profits.size else None,
        profit_factor=profit_factor(profits) if profits.size else None,
        fees=fees,
        turnover_per_year=turnover(notional, equity, len(calendar)),
        psr=psr(returns),
        dsr=dsr(returns, trials),
        trials=trials,
        overfitting=overfitting,
        equity=tuple(float(value) for value in equity),
    )
