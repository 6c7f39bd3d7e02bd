"""The account for people: what the view says of the beliefs, and its calls over the control socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.units import SECOND
from daemon.shell.account_view import AccountView, account_routes, account_view
from daemon.shell.control import ask_for, serve_control, status_of
from daemon.shell.control_socket import SOCKET_FILE
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from tests.core.worlds import CASH, NOW, TICKER, Scripted
from tests.core.worlds import trading as trading_engine

FILL = e.OrderFilled("t", "id-kd-1-1", "kd-1-1", TICKER, "bid", 4_000, 200, 7_000, True, NOW, NOW)


def test_before_anything_was_traded_there_is_cash_alone() -> None:
    """No position, no order, no finding; the cash as text, to the last digit."""
    view = account_view(trading_engine(Scripted()), "demo", NOW)
    assert ("demo", True, [], [], 0) == (
        view.mode,
        view.is_reconciled,
        view.positions,
        view.orders,
        view.findings_total,
    )
    assert f"{CASH // 1_000_000}.{CASH % 1_000_000:06d}" == view.cash


def test_before_the_first_reading_nothing_is_known() -> None:
    """Unknown is null, not zero."""
    engine = trading_engine(Scripted())
    engine.state.ledger.cash = None
    view = account_view(engine, "demo", NOW)
    assert (None, None, None) == (view.cash, view.equity, view.pnl)
    assert view.pnl_today is None


def test_the_day_and_the_run_are_told_at_the_same_marks() -> None:
    """A run that began today made what the day did, also between two looks of the core."""
    engine = trading_engine(Scripted())
    engine.gathering.mark(NOW)
    engine.state.ledger.apply_fill(FILL)
    view = account_view(engine, "demo", NOW)
    assert view.pnl not in (None, "0.000000")
    assert view.pnl == view.pnl_today


def test_a_position_is_told_at_its_mark() -> None:
    """Two contracts at 40 cents: their cost, their fee, and what they gained since."""
    engine = trading_engine(Scripted())
    engine.state.ledger.apply_fill(FILL)
    (line,) = account_view(engine, "demo", NOW).positions
    assert (TICKER, "2.00", "0.800000", "0.007000") == (line.ticker, line.qty, line.cost, line.fees)
    assert line.mark is not None
    assert line.unrealized is not None
    assert round((float(line.mark) * 2 - 0.8) * 1e6) == round(float(line.unrealized) * 1e6)
    engine.state.markets[TICKER].book.is_synced = False
    engine.state.markets.pop(TICKER)
    (line,) = account_view(engine, "demo", NOW).positions
    assert (None, None) == (line.mark, line.unrealized)


async def test_both_calls_are_answered_on_the_control_socket(tmp_path: Path) -> None:
    """A reconciliation that is asked for is a fact for the core, and stops nothing."""
    engine: Engine = trading_engine(Scripted())
    told: list[e.Event] = []
    switch = KillSwitch(Latch(tmp_path), now=lambda: NOW, emit=told.append)
    routes = account_routes(engine, "demo", told.append, lambda: NOW + SECOND)
    async with asyncio.timeout(30):
        runner = await serve_control(tmp_path, switch, lambda: status_of(engine, switch, "demo"), more=routes)
        try:
            seen = await ask_for(tmp_path, "/account", AccountView, 5.0)
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(tmp_path / SOCKET_FILE))) as client,
                client.post("http://kalshid/reconcile") as reply,
            ):
                assert 200 == reply.status
        finally:
            await runner.cleanup()
    assert account_view(engine, "demo", NOW + SECOND) == seen
    assert [e.ReadingRequested("kalshid reconcile", NOW + SECOND)] == told
