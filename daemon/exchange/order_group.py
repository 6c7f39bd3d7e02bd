"""One order group: so many contracts may match in any 15 seconds, and then all its orders go.

A group lives on one shard and in one account. What its orders match, as taker or as maker, counts for 15
seconds. On reaching the limit the group is triggered: its orders are cancelled and new ones refused until
it is reset. The count never passes the limit: a match that would is cut to what is left (`execution`).
Source: protocol sheet 4.8.
"""

from __future__ import annotations

from collections import deque

from daemon.core.units import QTY_ONE, SECOND, Ns, Qty

WINDOW: Ns = 15 * SECOND
LIMIT_MIN: Qty = QTY_ONE
LIMIT_MAX: Qty = 1_000_000 * QTY_ONE
GROUPS_MAX = 100_000
"""Of one account, its subaccounts apart."""


class OrderGroup:
    """See the module's head. Time is told and never goes back."""

    __slots__ = (
        "_matched",
        "_matches",
        "account",
        "exchange_index",
        "is_triggered",
        "limit",
        "order_group_id",
    )

    def __init__(self, order_group_id: str, account: str, exchange_index: int, limit: Qty) -> None:
        self.order_group_id = order_group_id
        self.account = account
        self.exchange_index = exchange_index
        self.limit = limit
        self.is_triggered = False
        self._matches: deque[tuple[Ns, Qty]] = deque()
        self._matched: Qty = 0

    def matched(self, now: Ns) -> Qty:
        """Return what matched in the last 15 seconds; a match exactly 15 seconds old no longer counts."""
        while self._matches and self._matches[0][0] <= now - WINDOW:
            self._matched -= self._matches.popleft()[1]
        return self._matched

    def allowance(self, now: Ns) -> Qty:
        """Return how much may still match now."""
        return 0 if self.is_triggered else max(0, self.limit - self.matched(now))

    def match(self, qty: Qty, now: Ns) -> None:
        """Count a match."""
        self._matches.append((now, qty))
        self._matched += qty

    def reset(self) -> None:
        """Forget what matched, and let orders in again."""
        self._matches.clear()
        self._matched = 0
        self.is_triggered = False
