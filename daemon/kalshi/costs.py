"""What requests cost in tokens of the venue's buckets, by its own price list (protocol sheet 5.2).

The list names what differs from the default, as a method and a path with `:name` for one part and `*name`
for all that follows. A batch costs the sum of its orders.
"""

from __future__ import annotations

import msgspec

from daemon.kalshi.bodies import EndpointCosts

_PREFIX = "/trade-api/v2"
_ORDERS = "/portfolio/events/orders"
_FIXED = frozenset({("GET", "/portfolio/orders/queue_positions"), ("POST", f"{_ORDERS}/batched")})
"""Endpoints of their own that a pattern of the list fits too: unless listed by name they cost the default."""


class WriteCosts(msgspec.Struct, frozen=True, gc=False):
    """What the writes of the order queue cost: each one, and in a batch each of its orders."""

    place: int
    amend: int
    cancel: int
    cancel_all: int
    group: int = 10
    """To make an order group, or to change one."""


RECORDED = WriteCosts(place=10, amend=10, cancel=2, cancel_all=10)
"""What the list said on 25 September 2026, for whoever has not read it (sheet 5.2)."""


class Costs:
    """The venue's price list. Paths are those behind the base URL, as the client asks for them."""

    def __init__(self, listed: EndpointCosts) -> None:
        self.default = listed.default_cost
        self._exact: dict[tuple[str, str], int] = {}
        self._patterns: list[tuple[str, tuple[str, ...], int]] = []
        for one in listed.endpoint_costs:
            path = one.path.removeprefix(_PREFIX)
            if ":" in path or "*" in path:
                self._patterns.append((one.method, tuple(path.split("/")), one.cost))
            else:
                self._exact[one.method, path] = one.cost
        # Where several fit, the dearest counts: to hold a request back costs less than to be refused.
        self._patterns.sort(key=lambda pattern: -pattern[2])

    def of(self, method: str, path: str) -> int:
        """Return the tokens that one request costs, or one order of a batch."""
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact
        if (method, path) not in _FIXED:
            parts = tuple(path.split("/"))
            for wanted, pattern, cost in self._patterns:
                if wanted == method and _fits(parts, pattern):
                    return cost
        return self.default

    def writes(self) -> WriteCosts:
        """Return what the order queue's requests cost."""
        one = f"{_ORDERS}/x"
        return WriteCosts(
            place=self.of("POST", _ORDERS),
            amend=self.of("POST", f"{one}/amend"),
            cancel=self.of("DELETE", one),
            cancel_all=self.of("PUT", "/portfolio/order_groups/x/trigger"),
            group=self.of("POST", "/portfolio/order_groups/create"),
        )


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    for index, wanted in enumerate(pattern):
        if wanted.startswith("*"):
            return len(parts) > index
        if index >= len(parts) or (not wanted.startswith(":") and wanted != parts[index]):
            return False
    return len(parts) == len(pattern)
