"""What happens to an account's money and standing apart from its orders, one fact per struct.

Nobody outside is told these: the state directory keeps them and the read side shows them. Rules as in
`facts`. Amounts are Money, on one shard.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemon.core.units import Money, Ns

RestingReservation: TypeAlias = Literal["none", "max", "sum"]
"""The venue's words for how margin of resting orders counts in an allocation."""


class _Fact(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What all facts share."""


class CashChanged(_Fact, frozen=True):
    """A told account's cash on a shard, as it stands after the call."""

    account: str
    exchange_index: int
    cash: Money
    at: Ns


class CashDeposited(_Fact, frozen=True):
    """Cash came in from outside."""

    deposit_id: str
    account: str
    exchange_index: int
    amount: Money
    at: Ns


class CashTransferred(_Fact, frozen=True):
    """Cash moved between subaccounts or shards of one owner; `client_transfer_id` is used up for ever."""

    transfer_id: str
    client_transfer_id: str | None
    from_account: str
    to_account: str
    from_index: int
    to_index: int
    amount: Money
    at: Ns


class SubaccountOpened(_Fact, frozen=True):
    """An owner has one account more."""

    account: str
    is_netting: bool
    at: Ns


class NettingChanged(_Fact, frozen=True):
    """Whether opposite holdings of an account give their dollar a pair back at once."""

    account: str
    is_netting: bool
    at: Ns


class AllocationSet(_Fact, frozen=True, gc=True):
    """How an owner wants the primary account's cash spread: whole percents by shard."""

    account: str
    percents: tuple[tuple[int, int], ...]
    reservation: RestingReservation
    at: Ns


CashFact: TypeAlias = (
    CashChanged | CashDeposited | CashTransferred | SubaccountOpened | NettingChanged | AllocationSet
)
