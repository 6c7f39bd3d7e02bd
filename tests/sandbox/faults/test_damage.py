"""What faults do to a message's text."""

from __future__ import annotations

import json

import pytest

from daemon.sandbox.faults import damage
from daemon.sandbox.faults.decisions import Subject
from daemon.sandbox.faults.registry import Rule

DELTA = (
    b'{"type":"orderbook_delta","sid":2,"seq":7,"msg":{"market_ticker":"KXA-1","price_dollars":"0.4500",'
    b'"delta_fp":"-3.00","side":"yes"},"sending_ts_ms":5}\n'
)
SNAPSHOT = (
    b'{"type":"orderbook_snapshot","id":3,"sid":2,"seq":1,"msg":{"market_ticker":"KXA-1",'
    b'"yes_dollars_fp":[["0.4500","3.00"]]},"sending_ts_ms":5}\n'
)


@pytest.mark.parametrize(
    ("payload", "stream", "expected"),
    [
        (DELTA, "kalshi", ("KXA-1", "orderbook_delta", "orderbook_delta")),
        (SNAPSHOT, "kalshi", ("KXA-1", "orderbook_delta", "orderbook_snapshot")),
        (b'{"type":"user_order","msg":{"ticker":"KXA-1"}}', "kalshi", ("KXA-1", "user_orders", "user_order")),
        (b'{"type":"ok","msg":[{"sid":1}]}', "kalshi", (None, "ok", "ok")),
        (b'{"channel":"ohlc","type":"update"}', "kraken", (None, "ohlc", "update")),
        (b"[1]", "kalshi", (None, None, None)),
        (b"no json", "kalshi", (None, None, None)),
    ],
)
def test_a_frame_says_what_it_is(
    payload: bytes, stream: str, expected: tuple[str | None, str | None, str | None]
) -> None:
    """Market, channel and type; a snapshot is of the channel that it was asked on."""
    market, channel, kind = expected
    found = damage.subject_of(payload, stream)
    assert Subject("frame", market=market, channel=channel, type=kind, stream=stream) == found


def test_numbers_are_raised_by_subscription() -> None:
    """Only of the one that skipped, and nothing else of the text changes."""
    assert DELTA.replace(b'"seq":7', b'"seq":10') == damage.renumbered(DELTA, {2: 3})
    assert DELTA == damage.renumbered(DELTA, {1: 3})
    assert (2, None) == (damage.sid_of(DELTA), damage.sid_of(b'{"type":"fill","sid":1}'))


def test_malformed_is_no_json() -> None:
    """Half of it."""
    with pytest.raises(json.JSONDecodeError):
        json.loads(damage.damaged(Rule(kind="malformed_json"), DELTA))


def test_an_unknown_type_keeps_the_rest() -> None:
    """Sid, number and body are there."""
    found = json.loads(damage.damaged(Rule(kind="unknown_type"), DELTA))
    assert {**json.loads(DELTA), "type": damage.UNKNOWN_TYPE} == found


@pytest.mark.parametrize(("field", "gone"), [(None, "market_ticker"), ("side", "side")])
def test_a_field_is_missing(field: str | None, gone: str) -> None:
    """The one that was named, or the first."""
    found = json.loads(damage.damaged(Rule(kind="missing_field", field=field), DELTA))
    expected = json.loads(DELTA)
    del expected["msg"][gone]
    assert expected == found


def test_numbers_are_absurd() -> None:
    """Prices above a dollar and counts far below zero, in deltas and in ladders."""
    rule = Rule(kind="absurd_numbers")
    body = json.loads(damage.damaged(rule, DELTA))["msg"]
    assert (damage.ABSURD_PRICE, damage.ABSURD_COUNT) == (body["price_dollars"], body["delta_fp"])
    ladder = json.loads(damage.damaged(rule, SNAPSHOT))["msg"]["yes_dollars_fp"]
    assert [[damage.ABSURD_PRICE, damage.ABSURD_COUNT]] == ladder
