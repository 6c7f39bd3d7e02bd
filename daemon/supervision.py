"""What the service manager is told of this daemon: the words, and who asks for them."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable, Coroutine

from daemon.core.engine import Engine
from daemon.core.units import Ns
from daemon.shell.journal import Journal
from daemon.shell.progress import Progress
from daemon.shell.summary import mode_words
from daemon.shell.supervisor import Supervisor, keep_told


def status_line(engine: Engine, mode: str) -> str:
    """Return mode, phase, books, orders and positions in one line; of a halt, why."""
    state = engine.state
    synced = sum(market.book.is_synced for market in state.markets.values())
    held = sum(position.qty != 0 for position in state.ledger.positions.values())
    halted = f": {state.halt_reason}" if engine.phase == "halted" and state.halt_reason else ""
    return (
        f"{mode_words(mode)}, {engine.phase}{halted}; {synced} of {len(state.markets)} books,"
        f" {sum(order.is_open for order in state.orders.values())} open orders, {held} positions"
    )


def supervised(
    engine: Engine,
    journal: Journal,
    mode: str,
    why_unwell: Callable[[], str | None],
    now: Callable[[], Ns],
) -> dict[str, Coroutine[None, None, None]]:
    """Return the task that keeps the service manager told; none where nobody supervises us.

    Args:
        engine: whose beliefs are said.
        journal: what is written must come onto its disk.
        mode: the mode's name.
        why_unwell: why the pump does not turn, or None.
        now: our clock.
    """
    supervisor = Supervisor.of(os.environ, os.getpid())
    if supervisor is None:
        return {}
    faulthandler.enable()  # the watchdog ends what hangs by SIGABRT: every thread's stack is told first
    progress = Progress(engine.state, journal, why_unwell, now)
    return {
        "supervision": keep_told(
            supervisor,
            lambda: status_line(engine, mode),
            progress.why_stuck,
            lambda: engine.phase in ("stopping", "stopped"),
        )
    }
