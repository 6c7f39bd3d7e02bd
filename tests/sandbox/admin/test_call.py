"""What a call says of itself, and how it refuses."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from msgspec import Meta

from daemon.sandbox.admin.call import Body, Call, CallRefused, NoBody, fields_of, price_in, qty_in


class Push(Body, frozen=True):
    """A body of this test's."""

    ms: Annotated[int, Meta(ge=1)]
    way: Literal["up", "down"] = "up"


async def push(body: Push) -> dict[str, object]:
    return {"ms": body.ms}


def test_a_call_tells_its_body() -> None:
    """Every field with its type, what is allowed, and whether it has to be there."""
    described = Call("POST", "/push", "push it", Push, push).described()
    expected = {
        "ms": {"type": "integer", "minimum": 1, "required": True},
        "way": {"enum": ["down", "up"], "default": "up", "required": False},
    }
    assert {"method": "POST", "path": "/push", "does": "push it", "body": expected} == described
    assert {} == fields_of(NoBody)


def test_prices_and_counts_are_texts() -> None:
    """As on the wire; anything else is refused with the field's name."""
    assert (4500, 1000) == (price_in("0.4500", "price"), qty_in("10.00", "count"))
    for text in ("x", "", "0.12345"):
        with pytest.raises(CallRefused, match=r"^price: "):
            price_in(text, "price")
    for text in ("0.00", "1.234", "-1.00", "many"):
        with pytest.raises(CallRefused, match=r"^count: "):
            qty_in(text, "count")
