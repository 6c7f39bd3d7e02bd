"""Which strategies are off: by a person, because one took too long, or because it raised.

A strategy that is off wants nothing: its orders are taken out, everybody else's stay, and the daemon goes on.
A restart switches it on again, for nothing is kept on disk; whether it runs at all is the configuration's to
say (`enabled`). What the shell and persons say comes as events; what a strategy raises is met again by a
replay at the same decision.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from daemon.core.events import StrategySwitched
from daemon.core.units import Ns

BY_CONFIG = "config"
"""Who switched off what is enabled no longer."""


class SwitchedOff(msgspec.Struct, frozen=True):
    """Why a strategy is off, by whom, and since when."""

    reason: str
    by: str
    at: Ns


class Switches:
    """The strategies that are off. All others are on."""

    def __init__(self) -> None:
        self._off: dict[str, SwitchedOff] = {}
        self.changes_total = 0
        """How often one was switched: whoever tells of it looks here."""

    @property
    def off(self) -> Mapping[str, SwitchedOff]:
        """Return those that are off, by name."""
        return self._off

    def is_off(self, strategy: str) -> bool:
        """Whether a strategy wants nothing now."""
        return strategy in self._off

    def apply(self, event: StrategySwitched) -> None:
        """Take a switch. What is off stays so for its first reason, until it is switched on."""
        if event.is_on:
            self.turn_on(event.strategy)
        else:
            self.turn_off(event.strategy, event.reason, event.by, event.received_at)

    def turn_on(self, strategy: str) -> None:
        """Switch one on again, unless it is."""
        self.changes_total += self._off.pop(strategy, None) is not None

    def turn_off(self, strategy: str, reason: str, by: str, at: Ns) -> None:
        """Switch one off, unless it is. What the configuration says gives way to anybody else's word."""
        off = self._off.get(strategy)
        if off is None or (off.by == BY_CONFIG and by != BY_CONFIG):
            self._off[strategy] = SwitchedOff(reason, by, at)
            self.changes_total += 1
