"""Tests of one connection's commands, without a socket."""

from __future__ import annotations

import json
from typing import Any

from daemon.sandbox.subscriptions import ClientSession, Ladders
from tests.sandbox.scripted import OPEN
from tests.sandbox.wire import subscribe, update

LADDERS: Ladders = (((4000, 100),), ((5900, 100),))


def session_of(books: dict[str, Ladders | None] | None = None) -> ClientSession:
    known = books if books is not None else {OPEN: LADDERS}
    return ClientSession(
        "client",
        book=lambda ticker: known.get(ticker, ((), ())),
        ticker=lambda _: b"{}",
        now_ms=lambda: 5,
        on_change=lambda: None,
    )


def told(session: ClientSession, *commands: object) -> list[dict[str, Any]]:
    """Send commands; return the answers without their time."""
    for command in commands:
        session.receive(json.dumps(command))
    frames = [json.loads(payload) for payload in session.outbox]
    session.outbox.clear()
    for frame in frames:
        assert 5 == frame.pop("sending_ts_ms")
    return frames


def code(session: ClientSession, command: object) -> int:
    [frame] = told(session, command)
    assert "error" == frame["type"]
    return int(frame["msg"]["code"])


def test_each_channel_has_a_sid_and_no_seq_of_its_ack() -> None:
    """N channels, N replies with the same id; then the snapshot with seq 1."""
    frames = told(session_of(), subscribe(7, "ticker", "orderbook_delta", market_tickers=[OPEN]))
    assert [("subscribed", 1, None), ("subscribed", 2, None), ("orderbook_snapshot", 2, 1)] == [
        (frame["type"], frame.get("sid") or frame["msg"]["sid"], frame.get("seq")) for frame in frames
    ]


def test_a_repeated_subscribe_adds_and_is_answered_with_ok() -> None:
    """Ok takes a number on a sequenced channel and none on another; it lists all tickers."""
    session = session_of()
    told(session, subscribe(1, "orderbook_delta", "ticker", market_tickers=[OPEN]))
    frames = told(session, subscribe(2, "orderbook_delta", "ticker", market_tickers=[OPEN, "B"]))
    assert [
        {"type": "ok", "id": 2, "sid": 1, "seq": 2, "msg": {"market_tickers": [OPEN, "B"]}},
        {"type": "orderbook_snapshot", "sid": 1, "seq": 3},
        {"type": "ok", "id": 2, "sid": 2, "msg": {"market_tickers": [OPEN, "B"]}},
    ] == [
        {name: value for name, value in frame.items() if frame["type"] == "ok" or name != "msg"}
        for frame in frames
    ]


def test_get_snapshot_is_answered_by_the_snapshot_only() -> None:
    """With the command's id and the next seq; no ok."""
    session = session_of()
    told(session, subscribe(1, "orderbook_delta", market_tickers=[OPEN]))
    [frame] = told(session, update(9, 1, "get_snapshot", OPEN))
    assert ("orderbook_snapshot", 9, 2) == (frame["type"], frame["id"], frame["seq"])


def test_a_tapes_snapshot_is_waited_for() -> None:
    """An unknown book is not answered with an empty one; who asked is remembered."""
    session = session_of({OPEN: None})
    frames = told(session, subscribe(1, "orderbook_delta", market_tickers=[OPEN]))
    assert ["subscribed"] == [frame["type"] for frame in frames]
    assert [] == told(session, update(9, 1, "get_snapshot", OPEN))
    assert {OPEN: [0, 9]} == session.subscriptions[1].awaited


def test_markets_are_added_and_deleted() -> None:
    """Ok each time, with what is left."""
    session = session_of()
    told(session, subscribe(1, "orderbook_delta", market_tickers=[OPEN]))
    frames = told(session, update(2, 1, "add_markets", "B"), update(3, 1, "delete_markets", OPEN))
    assert ["ok", "orderbook_snapshot", "ok"] == [frame["type"] for frame in frames]
    assert {"market_tickers": ["B"]} == frames[-1]["msg"]


def test_unsubscribed_takes_a_number_and_ends_the_sid() -> None:
    """In the documented key order; afterwards the sid is unknown and a new one counts on."""
    session = session_of()
    told(session, subscribe(1, "trade", "ticker"))
    session.receive(json.dumps({"id": 2, "cmd": "unsubscribe", "params": {"sids": [1, 2]}}))
    assert [
        b'{"id":2,"sid":1,"seq":1,"type":"unsubscribed","sending_ts_ms":5}\n',
        b'{"id":2,"sid":2,"type":"unsubscribed","sending_ts_ms":5}\n',
    ] == session.outbox
    session.outbox.clear()
    [frame] = told(session, subscribe(3, "trade"))
    assert {"channel": "trade", "sid": 3} == frame["msg"]


def test_lists_are_listed() -> None:
    """Channel and sid of each."""
    session = session_of()
    told(session, subscribe(1, "trade"))
    assert [{"id": 3, "type": "ok", "msg": [{"channel": "trade", "sid": 1}]}] == told(
        session, {"id": 3, "cmd": "list_subscriptions"}
    )


def test_skip_ticker_ack_leaves_the_tickers_out() -> None:
    """Ok with an empty list."""
    session = session_of()
    told(session, subscribe(1, "ticker", market_tickers=[OPEN], skip_ticker_ack=True))
    [frame] = told(session, update(2, 1, "add_markets", "B"))
    assert {"market_tickers": []} == frame["msg"]


def test_refusals_have_the_documented_codes() -> None:
    """Each broken rule has its own."""
    session = session_of()
    told(session, subscribe(1, "orderbook_delta", market_tickers=[OPEN]))
    session.receive("{")
    assert 1 == json.loads(session.outbox.pop())["msg"]["code"]
    params = {"market_tickers": ["A"]}
    assert [2, 3, 8, 14, 1, 11, 5, 4, 7, 12, 7, 15, 14, 13] == [
        code(session, command)
        for command in (
            {"id": 1, "cmd": "subscribe"},
            {"id": 1, "cmd": "subscribe", "params": params},
            subscribe(1, "nothing"),
            subscribe(1, "orderbook_delta"),
            subscribe(1, "ticker", market_tickers="A"),
            subscribe(1, "ticker", market_ids=["x"]),
            {"id": 1, "cmd": "dance"},
            {"id": 1, "cmd": "unsubscribe", "params": {"x": 1}},
            {"id": 1, "cmd": "unsubscribe", "params": {"sids": [9]}},
            {"id": 1, "cmd": "update_subscription", "params": {"sids": [1, 2]}},
            update(1, 9, "add_markets", "A"),
            {"id": 1, "cmd": "update_subscription", "params": {"sid": 1}},
            update(1, 1, "add_markets"),
            update(1, 1, "dance", "A"),
        )
    ]


def test_an_overflow_ends_every_subscription_with_25() -> None:
    """Terminal: the sids are gone, and what waited is dropped."""
    session = session_of()
    told(session, subscribe(1, "orderbook_delta", "ticker", market_tickers=[OPEN]))
    session.outbox.append(b"{}")
    session.overflow()
    assert [(1, 25), (2, 25)] == [(frame["sid"], frame["msg"]["code"]) for frame in told(session)]
    assert {} == session.subscriptions
