"""What the account's GETs show: the facts, applied `lag` later than they happened.

The venue's read side runs behind its matching engine: 360 ms after a confirmed cancel a GET still said
`resting`, and a group's GET right after its creation was 404 (protocol sheet 4.6, 4.8). Here the reads have
a copy of their own, made from the same facts as everything else, so that a late read is late as a whole:
orders, fills, positions, cash and groups of one instant, never a mixture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypeAlias

from daemon.core.units import Money, Ns, Qty
from daemon.exchange.cash_facts import (
    AllocationSet,
    CashChanged,
    CashDeposited,
    CashFact,
    CashTransferred,
    NettingChanged,
    SubaccountOpened,
)
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import (
    Filled,
    OrderChanged,
    OrderGroupChanged,
    OrderState,
    PaidOut,
    PositionChanged,
)
from daemon.sandbox.flow import Telling

PrivateFact: TypeAlias = OrderChanged | Filled | PositionChanged | PaidOut | OrderGroupChanged | CashFact


class AccountView:
    """One account as the reads show it; every list is oldest first."""

    def __init__(self, name: str, *, is_netting: bool) -> None:
        self.name = name
        self.is_netting = is_netting
        self.cash: dict[int, Money] = {}
        self.orders: dict[str, OrderState] = {}
        self.resting: dict[str, None] = {}
        """Ids of the resting orders."""
        self.fills: list[Filled] = []
        self.positions: dict[str, PositionChanged] = {}
        self.settlements: list[PaidOut] = []

    def show(self, order: OrderState) -> None:
        """Show an order as it stands."""
        self.orders[order.order_id] = order
        if order.status == "resting":
            self.resting[order.order_id] = None
        else:
            self.resting.pop(order.order_id, None)


class GroupView:
    """An order group as the reads show it."""

    def __init__(self, account: str, exchange_index: int, limit: Qty, *, is_triggered: bool) -> None:
        self.account = account
        self.exchange_index = exchange_index
        self.limit = limit
        self.is_triggered = is_triggered


class ReadSide:
    """See the module's head. `lag` may be changed at any time; 0 shows everything at once."""

    def __init__(self, exchange: Exchange, owner: str, lag: Ns = 0) -> None:
        """Show an owner's accounts as they stand on the exchange."""
        self.lag = lag
        self.accounts: dict[str, AccountView] = {}
        """By name; the primary account first, then the subaccounts by number."""
        self.groups: dict[str, GroupView] = {}
        self.transfers: list[CashTransferred] = list(exchange.treasury.transfers)
        self.deposits: list[CashDeposited] = list(exchange.treasury.deposits)
        self.allocations: dict[str, AllocationSet] = dict(exchange.treasury.allocations)
        self._pending: deque[tuple[Ns, PrivateFact]] = deque()
        for account in exchange.treasury.subaccounts(owner):
            view = AccountView(account.name, is_netting=account.is_netting)
            view.cash = dict(account.cash)
            view.fills, view.settlements = list(account.fills), list(account.settlements)
            for order in account.orders.values():
                view.show(order.state())
            for ticker, holding in account.holdings.items():
                view.positions[ticker] = holding.told(account.name, ticker, holding.updated_at)
            self.accounts[account.name] = view
        for record in exchange.order_groups.records():
            self.groups[record.order_group_id] = GroupView(
                record.account, record.exchange_index, record.limit, is_triggered=record.is_triggered
            )

    def observe(self, tellings: Iterable[Telling], now: Ns) -> None:
        """Take in what happened; it is shown `lag` later."""
        for fact in tellings:
            if isinstance(fact, PrivateFact):
                self._pending.append((now, fact))
        self.advance(now)

    def advance(self, now: Ns) -> None:
        """Show what happened up to `lag` ago. To be called before anything is read."""
        while self._pending and self._pending[0][0] <= now - self.lag:
            self._apply(self._pending.popleft()[1])

    def as_of(self, now: Ns) -> Ns:
        """Return how fresh the reads are."""
        return now - self.lag

    def _apply(self, fact: PrivateFact) -> None:
        match fact:
            case OrderChanged(order=order):
                self.accounts[order.account].show(order)
            case Filled():
                self.accounts[fact.account].fills.append(fact)
            case PositionChanged():
                self.accounts[fact.account].positions[fact.ticker] = fact
            case PaidOut():
                self.accounts[fact.account].settlements.append(fact)
            case OrderGroupChanged():
                self._apply_group(fact)
            case CashChanged():
                self.accounts[fact.account].cash[fact.exchange_index] = fact.cash
            case CashDeposited():
                self.deposits.append(fact)
            case CashTransferred():
                self.transfers.append(fact)
            case SubaccountOpened():
                self.accounts[fact.account] = AccountView(fact.account, is_netting=fact.is_netting)
            case NettingChanged():
                self.accounts[fact.account].is_netting = fact.is_netting
            case AllocationSet():
                self.allocations[fact.account] = fact

    def _apply_group(self, fact: OrderGroupChanged) -> None:
        match fact.event_type:
            case "created":
                assert fact.contracts_limit is not None, f"no limit in {fact}"
                self.groups[fact.order_group_id] = GroupView(
                    fact.account, fact.exchange_index, fact.contracts_limit, is_triggered=False
                )
            case "limit_updated":
                assert fact.contracts_limit is not None, f"no limit in {fact}"
                self.groups[fact.order_group_id].limit = fact.contracts_limit
            case "triggered" | "reset":
                self.groups[fact.order_group_id].is_triggered = fact.event_type == "triggered"
            case "deleted":
                del self.groups[fact.order_group_id]
