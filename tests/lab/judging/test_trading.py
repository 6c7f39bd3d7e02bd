"""Figures of a record by hand, by property, and as published: 961.20, 778.56, and what 6.14 was made of."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import DAY, HOUR, SECOND
from daemon.lab.judging.arrays import Floats, Integers, NotJudged
from daemon.lab.judging.equity import days_of, every_day, last_of_days, returns_of
from daemon.lab.judging.trading import (
    longest_drawdown,
    max_drawdown,
    profit_factor,
    sharpe,
    sharpe_252,
    sharpe_365,
    sortino,
    turnover,
    win_rate,
)
from tests.lab.judging.published import FINM, needs

NEW_YORK_WINTER = -5 * HOUR


def test_ratios_by_hand() -> None:
    """Mean .01, deviation .02 (n - 1), downside root of .0001 / 3."""
    returns = [0.03, 0.01, -0.01]
    assert sharpe_365(returns) == pytest.approx(0.5 * sqrt(365))
    assert sharpe_252(returns) == pytest.approx(0.5 * sqrt(252))
    assert sharpe(returns, 1, risk_free=0.01) == pytest.approx(0)
    assert sortino(returns, 1) == pytest.approx(0.01 / sqrt(0.0001 / 3))


def test_ratios_that_cannot_be_known_are_none() -> None:
    """One return, constant ones, or none below 0."""
    assert [None, None, None] == [sharpe_365([0.01]), sharpe_365([0.01] * 5), sortino([0.01, 0.02])]


def test_drawdowns_by_hand() -> None:
    """The deepest by amount, its share of the peak, and when the peak came back."""
    fall = max_drawdown([100, 120, 90, 130, 125])
    assert (30, 0.25, 1, 2, 3) == (fall.amount, fall.share, fall.peak, fall.trough, fall.recovered)
    assert max_drawdown([100, 90]).recovered is None
    assert (0.0, 0.0) == (max_drawdown([1, 2]).amount, max_drawdown([1, 2]).share)
    with pytest.raises(NotJudged, match=r"equity\[1\] is no number above 0"):
        max_drawdown([1, 0])


def test_the_longest_drawdown_is_time_not_rows() -> None:
    """From the peak to its return, or to the end; climbing is no drawdown."""
    assert 5 == longest_drawdown([0, 1, 2, 6, 7], [1, 5, 4, 6, 7])
    assert 9 == longest_drawdown([0, 1, 10], [1, 5, 4])
    assert 0 == longest_drawdown([0, 100, 200], [1, 2, 3])


@given(st.lists(st.floats(0.5, 100), min_size=1, max_size=40))
def test_no_fall_is_deeper_than_the_deepest(equity: list[float]) -> None:
    """Every pair of an earlier and a later value falls at most by it, and its own two by just that."""
    fall = max_drawdown(equity)
    falls = [equity[a] - equity[b] for a in range(len(equity)) for b in range(a, len(equity))]
    assert fall.amount == pytest.approx(max(falls))
    assert fall.amount == pytest.approx(equity[fall.peak] - equity[fall.trough])


def test_wins_and_losses_by_hand() -> None:
    """Wilson's interval of 8 of 10 is .490 to .943; a factor without losses is unknown."""
    rate = win_rate([1] * 8 + [-1, 0])
    assert (0.8, 10) == (rate.value, rate.blocks)
    assert rate.low == pytest.approx(0.490, abs=1e-3)
    assert rate.high == pytest.approx(0.943, abs=1e-3)
    assert 1.5 == profit_factor([3, -2])
    assert profit_factor([3]) is None


def test_turnover_is_of_a_year() -> None:
    """100 $ traded in 73 days on 50 $ are ten times a year."""
    assert 10 == pytest.approx(turnover([40, 60], [50, 50], 73))
    with pytest.raises(NotJudged, match="days is 0"):
        turnover([1], [1], 0)


def finm() -> tuple[Integers, Floats]:
    """The published log's last value of each second: instants in Ns and the portfolio in dollars."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra `lab`")
    table = parquet.read_table(FINM, columns=["ts", "portfolio_value"])
    instants = table["ts"].cast("int64").to_numpy() * 1000
    ends = np.append(np.flatnonzero(np.diff(instants)), len(instants) - 1)
    return instants[ends], table["portfolio_value"].to_numpy()[ends]


@needs(FINM)
def test_finm_profit_and_drawdown() -> None:
    """P&L 961.20 on 10,000; the deepest fall 778.56, 7.55 % of its peak."""
    _, worth = finm()
    fall = max_drawdown(worth)
    assert (961.20, 778.56) == (round(worth[-1] - 10_000, 2), round(fall.amount, 2))
    assert 7.55 == round(100 * fall.share, 2)


@needs(FINM)
def test_finm_sharpe_as_they_state_it() -> None:
    """6.14: changes per recorded second on 10,000, less 4.25 % a year, times the root of 252 x 6.5 h."""
    instants, worth = finm()
    seconds = 252 * 6.5 * 3600
    stated = sharpe(np.diff(worth) / 10_000, seconds, risk_free=0.0425 / seconds)
    assert stated is not None
    assert 6.14 == round(stated, 2)
    # The log has 41,478 seconds of the 1,099,800 in its 47 days: each is annualised as if it were one of all.
    assert (41_478, 47) == (len(worth), len(np.unique(days_of(instants, NEW_YORK_WINTER))))
    assert (instants % SECOND == 0).all()


@needs(FINM)
def test_finm_sharpe_from_daily_equity() -> None:
    """1.77 (root 252) or 2.13 (root 365) over the 47 days with a record; 1.94 once the flat days count."""
    instants, worth = finm()
    days, closes = last_of_days(days_of(instants, NEW_YORK_WINTER), worth)
    recorded = returns_of(closes, start=10_000)
    by_252, by_365 = sharpe_252(recorded), sharpe_365(recorded)
    assert by_252 is not None
    assert by_365 is not None
    assert (47, 1.77, 2.13) == (len(recorded), round(by_252, 2), round(by_365, 2))
    calendar, filled = every_day(days, closes)
    honest = sharpe_365(returns_of(filled, start=10_000))
    assert honest is not None
    assert (57, 1.94) == (len(calendar), round(honest, 2))
    assert DAY == 86_400 * SECOND
