"""Tests of one connection's commands, without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from daemon.sandbox.stream.commands import ABSENT, Command
from daemon.sandbox.stream.subscription import Ladders, StreamLimits
from daemon.sandbox.stream.subscriptions import ClientSession
from tests.sandbox.scripted import OPEN
from tests.sandbox.wire import subscribe, update

LADDERS: Ladders = (((4000, 100),), ((5900, 100),))


class View:
    """A venue of one market."""

    now_ms = 5
    index_ids = ("BRTI", "ETHUSD_RTI")

    def __init__(self, books: dict[str, Ladders | None] | None = None) -> None:
        self._books = books if books is not None else {OPEN: LADDERS}
        self.limits = StreamLimits()
        self.command_fault: Callable[[Command], int | None] | None = None

    def ladders(self, ticker: str) -> Ladders | None:
        return self._books.get(ticker, ((), ()))

    def summary(self, ticker: str) -> bytes | None:
        return b"{}" if ticker in self._books else None

    def open_tickers(self) -> list[str]:
        return list(self._books)

    def ticker_of(self, market_id: str) -> str:
        return {"the-id": OPEN}.get(market_id, market_id)

    def changed(self) -> None:
        pass


def session_of(
    books: dict[str, Ladders | None] | None = None, limits: StreamLimits | None = None
) -> ClientSession:
    view = View(books)
    view.limits = limits or view.limits
    return ClientSession("client", view)


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
    told(session, subscribe(1, "trade", "order_group_updates", "cfbenchmarks_value"))
    assert [2, 3, 8, 14, 1, 11, 5, 4, 1, 7, 12, 12, 7, 15, 14, 13, 11, 11, 13, 13, 13, 24, 13, 1] == [
        code(session, command)
        for command in (
            {"id": 1, "cmd": "subscribe"},
            {"id": 1, "cmd": "subscribe", "params": params},
            subscribe(1, "nothing"),
            subscribe(1, "orderbook_delta"),
            subscribe(1, "ticker", market_tickers="A"),
            subscribe(1, "orderbook_delta", market_ids=["x"], market_tickers=["A"]),
            {"id": 1, "cmd": "dance"},
            {"id": 1, "cmd": "unsubscribe", "params": {"x": 1}},
            {"id": 1, "cmd": "unsubscribe", "params": {"sids": ["1"]}},
            {"id": 1, "cmd": "unsubscribe", "params": {"sids": [9]}},
            {"id": 1, "cmd": "update_subscription", "params": {"sids": [1, 2]}},
            {"id": 1, "cmd": "update_subscription", "params": {"sid": 1, "sids": [1]}},
            update(1, 9, "add_markets", "A"),
            {"id": 1, "cmd": "update_subscription", "params": {"sid": 1}},
            update(1, 1, "add_markets"),
            update(1, 1, "dance", "A"),
            subscribe(1, "ticker", market_ticker="A", market_tickers=["A"]),
            subscribe(1, "ticker", "trade", market_ids=["x"]),
            update(1, 2, "get_snapshot", "A"),
            update(1, 3, "add_markets", "A"),
            update(1, 4, "add_markets", "A"),
            update(1, 4, "subscribe_indices"),
            update(1, 1, "subscribe_indices"),
            subscribe(1, "trade", use_yes_price="yes"),
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


@pytest.mark.parametrize("channel", sorted(ABSENT))
def test_a_channel_that_is_not_simulated_is_unknown(channel: str) -> None:
    """Code 8, whatever else the command asks for; nothing is subscribed."""
    session = session_of()
    assert 8 == code(session, subscribe(1, "trade", channel))
    assert {} == session.subscriptions


def test_a_message_that_is_no_command_is_answered_under_its_id() -> None:
    """As far as it has one: wrong types are code 1."""
    [frame] = told(session_of(), {"id": 9, "cmd": "subscribe", "params": ["trade"]})
    assert {"type": "error", "id": 9, "msg": {"code": 1, "msg": "Unable to process message"}} == frame


def test_get_snapshot_changes_no_subscription() -> None:
    """Any market can be asked for; an unknown one is empty."""
    session = session_of()
    told(session, subscribe(1, "orderbook_delta", market_tickers=[OPEN]))
    frames = told(session, update(9, 1, "get_snapshot", "B"), update(10, 1, "add_markets", OPEN))
    assert ["orderbook_snapshot", "ok"] == [frame["type"] for frame in frames]
    assert ["market_ticker", "market_id"] == list(frames[0]["msg"])
    assert [OPEN] == frames[1]["msg"]["market_tickers"]


def test_a_ticker_may_be_named_by_its_id() -> None:
    """Only there; `ok` shows the ticker."""
    session = session_of()
    told(session, subscribe(1, "ticker", market_ids=["the-id"]))
    [frame] = told(session, subscribe(2, "ticker", market_id="other"))
    assert {"market_tickers": [OPEN, "other"]} == frame["msg"]


def test_a_ticker_of_all_markets_is_shown_at_once_on_request() -> None:
    """Every market that trades."""
    session = session_of({OPEN: LADDERS, "B": LADDERS})
    frames = told(session, subscribe(1, "ticker", send_initial_snapshot=True))
    assert ["subscribed", "ticker", "ticker"] == [frame["type"] for frame in frames]
    assert ["subscribed"] == [frame["type"] for frame in told(session_of(), subscribe(1, "ticker"))]


def test_indices_are_followed_listed_and_left() -> None:
    """None flows before one is named; "all" is every one; every answer takes a number."""
    session = session_of()

    def indices(action: str, *ids: str) -> dict[str, Any]:
        params: dict[str, Any] = {"sid": 1, "action": action}
        return {
            "id": 2,
            "cmd": "update_subscription",
            "params": params | ({"index_ids": [*ids]} if ids else {}),
        }

    frames = told(
        session,
        subscribe(1, "cfbenchmarks_value", market_tickers=["A"]),
        indices("indexlist"),
        indices("subscribe_indices", "BRTI"),
        subscribe(2, "cfbenchmarks_value", index_ids=["all"]),
        indices("unsubscribe_indices", "BRTI"),
        indices("unsubscribe_indices", "all"),
    )
    assert [
        ("cfbenchmarks_value_indexlist", 1, ["BRTI", "ETHUSD_RTI"]),
        ("ok", 2, ["BRTI"]),
        ("ok", 3, ["BRTI", "ETHUSD_RTI"]),
        ("ok", 4, ["ETHUSD_RTI"]),
        ("ok", 5, []),
    ] == [(frame["type"], frame["seq"], frame["msg"]["index_ids"]) for frame in frames[1:]]
    assert not session.subscriptions[1].wants("BRTI")


def test_too_many_markets_are_refused_whole() -> None:
    """Code 26 names the first one too many; on a subscription that exists it takes a number."""
    session = session_of(limits=StreamLimits(markets_per_subscription=2))
    [frame] = told(session, subscribe(1, "trade", "orderbook_delta", market_tickers=["A", "B", "C"]))
    text = "Subscription market limit exceeded"
    error = {"code": 26, "msg": text, "market_ticker": "C"}
    assert {"type": "error", "id": 1, "msg": error} == frame
    told(session, subscribe(2, "trade", market_tickers=["A", "B"]))
    [frame] = told(session, update(3, 1, "add_markets", "B", "C"))
    assert {"type": "error", "id": 3, "sid": 1, "seq": 1, "msg": error} == frame
    assert {"A": None, "B": None} == session.subscriptions[1].names


def test_commands_that_come_too_fast_are_refused() -> None:
    """Code 27, of one subscription and one second."""
    view = View()
    view.limits = StreamLimits(commands_per_s=2)
    session = ClientSession("client", view)
    told(session, subscribe(1, "trade", "ticker", market_tickers=["A"]))
    told(session, update(2, 1, "add_markets", "B"), subscribe(3, "trade", market_tickers=["C"]))
    assert 27 == code(session, update(4, 1, "add_markets", "D"))
    assert "ok" == told(session, update(5, 2, "add_markets", "D"))[0]["type"]
    view.now_ms = 1_005
    session.receive(json.dumps(update(6, 1, "add_markets", "D")))
    assert '"ok"' in session.outbox[0].decode()


def test_a_fault_answers_in_a_commands_place() -> None:
    """Code 18, and the command is not carried out."""
    view = View()
    session = ClientSession("client", view)
    view.command_fault = lambda command: 18 if command.cmd == "subscribe" else None
    assert 18 == code(session, subscribe(1, "trade"))
    assert [[]] == [frame["msg"] for frame in told(session, {"id": 2, "cmd": "list_subscriptions"})]


def test_a_channel_error_ends_its_subscription_only() -> None:
    """Code 10 with sid and number; a new subscribe gets a new sid."""
    session = session_of()
    told(session, subscribe(1, "trade", "ticker"))
    session.fail(1)
    [frame] = told(session)
    assert {"type": "error", "sid": 1, "seq": 1, "msg": {"code": 10, "msg": "Channel error"}} == frame
    assert [2] == list(session.subscriptions)
    assert 3 == told(session, subscribe(2, "trade"))[0]["msg"]["sid"]


def test_a_connection_names_so_many_markets_and_no_more() -> None:
    """The sanity cap over all its subscriptions is code 26, and the command is refused whole."""
    session = session_of(limits=StreamLimits(session_names=5))
    told(session, subscribe(1, "trade", "ticker", market_tickers=["A", "B"]))
    assert 26 == code(session, subscribe(2, "fill", market_tickers=["A", "B"]))
    assert 26 == code(session, update(3, 1, "add_markets", "C", "D"))
    assert "ok" == told(session, update(4, 1, "add_markets", "C"))[0]["type"]
    assert {"A": None, "B": None, "C": None} == session.subscriptions[1].names


def test_a_connection_says_so_much_a_second_and_no_more() -> None:
    """The sanity cap over all its commands is code 27, garbage counted; the next second is a new one."""
    view = View()
    view.limits = StreamLimits(session_commands_per_s=2)
    session = ClientSession("client", view)
    listing = {"id": 1, "cmd": "list_subscriptions"}
    session.receive("{")
    assert ["ok"] == [frame["type"] for frame in told(session, listing)][-1:]
    assert 27 == code(session, listing)
    view.now_ms += 1_000
    session.receive(json.dumps(listing))
    assert '"ok"' in session.outbox[0].decode()
