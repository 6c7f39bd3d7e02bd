"""Whether the exchange takes orders: what it says of itself per shard, what it answered, what it planned.

On an exchange pause nothing passes, cancels included; on a trading pause only cancels do. An order that is
refused for a pause is as good as being told of it, until the next status says otherwise. Should none come
for a minute, the next order will tell.
"""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.risk import Refusal
from daemon.core.units import MINUTE, Ns

MAINTENANCE_GUARD: Ns = 2 * MINUTE
"""So long before a maintenance window nothing new is sent, and what rests is taken out."""
PAUSES: dict[str, Refusal] = {
    "exchange_is_paused": "exchange_paused",
    "trading_is_paused": "trading_paused",
}
"""The venue's codes of a refused order call, and what they say of the exchange."""
SUPPOSED_FOR: Ns = MINUTE
"""So long a pause that only a refused order told of is believed without a status that confirms it."""


def _pause(is_active: bool, is_trading: bool) -> Refusal | None:
    if not is_active:
        return "exchange_paused"
    return None if is_trading else "trading_paused"


class ExchangeStatus:
    """The pauses and the maintenance that are known. Before the first word nothing speaks against trading."""

    def __init__(self) -> None:
        self._all: Refusal | None = None
        self._by_shard: dict[int, Refusal | None] = {}
        self._supposed: dict[int | None, tuple[Refusal, Ns]] = {}
        """Pauses concluded from refused orders since the last status, and when; None: of no known shard."""
        self.windows: tuple[tuple[Ns, Ns], ...] = ()
        """The planned maintenance, as (start, end)."""
        self.is_paused_somewhere = False
        """Whether any pause is told or supposed, on whichever shard: most of the time there is none."""
        self.resume_at: Ns | None = None
        """When the exchange means to be back, by its own estimate; None when it doesn't say."""

    def is_supposed(self, now: Ns) -> bool:
        """Whether a pause is concluded from a refused order and not yet confirmed or denied by a status."""
        return bool(self._supposed) and any(now - at < SUPPOSED_FOR for _, at in self._supposed.values())

    def tell(self, event: e.ExchangeStatusTold) -> bool:
        """Take the exchange's word on itself; True when anything changed by it."""
        before = (self._all, self._by_shard, self._supposed)
        self._all = _pause(event.is_active, event.is_trading)
        self._by_shard = {
            shard.exchange_index: _pause(shard.is_active, shard.is_trading) for shard in event.shards
        }
        self._supposed = {}
        self.is_paused_somewhere = self._all is not None or any(self._by_shard.values())
        self.resume_at = event.resume_at
        return before != (self._all, self._by_shard, {})

    def plan(self, event: e.MaintenancePlanned) -> None:
        """Take the planned maintenance, instead of what was planned before."""
        self.windows = event.windows

    def suppose(self, code: str, exchange_index: int | None, at: Ns) -> bool:
        """Take the code of a refused order call; True when it tells of a pause."""
        refusal = PAUSES.get(code)
        if refusal is None:
            return False
        self._supposed[exchange_index] = (refusal, at)
        self.is_paused_somewhere = True
        return True

    def pause(self, exchange_index: int | None, now: Ns) -> Refusal | None:
        """Return which pause holds on a shard; one that isn't known is taken as the exchange as a whole."""
        told = self._all if exchange_index is None else self._by_shard.get(exchange_index, self._all)
        supposed, at = self._supposed.get(exchange_index, (None, 0))
        if supposed is None or told == "exchange_paused" or now - at >= SUPPOSED_FOR:
            return told
        return supposed

    def refusal(self, exchange_index: int, now: Ns) -> Refusal | None:
        """Return why the exchange would take no new order on this shard now; None when it would."""
        if self.is_paused_somewhere:
            pause = self.pause(exchange_index, now)
            if pause is not None:
                return pause
        if not self.windows:
            return None
        for start, end in self.windows:
            if start - MAINTENANCE_GUARD <= now < end:
                return "maintenance"
        return None
