"""`kalshid run` with a strategy that is never content, and a window into what it believes: to be killed.

All is what a person runs, down to the exit code. Two things are added: the strategy, for those that ship
leave an order alone for long, and the core asks it ten times a second; and a file that tells, some twenty
times a second, what the core believes. A file named `quiet` beside the configuration stops the quoting.

Run as: python -m tests.e2e.restless <config.toml>
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from daemon import assembly
from daemon.app import App
from daemon.config import Config, load_config
from daemon.core.units import MILLISECOND, Money, Qty
from daemon.shell import log
from daemon.venue import RunOptions
from strategies import SHIPPED, Shipped
from tests.e2e.venue_rig import Requoter

BELIEFS_FILE = "beliefs.json"
QUIET_FILE = "quiet"


class Beliefs(msgspec.Struct, frozen=True):
    """What the core of one process believes. `positions` are open ones; `fees` of each market ever held."""

    pid: int
    phase: str
    is_quiet: bool
    is_reconciled: bool
    halt_reason: str | None
    cash: Money | None
    positions: dict[str, Qty]
    fees: dict[str, Money]
    orders: dict[str, str]
    """State by client order id."""
    orders_total: int
    findings: list[str]
    counts: dict[str, int]


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """It has no knobs."""


REQUOTER = Requoter()
"""The one strategy; the engine knows it in its wrapping, which has no switch for quotes."""


class WatchedApp(App):
    """The app, and what it believes in a file."""

    def __init__(self, config: Config, config_path: Path) -> None:
        super().__init__(config, str(config_path), RunOptions())
        self._folder = config_path.parent

    async def _watch(self) -> None:
        telling = asyncio.create_task(self._tell())
        try:
            await super()._watch()
        finally:
            telling.cancel()

    async def _tell(self) -> None:
        path = self._folder / BELIEFS_FILE
        fresh = path.with_suffix(".fresh")
        strategy = REQUOTER
        while True:
            # Told after the core has decided at least once on it: what was quoted before is in its orders.
            is_quiet = not strategy.is_quoting
            strategy.is_quoting = not (self._folder / QUIET_FILE).exists()
            fresh.write_bytes(msgspec.json.encode(self._beliefs(is_quiet=is_quiet)))
            fresh.replace(path)
            await asyncio.sleep(0.05)

    def _beliefs(self, *, is_quiet: bool) -> Beliefs:
        engine = self._engine
        state, ledger = engine.state, engine.state.ledger
        return Beliefs(
            pid=os.getpid(),
            phase=engine.phase,
            is_quiet=is_quiet,
            is_reconciled=state.account.is_reconciled,
            halt_reason=state.halt_reason,
            cash=ledger.cash,
            positions={ticker: one.qty for ticker, one in ledger.positions.items() if one.qty},
            fees={ticker: one.fees for ticker, one in ledger.positions.items() if one.fees},
            orders={name: order.state for name, order in state.orders.items()},
            orders_total=engine.orders_total,
            findings=[str(finding) for finding in state.account.findings],
            counts=dict(state.counts),
        )


def run(config_path: Path) -> int:
    """Run to the end and return the exit code."""
    SHIPPED[Requoter.name] = Shipped(Params, lambda _: REQUOTER)
    assembly.HEARTBEAT = 100 * MILLISECOND
    log.configure("info", "console", None)
    return asyncio.run(WatchedApp(load_config(config_path), config_path).run())


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
