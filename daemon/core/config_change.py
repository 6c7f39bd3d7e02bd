"""Another configuration between two decisions: limits, terms, and the tables of strategies.

What is believed stays: books, windows, positions, orders and records are the same objects before and after,
and so is each strategy whose terms are as they were. What rests stays too: limits judge what is asked for
from then on, and a loss past its new limit halts, which takes out everything.

A strategy that is enabled no longer is switched off, as by a person, so that what rests of it is taken out;
one that a person or a fault switched off stays so, whatever the configuration says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from daemon.core.asking import Slot, strategy_limits
from daemon.core.breakers import Breakers, rules_of
from daemon.core.engine_config import EngineConfig
from daemon.core.events import ConfigChanged
from daemon.core.gathering import Gathering
from daemon.core.housekeeping import Housekeeping
from daemon.core.issuing import Issuer
from daemon.core.limits import Limits
from daemon.core.models import Models
from daemon.core.own_orders import ADOPTED
from daemon.core.second_line import SecondLine
from daemon.core.standing import Standing
from daemon.core.state import State
from daemon.core.switches import BY_CONFIG
from daemon.core.terms import Terms
from daemon.core.units import Ns


class HoldsLimits(Protocol):
    """A part that asks the limits."""

    limits: Limits


class Termed(NamedTuple):
    """The parts that go by terms."""

    breakers: Breakers
    issuer: Issuer
    house: Housekeeping
    second_line: SecondLine


class SlotSource(Protocol):
    """Where strategies with changed terms come from."""

    def slots_of(self, tables: str) -> Sequence[Slot]:
        """Return the strategies that the text of an event describes."""
        ...


class ConfigChanges:
    """Takes changes in, for the parts of one engine."""

    source: SlotSource | None = None
    """None where no strategy ever changes."""
    sha256: str | None = None
    """The fingerprint of the configuration in force; None for that of the start."""

    def __init__(
        self,
        state: State,
        models: Models,
        gathering: Gathering,
        standing: Standing,
        holders: Iterable[HoldsLimits],
        termed: Termed,
    ) -> None:
        """Build; `holders` are the parts that ask the limits, besides those that are named."""
        self._state = state
        self._models = models
        self._gathering = gathering
        self._standing = standing
        self._holders: tuple[HoldsLimits, ...] = (gathering, gathering.exits, standing, *holders)
        self._termed = termed
        self._wrapper: Callable[[Slot], Slot] = lambda slot: slot

    def objection(self, slot: Slot) -> str | None:
        """Return why a strategy can't be taken into this run; None when it can."""
        if slot.model not in self._models.traded:
            return f"no model {slot.model!r}; there are: {', '.join(self._models.traded)}"
        places = self._models.places
        lacking = [name for name in slot.strategy.features if name not in places]
        return f"it needs features that are not computed: {', '.join(lacking)}; restart" if lacking else None

    def wrap(self, wrapper: Callable[[Slot], Slot]) -> None:
        """Put something around each strategy, and around those that come: whoever measures them does."""
        self._wrapper = wrapper
        self._standing.slots = tuple(wrapper(slot) for slot in self._standing.slots)

    def apply(self, event: ConfigChanged, config: EngineConfig) -> EngineConfig:
        """Take a change in, whole: nothing decides before it is over. Return the engine's new terms."""
        if event.tables:
            assert self.source is not None, "a strategy changes, and nobody can build it"
            self._take(self.source.slots_of(event.tables))
        for holder in self._holders:
            holder.limits = event.limits
        self._switch(event)
        self.sha256 = event.sha256
        config = msgspec.structs.replace(config, limits=event.limits)
        return config if event.terms is None else self._go_by(event.terms, config, event.received_at)

    def _go_by(self, terms: Terms, old: EngineConfig, at: Ns) -> EngineConfig:
        """Tell the parts their terms; return the engine's."""
        own = msgspec.structs.asdict(terms)
        stale_max = own.pop("reference_stale_max")
        reference = msgspec.structs.replace(old.reference, stale_max=stale_max)
        config = msgspec.structs.replace(old, **own, reference=reference)
        breakers, issuer, house, second_line = self._termed
        breakers.change_rules(
            rules_of(config.failures_max, config.rejects_max, config.cool_down), config.ack_max
        )
        issuer.order_ttl, issuer.order_expiry = config.order_ttl, config.order_expiry
        house.config = second_line.config = config
        self._state.audit_differences_max = config.audit_differences_max
        self._state.references.bound_staleness(stale_max, at)
        return config

    def _take(self, changed: Sequence[Slot]) -> None:
        """Put strategies in the places of those with their names; new ones behind all others."""
        by_name = {slot.strategy.name: slot for slot in self._standing.slots}
        by_name |= {slot.strategy.name: self._wrapper(slot) for slot in changed}
        slots = self._standing.slots = tuple(by_name.values())
        self._models.readers |= {slot.strategy.name: slot.model for slot in changed}
        self._gathering.strategies.limits = strategy_limits(slots)
        for order in self._state.orders.values():
            slot, market = by_name.get(order.strategy), self._state.markets.get(order.ticker)
            if slot is not None and market is not None and not slot.trades(market.spec):
                # It is asked nothing there any more: nobody else would take its order out, or let it expire.
                order.strategy = ADOPTED

    def _switch(self, event: ConfigChanged) -> None:
        switches = self._state.switches
        for slot in self._standing.slots:
            name = slot.strategy.name
            if name not in event.running:
                switches.turn_off(name, "not enabled in the configuration", BY_CONFIG, event.received_at)
            elif name in switches.off and switches.off[name].by == BY_CONFIG:
                switches.turn_on(name)
