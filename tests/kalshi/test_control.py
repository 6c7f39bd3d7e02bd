"""What holes, acks and errors mean for each channel; the numbers of books are in test_session."""

from __future__ import annotations

import json

import pytest

from daemon.core import events as e
from daemon.core.units import SECOND
from daemon.kalshi.channels import ACK_PATIENCE, PRIVATE
from daemon.kalshi.session import Session
from tests.kalshi.frames import delta, frame, snapshot, subscribed

CHANNELS = ("orderbook_delta", "trade", "market_lifecycle_v2", *PRIVATE)
SIDS = {channel: sid for sid, channel in enumerate(CHANNELS, 1)}


def opened(*tickers: str) -> Session:
    """Return a connected session whose channels have the sids 1 to 7, in the order of `CHANNELS`."""
    session = Session()
    session.watch(tickers)
    session.connected(0)
    for channel, sid in SIDS.items():
        session.receive(subscribed(channel, sid, sid), 0)
    session.outgoing()
    return session


def trade(seq: int, ticker: str = "A", sid: int = 2) -> bytes:
    """Return a trade's frame."""
    msg = {"trade_id": f"t{seq}", "market_ticker": ticker, "yes_price_dollars": "0.5000", "count_fp": "1.00",
           "taker_outcome_side": "yes"}  # fmt: skip
    return frame("trade", msg, sid=sid, seq=seq)


def kinds(events: list[e.Event]) -> list[type]:
    """Return the types of events."""
    return [type(event) for event in events]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((1, 2, 3), [e.TradePrinted] * 3),
        ((1, 1, 2), [e.TradePrinted, e.TradePrinted]),
        ((1, 3), [e.TradePrinted, e.TradesLost, e.TradePrinted]),
        ((2,), [e.TradesLost, e.TradePrinted]),
        ((1, 2, 1), [e.TradePrinted, e.TradePrinted, e.TradesLost, e.TradePrinted]),
    ],
)
def test_a_hole_among_the_trades_is_never_silent(numbers: tuple[int, ...], told: list[type]) -> None:
    """A gap, a reset, a first number that isn't one: told before the trade that shows it; books stay."""
    session = opened("A")
    session.receive(snapshot("A", 1, [(4000, 1)]), 0)
    events = [event for number in numbers for event in session.receive(trade(number), 5)]
    assert told == kinds(events)
    assert session.is_synced("A")


def test_a_hole_in_a_sid_concerns_that_sid_only() -> None:
    """Trades that are missing lose no book; books that are lost lose no trades."""
    session = opened("A")
    session.receive(snapshot("A", 1, [(4000, 1)]), 0)
    session.receive(trade(1), 0)
    assert [e.BookLost] == kinds(session.receive(delta("A", 3, "yes", 4000, 1), SECOND))
    assert [e.TradePrinted] == kinds(session.receive(trade(2), SECOND))


@pytest.mark.parametrize("code", [10, 25])
def test_trades_that_died_are_told_at_both_ends_of_the_hole(code: int) -> None:
    """Lost when the subscription dies, and again when it is back: only then is the hole whole."""
    session = opened("A")
    assert [e.TradesLost] == kinds(session.receive(frame("error", {"code": code, "msg": "x"}, sid=2), 1))
    commands = [json.loads(command) for command in session.outgoing()]
    assert [["trade"]] == [command["params"]["channels"] for command in commands]
    assert [e.TradesLost] == kinds(session.receive(subscribed("trade", 9, commands[0]["id"]), 2))
    assert [e.TradePrinted] == kinds(session.receive(trade(1, sid=9), 3))


def test_a_refused_trade_subscription_is_told() -> None:
    """A market whose trades were refused has books, and a hole where its trades should be."""
    session = opened("A")
    session.watch(["B"])
    session.poll(1)
    add = next(c for c in map(json.loads, session.outgoing()) if c["params"]["sid"] == 2)
    error = frame("error", {"code": 18, "msg": "Command timeout"}, id=add["id"], sid=2, seq=1)
    assert [e.TradesLost("kalshi", "error 18: Command timeout", 2)] == session.receive(error, 2)
    again = next(c for c in map(json.loads, session.outgoing()) if c["params"]["sid"] == 2)
    assert ["B"] == again["params"]["market_tickers"]
    ok = frame("ok", {"market_tickers": ["A", "B"]}, id=again["id"], sid=2, seq=2)
    assert [e.TradesLost("kalshi", "subscribed again", 3)] == session.receive(ok, 3)


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("trade", [e.TradesLost]),
        ("market_lifecycle_v2", []),
        ("fill", [e.AccountDoubted]),
        ("user_orders", [e.AccountDoubted]),
        ("order_group_updates", [e.AccountDoubted]),
    ],
)
def test_a_subscribe_without_an_answer_is_a_hole(channel: str, expected: list[type]) -> None:
    """What was never confirmed may never have come: told after ten seconds, and asked for again."""
    session = Session()
    session.watch(["A"])
    session.connected(0)
    session.outgoing()
    for name, sid in SIDS.items():
        if name != channel:
            session.receive(subscribed(name, sid, sid), 0)
    session.receive(snapshot("A", 1, [(4000, 1)]), 0)
    session.take_listing_doubt()
    assert expected == kinds(session.poll(ACK_PATIENCE))
    assert (channel == "market_lifecycle_v2") == session.take_listing_doubt()
    assert [channel] == [json.loads(command)["params"]["channels"][0] for command in session.outgoing()]


@pytest.mark.parametrize(
    ("event_type", "told"),
    [
        ("created", None),
        ("limit_updated", None),
        ("triggered", e.OrderGroupTold(None, "g-1", True, 1)),
        ("reset", e.OrderGroupTold(None, "g-1", False, 1)),
        ("deleted", e.OrderGroupTold(None, "g-1", False, 1, is_gone=True)),
    ],
)
def test_a_change_of_an_order_group_is_told_by_its_id(event_type: str, told: e.Event | None) -> None:
    """Triggered, reset, deleted: what may be put into it; its shard is not told."""
    session = opened()
    msg = {"event_type": event_type, "order_group_id": "g-1", "ts_ms": 1}
    events = session.receive(frame("order_group_updates", msg, sid=7, seq=1), 1)
    assert ([] if told is None else [told]) == events


def test_a_hole_among_the_order_groups_doubts_the_account() -> None:
    """Sequenced, unlike fills and orders: a gap may have hidden that a group was triggered."""
    session = opened()
    msg = {"event_type": "triggered", "order_group_id": "g-1", "ts_ms": 1}
    session.receive(frame("order_group_updates", msg, sid=7, seq=1), 1)
    events = session.receive(frame("order_group_updates", msg, sid=7, seq=3), 2)
    assert [e.AccountDoubted, e.OrderGroupTold] == kinds(events)
    odd = session.receive(frame("order_group_updates", {**msg, "event_type": "?"}, sid=7, seq=4), 3)
    assert [e.FrameRefused, e.AccountDoubted] == kinds(odd)


def test_a_hole_in_the_lifecycle_doubts_the_listing() -> None:
    """A market may have closed, or a new one opened, unseen."""
    session = opened("A")
    settled = {"market_ticker": "Z", "event_type": "settled"}
    session.receive(frame("market_lifecycle_v2", settled, sid=3, seq=1), 1)
    assert not session.take_listing_doubt()
    session.receive(frame("market_lifecycle_v2", settled, sid=3, seq=3), 1)
    assert session.take_listing_doubt()


def test_an_unreadable_frame_doubts_everything() -> None:
    """It may have been a delta, a trade, a fill, a settlement."""
    session = opened("A")
    session.receive(snapshot("A", 1, [(4000, 1)]), 0)
    events = session.receive(b"{", 5 * SECOND)
    assert [e.FrameRefused, e.BookLost, e.TradesLost, e.AccountDoubted] == kinds(events)
    assert session.take_listing_doubt()


def test_a_private_channel_that_is_refused_doubts_the_account() -> None:
    """Without fills being told, what we believe of the account is old."""
    session = Session()
    session.connected(0)
    command = next(c for c in map(json.loads, session.outgoing()) if c["params"]["channels"] == ["fill"])
    error = frame("error", {"code": 9, "msg": "Authentication required"}, id=command["id"])
    assert [e.AccountDoubted] == kinds(session.receive(error, 1))


def test_an_index_that_we_may_not_have_hurts_nothing() -> None:
    """Error 8, 9 or 24 for the index channel: counted, and the other channels go on."""
    session = Session(index_ids=("BRTI",))
    session.connected(0)
    command = next(c for c in map(json.loads, session.outgoing()) if "index_ids" in c["params"])
    error = frame("error", {"code": 9, "msg": "Authentication required"}, id=command["id"])
    assert [] == session.receive(error, 1)
    assert 1 == session.counters["error_9"]
    assert session.reconnect_reason is None
    session.poll(60 * SECOND)
    assert not [text for text in session.outgoing() if "index_ids" in text]


def test_the_end_of_a_subscription_that_is_not_ours_is_nothing_to_us() -> None:
    """Told twice, or of a sid that we left: the connection goes on."""
    session = opened("A")
    death = frame("error", {"code": 25, "msg": "Subscription buffer overflow"}, sid=1, seq=1)
    session.receive(death, 1)
    session.receive(death, 1)
    assert session.reconnect_reason is None


def test_an_answer_about_an_old_sid_says_nothing_of_the_new_one() -> None:
    """A snapshot was asked for on a sid that had died: "unknown subscription" does not end its successor."""
    session = opened("A")
    session.receive(snapshot("A", 1, [(4000, 1)]), 0)
    session.receive(delta("A", 3, "yes", 4000, 1), 5 * SECOND)
    (asked,) = [json.loads(command) for command in session.outgoing()]
    assert "get_snapshot" == asked["params"]["action"]
    session.receive(frame("error", {"code": 10, "msg": "Channel error"}, sid=1, seq=4), 5 * SECOND)
    (again,) = [json.loads(command) for command in session.outgoing()]
    unknown = {"code": 7, "msg": "Unknown subscription ID"}
    assert [] == session.receive(frame("error", unknown, id=asked["id"]), 5 * SECOND)
    session.receive(subscribed("orderbook_delta", 9, again["id"]), 5 * SECOND)
    session.receive(snapshot("A", 1, [(4000, 1)], sid=9), 5 * SECOND)
    assert session.is_synced("A")
    assert session.reconnect_reason is None
    assert [e.BookLost] == kinds(
        session.receive(frame("error", {"code": 25, "msg": "x"}, sid=9, seq=2), 6 * SECOND)
    )


def test_what_a_lost_connection_kept_from_us_is_asked_for_when_it_is_whole_again() -> None:
    """A fill between two connections, or before the ack on the new one, was told to nobody."""
    session = opened("A")
    assert not session.take_listing_doubt()
    session.dropped("cut", 1)
    session.connected(2)
    assert not session.take_listing_doubt()
    assert [] == session.receive(subscribed("market_lifecycle_v2", 1, 3), 3)
    assert session.take_listing_doubt()
    (doubt,) = session.receive(subscribed("fill", 2, 4), 3)
    assert e.AccountDoubted("fill: subscribed again", 3) == doubt


def test_a_connection_for_markets_only_says_nothing_of_the_account() -> None:
    """Whatever becomes unreadable on it."""
    session = Session("kalshi-2", is_private=False, is_first=False)
    session.watch(["A"])
    session.connected(0)
    session.receive(subscribed("orderbook_delta", 1, 1), 0)
    assert [e.FrameRefused, e.BookLost] == kinds(session.receive(b"{", 1))
    assert not session.take_listing_doubt()


def test_a_delete_that_is_carried_out_late_loses_the_book_that_is_wanted_again() -> None:
    """Up to its answer the book was right; from there on the venue sends nothing of it until it is added."""
    session = opened("A", "B")
    session.unwatch(["A"])
    session.poll(1)
    (delete,) = [
        command["id"]
        for command in map(json.loads, session.outgoing())
        if command["params"].get("action") == "delete_markets" and command["params"]["sid"] == 1
    ]
    session.poll(1 + ACK_PATIENCE)
    session.outgoing()
    session.watch(["A"])
    assert [e.BookSnapshotReceived] == kinds(session.receive(snapshot("A", 1, []), 2 + ACK_PATIENCE))
    assert session.is_synced("A")
    ok = frame("ok", {"market_tickers": ["B"]}, id=delete, sid=1, seq=2)
    assert e.BookLost("A", "left", 3 + ACK_PATIENCE) in session.receive(ok, 3 + ACK_PATIENCE)
    assert not session.is_synced("A")
