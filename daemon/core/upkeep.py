"""What is looked after whatever the markets do: by the clock, and at once when we are told anything.

Losses, breakers, halts, order groups, expiries, probes and readings change with answers, fills, people's
words and time, not with a level of a book. So a decision after market data alone does without them, unless
the last look was `EVERY` ago. What an order must pass (vouching, the limits) is asked of every order.
"""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.breakers import Breakers
from daemon.core.commands import Command, ProbeOrder
from daemon.core.engine_config import EngineConfig
from daemon.core.gathering import Gathering
from daemon.core.guards import Guards
from daemon.core.housekeeping import Housekeeping, probe_refusal
from daemon.core.remembering import Remembering
from daemon.core.risk import Refusal
from daemon.core.second_line import SecondLine
from daemon.core.state import State
from daemon.core.units import MILLISECOND, Ns

EVERY: Ns = 50 * MILLISECOND
"""Shorter than anything here is timed by, and long against the time between two ticks."""


class Upkeep:
    """Joins what has to be kept up. Asked once per decision."""

    def __init__(
        self,
        state: State,
        breakers: Breakers,
        gathering: Gathering,
        guards: Guards,
        house: Housekeeping,
        second_line: SecondLine,
        config: EngineConfig,
    ) -> None:
        self._state = state
        self._breakers = breakers
        self._gathering = gathering
        self._guards = guards
        self._house = house
        self._second_line = second_line
        self._remembering = Remembering(state, gathering, guards.halting)
        self._remembers_day = config.remembers_day
        self.due_at: Ns = 0
        """When it is to be looked after; 0, which is at once, once anything but market data is told."""
        self.is_of_news = True
        """Whether this look has something told to look after, and not the clock alone."""

    def apply(self, event: e.Event) -> None:
        """Change the beliefs by one fact; one that is no market data is looked at with the next decision."""
        match event:
            case e.ReferencePriceReceived():
                self._state.apply_reference(event)
            case e.TradePrinted():
                self._state.apply_trade(event)
            case e.QueuePlacesRead():
                pass  # nothing is due by it
            case _:
                self.due_at = 0
                self._guards.apply(event)
                if isinstance(event, e.DayRecovered):
                    self._remembering.recover(event)

    def is_due(self, now: Ns) -> bool:
        """Whether this decision looks after it all; if so, that is noted."""
        if now < self.due_at and not self._breakers.is_cancel_all_due:
            return False
        self.is_of_news = not self.due_at
        self.due_at = now + EVERY
        return True

    def begin(self, now: Ns) -> list[Command]:
        """Halt by what has tripped; return what the disk must know before anything else of this decision."""
        gathering = self._gathering
        gathering.look(now)
        self._second_line.watch()
        commands = self._guards.decide(now, loss_today=-gathering.pnl_today(), drawdown=gathering.drawdown())
        return commands + self._keep_day(now)

    def _keep_day(self, now: Ns) -> list[Command]:
        return self._remembering.keep(now, is_told=self.is_of_news) if self._remembers_day else []

    def probe(self, now: Ns) -> list[Command]:
        """Return what goes out stopped or not."""
        return self._house.probe(now)

    def vouch_probe(self, command: ProbeOrder, now: Ns) -> Refusal | None:
        """Return why this probe must not leave at this instant; the queue asks at the moment of sending."""
        return probe_refusal(self._state, self._breakers, command.ticker, now)

    def keep(self, now: Ns) -> list[Command]:
        """Return what goes before the markets' orders: probes, readings, the cancels of what nobody owns."""
        return self._house.keep(now)

    def end(self, now: Ns) -> list[Command]:
        """Return what goes behind them: what keeps groups and resting orders alive."""
        return self._second_line.keep(now)
