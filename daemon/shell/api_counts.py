"""The venue's REST calls, counted by endpoint: how each was answered, and how long that took.

An endpoint is a method and a path whose tickers and ids are `:name`. The table has all that a run asks for,
so the series are few, and there from the start; what is none of them counts as "other".
"""

from __future__ import annotations

from daemon.kalshi.strict import endpoint_of
from daemon.shell.families import OTHER
from daemon.shell.histogram import Histogram

CODES = ("2xx", "4xx", "429", "5xx", "none")
"""How a request was answered: by class of status; 429 for itself; "none" where no answer came."""
_SHOWN = range(10, 24, 2)
"""From 1 ms to 4 s, each four times the one before: 25 series for each would be too many."""
ENDPOINTS = (
    "GET /account/endpoint_costs",
    "GET /account/limits",
    "GET /events",
    "GET /events/:name",
    "GET /exchange/schedule",
    "GET /exchange/status",
    "GET /markets",
    "GET /markets/:name",
    "GET /markets/:name/orderbook",
    "GET /markets/candlesticks",
    "GET /markets/trades",
    "GET /portfolio/balance",
    "GET /portfolio/deposits",
    "GET /portfolio/fills",
    "GET /portfolio/order_groups/:name",
    "GET /portfolio/orders",
    "GET /portfolio/orders/queue_positions",
    "GET /portfolio/positions",
    "GET /portfolio/settlements",
    "GET /portfolio/withdrawals",
    "GET /series",
    "GET /series/:name",
    "GET /series/fee_changes",
    "POST /portfolio/events/orders",
    "POST /portfolio/events/orders/:name/amend",
    "POST /portfolio/events/orders/batched",
    "DELETE /portfolio/events/orders/:name",
    "DELETE /portfolio/events/orders/batched",
    "POST /portfolio/order_groups/create",
    "PUT /portfolio/order_groups/:name/limit",
    "PUT /portfolio/order_groups/:name/reset",
    "PUT /portfolio/order_groups/:name/trigger",
    "DELETE /portfolio/order_groups/:name",
)
"""What a run asks for: the commands that do so by themselves count nothing."""


class ApiCounts:
    """Requests since the start, by endpoint and code, and their seconds by endpoint."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str], int] = {
            (endpoint, code): 0 for endpoint in (*ENDPOINTS, OTHER) for code in CODES
        }
        self.seconds: dict[str, Histogram] = {endpoint: Histogram(_SHOWN) for endpoint in (*ENDPOINTS, OTHER)}

    def observe(self, method: str, path: str, status: int | None, seconds: float) -> None:
        """Count one request; `path` is behind the base URL, `status` None where no answer came."""
        endpoint = f"{method} {endpoint_of(path)}"
        if endpoint not in self.seconds:
            endpoint = OTHER
        self.requests[endpoint, _code(status)] += 1
        self.seconds[endpoint].observe(int(seconds * 1e9))


def _code(status: int | None) -> str:
    if status is None:
        return "none"
    if status == 429:
        return "429"
    # The venue redirects nowhere, and we follow none: what is neither kind of error is an answer.
    return "2xx" if status < 400 else "4xx" if status < 500 else "5xx"
