"""Strict decoding: what doesn't fit names its endpoint, its field, and what would fit."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from daemon.kalshi.errors import Transient, Unreadable
from daemon.kalshi.strict import decode_strictly, endpoint_of


class _Row(msgspec.Struct, frozen=True):
    status: Literal["open", "closed"] | None
    side: Literal["yes", "no"] = "yes"


class _Page(msgspec.Struct, frozen=True):
    rows: list[_Row]
    named: dict[str, _Row] = {}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            b'{"rows":[{"status":"gone"}]}',
            r"'gone' - at `\$\.rows\[0\]\.status`; allowed: 'closed', 'open'$",
        ),
        (b'{"rows":[{"status":null,"side":"maybe"}]}', r"'maybe'.*; allowed: 'no', 'yes'$"),
        (b'{"rows":[],"named":{"a":{"status":"x"}}}', r"'x'.*; allowed: 'closed', 'open'$"),
        (b'{"rows":[{}]}', r"missing required field `status` - at `\$\.rows\[0\]`$"),
        (b'{"rows":{}}', r"Expected `array`, got `object` - at `\$\.rows`$"),
        (b'{"rows":[', "not whole JSON"),
        (b"<html>", "not whole JSON"),
        (b"", "not whole JSON"),
        (b'{"rows":"\xff"}', "not whole JSON|Expected `array`"),
    ],
)
def test_what_does_not_fit_says_why(body: bytes, said: str) -> None:
    """The endpoint, the field, what was there, and what is allowed; and it may be asked for again."""
    with pytest.raises(Unreadable, match=said) as caught:
        decode_strictly(body, _Page, "/markets/KX-1/orderbook")
    assert str(caught.value).startswith("/markets/:name/orderbook: ")
    assert isinstance(caught.value, Transient)


def test_what_fits_is_read_and_the_unknown_ignored() -> None:
    """The venue adds fields without notice."""
    expected = _Page([_Row("open")])
    assert expected == decode_strictly(b'{"rows":[{"status":"open","new":1}],"more":[]}', _Page, "/x")


def test_lists_and_raw_parts_are_read_too() -> None:
    """A page's rows are decoded by themselves; an element's error says which one."""
    raw = msgspec.Raw(b'[{"status":"open"}]')
    assert [_Row("open")] == decode_strictly(raw, list[_Row], "/x")
    with pytest.raises(Unreadable, match=r"\[0\]\.status`; allowed"):
        decode_strictly(b'[{"status":"gone"}]', list[_Row], "/x")


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/series/KXBTC15M/markets/KXBTC15M-E-15/candlesticks", "/series/:name/markets/:name/candlesticks"),
        ("/portfolio/orders/2597b999-f887-4195-8bac-c3f97a1f2021", "/portfolio/orders/:name"),
        ("/portfolio/events/orders", "/portfolio/events/orders"),
        ("/api_keys", "/api_keys"),
    ],
)
def test_an_endpoint_has_no_names_in_it(path: str, endpoint: str) -> None:
    """What is counted by endpoint stays a short list."""
    assert endpoint == endpoint_of(path)
