"""The store over real sockets: its sums are the ledger's, a kill harms nothing, no secret is in it."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.config import Config
from daemon.core.engine import Engine
from daemon.core.ledger import Position
from daemon.core.units import MONEY_ONE, Money, Qty
from daemon.kalshi.bodies import EndpointCosts
from daemon.kalshi.costs import Costs
from daemon.parts import Outside, Parts, open_store
from daemon.shell.clock import SystemClock
from daemon.shell.journal import Journal
from daemon.shell.store import STORE_NAME, Recorder
from tests.e2e import venue_rig as rigs
from tests.e2e.daemon_process import Daemon, end_sandbox, write_config
from tests.e2e.venue_rig import EVENT, venue_rig

PAID = f"{EVENT}-M1"
CASH: Money = 10_000 * MONEY_ONE
"""What a sandbox's account begins with."""


def read(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask a store as anybody may."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        return store.execute(query).fetchall()


def summed(path: Path, cash: Money) -> tuple[Money, Money, dict[str, Qty]]:
    """Cash, fees and positions, from nothing but what the account began with and the store's rows."""
    fees = 0
    positions: dict[str, Position] = {}
    for ticker, side, price, qty, fee in read(
        path, "SELECT ticker, side, price, qty, fee FROM fills ORDER BY at, trade_id"
    ):
        position = positions.setdefault(ticker, Position())
        cash += position.trade(qty if side == "bid" else -qty, price) - fee
        fees += fee
    for ticker, qty, revenue in read(path, "SELECT ticker, qty, revenue FROM settlements"):
        assert positions[ticker].qty == qty
        cash += revenue
        del positions[ticker]
    return cash, fees, {ticker: one.qty for ticker, one in positions.items() if one.qty}


async def test_the_stores_fills_and_payouts_sum_up_to_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After fills, cancels and a payout: cash, fees and positions to the last unit, and fees as predicted."""
    recorders: list[Recorder] = []
    costs = Costs(EndpointCosts(10, []))

    def recorded(
        config: Config,
        engine: Engine,
        journal: Journal,
        outside: Outside,
        *,
        clock: SystemClock,
        **words: Any,
    ) -> Parts:
        (tmp_path / "var").mkdir()
        recorders.append(open_store(config, engine, "0", costs, clock))
        return Parts(config, engine, journal, outside, clock=clock, recorder=recorders[0], **words)

    monkeypatch.setattr(rigs, "Parts", recorded)
    async with venue_rig(tmp_path, markets=2) as rig:
        state = rig.engine.state
        await rig.until(lambda: state.counts["fills"] >= 12, "it fills")
        for _ in range(10):  # the last fill may have made it flat
            rig.strategy.is_quoting = True
            await rig.until(lambda: bool(state.ledger.position_qty(PAID)), "a position is held")
            rig.strategy.is_quoting = False
            await rig.until(lambda: not state.orders, "no order is left")
            if state.ledger.position_qty(PAID):
                break
        await rig.call("/markets/close", ticker=PAID)
        await rig.call("/markets/determine", ticker=PAID, result="yes")
        await rig.call("/markets/settle", ticker=PAID)
        await rig.until(lambda: state.markets[PAID].is_settled, "the payout is known")
        await rig.agrees()
        rig.strategy.is_quoting = False
        await rig.until(lambda: not state.orders, "no order is left again")
        ledger = state.ledger
        believed = (
            ledger.cash, ledger.fees, {name: one.qty for name, one in ledger.positions.items() if one.qty},
        )  # fmt: skip
        path, fills = tmp_path / "var" / STORE_NAME, ledger.fills_total
        recorders[0].end("a test", 0)
        recorders[0].close()
    assert believed == summed(path, CASH)
    assert [(fills,)] == read(path, "SELECT count(*) FROM fills")
    assert [(0,)] == read(path, "SELECT count(*) FROM fills WHERE fee_predicted IS NOT fee")
    ours = "SELECT order_id FROM order_changes WHERE order_id IS NOT NULL"
    assert [(0,)] == read(path, f"SELECT count(*) FROM fills WHERE order_id NOT IN ({ours})")
    assert {"written": recorders[0].rows["written"], "lost": 0} == recorders[0].rows


def test_a_killed_run_leaves_a_sound_store_and_no_secret(tmp_path: Path) -> None:
    """What was flushed is there, the next run writes on, and nothing of keys or signatures is in the file."""
    config = write_config(tmp_path)
    path = tmp_path / "var" / STORE_NAME
    try:
        daemon = Daemon(config)
        daemon.wait_until(lambda: path.exists() and read_calls(path) >= 10)
        daemon.kill()
        calls = read_calls(path)
        again = Daemon(config, "--for", "5s")
        assert 0 == again.wait(60), again.log[-4000:]
        assert [("ok",)] == read(path, "PRAGMA integrity_check")
        assert read_calls(path) > calls
        runs = read(path, "SELECT mode, reason, exit_code FROM runs LEFT JOIN run_ends USING (epoch)")
        assert [("sandbox", None, None), ("sandbox", "--for 5s", 0)] == runs
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
        ready = json.loads((tmp_path / "var/sandbox/ready.json").read_bytes().splitlines()[0])
        kept = b"".join(found.read_bytes() for found in sorted(path.parent.glob(f"{STORE_NAME}*")))
        pem = Path(ready["private_key_path"]).read_bytes().splitlines()[1]
        for secret in (ready["key_id"].encode(), pem, b"PRIVATE KEY", b"KALSHI-ACCESS", b"Signature"):
            assert secret not in kept
        assert b"/portfolio/" in kept
    finally:
        end_sandbox(tmp_path)


def read_calls(path: Path) -> int:
    """How many requests are kept."""
    try:
        return int(read(path, "SELECT count(*) FROM api_calls")[0][0])
    except sqlite3.Error:
        return 0  # the file is being made
