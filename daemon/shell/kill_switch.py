"""The kill switch: whoever throws it, the halt is on disk first, then told to the core.

A person throws it four ways: `kalshid halt` (the control socket), a file, a signal, the page. The core throws
it by `LatchHalt`, and gives it back by `LiftHalt` when a person has resumed. A halt that another process
latched while we hung is noticed when we wake: by `watch`, and before that by `refusal`, which the queue
asks before every order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

import structlog

from daemon.core import events as e
from daemon.core.commands import LatchHalt, LiftHalt
from daemon.core.units import Ns, Price
from daemon.shell.latch import Halt, Latch, LatchFailed, instant_text, one_line

log = structlog.get_logger(__name__)

WATCH_S = 0.1
By = Literal["cli", "file", "signal", "page"]


class KillSwitch:
    """Joins the latch on disk with the core.

    Args:
        latch: the halt on disk.
        now: our clock.
        emit: takes the events for the core.
    """

    def __init__(self, latch: Latch, *, now: Callable[[], Ns], emit: Callable[[e.Event], None]) -> None:
        self.latch = latch
        self._now = now
        self._emit = emit
        self._is_told = False
        """Whether a latched halt is on its way to the core."""
        self.is_halted: Callable[[], bool] = lambda: False
        """Whether the core is halted; before there is one, it is not."""
        self.on_failure: Callable[[], None] = lambda: None
        """Told each time that the disk did not take a halt, or did not let one go."""

    # --- what persons do -------------------------------------------------------------------------

    def halt(self, reason: str, by: By) -> bool:
        """Halt; False when the disk did not take it, so that it holds only as long as we live."""
        log.warning("halt.requested", reason=one_line(reason), by=by)
        is_latched = self._is_told = self.hold(reason, by)
        self._emit(e.HaltRequested(one_line(reason), self._now(), by))
        return is_latched

    def hold(self, reason: str, by: str) -> bool:
        """Put a halt on disk without a word to the core; False when the disk did not take it."""
        return self._write(Halt(one_line(reason), by, instant_text(self._now())))

    def resume(self, reason: str, by: By) -> None:
        """Lift the halt, for a reason that is not empty. The core gives the latch back by `LiftHalt`."""
        words = one_line(reason)
        assert words, "nobody resumes without a reason"
        log.warning("resume.requested", reason=words, by=by)
        self._emit(e.ResumeRequested(words, self._now(), by))

    def flatten(self, reason: str, slippage: Price, by: By) -> bool:
        """Halt, and close all positions by orders that only reduce. What is flat stays flat until resumed."""
        is_latched = self.halt(reason, by)
        log.warning("flatten.requested", reason=one_line(reason), by=by, slippage=slippage)
        self._emit(e.FlattenRequested(one_line(reason), slippage, self._now(), by))
        return is_latched

    # --- what the core does ----------------------------------------------------------------------

    def carry_out(self, command: LatchHalt | LiftHalt) -> None:
        """Latch or lift, at once. What the disk refuses is said and counted, and we stay halted."""
        if isinstance(command, LatchHalt):
            self._write(Halt(one_line(command.reason), command.by, instant_text(command.decided_at)))
            return
        try:
            self.latch.lift()
        except LatchFailed as error:
            self.on_failure()
            log.critical("halt.unlifted", reason=str(error))
            self._emit(
                e.HaltRequested(one_line(f"the halt could not be lifted: {error}"), self._now(), "latch")
            )
        else:
            self._is_told = False
            log.warning("halt.lifted", reason=command.reason, by=command.by)

    def refusal(self) -> Literal["halted"] | None:
        """Return why nothing may leave: a halt on disk that the core has not heard of yet, and now hears."""
        if self.is_halted() or not self.latch.is_set:
            return None
        self._tell_found()
        return "halted"

    # --- what is found on disk -------------------------------------------------------------------

    def tell_latched(self) -> Halt | None:
        """Tell the core of the halt on disk, if it doesn't know; return that halt.

        At the start this is the first event of all.
        """
        if self.is_halted():
            self._is_told = False
            return None
        if self._is_told or (halt := self.latch.read()) is None:
            return None
        self._is_told = True
        if halt.by == "file":
            # From here on it stands by itself: the file that somebody takes away again resumes nothing.
            self._write(halt)
        self._emit(e.HaltRequested(halt.reason, self._now(), "file" if halt.by == "file" else "latch"))
        return halt

    async def watch(self) -> None:
        """Look for a halt on disk until cancelled."""
        while True:
            self._tell_found()
            await asyncio.sleep(WATCH_S)

    def _tell_found(self) -> None:
        if (halt := self.tell_latched()) is not None:
            log.warning("halt.found", reason=halt.reason, by=halt.by, since=halt.at)

    def _write(self, halt: Halt) -> bool:
        try:
            self.latch.write(halt)
        except LatchFailed as error:
            self.on_failure()
            log.critical("halt.unlatched", reason=str(error), halt=halt.reason)
            return False
        return True
