"""A record's figures are those of their parts, over all days of the calendar."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.core.units import DAY
from daemon.lab.judging.equity import returns_of
from daemon.lab.judging.record import trading_record
from daemon.lab.judging.selection import psr
from daemon.lab.judging.trading import sharpe_365


def test_a_record_by_hand() -> None:
    """Two recorded days around a silent one: three returns, one of them 0."""
    found = trading_record(
        np.array([10, 12]),
        [110.0, 99.0],
        100.0,
        event_profits=[10.0, -11.0],
        notional=[50.0],
        fees=1.0,
        trials=3,
    )
    returns = returns_of([110, 110, 99], 100)
    assert (3, -1.0, (100.0, 110.0, 110.0, 99.0)) == (found.days, found.profit, found.equity)
    assert sharpe_365(returns) == found.sharpe_365
    assert psr(returns) == found.psr
    assert (11.0, 0.1, DAY) == (
        found.drawdown.amount,
        pytest.approx(found.drawdown.share),
        found.drawdown_longest_ns,
    )
    assert found.dsr is not None
    assert found.psr is not None
    assert found.dsr < found.psr
    assert found.win_rate is not None
    assert (0.5, 2) == (found.win_rate.value, found.win_rate.blocks)


def test_a_record_of_nothing_is_unknown() -> None:
    """A flat account has no ratios, and without events there is no rate of wins."""
    found = trading_record(
        np.array([1, 2, 3]), [100.0] * 3, 100.0, event_profits=[], notional=[], fees=0.0, trials=1
    )
    assert (None, None, None) == (found.sharpe_365, found.psr, found.dsr)
    assert (None, None, 0.0) == (found.win_rate, found.profit_factor, found.turnover_per_year)
