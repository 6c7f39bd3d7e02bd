"""What an account may do with its order groups. The limit itself works in `order_group` and `execution`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from daemon.core.units import Ns, Qty
from daemon.exchange.execution import Execution, Telling
from daemon.exchange.facts import Fact, OrderGroupChanged
from daemon.exchange.matching import Order
from daemon.exchange.order_group import GROUPS_MAX, LIMIT_MAX, LIMIT_MIN, OrderGroup
from daemon.exchange.pauses import SHARDS, Pauses
from daemon.exchange.requests import Refused


class GroupRecord(msgspec.Struct, frozen=True, array_like=True):
    """A group as a state directory keeps it: all but what matched in its last 15 seconds."""

    order_group_id: str
    account: str
    exchange_index: int
    limit: Qty
    is_triggered: bool


class OrderGroups:
    """See the module's head. Refusals change nothing."""

    def __init__(self, execution: Execution, pauses: Pauses, new_id: Callable[[], str]) -> None:
        self._execution = execution
        self._pauses = pauses
        self._new_id = new_id

    def adopt(self, records: Iterable[GroupRecord]) -> None:
        """Take over what a state directory kept: their windows start empty."""
        for record in records:
            group = OrderGroup(record.order_group_id, record.account, record.exchange_index, record.limit)
            group.is_triggered = record.is_triggered
            self._execution.groups[group.order_group_id] = group

    def record(self, order_group_id: str) -> GroupRecord | None:
        """Return a group as a value; None when there is none such (any more)."""
        group = self._execution.groups.get(order_group_id)
        if group is None:
            return None
        return GroupRecord(
            group.order_group_id, group.account, group.exchange_index, group.limit, group.is_triggered
        )

    def records(self) -> list[GroupRecord]:
        """Return all groups as values, oldest first."""
        found = [self.record(order_group_id) for order_group_id in self._execution.groups]
        return [record for record in found if record is not None]

    def find(self, account: str, order_group_id: str) -> OrderGroup | None:
        """Return an account's group; None when it has no such one."""
        group = self._execution.groups.get(order_group_id)
        return group if group is not None and group.account == account else None

    def orders(self, group: OrderGroup) -> list[Order]:
        """Return a group's resting orders."""
        return self._execution.resting_of(group)

    # --- what changes them -------------------------------------------------------------------

    def create(
        self, account: str, exchange_index: int, limit: Qty, now: Ns
    ) -> tuple[OrderGroup | Refused, list[Fact]]:
        """Make a group."""
        if exchange_index not in SHARDS:
            return Refused("invalid_parameters", f"exchange_index must be one of {SHARDS}"), []
        refusal = _limit_refusal(limit) or self._pauses.refusal(exchange_index, is_cancel=True)
        if refusal is not None:
            return refusal, []
        groups = self._execution.groups
        if sum(group.account == account for group in groups.values()) >= GROUPS_MAX:
            return Refused("invalid_parameters", f"at most {GROUPS_MAX} order groups"), []
        group = OrderGroup(self._new_id(), account, exchange_index, limit)
        groups[group.order_group_id] = group
        return group, [_told(group, "created", now)]

    def _open(self, account: str, order_group_id: str) -> OrderGroup | Refused:
        group = self.find(account, order_group_id)
        if group is None:
            return Refused("order_group_not_found")
        return self._pauses.refusal(group.exchange_index, is_cancel=True) or group

    def trigger(self, account: str, order_group_id: str, now: Ns) -> tuple[Refused | None, list[Fact]]:
        """Cancel a group's orders and let no more in until it is reset; again changes nothing."""
        group = self._open(account, order_group_id)
        if isinstance(group, Refused):
            return group, []
        telling = Telling()
        if not group.is_triggered:
            self._execution.trigger(group, telling, now)
        return None, telling.facts()

    def reset(self, account: str, order_group_id: str, now: Ns) -> tuple[Refused | None, list[Fact]]:
        """Start a group's count anew, and let orders in again."""
        group = self._open(account, order_group_id)
        if isinstance(group, Refused):
            return group, []
        group.reset()
        return None, [_told(group, "reset", now)]

    def set_limit(
        self, account: str, order_group_id: str, limit: Qty, now: Ns
    ) -> tuple[Refused | None, list[Fact]]:
        """Change a group's limit; one that is reached already triggers it at once."""
        group = self._open(account, order_group_id)
        if isinstance(group, Refused):
            return group, []
        refusal = _limit_refusal(limit)
        if refusal is not None:
            return refusal, []
        group.limit = limit
        telling = Telling()
        telling.group(_told(group, "limit_updated", now))
        if not group.is_triggered and not group.allowance(now):
            self._execution.trigger(group, telling, now)
        return None, telling.facts()

    def delete(self, account: str, order_group_id: str, now: Ns) -> tuple[Refused | None, list[Fact]]:
        """Cancel a group's orders and forget it."""
        group = self._open(account, order_group_id)
        if isinstance(group, Refused):
            return group, []
        telling = Telling()
        telling.group(_told(group, "deleted", now))
        self._execution.cancel_group(group, telling, now)
        del self._execution.groups[order_group_id]
        return None, telling.facts()


def _limit_refusal(limit: Qty) -> Refused | None:
    if LIMIT_MIN <= limit <= LIMIT_MAX:
        return None
    return Refused("invalid_parameters", "contracts_limit must be 1 to 1000000")


def _told(
    group: OrderGroup, event_type: Literal["created", "reset", "deleted", "limit_updated"], now: Ns
) -> OrderGroupChanged:
    limit = group.limit if event_type in {"created", "limit_updated"} else None
    return OrderGroupChanged(
        group.account, group.order_group_id, event_type, limit, now, group.exchange_index
    )
