"""Tests of WebSocket frames against recorded ones."""

from __future__ import annotations

import json

from daemon.core.units import MILLISECOND
from daemon.exchange import facts as f
from daemon.sandbox.stream import frames
from tests.sandbox.scripted import OPEN

T0 = 1_790_363_624_342_537_000
DELTA = f.LevelChanged(OPEN, "no", 9600, -200, T0, "client", "mine")


def test_an_envelope_has_the_recorded_key_order() -> None:
    """type, id, sid, seq, msg, sending_ts_ms, and a line break."""
    told = frames.frame("ok", b"{}", 5, id=1, sid=2, seq=3)
    assert b'{"type":"ok","id":1,"sid":2,"seq":3,"msg":{},"sending_ts_ms":5}\n' == told


def test_a_delta_shows_its_order_to_the_owner_only() -> None:
    """client_order_id and subaccount are extra; the no side turns with use_yes_price."""
    plain = json.loads(frames.delta_body(DELTA, "t", is_yes_price=False, is_own=False))
    assert ("0.9600", "-2.00", "no", T0 // MILLISECOND) == (
        plain["price_dollars"],
        plain["delta_fp"],
        plain["side"],
        plain["ts_ms"],
    )
    own = json.loads(frames.delta_body(DELTA, "t", is_yes_price=True, is_own=True))
    assert ("0.0400", "mine", 0) == (own["price_dollars"], own["client_order_id"], own["subaccount"])


def test_a_subaccounts_delta_carries_its_number() -> None:
    """The primary's key reads which of its subaccounts moved the level."""
    fact = f.LevelChanged(OPEN, "yes", 4000, 100, T0, "client#3", "mine")
    assert 3 == json.loads(frames.delta_body(fact, "t", is_yes_price=False, is_own=True))["subaccount"]


def test_a_primary_sees_its_subaccounts_and_nobody_else() -> None:
    """A key that is bound to a subaccount sees that one only."""
    assert [True, True, False, False, False, False] == [
        frames.sees("client", "client"),
        frames.sees("client", "client#3"),
        frames.sees("client", "client2"),
        frames.sees("client", "client2#3"),
        frames.sees("client#3", "client"),
        frames.sees("client#3", "client#31"),
    ]


def test_a_groups_limit_is_told_where_it_is_news() -> None:
    """Created and limit_updated carry it, a trigger doesn't."""
    created = json.loads(frames.order_group_body(f.OrderGroupChanged("client", "g", "created", 1000, T0)))
    assert ["event_type", "order_group_id", "contracts_limit_fp", "ts_ms"] == list(created)
    assert ("created", "10.00", T0 // MILLISECOND) == (
        created["event_type"],
        created["contracts_limit_fp"],
        created["ts_ms"],
    )
    triggered = json.loads(frames.order_group_body(f.OrderGroupChanged("client", "g", "triggered", None, T0)))
    assert "contracts_limit_fp" not in triggered


def test_an_empty_side_is_absent() -> None:
    """Not an empty list; on the yes scale the best NO bid is the lowest price."""
    body = json.loads(frames.snapshot_body(OPEN, (), ((100, 5), (200, 7)), is_yes_price=True))
    assert "yes_dollars_fp" not in body
    assert [["0.9800", "0.07"], ["0.9900", "0.05"]] == body["no_dollars_fp"]


def test_text_frames_are_whole_at_every_length() -> None:
    """Seven, sixteen and sixty-four bit lengths (RFC 6455, 5.2)."""
    assert b"\x81\x7d" == frames.as_text_frame(b"x" * 125)[:2]
    assert b"\x81\x7e\x00\x7e" == frames.as_text_frame(b"x" * 126)[:4]
    assert b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00" == frames.as_text_frame(b"x" * 65536)[:10]


def test_an_empty_books_ticker_is_zero_and_one() -> None:
    """Bid 0.0000, ask 1.0000, sizes 0.00."""
    told = f.TickerTold(OPEN, None, None, 0, 0, None, None, 0, 0, T0)
    body = json.loads(frames.ticker_body(told, 0))
    assert ("0.0000", "1.0000", "0.00", "0.00") == (
        body["yes_bid_dollars"],
        body["yes_ask_dollars"],
        body["yes_bid_size_fp"],
        body["last_trade_size_fp"],
    )
