"""What a key's scopes and its subaccount let it do: one table, asked before any private call.

Source: protocol sheet 1.5; the error's body is the choice of section 11, row 2.
"""

from __future__ import annotations

from typing import Final

from daemon.sandbox.api_keys import Scope
from daemon.sandbox.bodies import ApiError, nested_error

FORBIDDEN: Final = "forbidden"
"""The code of the 403 for a missing scope. Source: protocol sheet 11, row 2."""

_MOVES_CASH: Final = (
    "/portfolio/subaccounts/transfer",
    "/portfolio/intra_exchange_instance_transfer",
    "/portfolio/target_balance_allocation",
)
_TRADES: Final = ("/portfolio/events/orders", "/portfolio/order_groups", "/portfolio/orders")
_TRADES_ONLY: Final = frozenset({"POST", "PUT", "DELETE"})


def scopes_for(method: str, path: str) -> tuple[Scope, ...]:
    """Return the scopes of which one must be held for a private call; `path` is without the prefix."""
    if method not in _TRADES_ONLY:
        is_balance = path == "/portfolio/balance"
        return ("read", "read::portfolio_balance") if is_balance else ("read",)
    if path.startswith(_MOVES_CASH):
        return ("write", "write::transfer")
    if path.startswith(_TRADES):
        return ("write", "write::trade")
    return ("write",)


def forbidden(details: str) -> ApiError:
    """Return the error of a call that a key may not make."""
    return nested_error(403, FORBIDDEN, details)


def check_scope(scopes: tuple[Scope, ...], subaccount: int | None, method: str, path: str) -> None:
    """Refuse a private call that a key's scopes don't cover, or that one bound to a subaccount can't make.

    Raises:
        ApiError: 403.
    """
    needed = scopes_for(method, path)
    if not any(scope in scopes for scope in needed):
        raise forbidden(f"the key lacks the scope {' or '.join(needed)}")
    # Bound, a key trades in its subaccount; it neither moves cash between several, nor makes any, nor keys.
    if subaccount is not None and method in _TRADES_ONLY and not path.startswith(_TRADES):
        raise forbidden("the key is bound to a subaccount")


def check_grant(held: tuple[Scope, ...], granted: tuple[Scope, ...]) -> None:
    """Refuse a new key that may do more than the one that makes it; a broad scope holds its parts.

    Raises:
        ApiError: 403.
    """
    for scope in granted:
        if scope not in held and scope.partition("::")[0] not in held:
            raise forbidden(f"the key lacks the scope {scope}, and cannot give it away")
