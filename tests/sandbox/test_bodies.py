"""Tests of what all REST bodies share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import format_money, format_qty, parse_money, parse_qty
from daemon.sandbox.bodies import (
    average_text,
    bare_error,
    flat_error,
    json_body,
    money_text,
    nested_error,
    no_price,
    qty_text,
    time_text,
    too_many_requests,
    whole_cents,
)


@given(st.integers(-(10**12), 10**12))
def test_counts_and_money_are_written_as_the_core_writes_them(units: int) -> None:
    """The fast forms equal the exact ones, and read back."""
    assert (format_qty(units), format_money(units)) == (qty_text(units), money_text(units))
    assert (units, units) == (parse_qty(qty_text(units)), parse_money(money_text(units)))


def test_cents_are_rounded_half_up() -> None:
    """Half a cent is one more, anything less is none."""
    assert [0, 1, 1, 1, 2] == [whole_cents(money) for money in (4_999, 5_000, 10_000, 14_999, 15_000)]


def test_times_drop_their_trailing_zeros() -> None:
    """As recorded: six digits at most, none if there are none."""
    assert "2026-09-25T19:15:00Z" == time_text(1_790_363_700_000_000_000)
    assert "2026-09-25T19:15:00.6Z" == time_text(1_790_363_700_600_000_000)
    assert "2026-09-25T19:15:00.000001Z" == time_text(1_790_363_700_000_001_999)


def test_bodies_have_sorted_keys_and_end_the_line() -> None:
    """Data objects are alphabetical at every depth."""
    assert b'{"a":{"b":1,"c":2},"d":3}\n' == json_body({"d": 3, "a": {"c": 2, "b": 1}})


def test_the_four_shapes_of_an_error() -> None:
    """Nested, flat, bare and string, in the order code, message, details."""
    nested = b'{"error":{"code":"invalid_order","message":"invalid order","details":"post only cross"}}\n'
    assert nested == nested_error(400, "invalid_order", "post only cross").body
    assert b'{"code":"bad_request","message":"bad request"}\n' == flat_error(400, "bad_request").body
    assert bare_error("GetMarkets", "Limit", "lte").body.startswith(b'{"msg":"Parameter validation failed')
    assert (429, b'{"error":"too many requests"}\n') == (
        too_many_requests().status,
        too_many_requests().body,
    )


def test_averages_round_half_up_to_four_decimals() -> None:
    """Total over count: a third of a dollar is 0.3333."""
    assert "0.3333" == average_text(1_000_000, 300)
    assert "0.0168" == average_text(168_000, 1_000)
    assert "0.6500" == no_price(3500)
