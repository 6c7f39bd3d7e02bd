"""Token buckets: read and write, per account, write per shard (protocol sheet 5).

A write that names a shard of 1 or more draws on that shard's own bucket; one on shard 0, and every batch, on
the unscoped one; one that leaves the shard to us on all of them (5.4).
"""

from __future__ import annotations

from typing import Any

import msgspec

from daemon.core.units import SECOND, Ns
from daemon.exchange.pauses import SHARDS
from daemon.sandbox.bodies import too_many_requests

COST_DEFAULT = 10
COST_CANCEL = 2
COST_GET_ORDER = 2
COST_UPGRADE = 30
READ_BURST_S = 1
"""Seconds of budget that a bucket of reads holds, in every tier (sheet 11, row 6)."""
SHARDS_WITH_BUCKET = SHARDS[1:]

_COSTS = (
    (COST_CANCEL, "DELETE", "/trade-api/v2/portfolio/events/orders"),
    (COST_CANCEL, "DELETE", "/trade-api/v2/portfolio/events/orders/:order_id"),
    (COST_CANCEL, "DELETE", "/trade-api/v2/portfolio/events/orders/batched"),
    (COST_GET_ORDER, "GET", "/trade-api/v2/portfolio/orders/:order_id"),
    (COST_UPGRADE, "POST", "/trade-api/v2/account/api_usage_level/upgrade"),
)


class Tier(msgspec.Struct, frozen=True):
    """A usage tier: tokens per second, and the seconds of budget that a bucket of writes holds."""

    name: str = "premier"
    read_per_s: int = 1200
    write_per_s: int = 1200
    burst_s: int = 2


BASIC = Tier("basic", 200, 100, 1)
ADVANCED = Tier("advanced", 300, 300)
"""The tier that any account may move up to by itself."""
GRANT_SOURCE = "manual"
"""Of the OpenAPI file's two (10 June 2026), "volume" and "manual", the one that was not earned."""


class Buckets:
    """One account's buckets. Time is the sandbox's."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self._grants: list[dict[str, str]] = []
        self._buckets: dict[str, tuple[int, Ns]] = {}
        """Nano-tokens and when they were counted; a bucket not yet used is full."""

    @property
    def tier(self) -> Tier:
        """The tier in force."""
        return self._tier

    def set_tier(self, tier: Tier) -> None:
        """Change the tier; all buckets are full again."""
        self._tier = tier
        self._buckets.clear()

    def grant_advanced(self) -> None:
        """Grant what any account may have by itself, for ever; it raises none that is above."""
        grant = {"exchange_instance": "event_contract", "level": ADVANCED.name, "source": GRANT_SOURCE}
        self._grants = [grant]
        if self._tier.name == BASIC.name:
            self.set_tier(ADVANCED)

    def _peek(self, name: str, rate: int, burst_s: int, now: Ns) -> int:
        capacity = rate * burst_s * SECOND
        tokens, counted_at = self._buckets.get(name, (capacity, now))
        return min(capacity, tokens + max(0, now - counted_at) * rate)

    def take_read(self, cost: int, now: Ns) -> bool:
        """Take tokens for a read; False, and nothing taken, if they don't suffice."""
        return self._take(("read",), self._tier.read_per_s, READ_BURST_S, cost, now)

    def take_write(self, cost: int, exchange_index: int | None, now: Ns) -> bool:
        """Take tokens for a write; False, and nothing taken, if they don't suffice.

        An explicit shard of 1 or more draws on its own bucket, shard 0 on the unscoped one, and a write that
        leaves the shard to us (None or -1) on all.
        """
        if exchange_index is None or exchange_index < 0:
            names = ("write", *(f"write {shard}" for shard in SHARDS_WITH_BUCKET))
        else:
            # A shard that there isn't has no budget of its own: naming new ones must not buy tokens.
            names = (f"write {exchange_index}",) if exchange_index in SHARDS_WITH_BUCKET else ("write",)
        return self._take(names, self._tier.write_per_s, self._tier.burst_s, cost, now)

    def pay(self, cost: int, exchange_index: int | None, now: Ns) -> None:
        """Take tokens for a write. Raises ApiError 429, with nothing taken, if they don't suffice."""
        if not self.take_write(cost, exchange_index, now):
            raise too_many_requests()

    def _take(self, names: tuple[str, ...], rate: int, burst_s: int, cost: int, now: Ns) -> bool:
        held = [self._peek(name, rate, burst_s, now) for name in names]
        if min(held) < cost * SECOND:
            return False
        for name, tokens in zip(names, held, strict=True):
            self._buckets[name] = (tokens - cost * SECOND, now)
        return True

    def limits_body(self) -> dict[str, Any]:
        """Return the answer of GET /account/limits."""
        tier = self._tier
        return {
            "grants": self._grants,
            "read": {"bucket_capacity": tier.read_per_s * READ_BURST_S, "refill_rate": tier.read_per_s},
            "usage_tier": tier.name,
            "write": {"bucket_capacity": tier.write_per_s * tier.burst_s, "refill_rate": tier.write_per_s},
        }


def costs_body() -> dict[str, Any]:
    """Return the answer of GET /account/endpoint_costs."""
    return {
        "default_cost": COST_DEFAULT,
        "endpoint_costs": [{"cost": cost, "method": method, "path": path} for cost, method, path in _COSTS],
    }
