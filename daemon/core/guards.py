"""What watches over the whole: every event and every decision is held against the breakers here.

The engine hands each event in, which then changes the beliefs and is observed; and before it decides anything
it asks what has tripped since. What needs a person becomes a halt (`halting`).
"""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.breakers import Breakers, Keys
from daemon.core.commands import Command
from daemon.core.halting import Halting
from daemon.core.intents import Intents
from daemon.core.risk import Limits
from daemon.core.state import State
from daemon.core.units import Money, Ns


class Guards:
    """Joins beliefs, breakers, intents and halts. `id_prefix` begins the client order ids of this life."""

    def __init__(self, state: State, breakers: Breakers, limits: Limits, id_prefix: str) -> None:
        self._state = state
        self._breakers = breakers
        self.limits = limits
        self.halting = Halting(state, breakers)
        self.intents = Intents(id_prefix)

    def apply(self, event: e.Event) -> None:
        """Change the beliefs by one fact, and hold it against the breakers."""
        keys, asked_at = self._asked(event)
        self._state.apply(event)
        self._breakers.observe(event, keys, asked_at)
        for breach in self.intents.observe(event):
            self._breakers.fail("out_of_step", breach.strategy, event.received_at, breach.why)
        if isinstance(event, e.ResumeRequested):
            self.halting.resume(event)

    def _asked(self, event: e.Event) -> tuple[Keys | None, Ns | None]:
        """Return whose order an answer is about, and when what it answers was asked; None where not known.

        Asked is when it left our queue: that we are out of tokens says nothing of how fast the venue answers.
        An old journal doesn't have that, then it is the decision.
        """
        if not isinstance(event, e.OrderAccepted | e.OrderRejected | e.OrderUnknown | e.OrderDropped):
            return None, None
        order = self._state.orders.get(event.client_order_id)
        if order is None:
            return None, None
        is_first = (event.action, order.state) in (("place", "placing"), ("amend", "amending"))
        keys, asked_at = self._state.keys_of(order.ticker, order.strategy), order.touched_at
        if isinstance(event, e.OrderAccepted | e.OrderRejected) and event.asked_at is not None:
            asked_at = event.asked_at
        return keys, asked_at if is_first else None

    def decide(self, now: Ns, *, loss_today: Money, drawdown: Money) -> list[Command]:
        """Trip what no single event tells, and return what the disk must know before anything is sent.

        Both losses are marked; they are looked at only while the account is reconciled.
        """
        limits, halting = self.limits, self.halting
        offsets = [health.lag.offset for health in self._state.feeds.values()]
        is_skewed = any(offset is not None and abs(offset) > limits.clock_offset_max for offset in offsets)
        self._breakers.cool(now, is_clock_skewed=is_skewed)
        halting.watch_findings(now)
        if self._state.account.is_reconciled:
            halting.watch_loss("daily_loss", loss_today, limits.daily_loss_max, now)
            if limits.drawdown_max is not None:
                halting.watch_loss("drawdown", drawdown, limits.drawdown_max, now)
        return halting.commands(now)
