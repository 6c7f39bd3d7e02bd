"""What the store knows last: of the right mode and life, exact, and unknown where nobody wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.shell.store.last_known import (
    fills_of,
    last_account,
    last_run,
)
from daemon.shell.store.reading import reading
from tests.commands_rig import BEGAN, leave_store


def test_the_last_life_of_a_mode(tmp_path: Path) -> None:
    """Its end is told where it wrote one; another mode never ran."""
    with reading(leave_store(tmp_path)) as store:
        run = last_run(store, "sandbox")
        assert run is not None
        assert ("SIGINT", 0, BEGAN) == (run.end_reason, run.exit_code, run.started_at)
        assert last_run(store, "live") is None


def test_a_killed_life_has_no_end(tmp_path: Path) -> None:
    """Unknown is null."""
    with reading(leave_store(tmp_path, is_ended=False)) as store:
        run = last_run(store, "sandbox")
    assert run is not None
    assert (None, None, None) == (run.ended_at, run.end_reason, run.exit_code)


def test_the_account_as_it_was_left(tmp_path: Path) -> None:
    """The latest row of each; nothing is marked; of the orders those whose end nobody wrote."""
    with reading(leave_store(tmp_path)) as store:
        run = last_run(store, "sandbox")
        assert run is not None
        account = last_account(store, run)
    (position,) = account.positions
    assert ("M-1", "2.00", "0.800000", None, None) == (
        position.ticker,
        position.qty,
        position.cost,
        position.mark,
        position.unrealized,
    )
    (order,) = account.orders
    assert ("kd-1-1", "0.4000", "1.00") == (order.client_order_id, order.price, order.remaining)
    assert ("9999.193000", "9999.993000", None, False) == (
        account.cash,
        account.equity,
        account.pnl,
        account.is_reconciled,
    )
    assert (1, ["ghost"]) == (account.findings_total, [one.kind for one in account.findings])


@pytest.mark.parametrize(
    ("mode", "since", "ticker", "count"),
    [("sandbox", 0, None, 1), ("sandbox", 0, "M-1", 1), ("sandbox", 0, "M-2", 0), ("demo", 0, None, 0),
     ("sandbox", BEGAN * 2, None, 0)],
)  # fmt: skip
def test_fills_are_those_that_are_asked_for(
    tmp_path: Path, mode: str, since: int, ticker: str | None, count: int
) -> None:
    """By mode, instant and market; the strategy is that of the order."""
    with reading(leave_store(tmp_path)) as store:
        found = fills_of(store, mode, since=since, ticker=ticker, limit=10)
    assert ["fair"] * count == [one.strategy for one in found]
