"""Every frame that the sandbox can send: as the published document says, and readable by our own client."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from daemon.core.units import MILLISECOND, MINUTE, SECOND
from daemon.exchange import facts as f
from daemon.exchange.exchange import Exchange
from daemon.exchange.requests import NewOrder
from daemon.exchange.tick_tables import LINEAR_CENT
from daemon.kalshi import wire
from daemon.sandbox.flow import IndexPrinted
from daemon.sandbox.stream.commands import SEQUENCED
from daemon.sandbox.stream.hub import Hub
from daemon.sandbox.stream.subscription import StreamLimits
from daemon.sandbox.stream.subscriptions import ClientSession
from tests.exchange.venues import SHARD, T0, TICKER, exchange_of
from tests.sandbox.asyncapi import Document
from tests.sandbox.scripted import spec_of
from tests.sandbox.wire import subscribe, update

PAYLOADS = {
    "subscribed": "subscribedResponsePayload",
    "unsubscribed": "unsubscribedResponsePayload",
    "ok": "okResponsePayload",
    "error": "errorResponsePayload",
    "orderbook_snapshot": "orderbookSnapshotPayload",
    "orderbook_delta": "orderbookDeltaPayload",
    "ticker": "tickerPayload",
    "trade": "tradePayload",
    "fill": "fillPayload",
    "user_order": "userOrderPayload",
    "market_position": "marketPositionPayload",
    "order_group_updates": "orderGroupUpdatesPayload",
    "market_lifecycle_v2": "marketLifecycleV2Payload",
    "event_lifecycle": "eventLifecyclePayload",
    "event_fee_update": "eventFeeUpdatePayload",
    "cfbenchmarks_value": "cfbenchmarksValuePayload",
    "cfbenchmarks_value_indexlist": "cfbenchmarksIndexListPayload",
}
UNPUBLISHED = {"cfbenchmarks_value_5hz", "cfbenchmarks_value_5hz_indexlist"}
"""Newer than the document; the sheet shows one (2.7)."""
UNREAD = {"order_group_updates", "cfbenchmarks_value_indexlist", *UNPUBLISHED}
"""What our client never subscribes to or asks for."""
CHANNELS = (
    "orderbook_delta",
    "ticker",
    "trade",
    "fill",
    "user_orders",
    "market_positions",
    "order_group_updates",
    "market_lifecycle_v2",
    "cfbenchmarks_value",
    "cfbenchmarks_value_5hz",
)


def commanded(hub: Hub) -> ClientSession:
    """Return a session that has said all there is to say, wrongly too."""
    session = hub.open_session("a")
    commands: list[dict[str, Any]] = [
        subscribe(1, *CHANNELS, market_tickers=[TICKER], index_ids=["all"], use_yes_price=True),
        subscribe(2, *CHANNELS, market_tickers=[TICKER, "KXNEW-1-1"], send_initial_snapshot=True),
        update(3, 1, "get_snapshot", TICKER),
        update(4, 1, "delete_markets", "KXNEW-1-1"),
        {"id": 5, "cmd": "update_subscription", "params": {"sid": 9, "action": "indexlist"}},
        {"id": 6, "cmd": "update_subscription", "params": {"sid": 10, "action": "indexlist"}},
        {"id": 7, "cmd": "list_subscriptions"},
        subscribe(8, "communications"),
        {"cmd": "dance"},
    ]
    for command in commands:
        session.receive(json.dumps(command))
    hub.limits = StreamLimits(markets_per_subscription=1)
    session.receive(json.dumps(update(9, 1, "add_markets", "KXNEW-1-2")))
    return session


def traded(exchange: Exchange) -> list[f.Fact]:
    """Return what two orders that meet, a rest and its cancel tell; own ones among them."""
    first = exchange.place(NewOrder("a", TICKER, "bid", 4000, 300, client_order_id="mine"), T0)
    second = exchange.place(NewOrder("b", TICKER, "ask", 4000, 100, client_order_id="theirs"), T0)
    order = first[0]
    assert isinstance(order, f.OrderState)
    canceled = exchange.cancel("a", order.order_id, T0)
    grouped = msgspec.structs.replace(order, order_group_id="group", expires_at=T0 + SECOND)
    return [*first[1], *second[1], *canceled[1], f.OrderChanged(grouped, T0)]


def lives() -> list[f.Fact]:
    """Return one of everything that happens to markets, events and groups."""
    spec = spec_of("KXNEW-2-1", T0, T0 + MINUTE)
    ticker = spec.ticker
    return [
        f.MarketCreated(spec, T0),
        f.MarketActivated(ticker, T0),
        f.MarketDeactivated(ticker, T0),
        f.StrikeSet(ticker, 83_950_620_000, "greater_or_equal", T0),
        f.CloseMoved(ticker, T0, T0),
        f.GridChanged(ticker, LINEAR_CENT, T0),
        f.Determined(ticker, "yes", 10_000, T0),
        f.Settled(ticker, T0),
        f.EventFeesChanged("KXNEW-2", "quadratic", 500_000, T0),
        f.EventFeesChanged("KXNEW-2", None, None, T0),
        *(f.OrderGroupChanged("a", "group", kind, None, T0) for kind in ("triggered", "reset", "deleted")),
        *(f.OrderGroupChanged("a", "group", kind, 1000, T0) for kind in ("created", "limit_updated")),
    ]


def all_frames() -> list[bytes]:
    """Return what a session hears that sees everything."""
    exchange = exchange_of()
    exchange.open_account("a#3", {SHARD: 1_000_000_000})
    hub = Hub(exchange, "a1b2c3d4-e5f6-7890-abcd-ef1234567890", is_tape=False)
    hub.set_time(T0)
    session = commanded(hub)
    quarter = T0 - T0 % (15 * MINUTE)
    indices = [IndexPrinted("BRTI", 84_033_390_000, quarter - second * SECOND) for second in (61, 8)]
    hub.publish([*traded(exchange), *lives(), *indices])
    hub.tell_tickers()
    later = T0 + 500 * MILLISECOND
    hub.set_time(later)
    hub.publish([*exchange.place(NewOrder("a#3", TICKER, "bid", 4100, 100), later)[1]])
    hub.tell_tickers()
    session.receive(json.dumps({"id": 10, "cmd": "unsubscribe", "params": {"sids": [2, 3]}}))
    hub.fail_channel("orderbook_delta")
    heard = list(session.outbox)
    session.overflow()
    return [*heard, *session.outbox]


FRAMES = all_frames()


def test_every_kind_of_frame_is_among_them() -> None:
    """The tables leave none out."""
    assert {*PAYLOADS, *UNPUBLISHED} == {json.loads(frame)["type"] for frame in FRAMES}
    codes = {json.loads(frame)["msg"]["code"] for frame in FRAMES if b'"type":"error"' in frame}
    assert {5, 8, 10, 25, 26} == codes


def test_every_frame_is_as_the_document_says() -> None:
    """Required fields, types, constants, enums; a field more only if it is known to have come later."""
    document = Document()
    for raw in FRAMES:
        frame = json.loads(raw)
        kind = frame["type"]
        if kind in UNPUBLISHED:
            continue
        payload = PAYLOADS[kind]
        if kind == "ok" and isinstance(frame["msg"], list):
            payload = "listSubscriptionsResponsePayload"
        if kind == "unsubscribed" and CHANNELS[frame["sid"] - 1] not in SEQUENCED:
            # The document asks for a number that such a channel doesn't have (sheet 2.3).
            frame = {"seq": 1, **frame}
        document.check(payload, frame)


def test_every_frame_is_readable_by_our_own_client() -> None:
    """But those that it never asks for."""
    decode = msgspec.json.Decoder(wire.Frame).decode
    for raw in FRAMES:
        if json.loads(raw)["type"] not in UNREAD:
            decode(raw)


def test_every_frame_is_one_line_and_stamped_last() -> None:
    """One compact object and a line break; when it was sent is its last field."""
    for raw in FRAMES:
        frame = json.loads(raw)
        assert (b"\n", 1) == (raw[-1:], raw.count(b"\n"))
        assert "sending_ts_ms" == list(frame)[-1]
        compact = msgspec.json.encode(frame)
        assert len(compact) == len(raw) - 1


def test_numbers_go_up_by_one_on_every_sequenced_channel() -> None:
    """Whatever is said on a sid, `ok`, lists and errors included; others have none."""
    seqs: dict[int, list[int]] = {}
    for raw in FRAMES:
        frame = json.loads(raw)
        if "seq" in frame:
            seqs.setdefault(frame["sid"], []).append(frame["seq"])
    sequenced = {number for number, channel in enumerate(CHANNELS, 1) if channel in SEQUENCED}
    assert sequenced == set(seqs)
    assert all([*range(1, len(numbers) + 1)] == numbers for numbers in seqs.values())


def test_the_check_finds_what_is_wrong() -> None:
    """A frame without a field, of another type, or with an unknown field does not pass."""
    document = Document()
    [good, *_] = [json.loads(raw) for raw in FRAMES if b'"type":"trade"' in raw]
    document.check("tradePayload", good)
    for name, value in (("trade_id", None), ("ts_ms", "1"), ("taker_side", "both"), ("colour", "red")):
        with pytest.raises(AssertionError):
            document.check("tradePayload", good | {"msg": good["msg"] | {name: value}})
    with pytest.raises(AssertionError):
        document.check("tradePayload", {"type": "trade", "sid": 1})
