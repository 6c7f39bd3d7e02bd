"""How the exchange's refusals look on the wire: nested errors with the venue's statuses (sheet 4.5)."""

from __future__ import annotations

from typing import Final, TypeVar

from daemon.exchange.requests import RefusalCode, Refused
from daemon.sandbox.bodies import nested_error

_T = TypeVar("_T")

MARKET_INACTIVE_STATUS: Final = 400
"""Of any order operation after the close, with the code `market_inactive` (sheet 11, row 9)."""
_STATUS: Final[dict[RefusalCode, int]] = {
    "exchange_is_paused": 409,
    "forbidden": 403,
    "market_inactive": MARKET_INACTIVE_STATUS,
    "market_not_found": 404,
    "not_found": 404,
    "order_already_exists": 409,
    "order_group_not_found": 404,
    "trading_is_paused": 409,
    "transfer_already_applied": 409,
}
"""400 for all others.

The codes of order groups are FIX's texts for the same conditions in lower case: whether REST says so is
unconfirmed (sheet 11, row 22)."""


def accepted(outcome: _T | Refused) -> _T:
    """Return what the exchange accepted. Raises ApiError where it refused."""
    if isinstance(outcome, Refused):
        raise nested_error(_STATUS.get(outcome.code, 400), outcome.code, outcome.details)
    return outcome
