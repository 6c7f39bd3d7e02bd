"""What we believe of the account as a whole: whether it is vouched for, and how our markets ended.

The venue's lists, the drop copy and the ends of markets come in here; `Reconciliation` judges them. Whenever
something may have been kept from us the account is doubted, and then nothing is believed before the lists
agree.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

from daemon.core import events as e
from daemon.core.connections import Connections
from daemon.core.market import Market
from daemon.core.reconcile import Reconciliation
from daemon.core.reference import References
from daemon.core.risk import Limits
from daemon.core.streams import StreamBeliefs
from daemon.core.units import Ns, Price

RESULTS_KEPT = 10_000
"""Results of markets that are over: new ones come every quarter of an hour for as long as we live."""
AccountWord: TypeAlias = (
    e.OrderUpdated
    | e.OrderFilled
    | e.OrderRecovered
    | e.AccountReconciled
    | e.AccountDoubted
    | e.FillsRead
    | e.SettlementsRead
    | e.SettlementCorrected
    | e.CashFlowsRead
    | e.DayRecovered
)


class AccountBeliefs(StreamBeliefs):
    """The account, and the ends of markets; what streams tell in the base."""

    def __init__(
        self,
        client_order_id_prefix: str,
        connections: Connections,
        references: References,
        *,
        audit_differences_max: int,
        is_backfilled: bool,
    ) -> None:
        super().__init__(
            client_order_id_prefix,
            connections,
            references,
            audit_differences_max=audit_differences_max,
            is_backfilled=is_backfilled,
        )
        self.account = Reconciliation(client_order_id_prefix)
        self.is_reading_due = True
        """Whether the account's lists are to be read as soon as may be."""
        self.settlements: dict[str, Price] = {}
        """What one YES contract of a determined market pays; the last ones, watched or not."""

    def apply_account(self, event: AccountWord) -> None:
        """Take in a word on our orders and fills, or on the account as a whole."""
        account = self.account
        match event:
            case e.OrderUpdated():
                self.connections.private.heard_at = event.received_at
                account.hear_order(self, event)
                is_known = event.client_order_id in self.orders
                self.apply_update(event)
                if not is_known:
                    account.meet(self, event.client_order_id, event.received_at)
            case e.OrderFilled():
                account.take_fill(self, event, is_streamed=True)
            case e.OrderRecovered():
                self.recover_order(event)
            case e.AccountReconciled():
                was_adopted = account.is_adopted
                account.apply(self, event)
                self.attribution.agree()
                if account.is_adopted and not was_adopted:
                    self.is_reading_due = True  # the second reading, which is to agree
                self.touch_all()
            case e.AccountDoubted():
                self.counts["account_doubts"] += 1
                self.doubt(event.received_at)
            case e.FillsRead():
                account.take_copy(self, event.fills)
            case e.SettlementsRead():
                account.settling.compare(account.log, self.ledger, event)
            case e.SettlementCorrected():
                self._correct(event)
            case e.CashFlowsRead() | e.DayRecovered():
                self._apply_flows(event)
            case _:
                assert_never(event)

    def _apply_flows(self, event: e.CashFlowsRead | e.DayRecovered) -> None:
        """Take in what the owner moved, or that it has to be known before the account is believed."""
        if isinstance(event, e.DayRecovered):
            self.account.flows.away_since = event.record.cash_as_of
            return
        self.ledger.transferred += self.account.flows.take(event)
        self.is_reading_due = self.is_reading_due or not self.account.is_reconciled

    def review(self, limits: Limits, now: Ns) -> None:
        """Look at what the private stream should have told by now; asked with every heartbeat."""
        is_well = self.connections.private.vouch(limits, now) is None
        if self.account.review(self, is_well=is_well, now=now):
            self.doubt(now)

    def doubt(self, at: Ns) -> None:
        """Something of our account may have been missed: nothing is believed before the lists agree."""
        self.account.doubt(self, at)
        self.is_reading_due = True
        self.touch_all()

    # --- the ends of markets ---------------------------------------------------------------------

    def determine(self, market: Market, event: e.MarketDetermined) -> None:
        """Take a result. Told again it changes nothing; another one corrects it, until it is paid out."""
        ticker, price, known = event.ticker, event.settlement_price, market.settlement_price
        if not market.is_settled:
            self.counts["results_corrected"] += known is not None and known != price
            market.change(event)
            if known != price:
                keep_latest(self.settlements, ticker, price)
                keep_latest(self.unpaid, ticker, event.received_at)
        elif known is None:
            # Paid out before we knew at what: the doubt of then asks for the lists, and this for our books.
            market.settlement_price = price
            keep_latest(self.settlements, ticker, price)
            self.ledger.settle(ticker, price)
            self.attribution.settle(ticker, price)
        elif known != price:
            self.counts["results_disputed"] += 1
            self.account.settling.dispute(self.account.log, ticker, known, price, event.received_at)
            self.doubt(event.received_at)

    def _correct(self, event: e.SettlementCorrected) -> None:
        """Take what the venue's lists say of a payout at another result: the difference is booked."""
        ticker, price = event.ticker, event.settlement_price
        paid = self.ledger.paid.get(ticker)
        change = self.account.settling.correct(self.account.log, self.ledger, event)
        if change is None or paid is None:
            return
        self.attribution.correct(ticker, paid.price, price)
        self.counts["settlements_corrected"] += 1
        self.moved_at = max(self.moved_at, event.received_at)
        market = self.markets.get(ticker)
        if market is not None:
            market.settlement_price = price
        keep_latest(self.settlements, ticker, price)
        self.touched[ticker] = None

    def settle(self, market: Market, at: Ns) -> None:
        """Take a payout. Told again it changes nothing."""
        if market.is_settled:
            return
        market.settle()
        ticker = market.spec.ticker
        self.unpaid.pop(ticker, None)
        self.moved_at = max(self.moved_at, at)
        if market.settlement_price is None:
            # We missed the result: only the venue's lists can say what was paid.
            self.doubt(at)
            return
        if self.ledger.position_qty(ticker):
            self.counts["settled_positions"] += 1
        self.ledger.settle(ticker, market.settlement_price)
        self.attribution.settle(ticker, market.settlement_price)


def keep_latest(results: dict[str, int], ticker: str, result: int) -> None:
    """Take in one more result, and forget the oldest beyond `RESULTS_KEPT`."""
    results[ticker] = result
    if len(results) > RESULTS_KEPT:
        del results[next(iter(results))]
