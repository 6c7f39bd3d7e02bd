"""What tests of commands stand on: a core that answers on a control socket, and a store that a life left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from daemon.cli import main
from daemon.core import events as e
from daemon.core.commands import Decided
from daemon.core.engine import Engine
from daemon.core.findings import Drift
from daemon.core.units import SECOND
from daemon.shell.account_view import account_routes
from daemon.shell.control import serve_control, status_of
from daemon.shell.journal import Journal, JournalHeader
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from daemon.shell.notices import Notices
from daemon.shell.store import STORE_NAME, Store
from daemon.shell.store import rows as r
from tests.core.worlds import NOW, TICKER, Scripted
from tests.core.worlds import trading as trading_engine

WITHIN_S = 30.0
EPOCH = 1_795_286_424_683
BEGAN = EPOCH * 1_000_000
FILL = e.OrderFilled("t", "id-kd-1-1", "kd-1-1", TICKER, "bid", 4_000, 200, 7_000, True, NOW, NOW)


def kalshid(config: Path, *words: str) -> Result:
    """Type a command; `--config` goes behind its words."""
    return CliRunner().invoke(main, [*words, "--config", str(config)])


class Served:
    """A core that takes in what it is told at once, and reads its lists when a person wants it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.engine: Engine = trading_engine(Scripted())
        self.engine.state.ledger.apply_fill(FILL)
        self.switch = KillSwitch(Latch(folder), now=lambda: NOW, emit=self.emit)
        self.switch.is_halted = lambda: self.engine.state.halt_reason is not None
        self.drifts = False
        """Whether a reading finds that the venue's cash is another one."""
        self.at = NOW
        self.notices: Notices | None = None

    def emit(self, event: e.Event) -> None:
        """Take an event in; a reading that is wanted comes at once, a second later by our clock."""
        self.engine.handle(event)
        if isinstance(event, e.ReadingRequested):
            self.at += SECOND
            self.engine.state.account.read_at = self.at
            if self.drifts:
                drift = Drift("cash_drift", "cash", 1_000_000, 2_000_000)
                self.engine.state.account.log.add(drift, "explained", self.at)


@asynccontextmanager
async def serving(folder: Path, mode: str = "sandbox") -> AsyncIterator[Served]:
    """Answer on the control socket of a state folder."""
    served = Served(folder)
    async with asyncio.timeout(WITHIN_S):
        runner = await serve_control(
            folder, served.switch, lambda: status_of(served.engine, served.switch, mode, served.notices),
            more=account_routes(served.engine, mode, served.emit, lambda: served.at),
        )  # fmt: skip
        try:
            yield served
        finally:
            await runner.cleanup()


def asked(
    config: Path,
    *words: str,
    mode: str = "sandbox",
    drifts: bool = False,
    notices: Notices | None = None,
) -> Result:
    """Type a command while a daemon answers; its position is two contracts at 40 cents."""

    async def ask() -> Result:
        # What the daemon's end logs is not what the command says.
        with capture_logs():
            async with serving(config.parent / "var", mode) as served:
                served.drifts, served.notices = drifts, notices
                return await asyncio.to_thread(kalshid, config, *words)

    return asyncio.run(ask())


def leave_journal(folder: Path, mode: str, epoch: int = EPOCH, *, is_begun: bool = True) -> None:
    """Write the journal that a start of a mode left in a state folder; begun, it has decided once."""
    header = JournalHeader(kalshid_version="0", instance=mode, epoch=epoch, engine=msgspec.Raw(b"\xc0"))
    journal = Journal.create(folder / "journal", header)
    if is_begun:
        journal.append([Decided(BEGAN)])
    journal.close()


def leave_store(folder: Path, *, mode: str = "sandbox", is_ended: bool = True) -> Path:
    """Write what a life left: a fill, a position, a resting order, its equity, a finding; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / STORE_NAME
    store = Store(path, EPOCH)
    at = BEGAN
    rows: list[r.Row] = [
        r.Run(at, mode, "0.1.0", "[]", "m", "l", "c"),
        r.Intent(at + 1, "kd-1-1", "place", "M-1", "bid", 4_000, 300, "rest", "enter", "fair", "edge", 0.5),
        r.OrderChange(at + 2, "kd-1-1", "o1", "M-1", "resting", 0, "OrderAccepted"),
        r.OrderChange(at + 3, "kd-1-1", "o1", "M-1", "resting", 200, "OrderFilled"),
        r.OrderChange(at + 4, "kd-1-2", "o2", "M-1", "canceled", 0, "OrderUpdated"),
        r.Fill(at + 3, "t1", "o1", "kd-1-1", "M-1", "bid", 4_000, 200, 7_000, None, 1, None),
        r.PositionPoint(at + 3, "M-1", 100, 400_000, 0, 3_500),
        r.PositionPoint(at + 4, "M-1", 200, 800_000, 0, 7_000),
        r.EquityPoint(at + 5, 9_999_193_000, 9_999_993_000, 807_000, 0, 7_000, "trading"),
        r.Finding(at + 6, "ghost", "kd-0-1", 100, None, "correct"),
    ]
    if is_ended:
        rows.append(r.RunEnd(at + 7 * SECOND, "SIGINT", 0))
    store.put(rows)
    store.close()
    return path
