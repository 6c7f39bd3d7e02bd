"""What a REST request carries: query parameters and bodies, read strictly, refused as the venue does."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from aiohttp import web

from daemon.core.units import SECOND, Ns, Price, Qty, parse_decimal
from daemon.exchange.accounts import SUBACCOUNT_MAX
from daemon.sandbox.bodies import ApiError, bare_error, flat_error, nested_error

_T = TypeVar("_T")

Query: TypeAlias = Mapping[str, str]
Fields: TypeAlias = dict[str, type]

_GO_NAMES: Final = {
    str: "string",
    int: "number",
    float: "number",
    bool: "bool",
    list: "array",
    dict: "object",
}
_GO_TYPES: Final = {str: "string", int: "int64", bool: "bool", list: "slice"}

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,20}")

_TRUTHS: Final = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}

INT64_MAX: Final = (1 << 63) - 1
"""What the venue's decoder takes as a number; beyond, a text is none."""
SECONDS_MAX: Final = 253_402_300_799
"""The last second of the year 9999: what is later has no RFC 3339 instant."""

CREATE_FIELDS: Final[Fields] = {
    "ticker": str,
    "side": str,
    "count": str,
    "price": str,
    "time_in_force": str,
    "self_trade_prevention_type": str,
    "client_order_id": str,
    "expiration_time": int,
    "post_only": bool,
    "reduce_only": bool,
    "cancel_order_on_pause": bool,
    "order_group_id": str,
    "subaccount": int,
    "exchange_index": int,
}
AMEND_FIELDS: Final[Fields] = {
    "ticker": str,
    "side": str,
    "price": str,
    "count": str,
    "client_order_id": str,
    "updated_client_order_id": str,
    "expiration_time": int,
    "exchange_index": int,
    "subaccount": int,
}
DECREASE_FIELDS: Final[Fields] = {
    "reduce_by": str,
    "reduce_to": str,
    "market_ticker": str,
    "exchange_index": int,
    "subaccount": int,
}
CANCEL_FIELDS: Final[Fields] = {
    "order_id": str,
    "subaccount": int,
    "exchange_index": int,
    "market_ticker": str,
}


class Span(msgspec.Struct, frozen=True, gc=False):
    """A span of whole seconds, both ends in it; None is unbounded."""

    first: Ns | None
    last: Ns | None

    def __contains__(self, at: Ns | None) -> bool:
        """Whether an instant lies in it; what has not happened (None) lies in no bounded one."""
        if self.first is None and self.last is None:
            return True
        return (
            at is not None
            and (self.first is None or at >= self.first)
            and (self.last is None or at < self.last + SECOND)
        )

    @property
    def is_bounded(self) -> bool:
        """Whether it has an end."""
        return self.first is not None or self.last is not None


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return a request's body: one JSON object. Raises ApiError 400, flat, as recorded."""
    if request.content_type != "application/json":
        raise ApiError(400, {"code": "invalid_content_type", "message": "invalid_content_type"})
    return decode_object(await request.read())


def decode_object(raw: bytes) -> dict[str, Any]:
    """Return a JSON object. Raises ApiError 400, flat."""
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise flat_error(400, "bad_request", f"invalid JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise flat_error(400, "bad_request", "json: cannot unmarshal non-object into Go value")
    return found


def check_fields(body: dict[str, Any], fields: Fields, struct: str) -> dict[str, Any]:
    """Return the known fields that are set; null counts as absent, unknown ones are ignored.

    Raises:
        ApiError: 400 flat, in the words of the venue's decoder, when a type is wrong.
    """
    found: dict[str, Any] = {}
    for name, type_ in fields.items():
        value = body.get(name)
        if value is None:
            continue
        is_too_large = type(value) is int and not -INT64_MAX <= value <= INT64_MAX
        if type(value) is not type_ or is_too_large:
            kind = f"number {value}" if is_too_large else _GO_NAMES[type(value)]
            text = (
                f"json: cannot unmarshal {kind} into Go struct field "
                f"{struct}.{name} of type {_GO_TYPES[type_]}"
            )
            raise flat_error(400, "bad_request", text)
        found[name] = value
    check_subaccount(found.get("subaccount", 0))
    return found


def check_subaccount(number: int, field: str = "subaccount") -> int:
    """Return a subaccount's number. Raises ApiError 400, nested, where there can't be such a one."""
    if not 0 <= number <= SUBACCOUNT_MAX:
        raise nested_error(400, "invalid_parameters", f"{field} must be 0 to {SUBACCOUNT_MAX}")
    return number


def required(body: dict[str, Any], name: str) -> str:
    """Return a required text. Raises ApiError 400."""
    value = body.get(name)
    if not value:
        raise nested_error(400, "invalid_parameters", f"{name} is required")
    assert isinstance(value, str)
    return value


def one_of(text: str, name: str, allowed: tuple[_T, ...]) -> _T:
    """Return a text that must be one of these. Raises ApiError 400."""
    for choice in allowed:
        if text == choice:
            return choice
    raise nested_error(400, "invalid_parameters", f"invalid {name}: {text}")


def price_of(text: str) -> Price:
    """Return a price. Raises ApiError 400 in the venue's words."""
    digits = len(text.partition(".")[2])
    if digits > 4:
        raise nested_error(400, "invalid_order", f"invalid price: invalid dollar precision: -{digits}")
    try:
        return parse_decimal(text, 4)
    except ValueError as exc:
        raise nested_error(400, "invalid_order", f"invalid price: {text}") from exc


def qty_of(text: str) -> Qty:
    """Return a count. Raises ApiError 400."""
    try:
        return parse_decimal(text, 2)
    except ValueError as exc:
        raise nested_error(400, "invalid_order_size", str(exc)) from exc


def whole(query: Query, name: str, operation: str) -> int | None:
    """Return a whole number from the query; None if absent. Raises ApiError 400, bare."""
    text = query.get(name)
    if text is None or text == "":
        return None
    if _WHOLE.fullmatch(text) is None or abs(int(text)) > INT64_MAX:
        raise bare_error(operation, _camel(name), "number")
    return int(text)


def limit(query: Query, operation: str, *, default: int, at_most: int, at_least: int = 1) -> int:
    """Return the page size; where 0 may be asked for, it means the default.

    Raises:
        ApiError: 400, bare, outside of at_least … at_most.
    """
    found = whole(query, "limit", operation)
    if found is None or found == at_least == 0:
        return default
    if found < at_least:
        raise bare_error(operation, "Limit", "gte")
    if found > at_most:
        raise bare_error(operation, "Limit", "lte")
    return found


def flag(query: Query, name: str, operation: str) -> bool | None:
    """Return a truth value as Go's parser reads it; None if absent. Raises ApiError 400, bare."""
    text = query.get(name)
    if text is None or text == "":
        return None
    if text not in _TRUTHS:
        raise bare_error(operation, _camel(name), "boolean")
    return _TRUTHS[text]


def choice(query: Query, name: str, operation: str, allowed: Collection[str]) -> str | None:
    """Return a word of a set; None if absent or empty. Raises ApiError 400, bare."""
    text = query.get(name)
    if not text:
        return None
    if text not in allowed:
        raise bare_error(operation, _camel(name), "oneof")
    return text


def span(query: Query, family: str, operation: str) -> Span:
    """Return the instants of min_<family>ts and max_<family>ts; `family` is "" or ends with "_"."""
    return Span(seconds(query, f"min_{family}ts", operation), seconds(query, f"max_{family}ts", operation))


def seconds(query: Query, name: str, operation: str) -> Ns | None:
    """Return an instant given in seconds; None if absent."""
    found = whole(query, name, operation)
    # The instants after the last one that can be written are all the same: nothing happens there.
    return None if found is None else max(-SECONDS_MAX, min(found, SECONDS_MAX)) * SECOND


def expiry(body: dict[str, Any]) -> Ns | None:
    """Return the `expiration_time` of an order's body; None if absent. Raises ApiError 400."""
    found = body.get("expiration_time")
    if found is None:
        return None
    assert isinstance(found, int)
    if found > SECONDS_MAX:
        raise nested_error(400, "invalid_parameters", f"invalid expiration_time: {found}")
    return found * SECOND


def names(query: Query, name: str) -> list[str] | None:
    """Return a comma list; None if absent or empty."""
    return [part for part in query.get(name, "").split(",") if part] or None


def page(items: list[_T], query: Query, size: int) -> tuple[list[_T], str]:
    """Return one page and the cursor of the next, empty on the last. A garbage cursor is the first page.

    A cursor counts from the end of the list, which is oldest last: what is added at its front, newer, while
    a client pages doesn't move the pages.
    """
    left = _left(query.get("cursor", ""))
    start = len(items) - left if left is not None and left <= len(items) else 0
    rest = len(items) - start - size
    return items[start : start + size], _cursor(rest) if rest > 0 else ""


_CURSOR_DIGITS_MAX: Final = 20


def _cursor(left: int) -> str:
    return base64.urlsafe_b64encode(b"left:%d" % left).decode()


def _left(cursor: str) -> int | None:
    try:
        text = base64.urlsafe_b64decode(cursor)
    except (binascii.Error, ValueError):
        return None
    number = text.removeprefix(b"left:")
    is_ours = text.startswith(b"left:") and number.isdigit() and len(number) < _CURSOR_DIGITS_MAX
    return int(number) if is_ours else None


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
