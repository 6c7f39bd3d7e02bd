"""One call of the admin endpoint: where it is, what it does, what its body may hold; and its refusals."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from daemon.core.units import (
    MONEY_ONE,
    QTY_ONE,
    Money,
    Price,
    Qty,
    format_money,
    format_qty,
    parse_money,
    parse_price,
    parse_qty,
)

MS_MAX: Final = 10 * 365 * 86_400_000
"""Ten years: further from now no call may put anything."""
QTY_MAX: Final[Qty] = 10_000_000 * QTY_ONE
"""Of one order: what is kept of a day of them still fits 64 bits."""
MONEY_MAX: Final[Money] = 1_000_000_000 * MONEY_ONE


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all bodies share: a field that isn't known is an error."""


class NoBody(Body, frozen=True):
    """A call without a body."""


class CallRefused(Exception):
    """A call can't be carried out as asked: 404 for what isn't there, 409 for a state, 400 else."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Run: TypeAlias = Callable[[Any], Coroutine[Any, Any, object]]


class Call(NamedTuple):
    """See the module's head. `run` is given the decoded body and returns what is answered."""

    method: Literal["GET", "POST"]
    path: str
    does: str
    body: type[Body]
    run: Run

    def described(self) -> dict[str, object]:
        """Return what GET / says of it."""
        return {"method": self.method, "path": self.path, "does": self.does, "body": fields_of(self.body)}


def fields_of(body: type[Body]) -> dict[str, object]:
    """Return a body's fields: for each its JSON schema, and whether it is required."""
    schema = msgspec.json.schema(body)
    found = schema["$defs"][body.__name__]
    required = set(found.get("required", ()))
    kinds = {name: kind for name, kind in schema["$defs"].items() if name != body.__name__}
    fields: dict[str, object] = {
        name: {**rule, "required": name in required} for name, rule in found["properties"].items()
    }
    return {**fields, "$defs": kinds} if kinds else fields


def price_in(text: str, field: str) -> Price:
    """Return a price such as "0.4500", or refuse naming the field."""
    try:
        return parse_price(text)
    except ValueError as error:
        raise CallRefused(400, f'{field}: {error}; write dollars as text, such as "0.4500"') from error


def qty_in(text: str, field: str) -> Qty:
    """Return a count such as "10.00" above zero, or refuse naming the field."""
    try:
        qty = parse_qty(text)
    except ValueError as error:
        raise CallRefused(400, f'{field}: {error}; write contracts as text, such as "10.00"') from error
    if not 0 < qty <= QTY_MAX:
        raise CallRefused(400, f"{field}: {text} is not above 0.00 and at most {format_qty(QTY_MAX)}")
    return qty


def money_in(text: str, field: str) -> Money:
    """Return an amount such as "85000.00" above zero, or refuse naming the field."""
    try:
        money = parse_money(text)
    except ValueError as error:
        raise CallRefused(400, f'{field}: {error}; write dollars as text, such as "85000.00"') from error
    if not 0 < money <= MONEY_MAX:
        raise CallRefused(400, f"{field}: {text} is not above 0 and at most {format_money(MONEY_MAX)}")
    return money
