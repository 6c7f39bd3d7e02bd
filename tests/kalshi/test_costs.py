"""What requests cost, by the venue's own price list."""

from __future__ import annotations

import msgspec
import pytest

from daemon.kalshi.bodies import EndpointCost, EndpointCosts
from daemon.kalshi.costs import RECORDED, Costs
from tests.kalshi.frames import recorded

ORDERS = "/portfolio/events/orders"
LISTED = EndpointCosts(
    10,
    [
        EndpointCost("DELETE", f"/trade-api/v2{ORDERS}", 2),
        EndpointCost("DELETE", f"/trade-api/v2{ORDERS}/:order_id", 3),
        EndpointCost("GET", "/trade-api/v2/portfolio/orders/:order_id", 4),
        EndpointCost("GET", "/trade-api/v2/cfbenchmarks/*endpoint", 50),
        EndpointCost("GET", "/trade-api/v2/a/:one/:two", 5),
        EndpointCost("GET", "/trade-api/v2/a/b/:two", 6),
    ],
)


@pytest.mark.parametrize(
    ("method", "path", "cost"),
    [
        ("GET", "/portfolio/positions", 10),
        ("GET", "/portfolio/orders", 10),
        ("GET", "/portfolio/orders/o-1", 4),
        ("GET", "/portfolio/orders/o-1/queue_position", 10),
        ("GET", "/portfolio/orders/queue_positions", 10),
        ("DELETE", f"{ORDERS}/o-1", 3),
        ("DELETE", ORDERS, 2),
        ("POST", ORDERS, 10),
        ("GET", "/cfbenchmarks/a/b/c", 50),
        ("GET", "/cfbenchmarks", 10),
        ("GET", "/a/b/c", 6),
    ],
)
def test_a_request_costs_what_the_list_says(method: str, path: str, cost: int) -> None:
    """By method and pattern; the default where none fits; the dearest where several do."""
    assert cost == Costs(LISTED).of(method, path)


def test_the_queues_costs_come_from_the_recorded_list() -> None:
    """Live, 25 September 2026: 10 for what makes or changes an order, 2 for what takes it out."""
    body = recorded("live_2026-09-25/rest_account_endpoint_costs.json")
    listed = msgspec.json.decode(body, type=EndpointCosts)
    assert Costs(listed).writes() == RECORDED
    assert (2, 10) == (
        Costs(listed).of("GET", "/portfolio/orders/o-1"),
        Costs(listed).of("GET", "/markets"),
    )
