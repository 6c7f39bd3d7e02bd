"""What all REST bodies share: times, numbers, key order, and the four documented shapes of an error.

Body objects have alphabetical keys and end with a line break; error objects keep the order code,
message, details. Times are Go's RFC 3339: microseconds with trailing zeros removed.
Source: protocol sheet 1.6, 3.1, 4.5.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from daemon.core.units import MICROSECOND, MONEY_CENT, PRICE_ONE, SECOND, Money, Ns, Price, Qty, format_price

PRICE_TEXT = tuple(format_price(price) for price in range(PRICE_ONE + 1))
"""Every price as the wire writes it: the hot path looks them up."""

_sorted_encoder = msgspec.json.Encoder(order="sorted")
_plain_encoder = msgspec.json.Encoder()


def qty_text(qty: Qty) -> str:
    """Return a count with two decimals."""
    if qty < 0:
        return f"-{-qty // 100}.{-qty % 100:02d}"
    return f"{qty // 100}.{qty % 100:02d}"


def money_text(money: Money) -> str:
    """Return an amount with six decimals."""
    sign = "-" if money < 0 else ""
    return f"{sign}{abs(money) // 1_000_000}.{abs(money) % 1_000_000:06d}"


def whole_cents(money: Money) -> int:
    """Return an amount in cents, rounded half up."""
    return (money + MONEY_CENT // 2) // MONEY_CENT


def average_text(money: Money, qty: Qty) -> str:
    """Return money per contract, rounded half up to four decimals."""
    return (
        PRICE_TEXT[price]
        if 0 <= (price := (2 * money + qty) // (2 * qty)) <= PRICE_ONE
        else money_text(money)
    )


def time_text(at: Ns) -> str:
    """Return an instant as the venue writes it, such as "2026-06-15T15:48:42.60323Z"."""
    seconds, rest = divmod(at, SECOND)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest // MICROSECOND:06d}".rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def json_body(body: object) -> bytes:
    """Return a body object with alphabetical keys and a trailing line break."""
    return _sorted_encoder.encode(body) + b"\n"


class ApiError(Exception):
    """A request is answered with an error: its HTTP status and its body."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.object: dict[str, str] | None = body.get("error") if isinstance(body, dict) else None
        """The plain error object of a nested error: what an entry of a batch shows."""
        self.body = _plain_encoder.encode(body) + b"\n"


def error_object(code: str, details: str | None = None) -> dict[str, str]:
    """Return code, message (the code in words) and details, in this order."""
    found = {"code": code, "message": code.replace("_", " ")}
    if details is not None:
        found["details"] = details
    return found


def nested_error(status: int, code: str, details: str | None = None) -> ApiError:
    """Return an auth, order or exchange error."""
    return ApiError(status, {"error": error_object(code, details)})


def flat_error(status: int, code: str, details: str | None = None) -> ApiError:
    """Return a body or content-type error."""
    return ApiError(status, error_object(code, details))


def bare_error(operation: str, field: str, rule: str) -> ApiError:
    """Return a query validation error, as the venue's validator words it."""
    return bare_text(
        operation,
        f"Key: '{operation}Params.{field}' Error:Field validation for '{field}' failed on the '{rule}' tag",
    )


def bare_text(operation: str, text: str) -> ApiError:
    """Return a query validation error that concerns no single field."""
    return ApiError(400, {"msg": f"Parameter validation failed for {operation}: {text}"})


def too_many_requests() -> ApiError:
    """Return the rate limit's error."""
    return ApiError(429, {"error": "too many requests"})


def no_price(yes_price: Price) -> str:
    """Return a YES price on the NO scale, as text."""
    return PRICE_TEXT[PRICE_ONE - yes_price]
