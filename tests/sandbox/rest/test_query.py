"""Tests of how requests are read."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.sandbox.bodies import ApiError
from daemon.sandbox.rest import query


def details(call: Callable[[], object]) -> str:
    with pytest.raises(ApiError) as refused:
        call()
    return refused.value.body.decode()


def test_wrong_types_are_refused_in_the_decoders_words() -> None:
    """Numbers where strings belong; null counts as absent, unknown fields are ignored."""
    found = query.check_fields({"ticker": None, "count": "1", "new": 5}, query.CREATE_FIELDS, "S")
    assert {"count": "1"} == found
    text = details(lambda: query.check_fields({"price": 0.5}, query.CREATE_FIELDS, "S"))
    assert "json: cannot unmarshal number into Go struct field S.price of type string" in text
    assert {"subaccount": 63} == query.check_fields({"subaccount": 63}, query.CREATE_FIELDS, "S")
    text = details(lambda: query.check_fields({"subaccount": 64}, query.CREATE_FIELDS, "S"))
    assert "subaccount must be 0 to 63" in text


def test_prices_and_counts_are_exact() -> None:
    """Two to four decimals are a price, five are refused in the recorded words."""
    assert (3500, 3550, 1000) == (
        query.price_of("0.35"),
        query.price_of("0.3550"),
        query.qty_of("10"),
    )
    assert "invalid dollar precision: -5" in details(lambda: query.price_of("0.35001"))
    assert "invalid_order_size" in details(lambda: query.qty_of("0.001"))
    assert "invalid price" in details(lambda: query.price_of("much"))


def test_bodies_must_be_objects() -> None:
    """Broken JSON and other values are flat errors."""
    assert "invalid JSON" in details(lambda: query.decode_object(b"{"))
    assert "non-object" in details(lambda: query.decode_object(b"[]"))


def test_limits_stay_in_their_range() -> None:
    """Absent is the default, and 0 where it may be asked for; beyond is refused."""
    assert 100 == query.limit({}, "GetMarkets", default=100, at_most=1000)
    assert 100 == query.limit({"limit": "0"}, "GetMarkets", default=100, at_most=1000, at_least=0)
    assert "'gte' tag" in details(lambda: query.limit({"limit": "0"}, "GetFills", default=100, at_most=1000))
    assert "'lte' tag" in details(
        lambda: query.limit({"limit": "1001"}, "GetMarkets", default=100, at_most=1000)
    )
    assert "'gte' tag" in details(
        lambda: query.limit({"limit": "-1"}, "GetMarkets", default=100, at_most=1000)
    )
    assert "'number' tag" in details(lambda: query.whole({"min_ts": "x"}, "min_ts", "GetTrades"))


def test_truths_are_read_as_go_reads_them() -> None:
    """Its twelve spellings, nothing else; absent is None."""
    assert [True, False, None] == [query.flag({"a": text}, "a", "X") for text in ("True", "f", "")]
    assert "'boolean' tag" in details(lambda: query.flag({"with_it": "yes"}, "with_it", "X"))


def test_a_span_holds_its_last_second_whole() -> None:
    """Both ends in whole seconds; what has not happened lies in no bounded span."""
    found = query.span({"min_close_ts": "5", "max_close_ts": "7"}, "close_", "X")
    second = 1_000_000_000
    inside = [at in found for at in (5 * second - 1, 5 * second, 8 * second - 1, 8 * second, None)]
    assert [False, True, True, False, False] == inside
    assert None in query.span({}, "close_", "X")


def test_a_word_is_one_of_its_set() -> None:
    """Anything else is refused by the rule's name."""
    assert "open" == query.choice({"status": "open"}, "status", "X", ("open",))
    assert query.choice({}, "status", "X", ("open",)) is None
    assert "'oneof' tag" in details(lambda: query.choice({"status": "o,p"}, "status", "X", ("o", "p")))


@given(st.lists(st.integers(), max_size=30), st.integers(1, 7))
def test_pages_are_the_list_even_when_it_grows(items: list[int], size: int) -> None:
    """All pages in order are the list; what is added in front while paging moves nothing."""
    found: list[int] = []
    cursor = ""
    grown = items
    while True:
        part, cursor = query.page(grown, {"cursor": cursor}, size)
        found += part
        if not cursor:
            break
        grown = [0, *grown]
    assert items == found


def test_a_garbage_cursor_is_the_first_page() -> None:
    """Silently, as recorded."""
    for cursor in ("garbage", "bGVmdDp4", json.dumps({})):
        assert [1, 2] == query.page([1, 2, 3], {"cursor": cursor}, 2)[0]


def test_numbers_are_those_that_the_venue_can_hold() -> None:
    """64 bits in queries and bodies, and no spelling but digits; instants end with the year 9999."""
    assert -7 == query.whole({"depth": "-7"}, "depth", "Get")
    assert 2**63 - 1 == query.whole({"depth": str(2**63 - 1)}, "depth", "Get")
    for text in (str(2**63), "9" * 5000, "1_000", " 7", "\u0667", "1.0"):
        with pytest.raises(ApiError) as caught:
            query.whole({"depth": text}, "depth", "Get")
        assert 400 == caught.value.status
    with pytest.raises(ApiError) as caught:
        query.check_fields({"subaccount": 2**63}, query.CREATE_FIELDS, "Create")
    assert b"cannot unmarshal number 9223372036854775808 into" in caught.value.body
    assert query.SECONDS_MAX * 10**9 == query.seconds({"max_ts": str(2**62)}, "max_ts", "Get")
    assert 7 * 10**9 == query.expiry({"expiration_time": 7})
    with pytest.raises(ApiError) as caught:
        query.expiry({"expiration_time": query.SECONDS_MAX + 1})
    assert 400 == caught.value.status


@pytest.mark.parametrize("raw", [b'{"a":"\xff"}', b"[" * 100_000, b'{"a":1e999}'])
def test_what_cannot_be_read_is_a_bad_request(raw: bytes) -> None:
    """No UTF-8, nested without end, or a number without a value: flat, as any other text that is no JSON."""
    with pytest.raises(ApiError) as caught:
        query.decode_object(raw)
    assert (400, "bad_request") == (caught.value.status, json.loads(caught.value.body)["code"])


def test_a_cursor_longer_than_any_number_is_the_first_page() -> None:
    """As any other garbage."""
    cursor = base64.urlsafe_b64encode(b"left:" + b"9" * 5000).decode()
    assert [1, 2] == query.page([1, 2, 3], {"cursor": cursor}, 2)[0]
