"""Tests of what a key may do."""

from __future__ import annotations

import pytest

from daemon.sandbox.api_keys import Scope
from daemon.sandbox.bodies import ApiError
from daemon.sandbox.scopes import check_grant, check_scope

ORDERS, TRANSFER = "/portfolio/events/orders", "/portfolio/subaccounts/transfer"
ALLOWED: list[tuple[tuple[Scope, ...], str, str]] = [
    (("read",), "GET", "/portfolio/fills"),
    (("read::portfolio_balance",), "GET", "/portfolio/balance"),
    (("read", "write"), "POST", ORDERS),
    (("write::trade",), "DELETE", f"{ORDERS}/batched"),
    (("write::trade",), "PUT", "/portfolio/order_groups/x/reset"),
    (("write::transfer",), "POST", TRANSFER),
    (("read", "write"), "POST", "/portfolio/subaccounts"),
]
FORBIDDEN: list[tuple[tuple[Scope, ...], str, str]] = [
    (("read",), "POST", ORDERS),
    (("write::trade",), "GET", "/portfolio/fills"),
    (("read::portfolio_balance",), "GET", "/portfolio/positions"),
    (("write::trade",), "POST", TRANSFER),
    (("write::transfer",), "POST", ORDERS),
    (("read", "write::trade"), "POST", "/api_keys/generate"),
]


@pytest.mark.parametrize(("scopes", "method", "path"), ALLOWED)
def test_a_scope_covers_its_calls(scopes: tuple[Scope, ...], method: str, path: str) -> None:
    """A broad scope, or the narrow one that is made for the call."""
    check_scope(scopes, None, method, path)


@pytest.mark.parametrize(("scopes", "method", "path"), FORBIDDEN)
def test_a_missing_scope_is_forbidden(scopes: tuple[Scope, ...], method: str, path: str) -> None:
    """403, whatever else the key may do."""
    with pytest.raises(ApiError) as refused:
        check_scope(scopes, None, method, path)
    assert 403 == refused.value.status


def test_a_bound_key_trades_and_nothing_else() -> None:
    """It neither moves cash nor makes subaccounts or keys, with all scopes."""
    check_scope(("read", "write"), 3, "POST", ORDERS)
    check_scope(("read", "write"), 3, "GET", "/portfolio/balance")
    for path in (TRANSFER, "/portfolio/subaccounts", "/api_keys"):
        with pytest.raises(ApiError):
            check_scope(("read", "write"), 3, "POST", path)


def test_nobody_gives_away_more_than_they_hold() -> None:
    """A broad scope holds its parts; a part doesn't hold the whole."""
    check_grant(("read", "write"), ("read", "write::trade"))
    with pytest.raises(ApiError):
        check_grant(("read", "write::trade"), ("read", "write"))
