"""One conversation with the venue: numbers, books, subscriptions, refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daemon.core import events as e
from daemon.core.units import MILLISECOND, SECOND
from daemon.kalshi.channels import PRIVATE
from daemon.kalshi.session import Session
from tests.kalshi.frames import delta, frame, recorded_frames, snapshot, subscribed

CHANNELS = ("orderbook_delta", "trade", "market_lifecycle_v2", *PRIVATE)


def sent(session: Session) -> list[dict[str, Any]]:
    """Return the commands that the session wants to send."""
    return [json.loads(command) for command in session.outgoing()]


def opened(*tickers: str) -> Session:
    """Return a connected session whose channels have the sids 1 to 7, in the order of `CHANNELS`."""
    session = Session()
    session.watch(tickers)
    session.connected(0)
    for sid, channel in enumerate(CHANNELS, 1):
        session.receive(subscribed(channel, sid, sid), 0)
    session.outgoing()
    return session


def snapshots_asked(session: Session) -> list[list[str]]:
    """Return the markets of each get_snapshot that the session wants to send."""
    params = [command["params"] for command in sent(session)]
    return [one["market_tickers"] for one in params if one.get("action") == "get_snapshot"]


def test_a_connection_starts_with_its_subscriptions() -> None:
    """Connected is an event; the books are asked for on the NO scale of NO, explicitly."""
    session = Session()
    session.watch(["A", "B"])
    assert session.outgoing() == []
    assert session.connected(5) == [e.FeedConnected("kalshi", 5)]
    commands = sent(session)
    assert [command["params"]["channels"][0] for command in commands] == list(CHANNELS)
    assert commands[0]["params"]["use_yes_price"] is False
    assert commands[0]["params"]["market_tickers"] == ["A", "B"]
    assert session.dropped("reset by peer", 6) == [e.FeedDropped("kalshi", "reset by peer", 6)]


def test_a_book_is_its_snapshot_and_the_deltas_behind_it() -> None:
    """A delta before the snapshot is dropped; after it, it is exact and carries both clocks."""
    session = opened("A")
    assert session.receive(delta("A", 1, "yes", 5000, 100), 1) == []
    assert session.receive(snapshot("A", 2, [(4000, 100)], [(5000, 200)]), 2) == [
        e.BookSnapshotReceived("A", ((4000, 100),), ((5000, 200),), 2, None)
    ]
    assert session.receive(delta("A", 3, "no", 5000, -200), 3) == [
        e.BookDeltaReceived("A", "no", 5000, -200, 3, 1_790_363_624_342 * MILLISECOND)
    ]
    assert session.is_synced("A")


def test_an_absent_side_is_an_empty_one() -> None:
    """The venue leaves an empty side out; both may be."""
    session = opened("A")
    assert session.receive(snapshot("A", 1, []), 1) == [e.BookSnapshotReceived("A", (), (), 1, None)]


def test_a_gap_loses_every_book_of_the_sid_and_asks_for_them() -> None:
    """Numbers are shared by all markets of a sid, so a hole may be a delta of any of them."""
    session = opened("A", "B")
    session.receive(snapshot("A", 1, [(4000, 100)]), 1)
    session.receive(snapshot("B", 2, [(4000, 100)]), 1)
    lost = session.receive(delta("A", 4, "yes", 4000, 100), 9 * SECOND)
    assert [(type(event), event.ticker) for event in lost if isinstance(event, e.BookLost)] == [
        (e.BookLost, "A"),
        (e.BookLost, "B"),
    ]
    assert len(lost) == 2
    assert snapshots_asked(session) == [["A", "B"]]
    assert session.receive(delta("A", 5, "yes", 4000, 100), 9 * SECOND) == []
    assert [type(event) for event in session.receive(snapshot("B", 6, [(4000, 1)]), 9 * SECOND)] == [
        e.BookSnapshotReceived
    ]
    assert (session.is_synced("A"), session.is_synced("B")) == (False, True)
    assert session.counters["gaps"] == 1


def test_a_duplicate_is_dropped_and_counted() -> None:
    """The same number again is the same frame again."""
    session = opened("A")
    session.receive(snapshot("A", 1, [(4000, 100)]), 1)
    session.receive(delta("A", 2, "yes", 4000, 100), 1)
    assert session.receive(delta("A", 2, "yes", 4000, 100), 1) == []
    assert session.counters["duplicates"] == 1
    assert session.is_synced("A")


def test_numbers_that_start_over_lose_the_books() -> None:
    """A lower number is a new count: only the market whose snapshot it is stays vouched for."""
    session = opened("A", "B")
    for seq, ticker in enumerate("ABAB", 1):
        session.receive(snapshot(ticker, seq, [(4000, 100)]), 1)
    events = session.receive(snapshot("B", 2, [(4000, 5)]), 9 * SECOND)
    assert [type(event) for event in events] == [e.BookLost, e.BookLost, e.BookSnapshotReceived]
    assert snapshots_asked(session) == [["A"]]
    assert session.counters["resets"] == 1
    assert [type(event) for event in session.receive(delta("B", 3, "yes", 4000, 5), 1)] == [
        e.BookDeltaReceived
    ]


def test_acks_count_on_numbered_channels_only() -> None:
    """`ok` takes a number on the book's sid, and none on an unnumbered one: no false gap."""
    session = opened("A")
    session.receive(snapshot("A", 1, [(4000, 100)]), 1)
    session.receive(frame("ok", {"market_tickers": ["A"]}, id=77, sid=1, seq=2), 1)
    session.receive(frame("ok", {"market_tickers": ["A"]}, id=78, sid=4), 1)
    assert [type(x) for x in session.receive(delta("A", 3, "yes", 4000, 5), 1)] == [e.BookDeltaReceived]
    assert session.counters["gaps"] == 0


def test_the_first_number_is_the_start() -> None:
    """No book is synced before it, so nothing is lost when a count doesn't start at one."""
    session = opened("A")
    assert [type(x) for x in session.receive(snapshot("A", 500, [(4000, 1)]), 1)] == [e.BookSnapshotReceived]
    assert session.counters["gaps"] == 0


def test_a_frame_that_overtakes_its_ack_is_taken() -> None:
    """Data may come before the ack of the same subscription."""
    session = Session()
    session.watch(["A"])
    session.connected(0)
    assert [type(x) for x in session.receive(snapshot("A", 1, [(4000, 1)], sid=3), 1)] == [
        e.BookSnapshotReceived
    ]
    session.receive(subscribed("orderbook_delta", 3), 1)
    assert session.is_synced("A")


def test_frames_of_an_unknown_sid_are_counted_and_not_believed() -> None:
    """A sid that nobody gave us may be anything."""
    session = opened("A")
    assert session.receive(snapshot("A", 1, [(4000, 1)], sid=99), 1) == []
    assert session.counters["frames_of_unknown_sid"] == 1


def test_a_snapshot_that_does_not_come_is_asked_for_again() -> None:
    """The first one is under way with the subscription; when it stays out, `poll` asks."""
    session = opened("A")
    session.poll(SECOND)
    assert snapshots_asked(session) == []
    session.poll(3 * SECOND)
    assert snapshots_asked(session) == [["A"]]


def test_a_new_connection_starts_from_nothing() -> None:
    """Old sids and numbers are forgotten; the markets wanted are not."""
    session = opened("A")
    session.receive(snapshot("A", 1, [(4000, 1)]), 1)
    session.dropped("gone", 2)
    assert not session.is_synced("A")
    session.connected(3)
    assert sent(session)[0]["params"]["market_tickers"] == ["A"]
    assert session.receive(delta("A", 2, "yes", 4000, 1), 4) == []


def test_watching_more_and_less_while_connected() -> None:
    """New markets are added by sid; frames of a market that is not wanted any more give no event."""
    session = opened("A", "B")
    session.receive(snapshot("A", 1, [(4000, 1)]), 1)
    session.watch(["C"])
    session.unwatch(["A"])
    session.poll(1)
    actions = [
        (c["params"]["sid"], c["params"]["action"], c["params"]["market_tickers"]) for c in sent(session)
    ]
    assert actions == [
        (1, "add_markets", ["C"]),
        (1, "delete_markets", ["A"]),
        (2, "add_markets", ["C"]),
        (2, "delete_markets", ["A"]),
    ]
    assert session.receive(delta("A", 2, "yes", 4000, 1), 1) == []
    assert [type(x) for x in session.receive(snapshot("C", 3, [(4000, 1)]), 1)] == [e.BookSnapshotReceived]
    assert session.watched == ("B", "C")


@pytest.mark.parametrize("code", [7, 10, 25])
def test_a_dead_subscription_loses_its_books_and_is_made_anew(code: int) -> None:
    """Terminal errors: the books are lost, the channel is subscribed again and gets a new sid."""
    session = opened("A")
    session.receive(snapshot("A", 1, [(4000, 1)]), 1)
    events = session.receive(frame("error", {"code": code, "msg": "x"}, sid=1), 2)
    assert [type(event) for event in events] == [e.BookLost]
    assert [(c["cmd"], c["params"]["channels"]) for c in sent(session)] == [
        ("subscribe", ["orderbook_delta"])
    ]
    session.receive(subscribed("orderbook_delta", 7), 3)
    assert session.receive(snapshot("A", 2, [(4000, 1)]), 3) == []
    assert len(session.receive(snapshot("A", 1, [(4000, 1)], sid=7), 3)) == 1
    assert session.counters[f"error_{code}"] == 1


def test_a_terminal_error_of_nothing_in_particular_needs_a_new_connection() -> None:
    """When the venue doesn't say which subscription died, none is vouched for."""
    session = opened("A")
    session.receive(frame("error", {"code": 25, "msg": "Subscription buffer overflow"}), 1)
    assert session.reconnect_reason is not None


def test_a_private_channel_that_was_dead_doubts_the_account() -> None:
    """Fills during the hole were not told: the account must be read over REST."""
    session = opened()
    session.receive(frame("error", {"code": 10, "msg": "Channel error"}, sid=4), 1)
    events = session.receive(subscribed("fill", 9), 2)
    assert [type(event) for event in events] == [e.AccountDoubted]


def test_a_refused_add_says_why_the_book_is_missing() -> None:
    """Code 26: the market's book is lost with that reason, and asked for again later."""
    session = opened("A")
    session.watch(["B"])
    session.poll(1)
    command_id = sent(session)[0]["id"]
    error = frame(
        "error", {"code": 26, "msg": "Subscription market limit exceeded"}, id=command_id, sid=1, seq=1
    )
    assert session.receive(error, 2) == [e.BookLost("B", "error 26: Subscription market limit exceeded", 2)]
    assert session.counters["error_26"] == 1


@pytest.mark.parametrize(
    ("broken", "lost"),
    [
        (delta("A", 3, "yes", 4000, 1).replace(b'"4000"', b"4"), ["A", "B"][:0]),
        (delta("A", 3, "yes", 4000, 1).replace(b'"0.4000"', b'"0.40001"'), ["A"]),
        (delta("A", 3, "yes", 4000, 1).replace(b'"yes"', b'"maybe"'), ["A"]),
        (delta("A", 3, "yes", 4000, 1).replace(b'"seq":3,', b""), ["A", "B"]),
        (delta("A", 3, "yes", 4000, 1).replace(b'"market_ticker":"A"', b'"market_ticker":1'), ["A", "B"]),
        (delta("A", 3, "yes", 4000, 1).replace(b"orderbook_delta", b"orderbook_gamma"), ["A"]),
        (snapshot("A", 3, [(4000, 1), (4000, 2)]), ["A"]),
        (delta("A", 3, "yes", 4000, 1)[:-20], ["A", "B"]),
        (b"\xff\xfe", ["A", "B"]),
        (b"[]", ["A", "B"]),
    ],
)
def test_a_refused_frame_never_leaves_a_book_standing(broken: bytes, lost: list[str]) -> None:
    """What can't be read may have been a delta: its market, or all markets, are lost and asked for."""
    session = opened("A", "B")
    session.receive(snapshot("A", 1, [(4000, 100)]), 1)
    session.receive(snapshot("B", 2, [(4000, 100)]), 1)
    events = session.receive(broken, 9 * SECOND)
    assert [event.ticker for event in events if isinstance(event, e.BookLost)] == lost
    assert snapshots_asked(session) == ([lost] if lost else [])
    assert [session.is_synced(ticker) for ticker in "AB"] == [ticker not in lost for ticker in "AB"]
    assert session.counters["refused"] == (1 if lost else 0)


def test_a_refused_private_frame_doubts_the_account() -> None:
    """A fill that can't be read is not a fill that did not happen."""
    session = opened()
    events = session.receive(frame("fill", {"trade_id": "t"}, sid=4), 3)
    assert [type(event) for event in events] == [e.FrameRefused, e.AccountDoubted]
    unknown = {
        "order_id": "o",
        "client_order_id": "c",
        "ticker": "A",
        "book_side": "bid",
        "status": "unknown",
    }
    events = session.receive(frame("user_order", unknown, sid=5), 3)
    assert [type(event) for event in events] == [e.FrameRefused, e.AccountDoubted]


def test_an_unknown_type_is_counted_by_shape() -> None:
    """New message types are refused and counted; off our books they change nothing."""
    session = opened("A")
    session.receive(snapshot("A", 1, [(4000, 1)]), 1)
    (refused,) = session.receive(frame("pyth_value", {"x": 1}, sid=77, seq=1), 1)
    assert isinstance(refused, e.FrameRefused)
    assert (refused.feed, refused.received_at) == ("kalshi", 1)
    assert "pyth_value" in refused.shape
    assert session.is_synced("A")
    assert [name for name in session.counters if name.startswith("refused pyth_value")]


def test_public_frames_are_filtered_after_their_number() -> None:
    """The lifecycle channel carries the whole exchange: others' markets give no event, and no gap."""
    session = opened("A")
    settled = {"event_type": "settled", "settled_ts": 1}
    assert (
        session.receive(frame("market_lifecycle_v2", {"market_ticker": "Z", **settled}, sid=3, seq=1), 1)
        == []
    )
    assert session.receive(
        frame("market_lifecycle_v2", {"market_ticker": "A", **settled}, sid=3, seq=2), 1
    ) == [e.MarketSettled("A", 1)]
    assert session.counters["gaps"] == 0


def test_what_the_stream_can_not_tell_doubts_the_listing() -> None:
    """A fee update, a gap in the lifecycle stream, a strange lifecycle message: list markets again, once."""
    session = opened("A")
    assert not session.take_listing_doubt()
    session.receive(frame("event_fee_update", {"event_ticker": "E"}, sid=3, seq=1), 1)
    assert session.take_listing_doubt()
    assert not session.take_listing_doubt()
    session.receive(frame("event_lifecycle", {"event_ticker": "E"}, sid=3, seq=3), 1)
    assert session.take_listing_doubt()
    session.receive(frame("market_lifecycle_v2", {"market_ticker": "A", "event_type": "x"}, sid=3, seq=4), 1)
    assert session.take_listing_doubt()


def test_a_book_that_others_found_impossible_is_asked_for() -> None:
    """The core's book may find a delta impossible that the session could read."""
    session = opened("A")
    session.receive(snapshot("A", 1, [(4000, 1)]), 1)
    assert session.resnapshot(["A"], "impossible delta", 9 * SECOND) == [
        e.BookLost("A", "impossible delta", 9 * SECOND)
    ]
    assert snapshots_asked(session) == [["A"]]


def test_the_recorded_production_control_frames_show_no_gap() -> None:
    """Acks of repeated subscribes, interleaved over three sids, as production sent them."""
    session = Session()
    session.watch(["KXBTC-26SEP2516-B74250"])
    session.connected(0)
    for line in recorded_frames("live_2026-09-25/ws_prod_control.jsonl"):
        session.receive(line, 1)
    counters = session.counters
    assert (counters["gaps"], counters["resets"], counters["duplicates"], counters["refused"]) == (0, 0, 0, 0)


def test_the_recorded_production_frames_give_their_events() -> None:
    """Snapshot, delta, trade, ticker, lifecycle of 25 September, on their recorded sids."""
    session = Session()
    session.watch(
        ["KXBTC-26SEP2516-B74250", "KXBTC15M-26SEP251515-15", "KXTTELITEMATCH-26SEP251445RWIFDA-FDA"]
    )
    session.connected(0)
    control = recorded_frames("live_2026-09-25/ws_prod_control.jsonl")
    public = recorded_frames("live_2026-09-25/ws_prod_public.jsonl")
    kinds = [type(event) for line in control + public for event in session.receive(line, 1)]
    # The delta was recorded 41,071 numbers later: the gap is real, and is noticed.
    lost = [e.BookLost] * 3
    assert kinds == [e.BookSnapshotReceived, *lost, e.TradePrinted, e.MarketSettled]
    assert session.counters["ticker_frames"] == 1


DEEP = b"[" * 100_000
SHUT = b"]" * 100_000


@pytest.mark.parametrize(
    "deep",
    [
        b'{"type":"ok","sid":1,"x":' + DEEP + SHUT + b"}",
        b'{"type":"novelty","sid":1,"msg":' + DEEP + SHUT + b"}",
        b'{"type":"cfbenchmarks_value","sid":3,"msg":{"index_id":"BRTI","data":"{\\"x\\":' + DEEP + b'"}}',
    ],
)
def test_brackets_without_end_are_refused(deep: bytes) -> None:
    """A frame that nests deeper than any reader goes is refused, and no end of the daemon."""
    session = opened()
    assert e.FrameRefused in {type(event) for event in session.receive(deep, 1)}
