"""Money that moves without a fill: payouts, their corrections, deposits and withdrawals, against our books.

The venue's list of settlements is held against what we booked for each market. A result that changes after
the payout is told by an event of its own; the cash follows, or had come before we adopted the lists.
"""

from __future__ import annotations

from typing import Literal

from daemon.core import events as e
from daemon.core.findings import Drift, FindingLog
from daemon.core.ledger import Ledger
from daemon.core.units import MINUTE, MONEY_CENT, PRICE_CENT, Money, Ns, Price

CORRECTED_MAX: Ns = 15 * MINUTE
"""So long after a correction its cash may still be on the way."""
FLOW_MARGIN: Ns = MINUTE
"""How far the exchange's stamps may be off, and how long a withdrawal may take to leave the cash."""


class Settling:
    """What the venue says of markets that are paid out."""

    def __init__(self) -> None:
        self.disputed: dict[str, Price] = {}
        """Results that were told after a payout at another one, until the venue's lists say which holds."""
        self._changes: dict[str, tuple[Money, Ns]] = {}
        """Cash of corrections, and since when it is booked."""
        self._unequal: dict[str, tuple[Money, Money]] = {}
        """What was unequal at the last reading, by subject: (booked, told)."""
        self._reported: dict[str, None] = {}

    def dispute(self, log: FindingLog, ticker: str, known: Price, told: Price, at: Ns) -> None:
        """Another result was told after the payout."""
        if self.disputed.get(ticker) != told:
            self.disputed[ticker] = told
            log.add(Drift("settlement", ticker, known, told), "result", at)

    def correct(self, log: FindingLog, ledger: Ledger, event: e.SettlementCorrected) -> Money | None:
        """Book what the venue's lists say of a payout; return the change of cash, None if we had no part."""
        ticker, price, paid = event.ticker, event.settlement_price, ledger.paid.get(event.ticker)
        was_disputed = self.disputed.pop(ticker, None) is not None
        if paid is None or paid.price == price:
            return None
        if not was_disputed:
            log.add(Drift("settlement", ticker, paid.price, price), "result", event.received_at)
        change = ledger.correct(ticker, price)
        if change:
            before, _ = self._changes.get(ticker, (0, 0))
            self._changes[ticker] = (before + change, event.received_at)
        return change

    def explain(self, drifts: list[Drift], at: Ns) -> Literal["not yet paid", "paid before"] | None:
        """Return what corrections say of a difference; None if they don't explain it."""
        for ticker, (_, since) in list(self._changes.items()):
            if at - since >= CORRECTED_MAX:
                del self._changes[ticker]
        total = sum(change for change, _ in self._changes.values())
        if not total or [drift.kind for drift in drifts] != ["cash_drift"]:
            return None
        difference = (drifts[0].told or 0) - (drifts[0].believed or 0)
        if difference == -total:
            return "not yet paid"
        return "paid before" if difference == total else None

    def compare(self, log: FindingLog, ledger: Ledger, event: e.SettlementsRead) -> None:
        """Hold the venue's settlements against what we booked; what two readings show is a finding, once."""
        unequal: dict[str, tuple[Money, Money]] = {}
        for told in event.settlements:
            paid = ledger.paid.get(told.ticker)
            if paid is None or not paid.qty:
                continue  # of a life before this one, or nothing of ours
            if told.price is not None and abs(told.price - paid.price) >= PRICE_CENT:
                continue  # a correction, which has an event of its own
            if abs(told.revenue - paid.revenue) >= MONEY_CENT:
                unequal[f"{told.ticker} revenue"] = (paid.revenue, told.revenue)
            if told.fees != paid.fees:
                unequal[f"{told.ticker} fees"] = (paid.fees, told.fees)
        for subject, amounts in unequal.items():
            if self._unequal.get(subject) == amounts and subject not in self._reported:
                self._reported[subject] = None
                case = subject.rpartition(" ")[2]
                log.add(Drift("settlement", subject, *amounts), case, event.received_at)
        self._unequal = unequal


class CashFlows:
    """The owner's deposits and withdrawals: read when cash is missing, each explains a difference once."""

    def __init__(self) -> None:
        self.missing_at: Ns | None = None
        """When a reading showed less cash than we have booked, until that is settled."""
        self.away_since: Ns | None = None
        """From when on the lists are to tell what moved before this life; None once they have."""
        self._flows: dict[str, e.CashFlow] = {}
        self._used: dict[str, None] = {}
        self._agreed_at: Ns = 0

    @property
    def agreed_at(self) -> Ns:
        """When lists were asked for whose cash was ours, last; 0 before the first."""
        return self._agreed_at

    def agree(self, at: Ns) -> None:
        """The cash of lists asked for at `at` is ours."""
        self.missing_at = None
        self._agreed_at = at

    def miss(self, drifts: list[Drift], at: Ns) -> None:
        """The lists differ from our books, for the first time in a row."""
        if any(drift.kind == "cash_drift" and (drift.told or 0) < (drift.believed or 0) for drift in drifts):
            self.missing_at = at

    def take(self, event: e.CashFlowsRead) -> Money:
        """Take in the lists; return what the owner moved before this life, if that was awaited."""
        self._flows = {flow.flow_id: flow for flow in event.flows}
        if self.away_since is None:
            return 0
        moved = [flow for flow in event.flows if flow.created_at > self.away_since]
        self.away_since = None
        self._used |= dict.fromkeys(flow.flow_id for flow in moved)
        return sum(flow.amount for flow in moved)

    def explain(self, drift: Drift) -> bool:
        """Whether what moved since the books last agreed makes up a difference: one flow, or all of them."""
        difference = (drift.told or 0) - (drift.believed or 0)
        recent = [
            flow
            for flow in self._flows.values()
            if flow.created_at >= self._agreed_at - FLOW_MARGIN and flow.flow_id not in self._used
        ]
        for flows in (recent, *([flow] for flow in recent)):
            amount, fees = sum(flow.amount for flow in flows), sum(flow.fee for flow in flows)
            if flows and difference in (amount, amount - fees):
                self._used |= dict.fromkeys(flow.flow_id for flow in flows)
                return True
        return False
