"""The end of a run: asked for once, waited for within bounds, and honest about what is not confirmed.

    stop deciding → cancel ours, or leave it (`on_exit`) → confirm → reconcile → stopped

A second signal leaves at once. So does an exchange pause that holds all that is left: no cancel passes it,
and waiting would change nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.units import Ns
from daemon.shell.loop import Pump
from daemon.shell.open_orders import OrderLine, open_orders

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 15.0
"""How long a stop may take; past it the daemon leaves, and says what is not confirmed."""
LOOK_S = 0.1


class Ending:
    """Turns the pump until the engine has stopped.

    Args:
        engine: whose end it is.
        pump: what drives it.
        now: our clock.
        emit: takes the events for the core.
    """

    def __init__(
        self, engine: Engine, pump: Pump, *, now: Callable[[], Ns], emit: Callable[[e.Event], None]
    ) -> None:
        self._engine = engine
        self._pump = pump
        self._now = now
        self._emit = emit
        self._stopping = asyncio.Event()
        self._leaving = asyncio.Event()
        self.reason = "stopped"
        """Why it ends, for the summary."""

    def ask(self, reason: str) -> None:
        """Ask for the end; again, and nothing happens."""
        if not self._stopping.is_set():
            log.info("stop.requested", reason=reason)
            self.reason = reason
            self._emit(e.StopRequested(reason, self._now()))
            self._stopping.set()

    def press(self, signal_name: str) -> None:
        """Take a signal: the first asks for the end, the next one leaves at once."""
        if self._stopping.is_set():
            self._leaving.set()
        else:
            self.ask(signal_name)

    async def turn_until_stopped(self) -> bool:
        """Turn the pump; False when it did not come to a confirmed end.

        Raises:
            JournalFailed: what can't be recorded is not acted on.
        """
        pumping = asyncio.ensure_future(self._pump.run())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({pumping, stopping}, return_when=asyncio.FIRST_COMPLETED)
            problem = await self._wait_for(pumping)
        finally:
            # Also when another task failed and cancelled us: nothing is decided on a journal being closed.
            stopping.cancel()
            pumping.cancel()
        if problem is None:
            pumping.result()
            if left := self.left():
                log.warning("stop.left", orders=left)
            return True
        is_reconciled = self._engine.state.account.is_reconciled
        log.error("stop.unconfirmed", reason=problem, orders=self.left(), reconciled=is_reconciled)
        return False

    async def _wait_for(self, pumping: asyncio.Future[None]) -> str | None:
        """Wait for the pump's end; return why it was not waited for any longer, or None."""
        deadline = asyncio.get_running_loop().time() + STOP_WITHIN_S
        leaving = asyncio.ensure_future(self._leaving.wait())
        try:
            while not pumping.done():
                if leaving.done():
                    return "a second signal"
                if self._is_held():
                    return "the exchange is paused: it takes no cancel"
                if asyncio.get_running_loop().time() >= deadline:
                    return f"not confirmed within {STOP_WITHIN_S:g} s"
                both: set[asyncio.Future[Any]] = {pumping, leaving}
                await asyncio.wait(both, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
        return None

    def _is_held(self) -> bool:
        """Whether all that is left rests where the exchange is paused."""
        engine, now = self._engine, self._now()
        state = engine.state
        if engine.phase != "stopping" or engine.leaves_orders:
            return False
        return bool(state.orders) and all(
            order.state == "resting" and state.is_exchange_paused(order.ticker, now)
            for order in state.orders.values()
        )

    def left(self) -> list[str]:
        """Return our orders that may still trade, a line each."""
        return [str(line) for line in self.lines()]

    def lines(self) -> list[OrderLine]:
        """Return our orders that may still trade."""
        return open_orders(self._engine.state)
