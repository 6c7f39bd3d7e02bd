"""When everything stops until a person resumes: who halts, what is latched, what a resume acknowledges.

A person halts, a guard of the shell, the latch that was on disk at the start, a wish to flatten, or one of
the breakers that need a person: a loss, a finding that means that our books are wrong, orders that nobody
decided. The first one's words stay; each halt is decided once as `LatchHalt`, before anything else of the
same decision, and each resume of a person as `LiftHalt`.

A resume acknowledges the loss of that moment and raises no limit: `daily_loss_limit` and `drawdown_limit`
still refuse what enters. The same loss halts again only when it has grown by another limit's worth, when it
was made good in between, or on another day.
"""

from __future__ import annotations

from collections.abc import Iterable

from daemon.core import events as e
from daemon.core.breakers import ACCOUNT, BreakerName, Breakers
from daemon.core.commands import Command, LatchHalt, LiftHalt
from daemon.core.state import State
from daemon.core.units import Money, Ns, format_money

ON_DISK = "latch"
"""Who halts when a halt of a life before was found on disk: it is there already."""


class Halting:
    """Turns what needs a person into a halt, and halts and resumes into what the disk must know."""

    def __init__(self, state: State, breakers: Breakers) -> None:
        self._state = state
        self._breakers = breakers
        self._latched: tuple[str, str] | None = None
        """The words of the halt that is on disk."""
        self._resume: e.ResumeRequested | None = None
        self._to_acknowledge: dict[BreakerName, None] = {}
        """Losses that a person has resumed in spite of, and that have not been looked at since."""
        self._acknowledged: dict[BreakerName, Money] = {}
        self._findings_seen = 0

    def resume(self, event: e.ResumeRequested) -> None:
        """Take in a person's resume; the beliefs have it already."""
        self._resume = event
        self._to_acknowledge = {"daily_loss": None, "drawdown": None}

    @property
    def acknowledged(self) -> tuple[tuple[str, Money], ...]:
        """The losses in spite of which a person resumed, for the next life."""
        return tuple((name, loss) for name, loss in self._acknowledged.items() if loss)

    def recover(self, acknowledged: Iterable[tuple[str, Money]]) -> None:
        """Take over what a person acknowledged in a life before."""
        known = dict(acknowledged)
        names: tuple[BreakerName, ...] = ("daily_loss", "drawdown")
        self._acknowledged = {name: known[name] for name in names if name in known}

    def watch_loss(self, name: BreakerName, loss: Money, limit: Money, now: Ns) -> None:
        """Hold a loss against its limit, and trip the breaker of that name when it is reached."""
        known = self._acknowledged.get(name, 0)
        is_resumed = name in self._to_acknowledge
        self._to_acknowledge.pop(name, None)
        if loss <= 0:
            known = 0  # made good, or another day
        elif is_resumed and loss >= limit:
            known = loss
        self._acknowledged[name] = known
        if loss >= known + limit and self._breakers.of(name).state != "open":
            why = f"a loss of ${format_money(loss)}, the limit is ${format_money(limit)}"
            if known:
                why += f" beyond ${format_money(known)} that a person has acknowledged"
            self._breakers.fail(name, ACCOUNT, now, why)

    def watch_findings(self, now: Ns) -> None:
        """Trip on every new finding that means that our books can't be trusted."""
        log = self._state.account.log
        for finding in log.since(self._findings_seen):
            if finding.rule == "halt":
                words = f"{finding.kind} {finding.subject}: believed {finding.believed}, told {finding.told}"
                self._breakers.fail("finding", ACCOUNT, now, words)
        self._findings_seen = log.total

    def commands(self, now: Ns) -> list[Command]:
        """Halt by what has tripped, and return what the disk must know before anything else is sent."""
        state = self._state
        for opened in self._breakers.take_tripped():
            state.halt(opened.words, f"breaker {opened.rule.name}")
        if state.halt_reason is not None:
            halt = (state.halt_reason, state.halt_by)
            if halt == self._latched:
                return []
            self._latched = halt
            # What is on its way, or of unknown fate, is in the group too: it must not rest after a halt.
            self._breakers.is_cancel_all_due = True
            return [] if state.halt_by == ON_DISK else [LatchHalt(*halt, now)]
        if self._latched is None:
            return []
        assert self._resume is not None, "only a resume ends a halt"
        self._latched = None
        return [LiftHalt(self._resume.reason, self._resume.by, now)]
