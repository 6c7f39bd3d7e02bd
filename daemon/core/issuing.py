"""From an `Approved` to a command: the order is recorded in flight first, then the command exists.

Client order ids are made of a prefix that is unique to this life and a sequence: the same decisions give
the same ids, and no id comes twice, for ever.
"""

from __future__ import annotations

from typing import assert_never

from daemon.core.commands import (
    AmendOrder,
    CancelOrder,
    OrderCommand,
    PlaceOrder,
    ProbeOrder,
    Purpose,
    WithdrawOrder,
)
from daemon.core.orders import Order, ProposeAmend, ProposeCancel, ProposePlace, ProposeWithdraw
from daemon.core.pace import Pace
from daemon.core.risk import Approved
from daemon.core.state import State
from daemon.core.units import PRICE_ONE, SECOND, Ns, Qty

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
PROBE_QTY: Qty = 1
"""0.01 contracts, the least that every market takes (sheet 3.1)."""
VENUE_ROUTES = -1
"""The exchange index that lets the venue find a market's shard: for markets that we don't watch."""


def base36(number: int) -> str:
    """Return a non-negative number in base 36."""
    digits = DIGITS[number % 36]
    while number := number // 36:
        digits = DIGITS[number % 36] + digits
    return digits


class Issuer:
    """Makes the commands of one life."""

    def __init__(self, state: State, id_prefix: str, order_ttl: Ns, order_expiry: Ns | None = None) -> None:
        self._state = state
        self._id_prefix = id_prefix
        self.order_ttl = order_ttl
        """How long a new order may wait in the queue."""
        self.order_expiry = order_expiry
        """How long it may rest unless it is kept alive; None for ever."""
        self._sequence = 0
        self.pace = Pace()
        """What went out within the last minute, which the gate asks for."""

    def issue(self, approved: Approved, book_changed_max: Ns | None, now: Ns) -> OrderCommand:
        """Record an approved proposal as in flight and return its command.

        `book_changed_max` is the strategy's own limit, which the queue checks again.
        """
        proposal = approved.proposal
        is_cancel = isinstance(proposal, ProposeCancel)
        self.pace.note_request(now, is_reducing=approved.purpose == "reduce" and not is_cancel)
        match proposal:
            case ProposeCancel():
                return self._cancel(proposal, now)
            case ProposeAmend():
                return self._amend(proposal, approved.purpose, book_changed_max, now)
            case ProposePlace():
                return self._place(proposal, approved.purpose, book_changed_max, now)
            case _:
                assert_never(proposal)

    def withdraw(self, proposal: ProposeWithdraw, now: Ns) -> WithdrawOrder:
        """Return the command that gives up a new order should it still wait; the order stays as it is."""
        self._state.orders[proposal.client_order_id].is_withdrawn = True
        return WithdrawOrder(proposal.client_order_id, proposal.reason, now)

    def probe(self, order: Order, now: Ns) -> ProbeOrder | None:
        """Return the command that asks whether an order arrived; None where its market's prices aren't known.

        The price is the market's last one on the far side of its book: lowest for a bid, highest for an ask.
        Whatever it could fill is a part of what the order itself may, and that is counted as exposure.
        """
        market = self._state.markets.get(order.ticker)
        if market is None:
            return None
        price = market.grid.ceil(1) if order.side == "bid" else market.grid.floor(PRICE_ONE - 1)
        if price is None:
            return None
        self.pace.note_request(now)
        order.is_probing = True
        order.probes += 1
        order.sent_at_latest = now
        return ProbeOrder(
            order.client_order_id,
            order.ticker,
            order.side,
            price,
            min(PROBE_QTY, order.qty),
            market.spec.exchange_index,
            now,
        )

    def _exchange_index(self, ticker: str) -> int:
        market = self._state.markets.get(ticker)
        return VENUE_ROUTES if market is None else market.spec.exchange_index

    def _cancel(self, proposal: ProposeCancel, now: Ns) -> CancelOrder:
        order = self._state.orders[proposal.client_order_id]
        order.apply("cancel_requested", now)
        assert order.order_id is not None, "a resting order has the venue's id"
        return CancelOrder(
            client_order_id=order.client_order_id,
            order_id=order.order_id,
            ticker=order.ticker,
            exchange_index=self._exchange_index(order.ticker),
            reason=proposal.reason,
            decided_at=now,
        )

    def _amend(
        self, proposal: ProposeAmend, purpose: Purpose, book_changed_max: Ns | None, now: Ns
    ) -> AmendOrder:
        order, target = self._state.orders[proposal.client_order_id], proposal.target
        qty = order.filled + target.qty
        expires_at = self._expires_at(now)
        order.request_amend(target.price, qty, now, expires_at)
        assert order.order_id is not None, "a resting order has the venue's id"
        return AmendOrder(
            client_order_id=order.client_order_id,
            order_id=order.order_id,
            ticker=order.ticker,
            side=order.side,
            price=target.price,
            qty=qty,
            exchange_index=self._exchange_index(order.ticker),
            strategy=proposal.strategy,
            reason=target.reason,
            decided_at=now,
            deadline=now + self.order_ttl,
            book_changed_max=book_changed_max,
            purpose=purpose,
            expires_at=expires_at,
        )

    def _expires_at(self, now: Ns) -> Ns | None:
        """Return when the dead man's switch of what rests from now on acts, in the wire's whole seconds."""
        return None if self.order_expiry is None else -(-(now + self.order_expiry) // SECOND) * SECOND

    def _place(
        self, proposal: ProposePlace, purpose: Purpose, book_changed_max: Ns | None, now: Ns
    ) -> PlaceOrder:
        target = proposal.target
        shard = self._exchange_index(proposal.ticker)
        is_take = target.style == "take"
        expires_at = None if is_take else self._expires_at(now)
        self._sequence += 1
        client_order_id = f"{self._id_prefix}{base36(self._sequence)}"
        order = self._state.orders[client_order_id] = Order(
            client_order_id=client_order_id,
            ticker=proposal.ticker,
            side=target.side,
            price=target.price,
            qty=target.qty,
            style=target.style,
            strategy=proposal.strategy,
            at=now,
            purpose=purpose,
            expires_at=expires_at,
        )
        self.pace.note_placed(order, now)
        return PlaceOrder(
            client_order_id=client_order_id,
            ticker=proposal.ticker,
            side=target.side,
            price=target.price,
            qty=target.qty,
            time_in_force="immediate_or_cancel" if is_take else "good_till_canceled",
            post_only=not is_take,
            exchange_index=shard,
            strategy=proposal.strategy,
            reason=target.reason,
            decided_at=now,
            deadline=now + self.order_ttl,
            book_changed_max=book_changed_max,
            purpose=purpose,
            expires_at=expires_at,
            order_group_id=None if is_take else self._state.order_groups.open_id(shard),
        )
