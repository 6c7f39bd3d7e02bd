"""What the account needs whatever the markets do: cancel-all, probes, readings, orders that nobody owns.

Asked once per decision, before any market is looked at. An order of unknown outcome is asked after in two
ways until one of them tells: its market's orders are read, ended ones included; and, if nobody has told that
it arrived, its id is sent again (`ProbeOrder`), a few times with growing pauses. Both cease by themselves:
past its signature's life, lists that lack it are the proof.
"""

from __future__ import annotations

from daemon.core.breakers import Breakers
from daemon.core.commands import CancelAll, Command, ProbeVenue, Reconcile
from daemon.core.engine_config import EngineConfig
from daemon.core.issuing import Issuer
from daemon.core.orders import Order, ProposeCancel
from daemon.core.own_orders import ADOPTED
from daemon.core.risk import Refusal, Risk
from daemon.core.state import State
from daemon.core.units import SECOND, Ns

PROBE_AFTER: tuple[Ns, ...] = (SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND)
"""How long after the last thing that was sent with its id an order is probed for, first to last probe. The
first is longer than an answer on the stream is likely to take."""
FILLS_WITHIN: Ns = 5 * SECOND
"""Stream and lists tell the fills of an order that is over in less: later its end is read anew."""
DOUBTFUL_MAX = 10
"""Markets whose orders are read in one reconciliation, one request each; more take turns."""


def probe_refusal(state: State, breakers: Breakers, ticker: str, now: Ns) -> Refusal | None:
    """Return why no probe may leave for a market at this instant; None when it may.

    Asked at the decision, and again at the moment of sending. A person has stopped us: then a probe is an
    order like any other (decision 0006).
    """
    market = state.markets.get(ticker)
    if market is None:
        return "not_watched"
    if market.spec.status != "active":
        return "market_not_open"
    if state.halt_reason is not None or state.flatten is not None:
        return "halted"
    if not breakers.is_answered:
        return "breaker_open"
    return state.exchange.refusal(market.spec.exchange_index, now)


class Housekeeping:
    """Keeps when what was asked for last."""

    def __init__(
        self, config: EngineConfig, state: State, breakers: Breakers, risk: Risk, issuer: Issuer
    ) -> None:
        self.config = config
        self._state = state
        self._breakers = breakers
        self._risk = risk
        self._issuer = issuer
        self._asked_at: Ns | None = None
        self._probed_at: Ns = 0
        self._doubtful_turn = 0

    def probe(self, now: Ns) -> list[Command]:
        """Return what goes out at all times, stopped or not: cancel-all and the probe of the venue."""
        commands: list[Command] = []
        state = self._state
        if self._breakers.is_cancel_all_due:
            self._breakers.is_cancel_all_due = False
            state.is_reading_due = True
            reason = state.halt_reason or "breaker opened"
            for shard, group_id in state.order_groups.ids.items():
                if state.order_groups.is_triggered(shard):
                    continue
                state.order_groups.trigger(shard, now)
                commands.append(CancelAll(shard, group_id, reason, now))
        is_asking = not self._breakers.is_answered or state.exchange.is_supposed(now)
        if is_asking and now - self._probed_at >= self.config.probe_every:
            self._probed_at = now
            commands.append(ProbeVenue(now))
        return commands

    def keep(self, now: Ns) -> list[Command]:
        """Return the cancels of orders that nobody owns, the probes, and the reading that is due."""
        commands: list[Command] = []
        state = self._state
        is_unsettled = not state.account.is_reconciled
        doubtful: dict[str, None] = {}
        for order in tuple(state.orders.values()):
            is_unsettled = is_unsettled or order.state == "unknown" or not order.is_open
            if not order.is_open and now - order.touched_at >= FILLS_WITHIN:
                doubtful[order.ticker] = None
            if order.state == "unknown":
                doubtful[order.ticker] = None
                if self._is_probe_due(order, now) and (command := self._issuer.probe(order, now)) is not None:
                    commands.append(command)
            # Nobody else would take these out: their strategy is a previous life's, or their market is gone.
            is_orphan = order.strategy == ADOPTED or order.ticker not in state.markets
            is_due = order.state == "resting" and order.may_ask_out(now)
            if is_orphan and is_due and not state.is_exchange_paused(order.ticker, now):
                wish = ProposeCancel(order.ticker, order.strategy, order.client_order_id, "adopted")
                commands.append(self._issuer.issue(self._risk.approve_cancel(wish), None, now))
        since = None if self._asked_at is None else now - self._asked_at
        counts_from = state.account.counts_from
        if (
            since is None
            or (counts_from is not None and now - since < counts_from <= now)
            or (state.is_reading_due and since >= SECOND // 4)
            or (is_unsettled and since >= SECOND)
            or since >= self.config.reconcile_every
        ):
            reason = "due" if state.account.is_reconciled else "not reconciled"
            self._asked_at = now
            state.is_reading_due = False
            commands.append(Reconcile(reason, now, self._turn_of(tuple(doubtful))))
        return commands

    def _is_probe_due(self, order: Order, now: Ns) -> bool:
        """Whether an order that nobody has acknowledged is to be asked after now.

        Not while a person has stopped us, for whom a probe is an order like any other; not while the venue
        would refuse it for its own state, which teaches nothing.
        """
        if order.order_id is not None or order.has_arrived or order.is_probing:
            return False
        if order.probes >= len(PROBE_AFTER) or now < order.sent_at_latest + PROBE_AFTER[order.probes]:
            return False
        return probe_refusal(self._state, self._breakers, order.ticker, now) is None

    def _turn_of(self, doubtful: tuple[str, ...]) -> tuple[str, ...]:
        """Return the markets whose orders are read this time."""
        if len(doubtful) <= DOUBTFUL_MAX:
            return doubtful
        start = self._doubtful_turn % len(doubtful)
        self._doubtful_turn = start + DOUBTFUL_MAX
        return (doubtful + doubtful)[start : start + DOUBTFUL_MAX]
