"""Our account against the venue's lists: when they are believed, and what a difference means.

`AccountReconciled` brings the lists over REST:

* at start, and after the stream was down, the lists are *adopted*, and believed only when a second
  reading agrees: a fill between two reads of one reconciliation would otherwise be lost or counted twice;
  lists that may be older than the doubt, for they lag, lack what we missed and are neither;
* later they are *compared*, when nothing is in flight that could explain a difference. A difference that
  two readings in a row show is a finding: it is counted, and the venue's word is taken.

What the lists, or the drop copy (`FillsRead`), tell before the stream does is taken at once; the stream's
silence about it is a finding after `unheard.HEARD_WITHIN`. Whatever is read twice changes nothing.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, TypeAlias

from daemon.core import events as e
from daemon.core.findings import Drift, Finding, FindingLog
from daemon.core.order_lists import compare_orders
from daemon.core.orders import Order
from daemon.core.own_orders import ADOPTED, READ_LAG, OrderBeliefs
from daemon.core.ownership import Ownership
from daemon.core.settling import CashFlows, Settling
from daemon.core.unheard import HEARD_WITHIN, Unheard
from daemon.core.units import MINUTE, Ns, Price, Qty

UNPAID_MAX: Ns = 15 * MINUTE
"""A result is paid out within minutes (sheet 7.7): later we have missed that, and the lists are right."""
FLOWS_WITHIN: Ns = MINUTE
"""So long a life awaits the lists of deposits and withdrawals of the time before it; then it does without."""
ORPHANS_MAX = 3
"""So many orders within a minute that are in our name and not ours, and somebody else has our name."""
LEGACY: Ns = MINUTE
"""So long into a life words of the one before are met: a request's signature expires within 30 s."""
Whose: TypeAlias = Literal["ours", "foreign", "own name", "unknown"]
_Terms: TypeAlias = dict[str, tuple[Order, Price, Qty]]


class Reconciliation:
    """Whether the account is believed, since when, and what was found wrong.

    `log` has the findings; `settling` and `flows` hold the venue's lists of payouts, deposits and withdrawals
    against our books; `owners` knows whose orders are whose.
    """

    def __init__(self, client_order_id_prefix: str) -> None:
        self.is_reconciled = False
        self.read_at: Ns | None = None
        """When the last lists came."""
        self.log = FindingLog()
        self.owners = Ownership(client_order_id_prefix)
        self.settling = Settling()
        self.flows = CashFlows()
        self._unheard = Unheard()
        self._unowned: dict[str, list[e.OrderFilled]] = {}
        """Fills of orders of which nobody has said yet whose they are, by order id."""
        self._is_adopted = False
        self._suspects: list[Drift] = []
        self._orphans_at: deque[Ns] = deque(maxlen=ORPHANS_MAX)
        self._doubted_at: Ns | None = None
        self._first_read_at: Ns | None = None

    @property
    def counts_from(self) -> Ns | None:
        """From when on a reading may count, if it is asked for then; None while nothing is in doubt."""
        if self.is_reconciled or self._doubted_at is None:
            return None
        return self._doubted_at + READ_LAG

    @property
    def is_adopted(self) -> bool:
        """Whether the lists were taken over since the last doubt, so that a second reading is awaited."""
        return self._is_adopted

    @property
    def findings(self) -> list[Finding]:
        """The latest findings of this life, oldest first; `log.total` counts all."""
        return self.log.latest

    def doubt(self, state: OrderBeliefs, at: Ns) -> None:
        """Believe nothing until two readings agree again: fills may have been missed up to now."""
        self.is_reconciled = self._is_adopted = False
        self._suspects = []
        # A doubt may reach into the future: until then something that we don't know of may still arrive.
        self._doubted_at = at if self._doubted_at is None else max(self._doubted_at, at)
        state.counts["corrections"] += self._unheard.forget()

    # --- words about orders and fills ------------------------------------------------------------

    def hear_order(self, state: OrderBeliefs, event: e.OrderUpdated) -> None:
        """The stream spoke of an order; asked before it is taken in."""
        self._unheard.hear(("order", event.client_order_id))
        self.owners.take_name(state, event.order_id, event.client_order_id, event.ticker, event.received_at)

    def hear_answer(self, event: e.OrderAccepted) -> None:
        """The venue said yes to a request of ours: it names the order, and says what became of it."""
        self._unheard.hear(("order", event.client_order_id))
        self.owners.take_ours(event.order_id, event.received_at)

    def take_fill(self, state: OrderBeliefs, fill: e.OrderFilled, *, is_streamed: bool) -> None:
        """Book a fill, once, and note from where it came, and whose it is."""
        key = ("fill", fill.trade_id, fill.order_id)
        if is_streamed:
            self._unheard.hear(key)
        whose, before = self._whose(state, fill), state.ledger.fills_total
        state.book_fill(fill)
        if state.ledger.fills_total == before:
            return
        if not is_streamed:
            if self.is_reconciled:
                name = f"{fill.ticker} {fill.trade_id}"
                self._unheard.expect(key, Drift("fill_missed", name, None, fill.qty), fill.received_at)
            else:
                state.counts["corrections"] += 1
        if whose == "unknown":
            self._unowned.setdefault(fill.order_id, []).append(fill)
        elif whose != "ours":
            self._find_unknown(state, fill, whose, fill.received_at)

    def take_copy(self, state: OrderBeliefs, fills: tuple[e.OrderFilled, ...]) -> None:
        """Book fills of a list; before the first reading nobody knows which of them are news."""
        if state.ledger.cash is not None:
            for fill in fills:
                self.take_fill(state, fill, is_streamed=False)

    def _whose(self, state: OrderBeliefs, fill: e.OrderFilled) -> Whose:
        """Return whose a fill is; asked before it is booked, for that may end its order."""
        name = fill.client_order_id
        if name is not None:
            self.owners.take_name(state, fill.order_id, name, fill.ticker, fill.received_at)
        is_ours = self.owners.is_ours(fill.order_id)
        if is_ours or any(order.order_id == fill.order_id for order in state.orders.values()):
            return "ours"
        if is_ours is False:
            return "foreign"
        return "unknown" if name is None else "own name"

    def _find_unknown(self, state: OrderBeliefs, fill: e.OrderFilled, case: str, at: Ns) -> None:
        """A fill was booked whose order we don't know."""
        if case == "own name" and (not self.is_reconciled or self._is_legacy(at)):
            state.counts["corrections"] += 1
            return
        if case == "foreign":
            self.owners.share(fill.ticker, at)
        self.log.add(Drift("fill_unknown", f"{fill.ticker} {fill.trade_id}", None, fill.qty), case, at)

    def _is_legacy(self, at: Ns) -> bool:
        return self._first_read_at is None or at < self._first_read_at + LEGACY

    def review(self, state: OrderBeliefs, *, is_well: bool, now: Ns) -> bool:
        """Look at what waits for a word; True if the stream has kept something from us.

        `is_well` says that the private connection is up and on time.
        """
        missed = self._unheard.overdue(is_well=is_well, now=now)
        for drift in missed:
            self.log.add(drift, "any", now)
        if self._unowned:
            self._review_unowned(state, now)
        self.owners.sweep(state, now)
        return bool(missed)

    def _review_unowned(self, state: OrderBeliefs, now: Ns) -> None:
        # An order of ours that nobody has confirmed has no id yet: the fill may be its.
        nameless = {order.ticker: None for order in state.orders.values() if order.order_id is None}
        for order_id, fills in list(self._unowned.items()):
            is_ours, first = self.owners.is_ours(order_id), fills[0]
            is_waiting = now - first.received_at < HEARD_WITHIN or first.ticker in nameless
            if is_ours is None and is_waiting:
                continue
            del self._unowned[order_id]
            if not is_ours:
                for fill in fills:
                    self._find_unknown(state, fill, "foreign", now)

    # --- the lists -------------------------------------------------------------------------------

    def apply(self, state: OrderBeliefs, event: e.AccountReconciled) -> None:
        """Take in one reading of the venue's lists."""
        state.counts["reconciliations"] += 1
        self.read_at = event.received_at
        if self._first_read_at is None:
            self._first_read_at = event.asked_at
        self.owners.take_list(state, event)
        # The first reading of a life tells the fills of lives before. After a doubt its fills are ours: their
        # orders wait for them, though cash and position are then taken from the lists.
        self.take_copy(state, event.fills)
        is_disputed = self._compare_orders(state, event)
        if state.ledger.cash is None:
            state.note_past_fills(event)  # of those of which the lists have just told the ids
        self.owners.take_list(state, event)  # those that it has only taken over
        if not self._is_stale(event) and self._is_quiet(state, event):
            self._compare_account(state, event, is_disputed=is_disputed)
        # else a difference would prove nothing now; the next reading will
        open_ids = (order.order_id for order in state.orders.values())
        state.ledger.forget_fills(event.asked_at, open_ids)

    def _compare_orders(self, state: OrderBeliefs, event: e.AccountReconciled) -> bool:
        """Take in the list of orders, and await the stream's word on what it changed; as `compare_orders`."""
        known = dict.fromkeys(state.orders)
        rested: _Terms = {
            order.client_order_id: (order, order.price, order.qty)
            for order in state.orders.values()
            if order.state == "resting" and order.pending is None
        }
        is_disputed = compare_orders(state, event)
        if not self.is_reconciled:
            return is_disputed
        at = event.received_at
        for name, (order, price, qty) in rested.items():
            if order.state != "resting":
                self._unheard.expect(("order", name), Drift("ghost", name, qty, order.filled), at)
            elif (order.price, order.qty) != (price, qty):
                self._unheard.expect(("order", name), Drift("quantity", name, qty, order.qty), at)
        for name in state.orders:
            if name not in known:
                self.meet(state, name, event.asked_at)
        return is_disputed

    def meet(self, state: OrderBeliefs, name: str, at: Ns) -> None:
        """An order that we did not know was taken over, if it is in our name; that was so at `at`."""
        order = state.orders.get(name)
        is_ours_to_find = self.is_reconciled and not self._is_legacy(at)
        if order is not None and order.strategy == ADOPTED and is_ours_to_find:
            self._orphans_at.append(at)
            is_again = len(self._orphans_at) == ORPHANS_MAX and at - self._orphans_at[0] < MINUTE
            self.log.add(Drift("orphan", name, None, order.qty), "again" if is_again else "any", at)

    def _compare_account(self, state: OrderBeliefs, event: e.AccountReconciled, *, is_disputed: bool) -> None:
        """Adopt cash and positions, or hold them against ours."""
        ledger = state.ledger
        drifts = ledger.drifts(event)
        if not self._is_adopted:
            if ledger.cash is not None:
                state.counts["corrections"] += len(drifts)
            ledger.adopt(event)
            self._is_adopted = True
        elif not drifts:
            # What the list lacks and we think rests is about to be concluded: not before that.
            self.is_reconciled = self.is_reconciled or not (is_disputed or self._awaits_flows(state, event))
            state.counts["corrections"] += ledger.adopt_shards(event)
            self._suspects = []
            self.flows.agree(event.asked_at)
        elif not self.is_reconciled:
            ledger.adopt(event)
        elif (known := self.settling.explain(drifts, event.asked_at)) is not None:
            # A correction that we have booked and the venue has yet to pay; or it had paid it before.
            if known == "paid before":
                state.counts["corrections"] += 1
                ledger.adopt(event)
            self._suspects = []
        elif drifts == self._suspects:
            self._conclude(state, drifts, event)
        else:
            self._suspects = drifts
            self.flows.miss(drifts, event.asked_at)

    def _conclude(self, state: OrderBeliefs, drifts: list[Drift], event: e.AccountReconciled) -> None:
        """Two readings in a row showed the same: find by the rules whose doing it was, and take the lists."""
        is_foreign = {
            drift.subject: self.owners.is_shared(drift.subject) or drift.subject not in state.ledger.shards
            for drift in drifts
            if drift.kind == "position_drift"
        }
        for drift in drifts:
            moved = (drift.told or 0) - (drift.believed or 0)
            if drift.kind == "position_drift":
                case = "foreign" if is_foreign[drift.subject] else "own"
            elif moved > 0:
                case = "up"
                state.ledger.transferred += 0 if is_foreign else moved
            elif self.flows.explain(drift):
                case = "explained"
                state.ledger.transferred += moved
            elif is_foreign and all(is_foreign.values()):
                case = "explained"
            else:
                case = "down"
            self.log.add(drift, case, event.received_at)
        state.ledger.adopt(event)
        self.flows.agree(event.asked_at)
        self._suspects = []

    def _awaits_flows(self, state: OrderBeliefs, event: e.AccountReconciled) -> bool:
        """Whether it is yet to be told what the owner moved while we were away: no loss, and no gain."""
        if self.flows.away_since is None:
            return False
        if self._first_read_at is not None and event.asked_at < self._first_read_at + FLOWS_WITHIN:
            return True
        self.flows.away_since = None
        state.counts["flows_unread"] += 1
        return False

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
