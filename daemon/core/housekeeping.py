"""What the account needs whatever the markets do: cancel-all, probes, readings, orders that nobody owns.

Asked once per decision, before any market is looked at.
"""

from __future__ import annotations

from daemon.core.breaker import Breaker
from daemon.core.commands import CancelAll, Command, ProbeVenue, Reconcile
from daemon.core.engine_config import EngineConfig
from daemon.core.issuing import Issuer
from daemon.core.orders import ProposeCancel
from daemon.core.own_orders import ADOPTED
from daemon.core.risk import Risk
from daemon.core.state import State
from daemon.core.units import SECOND, Ns


class Housekeeping:
    """Keeps when what was asked for last."""

    def __init__(
        self, config: EngineConfig, state: State, breaker: Breaker, risk: Risk, issuer: Issuer
    ) -> None:
        self._config = config
        self._state = state
        self._breaker = breaker
        self._risk = risk
        self._issuer = issuer
        self._asked_at: Ns | None = None
        self._probed_at: Ns = 0
        self.is_cancel_all_due = False

    def probe(self, now: Ns) -> list[Command]:
        """Return what goes out at all times, stopped or not: cancel-all and the probe of the venue."""
        commands: list[Command] = []
        state = self._state
        if self.is_cancel_all_due:
            self.is_cancel_all_due = False
            state.is_reading_due = True
            commands.append(CancelAll("breaker opened", now))
        is_asking = self._breaker.state == "open" or state.exchange.is_supposed(now)
        if is_asking and now - self._probed_at >= self._config.probe_every:
            self._probed_at = now
            commands.append(ProbeVenue(now))
        return commands

    def keep(self, now: Ns) -> list[Command]:
        """Return the cancels of orders that nobody owns, and the reading that is due."""
        commands: list[Command] = []
        state = self._state
        is_doubtful = not state.account.is_reconciled
        for order in tuple(state.orders.values()):
            is_doubtful = is_doubtful or order.state == "unknown" or not order.is_open
            # Nobody else would take these out: their strategy is a previous life's, or their market is gone.
            is_orphan = order.strategy == ADOPTED or order.ticker not in state.markets
            if is_orphan and order.state == "resting" and not state.is_exchange_paused(order.ticker, now):
                wish = ProposeCancel(order.ticker, order.strategy, order.client_order_id, "adopted")
                commands.append(self._issuer.issue(self._risk.approve_cancel(wish), None, now))
        since = None if self._asked_at is None else now - self._asked_at
        if (
            since is None
            or (state.is_reading_due and since >= SECOND // 4)
            or (is_doubtful and since >= SECOND)
            or since >= self._config.reconcile_every
        ):
            reason = "due" if state.account.is_reconciled else "not reconciled"
            self._asked_at = now
            state.is_reading_due = False
            commands.append(Reconcile(reason, now))
        return commands
