"""The report of a session with the sandbox: its profit is the venue's own word, its mids are the daemon's."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.config import Config
from daemon.core.engine import Engine
from daemon.core.units import MILLISECOND, MONEY_ONE, SECOND, Money
from daemon.kalshi.bodies import EndpointCosts
from daemon.kalshi.costs import Costs
from daemon.parts import Outside, Parts, open_store
from daemon.report.figures import gather_figures
from daemon.report.mids import Mids, journals_between
from daemon.report.page import render
from daemon.report.period import day_of, parse_range
from daemon.shell.clock import SystemClock
from daemon.shell.journal import Journal
from daemon.shell.notices import Notices
from daemon.shell.notifications import Notifications
from daemon.shell.store import STORE_NAME, Recorder
from tests.e2e import venue_rig as rigs
from tests.e2e.venue_rig import EVENT, venue_rig
from tests.shell.test_notifications import Taker

M = f"{EVENT}-M0"
CASH: Money = 10_000 * MONEY_ONE
"""What a sandbox's account begins with."""
BATCH = 20 * MILLISECOND
"""What arrives while a batch is handled is older than its decision, and not in it."""


async def test_a_sessions_report_is_what_the_venue_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a payout the account's cash has changed by the report's profit; each mark is the book's mid."""
    recorders: list[Recorder] = []
    taker = Taker()
    notices = Notices(["settlement"], "sandbox", Notifications({"line 1": taker}))
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "journal").symlink_to(tmp_path / "journal")

    def recorded(
        config: Config,
        engine: Engine,
        journal: Journal,
        outside: Outside,
        *,
        clock: SystemClock,
        **words: Any,
    ) -> Parts:
        outside = msgspec.structs.replace(outside, notices=notices)
        recorders.append(open_store(config, engine, "0", Costs(EndpointCosts(10, [])), clock))
        return Parts(config, engine, journal, outside, clock=clock, recorder=recorders[0], **words)

    began = time.time_ns()
    monkeypatch.setattr(rigs, "Parts", recorded)
    async with venue_rig(tmp_path) as rig:
        state = rig.engine.state
        await rig.until(lambda: state.counts["fills"] >= 6, "it fills")
        rig.strategy.is_quoting = False
        await rig.until(lambda: not state.orders, "no order is left")
        for path in ("close", "determine", "settle"):
            words = {"result": "yes"} if path == "determine" else {}
            await rig.call(f"/markets/{path}", ticker=M, **words)
        await rig.until(lambda: state.markets[M].is_settled, "the payout is known")
        await rig.agrees()
        cash, positions, _ = await rig.truth()
        fills, fees, limits = state.ledger.fills_total, state.ledger.fees, rig.engine.config.limits
        recorders[0].end("a test", 0)
        recorders[0].close()
    assert {} == positions
    notices.close()
    paid = [one for one in taker.taken if f"{M}: " in one]
    assert bool(paid) == (rows_of(folder, "SELECT count(*) FROM settlements") != [(0,)])
    now = time.time_ns()
    days = parse_range(f"{day_of(began).name}..{day_of(now).name}")  # midnight may lie between
    found = gather_figures(folder, "sandbox", limits, days, now)
    total = found.results.total
    assert (cash - CASH, fees, fills, 0) == (total.pnl, total.fees, total.fills, total.held_qty)
    assert [M] == [one.name for one in found.results.by_market]
    assert [EVENT] == [one.name for one in found.results.by_event]
    assert found.mark_outs[0].all.fills > 0
    assert "unknown" not in render(found).split("Mark-outs")[0]
    assert_marks_are_the_mids(folder)


def rows_of(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask the store as anybody may."""
    with closing(sqlite3.connect(f"file:{folder / STORE_NAME}?mode=ro", uri=True)) as store:
        return store.execute(query).fetchall()


def assert_marks_are_the_mids(folder: Path) -> None:
    """What the daemon noted a second after each fill is what the pass over its journal finds then."""
    marks = rows_of(
        folder,
        "SELECT marks.at, ticker, marks.mid FROM marks JOIN fills USING (trade_id, order_id)"
        f" WHERE after = {SECOND}",
    )
    ((epoch,),) = rows_of(folder, "SELECT epoch FROM runs")
    assert marks
    mids = Mids((when, ticker) for at, ticker, _ in marks for when in (at - BATCH, at))
    mids.read(journals_between(folder / "journal", [epoch], 0, 2**62), 2**62)
    for at, ticker, mid in marks:
        assert mid in (mids.then[at, ticker], mids.then[at - BATCH, ticker])
