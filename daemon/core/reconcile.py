"""Our account against the venue's lists: when they are believed, and when an absence proves something.

`AccountReconciled` brings the lists over REST:

* at start, and after the stream was down, the lists are *adopted*, and believed only when a second
  reading agrees: a fill between two reads of one reconciliation would otherwise be lost or counted twice;
  lists that may be older than the doubt, for they lag, lack what we missed and are neither;
* later they are *compared*, when nothing is in flight that could explain a difference. A difference that
  two readings in a row show is a finding: it is counted, and the venue's word is taken.
"""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.ledger import Mismatch
from daemon.core.order_lists import compare_orders
from daemon.core.own_orders import READ_LAG, OrderBeliefs
from daemon.core.units import MINUTE, Ns

UNPAID_MAX: Ns = 15 * MINUTE
"""A result is paid out within minutes (sheet 7.7): later we have missed that, and the lists are right."""


class Reconciliation:
    """Whether the account is believed, since when, and what was found wrong."""

    def __init__(self) -> None:
        self.is_reconciled = False
        self.read_at: Ns | None = None
        """When the last lists came."""
        self.findings: list[Mismatch] = []
        self._is_adopted = False
        self._suspects: list[Mismatch] = []
        self._doubted_at: Ns | None = None

    @property
    def is_adopted(self) -> bool:
        """Whether the lists were taken over since the last doubt, so that a second reading is awaited."""
        return self._is_adopted

    def doubt(self, at: Ns) -> None:
        """Believe nothing until two readings agree again: fills may have been missed up to now."""
        self.is_reconciled = self._is_adopted = False
        self._suspects = []
        self._doubted_at = at

    def find(self, mismatch: Mismatch) -> None:
        """Take in a finding that is not of the lists' making."""
        self.findings.append(mismatch)

    def apply(self, state: OrderBeliefs, event: e.AccountReconciled) -> None:
        """Take in one reading of the venue's lists."""
        state.counts["reconciliations"] += 1
        self.read_at = event.received_at
        # The first reading of a life tells the fills of lives before. After a doubt its fills are ours: their
        # orders wait for them, though cash and position are then taken from the lists.
        if state.ledger.cash is not None:
            for fill in event.fills:
                state.book_fill(fill)
        is_disputed = compare_orders(state, event)
        if self._is_stale(event) or not self._is_quiet(state, event):
            return  # a difference would prove nothing now; the next reading will
        mismatches = state.ledger.mismatches(event)
        if not self._is_adopted:
            state.ledger.adopt(event)
            self._is_adopted = True
        elif not mismatches:
            # What the list lacks and we think rests is about to be concluded: not before that.
            self.is_reconciled = self.is_reconciled or not is_disputed
            self._suspects = []
        elif not self.is_reconciled:
            state.ledger.adopt(event)
        elif mismatches == self._suspects:
            self.findings += mismatches
            state.counts["reconcile_findings"] += len(mismatches)
            state.ledger.adopt(event)
            self._suspects = []
        else:
            self._suspects = mismatches

    def _is_stale(self, event: e.AccountReconciled) -> bool:
        """Whether the lists may be older than the last moment at which something was kept from us."""
        return self._doubted_at is not None and event.asked_at < self._doubted_at + READ_LAG

    @staticmethod
    def _is_quiet(state: OrderBeliefs, event: e.AccountReconciled) -> bool:
        """Whether nothing is under way that could explain a difference between the lists and our beliefs."""
        unpaid = any(
            event.asked_at - at < UNPAID_MAX and state.ledger.position_qty(ticker)
            for ticker, at in state.unpaid.items()
        )
        moving = any(order.is_in_flight or order.booked < order.filled for order in state.orders.values())
        return not unpaid and not moving and state.moved_at < event.asked_at - READ_LAG
