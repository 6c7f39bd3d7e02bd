"""What stops an order, asked at the decision and once more at the moment of sending.

Between the two an order may wait: for the disk, for tokens, behind others. Meanwhile a person trades by hand,
a leg of a hedge is given up, a group is triggered, an hour ends. So all that can change is asked again, with
everything else of ours counted as it is now. An order that was to reduce a position which is smaller now is
asked as one that enters.

Nothing here changes a belief: the moment of sending is in no journal, and a replay never comes here.
"""

from __future__ import annotations

from daemon.core.breakers import Breakers
from daemon.core.commands import AmendOrder, PlaceOrder, Purpose
from daemon.core.flatten import FLATTEN
from daemon.core.gathering import Gathering
from daemon.core.market import Market
from daemon.core.orders import ProposeAmend, ProposePlace
from daemon.core.risk import Limits, Refusal, Risk, vouch_market
from daemon.core.state import State
from daemon.core.strategy import Target
from daemon.core.units import Ns


class Sending:
    """Asks of one order what may have changed since it was decided."""

    def __init__(
        self, state: State, limits: Limits, breakers: Breakers, risk: Risk, gathering: Gathering
    ) -> None:
        self._state = state
        self.limits = limits
        self._breakers = breakers
        self._risk = risk
        self._gathering = gathering

    def is_flattening(self, strategy: str) -> bool:
        """Whether an order of this name closes positions at a person's word, which no halt forbids."""
        return strategy == FLATTEN and self._state.flatten is not None

    def stop_reason(self, strategy: str = "") -> Refusal | None:
        """Return what stops everything new of a strategy, except what closes positions at a person's word."""
        state = self._state
        if state.stop_reason is not None:
            return "stopping"
        if state.halt_reason is not None and not self.is_flattening(strategy):
            return "halted"
        return None if state.account.is_reconciled else "not_reconciled"

    def vouch(
        self,
        command: PlaceOrder | AmendOrder,
        close_guard: Ns | None,
        score: float | None,
        now: Ns,
        *,
        is_as_decided: bool = False,
    ) -> Refusal | None:
        """Return why an order must not leave at this instant; None when it may.

        `close_guard` is its strategy's own; None for the one of the limits. `score` is its model's P(YES).
        `is_as_decided`: nothing was told since its decision, so what no clock changes is as it was then.
        """
        state = self._state
        market = state.markets.get(command.ticker)
        if market is None:
            return "market_not_open"
        for order in state.orders.values():
            # Another one became so while this one waited in the queue.
            if order.state == "unknown" and order.ticker == command.ticker:
                return "order_unknown"
        purpose = self._purpose(command)
        is_flattening = purpose == "reduce" and self.is_flattening(command.strategy)
        stop = self.stop_reason(FLATTEN if is_flattening else "")
        keys = state.keys_of(command.ticker, command.strategy)
        opened = self._breakers.against(
            keys, is_reducing=purpose == "reduce", trials=(), is_flattening=is_flattening
        )
        if opened is not None:
            return stop or "breaker_open"
        return (
            stop
            or state.vouch(market, self.limits, now)
            or vouch_market(market.spec, market.book, command.book_changed_max, self.limits, now, close_guard)
            or self._group_refusal(command, market)
            or (
                self._entry_refusal(command, market, score, now, is_as_decided=is_as_decided)
                if purpose == "enter"
                else None
            )
        )

    def _purpose(self, command: PlaceOrder | AmendOrder) -> Purpose:
        """Return what the order is for as things are now."""
        if command.purpose != "reduce":
            return command.purpose
        held = self._state.ledger.position_qty(command.ticker)
        own = [order.stake for order in self._state.open_orders(command.ticker)]
        closing = sum(qty for side, _, qty in own if side == command.side)
        return "reduce" if closing <= (held if command.side == "ask" else -held) else "enter"

    def _group_refusal(self, command: PlaceOrder | AmendOrder, market: Market) -> Refusal | None:
        """Return why the order can't go into the group that it was decided for; None where it can."""
        if not isinstance(command, PlaceOrder) or command.order_group_id is None:
            return None
        groups, shard = self._state.order_groups, market.spec.exchange_index
        if groups.open_id(shard) == command.order_group_id:
            return None
        return groups.refusal(shard) or "no_order_group"

    def _entry_refusal(
        self,
        command: PlaceOrder | AmendOrder,
        market: Market,
        score: float | None,
        now: Ns,
        *,
        is_as_decided: bool,
    ) -> Refusal | None:
        refusal = self._gathering.entry_refusal(market, now, command.strategy)
        order = self._state.orders.get(command.client_order_id)
        if refusal is not None or order is None or is_as_decided:
            return refusal
        target = Target(command.side, command.price, command.qty, order.style, command.reason)
        proposal: ProposePlace | ProposeAmend
        if isinstance(command, AmendOrder):
            target = Target(command.side, command.price, command.qty - order.filled, "rest", command.reason)
            proposal = ProposeAmend(command.ticker, command.strategy, command.client_order_id, target)
        else:
            proposal = ProposePlace(command.ticker, command.strategy, target)
        refused = self._risk.objection_at_sending(
            proposal,
            self._gathering.of_market(market, None, now, score=score, strategy=command.strategy),
            self._gathering.of_account(market, command.strategy, None, now),
            command.client_order_id,
            now,
        )
        return None if refused is None else refused.name
