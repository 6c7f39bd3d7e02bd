"""The account of forecasts: money adds up to the last unit, by the ledger's own count, and costs are paid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.core.units import DAY, MONEY_ONE
from daemon.lab.daily_account import DailyAccount, Terms, run_account
from daemon.lab.daily_rows import FEATURES, DailyRows, read_daily_rows
from daemon.lab.daily_table import DECIDED_AT
from daemon.lab.judging.equity import daily_equity
from tests.lab.daily_store import SERIES, made_store, trending

FREE = Terms(edge_min=0.0, no_trade_band=0.0)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DailyRows]:
    """Rows of six events whose markets trend."""
    with made_store(tmp_path_factory.mktemp("account") / "store", trending, events=6) as store:
        yield read_daily_rows(store, [SERIES], FEATURES["older"])


def known(account: DailyAccount) -> float:
    return float(np.nansum(account.pnl))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), edge_min=st.sampled_from([0.0, 0.01]), band=st.sampled_from([0.0, 0.25]))
def test_money_adds_up(rows: DailyRows, seed: int, edge_min: float, band: float) -> None:
    """Whatever is forecast and quoted: results of all rows are the gain, by the ledger's count too."""
    drawn = np.random.default_rng(seed)
    rows = replace(rows, mid=np.where(drawn.random(rows.count) < 0.2, np.nan, rows.mid))
    predicted = np.where(drawn.random(rows.count) < 0.8, drawn.normal(0, 0.05, rows.count), np.nan)
    terms = Terms(edge_min=edge_min, no_trade_band=band)
    account = run_account(rows, predicted, terms)
    assert pytest.approx((account.worth - terms.start) / MONEY_ONE, abs=1e-6) == known(account)
    if account.fills:
        traded = {fill.ticker for fill in account.fills}
        paid = {ticker: payment for ticker, payment in account.payments.items() if ticker in traded}
        _, worth = daily_equity(account.fills, paid, account.marks, terms.start, -DECIDED_AT)
        assert account.worth == int(worth[-1])


def test_weights_sum_to_one_each_day(rows: DailyRows) -> None:
    """Their sizes do, YES above 0 and NO below; markets that close within the day have none."""
    account = run_account(rows, np.where(rows.market % 2 == 0, 0.03, -0.01), FREE)
    for at in np.unique(rows.at):
        here = (rows.at == at) & ~np.isnan(account.weight)
        if here.any():
            assert pytest.approx(1.0, abs=1e-6) == np.abs(account.weight[here]).sum()
    closes = np.array([rows.markets[place].spec.close_at for place in rows.market])
    assert np.isnan(account.weight[rows.at + DAY >= closes]).all()
    assert (
        np.sign(account.weight[~np.isnan(account.weight)])
        == np.where(rows.market % 2 == 0, 1, -1)[~np.isnan(account.weight)]
    ).all()


def test_who_knows_the_future_gains_and_his_opposite_loses_more(rows: DailyRows) -> None:
    """Perfect forecasts earn; turned round they lose what costs add to that."""
    label = rows.label
    good, bad = run_account(rows, label, FREE), run_account(rows, -label, FREE)
    assert known(good) > 0 > known(bad)
    assert -known(bad) > known(good)


def test_what_is_less_than_costs_is_not_traded(rows: DailyRows) -> None:
    """Half the spread and the fee stand before a contract; nothing said is nothing done."""
    account = run_account(rows, np.full(rows.count, 0.015), Terms())
    assert ((), 0.0) == (account.fills, known(account))
    silent = run_account(rows, np.full(rows.count, np.nan), Terms())
    assert ((), Terms().start) == (silent.fills, silent.worth)
    assert silent.record(rows, Terms(), 1) is None


def test_no_is_no_yes_upside_down(rows: DailyRows) -> None:
    """A NO contract is paid for with what is left of a dollar, and earns what the price falls."""
    account = run_account(rows, np.full(rows.count, -0.1), FREE)
    first = account.fills[0]
    row = int(np.flatnonzero(account.contracts)[0])
    assert ("ask", -account.contracts[row] * 100) == (first.side, first.qty)
    cost = (10_000 - first.price) * first.qty / MONEY_ONE
    assert cost <= abs(account.weight[row]) * FREE.gross_share * FREE.start / MONEY_ONE
    held, half = -account.contracts[row], rows.mid[row] - rows.bid[row]
    first_day = -held * rows.label[row] - held * half - first.fee / MONEY_ONE
    assert pytest.approx(first_day, abs=1e-6) == account.pnl[row]


def test_no_position_is_larger_than_its_cap(rows: DailyRows) -> None:
    """However cheap a contract is: as many as the strategy would hold, and no more."""
    capped = Terms(edge_min=0.0, no_trade_band=0.0, position_max=3_000)
    account = run_account(rows, rows.label, capped)
    assert 30.0 == np.abs(account.contracts).max()


def test_a_record_is_of_daily_equity(rows: DailyRows) -> None:
    """Days from decision to decision, profit and fees those of the account."""
    account = run_account(rows, rows.label, FREE)
    record = account.record(rows, FREE, 10)
    assert record is not None
    assert pytest.approx(known(account), abs=1e-6) == record.profit
    assert pytest.approx(sum(fill.fee for fill in account.fills) / MONEY_ONE) == record.fees
    assert 10 == record.trials
    assert record.days >= 8
