"""Cash that moves without a trade: subaccounts, deposits, transfers, netting, target allocations.

An owner has a primary account (0) and up to 63 subaccounts; each has cash, orders and positions of its own
on every shard. Only cash that no order reserves may move. A `client_transfer_id` is used up for ever,
whichever kind of transfer used it. Source: protocol sheet 4.9, 4.10, 6.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from daemon.core.units import Money, Ns
from daemon.exchange.accounts import SUBACCOUNT_MAX, Account, subaccount_name
from daemon.exchange.cash_facts import (
    AllocationSet,
    CashDeposited,
    CashTransferred,
    NettingChanged,
    RestingReservation,
    SubaccountOpened,
)
from daemon.exchange.execution import Execution, Telling
from daemon.exchange.facts import Fact
from daemon.exchange.matching import owner_of
from daemon.exchange.pauses import SHARDS, Pauses
from daemon.exchange.requests import Refused

CENTICENT: Money = 100
"""Balances move between shards in hundredths of a cent."""


class Treasury:
    """See the module's head. Refusals change nothing."""

    def __init__(self, execution: Execution, pauses: Pauses, new_id: Callable[[], str]) -> None:
        self._execution = execution
        self._pauses = pauses
        self._new_id = new_id
        self.transfers: list[CashTransferred] = []
        self.deposits: list[CashDeposited] = []
        self.allocations: dict[str, AllocationSet] = {}
        """By owner, where one was set."""
        self._used: set[tuple[str, str]] = set()

    def adopt(
        self,
        transfers: Iterable[CashTransferred],
        deposits: Iterable[CashDeposited],
        allocations: Iterable[AllocationSet],
    ) -> None:
        """Take over what a state directory kept."""
        for transfer in transfers:
            self._remember(transfer)
        self.deposits.extend(deposits)
        self.allocations.update((allocation.account, allocation) for allocation in allocations)

    # --- accounts ----------------------------------------------------------------------------

    def subaccounts(self, owner: str) -> list[Account]:
        """Return an owner's accounts, the primary one first; none of an unknown owner."""
        accounts = self._execution.accounts
        names = (subaccount_name(owner, number) for number in range(SUBACCOUNT_MAX + 1))
        return [accounts[name] for name in names if name in accounts]

    def open_subaccount(self, owner: str, now: Ns) -> tuple[int | Refused, list[Fact]]:
        """Open the next subaccount, with the primary one's netting; its number is the outcome."""
        number = len(self.subaccounts(owner))
        if number > SUBACCOUNT_MAX:
            return Refused("invalid_parameters", f"at most {SUBACCOUNT_MAX} subaccounts"), []
        account = self.add_subaccount(owner, number)
        return number, [SubaccountOpened(account.name, account.is_netting, now)]

    def add_subaccount(self, owner: str, number: int) -> Account:
        """Put a subaccount there. Client order ids are its owner's: used once in all of them."""
        primary = self._execution.accounts[owner]
        account = Account(subaccount_name(owner, number))
        account.is_netting = primary.is_netting
        account.client_order_ids = primary.client_order_ids
        self._execution.accounts[account.name] = account
        return account

    def set_netting(self, name: str, is_netting: bool, now: Ns) -> tuple[Refused | None, list[Fact]]:
        """Let opposite holdings give their dollar a pair back at once, or only at settlement.

        Turned on, what pairs there are is given back. Turned off, resting orders that would close need
        their full price: refused where the cash doesn't cover that.
        """
        account = self._execution.accounts[name]
        if account.is_netting == is_netting:
            return None, []
        account.is_netting = is_netting
        self._reserve_again(account)
        if any(account.available(shard) < 0 for shard in account.cash):
            account.is_netting = not is_netting
            self._reserve_again(account)
            return Refused("insufficient_balance"), []
        telling = Telling()
        facts: list[Fact] = [NettingChanged(name, is_netting, now)]
        for ticker, holding in account.holdings.items():
            if is_netting and holding.pairs:
                pairs = holding.pairs
                account.give_pairs_back(ticker, now)
                self._execution.markets[ticker].open_interest -= pairs
                facts.append(holding.told(name, ticker, now))
                telling.cash(account, holding.exchange_index, now)
        return None, [*facts, *telling.facts()]

    def _reserve_again(self, account: Account) -> None:
        for ticker in account.resting:
            spec = self._execution.markets[ticker].spec
            account.reserve_again(ticker, spec.exchange_index, spec.fees)

    # --- cash --------------------------------------------------------------------------------

    def deposit(self, name: str, exchange_index: int, amount: Money, now: Ns) -> list[Fact]:
        """Put cash on a shard from outside."""
        assert amount > 0, f"a deposit of {amount}"
        account = self._execution.accounts[name]
        account.deposit(exchange_index, amount)
        deposited = CashDeposited(self._new_id(), name, exchange_index, amount, now)
        self.deposits.append(deposited)
        telling = Telling()
        telling.cash(account, exchange_index, now)
        return [deposited, *telling.facts()]

    def transfer(
        self,
        source: tuple[str, int],
        target: tuple[str, int],
        amount: Money,
        now: Ns,
        client_transfer_id: str | None = None,
    ) -> tuple[str | Refused, list[Fact]]:
        """Move cash from one (account, shard) to another of the same owner.

        The outcome is the transfer's id.
        """
        (from_name, from_index), (to_name, to_index) = source, target
        owner = owner_of(from_name)
        accounts = self._execution.accounts
        if from_name not in accounts or to_name not in accounts:
            return Refused("invalid_parameters", "subaccount not found"), []
        if not {from_index, to_index} <= {*SHARDS}:
            return Refused("invalid_parameters", f"exchange_index must be one of {SHARDS}"), []
        if amount < 1 or source == target or owner_of(to_name) != owner:
            return Refused("invalid_parameters", "a transfer moves a positive amount somewhere else"), []
        if client_transfer_id is not None and (owner, client_transfer_id) in self._used:
            return Refused("transfer_already_applied"), []
        for shard in (from_index, to_index):
            refusal = self._pauses.refusal(shard, is_cancel=True)
            if refusal is not None:
                return refusal, []
        if accounts[from_name].available(from_index) < amount:
            return Refused("insufficient_balance"), []
        moved = CashTransferred(
            self._new_id(), client_transfer_id, from_name, to_name, from_index, to_index, amount, now
        )
        return moved.transfer_id, self._move(moved, now)

    def _move(self, moved: CashTransferred, now: Ns) -> list[Fact]:
        telling = Telling()
        for name, shard, amount in (
            (moved.from_account, moved.from_index, -moved.amount),
            (moved.to_account, moved.to_index, moved.amount),
        ):
            account = self._execution.accounts[name]
            account.deposit(shard, amount)
            telling.cash(account, shard, now)
        self._remember(moved)
        return [moved, *telling.facts()]

    def _remember(self, moved: CashTransferred) -> None:
        self.transfers.append(moved)
        if moved.client_transfer_id is not None:
            self._used.add((owner_of(moved.from_account), moved.client_transfer_id))

    # --- allocation --------------------------------------------------------------------------

    def allocate(
        self, owner: str, percents: dict[int, int], reservation: RestingReservation, now: Ns
    ) -> tuple[Refused | None, list[Fact]]:
        """Spread the primary account's cash over the shards by whole percents that add up to 100.

        Moved once, now: later trades don't bring about more moves (the sheet doesn't say that they do).
        What orders reserve stays where it is.
        """
        if not {*percents} <= {*SHARDS} or any(not 0 <= percent <= 100 for percent in percents.values()):
            return Refused("invalid_parameters", f"percents of 0 to 100 for the shards {SHARDS}"), []
        if sum(percents.values()) != 100:
            return Refused("invalid_parameters", "percents must add up to 100"), []
        for shard in SHARDS:
            refusal = self._pauses.refusal(shard, is_cancel=True)
            if refusal is not None:
                return refusal, []
        account = self._execution.accounts[owner]
        allocation = AllocationSet(owner, tuple(sorted(percents.items())), reservation, now)
        self.allocations[owner] = allocation
        total = sum(account.cash.values())
        # Floored to what can move; what that leaves over stays on the shard where it is.
        wanted = {
            shard: total * percents.get(shard, 0) // 100 // CENTICENT * CENTICENT
            for shard in sorted({*account.cash, *percents})
        }
        surplus = {
            shard: max(0, min(account.available(shard), account.cash.get(shard, 0) - cash))
            for shard, cash in wanted.items()
        }
        facts: list[Fact] = [allocation]
        for shard, cash in wanted.items():
            for source, free in surplus.items():
                lacking = cash - account.cash.get(shard, 0)
                amount = min(lacking, free) // CENTICENT * CENTICENT
                if amount > 0 and source != shard:
                    surplus[source] = free - amount
                    moved = CashTransferred(self._new_id(), None, owner, owner, source, shard, amount, now)
                    facts += self._move(moved, now)
        return None, facts
