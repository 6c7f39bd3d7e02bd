"""From what a state directory kept to accounts on the exchange: a restart forgets nothing.

What does start anew: the 15 seconds that an order group looks back on, the token buckets, and the books and
accounts of the simulated traders.
"""

from __future__ import annotations

from daemon.core.units import DAY, Money, Ns
from daemon.exchange.accounts import Account, subaccount_number
from daemon.exchange.exchange import Exchange
from daemon.sandbox.state import Kept, Store

FORGET_AFTER: Ns = 2 * DAY
"""How long after its settlement a market is kept."""


def is_over(settled_at: Ns | None, now: Ns) -> bool:
    """Whether a market was settled so long ago that it is forgotten."""
    return settled_at is not None and settled_at < now - FORGET_AFTER


def resume_accounts(
    store: Store, exchange: Exchange, kept: Kept | None, owner: str, cash: dict[int, Money], now: Ns
) -> Account:
    """Return the owner's primary account, with everything else of the owner's on the exchange.

    `cash` is what it holds, by shard, where nothing was kept (or None, nothing of it is wanted).
    """
    if kept is None or kept.cash is None:
        account = exchange.open_account(owner, cash)
        store.set_cash(account)
        return account
    account = Account(owner)
    exchange.accounts[owner] = account
    account.client_order_ids.update(kept.client_order_ids)
    account.is_netting = kept.netting.get(owner, True)
    for opened in sorted(kept.subaccounts, key=lambda opened: subaccount_number(opened.account)):
        number = subaccount_number(opened.account)
        subaccount = exchange.treasury.add_subaccount(owner, number)
        subaccount.is_netting = kept.netting.get(opened.account, opened.is_netting)
    accounts = exchange.treasury.subaccounts(owner)
    for own in accounts:
        own.cash = dict(kept.cash.get(own.name, {}))
        own.fills = [fill for fill in kept.fills if fill.account == own.name]
        own.settlements = [paid for paid in kept.settlements if paid.account == own.name]
    # Ended orders don't need their market, resting ones do: those of a market that is over were
    # cancelled before it was.
    markets = [record for record in kept.markets if not is_over(record.settled_at, now)]
    exchange.adopt(accounts, markets, kept.orders, kept.positions, kept.pauses, kept.windows)
    exchange.order_groups.adopt(kept.groups)
    exchange.treasury.adopt(kept.transfers, kept.deposits, kept.allocations)
    alive = {record.spec.ticker for record in markets}
    store.forget_markets(record.spec.ticker for record in kept.markets if record.spec.ticker not in alive)
    return account
