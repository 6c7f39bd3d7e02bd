"""The reference price, candles and status from Kraken's frames."""

from __future__ import annotations

import json

import pytest

from daemon.core.events import (
    FeedConnected,
    FeedDropped,
    FeedHeard,
    FrameRefused,
    ReferenceCandleClosed,
    ReferencePriceReceived,
    ReferenceStatusTold,
)
from daemon.core.units import MINUTE, SECOND, parse_instant
from daemon.kraken.candles import Past
from daemon.kraken.session import ACK_PATIENCE, TRADES_LATE_MAX, PastWanted, Session

STAMP = "2026-03-15T11:26:23.023215Z"
MINUTE_11_26 = parse_instant("2026-03-15T11:26:00Z")


def _trades(*trades: tuple[int, str], kind: str = "update", stamp: str = STAMP) -> bytes:
    rows = ",".join(
        f'{{"symbol":"BTC/USD","price":{price},"qty":0.1,"side":"buy","timestamp":"{stamp}","trade_id":{number}}}'
        for number, price in trades
    )
    return f'{{"channel":"trade","type":"{kind}","data":[{rows}]}}'.encode()


def _opened() -> Session:
    session = Session()
    session.connected(0)
    session.outgoing()
    return session


def _prices(session: Session, frame: bytes) -> list[int]:
    events = session.receive(frame, 5)
    return [event.price for event in events if isinstance(event, ReferencePriceReceived)]


def _ack(channel: str, **granted: object) -> bytes:
    result = {"channel": channel, "symbol": "BTC/USD", "snapshot": True, **granted}
    answer = {"method": "subscribe", "result": result, "success": True, "time_out": STAMP}
    return json.dumps(answer).encode()


def _row(minute: int, close: str = "10.5", *, interval: int = 1, trades: int = 1) -> bytes:
    """Return a row of the candle that begins so many minutes after the recorded stamp's own."""
    began_at = f"2026-03-15T11:{26 + minute:02d}:00.000000000Z"
    row = (
        f'{{"symbol":"BTC/USD","open":10.0,"high":11.0,"low":9.5,"close":{close},"trades":{trades},'
        f'"volume":5e-7,"vwap":10.1,"interval_begin":"{began_at}","interval":{interval}}}'
    )
    return f'{{"channel":"ohlc","type":"update","data":[{row}]}}'.encode()


def _ticker(seconds: int, last: str, kind: str = "update") -> bytes:
    at = f"2026-03-15T11:{26 + seconds // 60:02d}:{seconds % 60:02d}.5Z"
    rows = f'[{{"symbol":"BTC/USD","last":{last},"timestamp":"{at}"}}]'
    return f'{{"channel":"ticker","type":"{kind}","data":{rows}}}'.encode()


def test_a_connection_asks_for_every_channel() -> None:
    """Each names the symbol as Kraken writes it; both ends of a connection are events."""
    session = Session()
    assert session.connected(1) == [FeedConnected("kraken", 1)]
    commands = [json.loads(command) for command in session.outgoing()]
    assert ["subscribe"] * 4 == [command["method"] for command in commands]
    assert [1, 2, 3, 4] == [command["req_id"] for command in commands]
    symbol = ["BTC/USD"]
    assert [
        {"channel": "trade", "symbol": symbol, "snapshot": True},
        {"channel": "ticker", "symbol": symbol, "snapshot": True, "event_trigger": "trades"},
        {"channel": "ohlc", "symbol": symbol, "snapshot": False, "interval": 1},
        {"channel": "ohlc", "symbol": symbol, "snapshot": False, "interval": 5},
    ] == [command["params"] for command in commands]
    assert session.dropped("gone", 2) == [FeedDropped("kraken", "gone", 2)]


def test_candles_are_told_when_rest_has_told_the_past() -> None:
    """The stream's own begin behind the one that ran when we subscribed, by Kraken's clock."""
    session, now = _opened(), MINUTE_11_26 + 23 * SECOND
    assert [] == session.past_wanted(now)
    session.receive(_ack("ohlc", interval=1), now)
    assert [PastWanted("BTC/USD", MINUTE, None)] == session.past_wanted(now)
    for minute in range(3):
        assert [] == session.receive(_row(minute), now)
    told = session.backfilled("BTC/USD", MINUTE, Past((), MINUTE_11_26 + MINUTE), now + 1)
    assert [
        ReferenceCandleClosed(
            "kraken",
            "BTC/USD",
            MINUTE,
            MINUTE_11_26 + MINUTE,
            10_000_000,
            11_000_000,
            9_500_000,
            10_500_000,
            50,
            now + 1,
        )
    ] == told
    (closed,) = session.poll(MINUTE_11_26 + 4 * MINUTE)
    assert isinstance(closed, ReferenceCandleClosed)
    assert MINUTE_11_26 + 2 * MINUTE == closed.began_at
    assert 2 == session.counters["candles"]


def test_a_drop_hands_the_candles_back_to_rest() -> None:
    """On every connection the past comes first."""
    session, now = _opened(), MINUTE_11_26 + 23 * SECOND
    session.receive(_ack("ohlc", interval=1), now)
    session.backfilled("BTC/USD", MINUTE, Past((), MINUTE_11_26 + MINUTE), now)
    session.dropped("gone", now)
    assert [] == session.past_wanted(now)
    session.connected(now)
    session.receive(_ack("ohlc", interval=1).replace(b":26:", b":29:"), now)
    assert [PastWanted("BTC/USD", MINUTE, MINUTE_11_26 + MINUTE)] == session.past_wanted(now)


def test_the_periods_are_apart() -> None:
    """Five minutes are a series of their own; a row without trades is none of either."""
    session, now = _opened(), MINUTE_11_26
    session.receive(_ack("ohlc", interval=5), now)
    assert [5 * MINUTE] == [wanted.period for wanted in session.past_wanted(now)]
    session.backfilled("BTC/USD", 5 * MINUTE, Past((), MINUTE_11_26 + 4 * MINUTE), now)
    for minute in (4, 9):
        assert [] == session.receive(_row(minute, interval=5, trades=minute % 2), now)
    assert 0 == session.counters["refused"]


@pytest.mark.parametrize(
    ("system", "is_trading"), [("online", True), ("post_only", False), ("maintenance", False)]
)
def test_kraken_says_whether_it_trades(system: str, is_trading: bool) -> None:
    """Only online counts as trading."""
    frame = f'{{"channel":"status","type":"update","data":[{{"system":"{system}"}}]}}'.encode()
    session = _opened()
    assert [ReferenceStatusTold("kraken", system, is_trading, 5)] == session.receive(frame, 5)
    assert system == session.system


def test_a_trade_channel_that_keeps_trades_is_given_up() -> None:
    """The ticker knows a newer price, and the trade that made it doesn't come."""
    session = _opened()
    session.receive(_trades((1, "10")), 0)
    session.receive(_ticker(60, "11"), SECOND)
    session.poll(SECOND + TRADES_LATE_MAX - 1)
    assert session.reconnect_reason is None
    session.poll(SECOND + TRADES_LATE_MAX)
    assert "BTC/USD: the ticker moves and no trade comes" == session.reconnect_reason
    assert 1 == session.counters["trades_behind"]
    session.dropped("gone", SECOND)
    assert session.reconnect_reason is None


@pytest.mark.parametrize(
    ("ticker", "trade"),
    [
        (_ticker(60, "11"), _trades((2, "11"), stamp="2026-03-15T11:27:00.4Z")),
        (_ticker(60, "10"), b'{"channel":"heartbeat"}'),
        (_ticker(60, "11", "snapshot"), b'{"channel":"heartbeat"}'),
    ],
)
def test_a_witness_that_agrees_harms_nothing(ticker: bytes, trade: bytes) -> None:
    """The trade came behind its ticker; the price is the one we know; the snapshot is no news."""
    session = _opened()
    session.receive(_trades((1, "10")), 0)
    session.receive(ticker, SECOND)
    session.receive(trade, SECOND)
    session.poll(SECOND + TRADES_LATE_MAX)
    assert session.reconnect_reason is None


@pytest.mark.parametrize(
    ("text", "price"), [("71749.0", 71_749_000_000), ("71749.1", 71_749_100_000), ("0.1", 100_000)]
)
def test_a_price_keeps_its_decimal_text(text: str, price: int) -> None:
    """A JSON number becomes exact money, with Kraken's stamp."""
    assert _opened().receive(_trades((1, text)), 5) == [
        ReferencePriceReceived("kraken", "BTC/USD", price, 5, parse_instant(STAMP))
    ]


def test_the_trades_of_a_snapshot_are_dated_by_kraken_but_never_in_our_future() -> None:
    """They warm the windows up; rows are taken by id, in whatever order they stand."""
    frame = _trades((3, "30"), (1, "10"), (2, "20"), kind="snapshot")
    stamp = parse_instant(STAMP)
    for received_at, dated in ((5, 5), (stamp + 9, stamp)):
        events = _opened().receive(frame, received_at)
        assert events == [
            ReferencePriceReceived("kraken", "BTC/USD", price * 1_000_000, dated, stamp)
            for price in (10, 20, 30)
        ]


def test_trades_come_in_their_order_and_once() -> None:
    """Rows are taken by id; what was told already is counted and dropped."""
    session = _opened()
    assert _prices(session, _trades((2, "20"), (1, "10"))) == [10_000_000, 20_000_000]
    assert _prices(session, _trades((2, "20"), (3, "30"))) == [30_000_000]
    assert session.counters["repeated"] == 1
    session.dropped("gone", 6)
    session.connected(7)
    assert _prices(session, _trades((3, "30"), kind="snapshot")) == [30_000_000]


def test_an_unconfirmed_subscription_is_asked_again() -> None:
    """An error or silence: again after a while; a confirmed one not. The error is kept for people."""
    session = _opened()
    session.receive(b'{"error":"Currency pair not supported","method":"subscribe","success":false}', 1)
    session.poll(ACK_PATIENCE - 1)
    assert session.outgoing() == []
    session.poll(ACK_PATIENCE)
    assert len(session.outgoing()) == 4
    for ack in (_ack("trade"), _ack("ticker"), _ack("ohlc", interval=1)):
        session.receive(ack, 2)
    session.poll(2 * ACK_PATIENCE)
    (command,) = session.outgoing()
    assert 5 == json.loads(command)["params"]["interval"]
    session.receive(_ack("ohlc", interval=5), 2)
    session.poll(10 * ACK_PATIENCE)
    assert session.outgoing() == []
    assert session.counters["errors"] == 1
    assert (["subscribe: Currency pair not supported"], []) == (session.take_errors(), session.take_errors())


def test_other_messages_change_no_price() -> None:
    """Heartbeat and ticker give no event, and a pong only that the stream lives."""
    session = _opened()
    for frame in (b'{"channel":"heartbeat"}', _ticker(0, "10")):
        assert session.receive(frame, SECOND) == []
    assert [FeedHeard("kraken", 5)] == session.receive(b'{"method":"pong","req_id":1}', 5)
    assert session.counters["refused"] == 0


@pytest.mark.parametrize(
    ("frame", "shape"),
    [
        (b"", "unreadable"),
        (b"[]", "unreadable"),
        (b"{}", "unreadable"),
        (b"\xff", "unreadable"),
        (b'{"channel":"trade","type":"update"}', "trade"),
        (_trades((1, '"10"')), "trade"),
        (_trades((1, "10"), (2, "-1")), "trade"),
        (_trades((1, "0")), "trade"),
        (_trades((1, "1e99")), "trade"),
        (_trades((1, "0.12345678")), "trade"),
        (_trades((1, "10")).replace(b"Z", b"+02:00"), "trade"),
        (_trades((1, "10")).replace(b'"symbol"', b'"name"'), "trade"),
        (_row(1, "12.0"), "ohlc"),
        (_row(1, interval=15), "ohlc"),
        (_row(1).replace(b":27:00", b":27:01"), "ohlc"),
        (_row(1).replace(b'"volume":5e-7', b'"volume":5e-9'), "ohlc"),
        (_ticker(0, "0"), "ticker"),
        (b'{"channel":"status","data":[{}]}', "status"),
        (b'{"channel":"book","data":[]}', "book"),
        (b'{"method":"subscribe","success":true}', "subscribe"),
    ],
)
def test_a_frame_that_can_not_be_read_is_counted_and_gives_nothing_else(frame: bytes, shape: str) -> None:
    """Never a guess at a price, never half a frame, never an exception."""
    session = _opened()
    assert session.receive(frame, 1) == [FrameRefused("kraken", shape, 1)]
    assert session.receive(frame, 2) == []
    assert session.receive(frame, 1 + SECOND) == [FrameRefused("kraken", shape, 1 + SECOND)]
    assert session.counters["refused"] == 3


def _silent(silence_max: int | None) -> Session:
    session = Session(silence_max=silence_max)
    session.connected(0)
    session.outgoing()
    for channel, granted in (
        ("trade", {}),
        ("ticker", {}),
        ("ohlc", {"interval": 1}),
        ("ohlc", {"interval": 5}),
    ):
        session.receive(_ack(channel, **granted), 0)
    return session


def _pings(session: Session, last: int) -> list[tuple[int, str]]:
    asked = []
    for second in range(last + 1):
        session.poll(second * SECOND)
        asked += [(second, json.loads(text)["method"]) for text in session.outgoing()]
    return asked


def test_a_stream_without_heartbeats_is_asked_and_given_up() -> None:
    """Neither heartbeat nor pong in the stream: pings of the connection would not have shown it."""
    session = _silent(12 * SECOND)
    assert [(3, "ping")] == _pings(session, 11)
    assert session.reconnect_reason is None
    session.poll(12 * SECOND)
    assert session.reconnect_reason is not None
    assert session.reconnect_reason.startswith("stalled")


def test_a_pong_in_the_stream_says_that_it_lives() -> None:
    """It ends the silence, and the core is told."""
    session = _silent(12 * SECOND)
    _pings(session, 5)
    pong = b'{"method":"pong","req_id":5,"time_in":"x","time_out":"x"}'
    assert [FeedHeard("kraken", 6 * SECOND)] == session.receive(pong, 6 * SECOND)
    session.poll(12 * SECOND)
    assert session.reconnect_reason is None


def test_without_a_limit_nothing_is_asked_of_a_silent_stream() -> None:
    """None: any silence is in order."""
    assert [] == _pings(_silent(None), 60)


def test_a_row_that_can_not_be_read_takes_no_candle_with_it() -> None:
    """What a good row of the same message closes is not lost: the next message closes it."""
    session = _opened()
    session.receive(_ack("ohlc", interval=1), 0)
    began = MINUTE_11_26 // MINUTE
    session.backfilled("BTC/USD", MINUTE, Past((), MINUTE_11_26 + MINUTE), MINUTE_11_26)
    session.receive(_row(1), 1)
    good, bad = json.loads(_row(2)), json.loads(_row(3).replace(b"10.5", b"-1.5"))
    good["data"] += bad["data"]
    assert [FrameRefused] == [type(one) for one in session.receive(json.dumps(good).encode(), 2)]
    (closed,) = session.receive(_row(2), 3)
    assert isinstance(closed, ReferenceCandleClosed)
    assert began + 1 == closed.began_at // MINUTE


def test_brackets_without_end_are_refused() -> None:
    """A frame that nests deeper than any reader goes is a refused frame, and no end of the daemon."""
    deep = b'{"channel":"trade","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert [FrameRefused("kraken", "unreadable", 7)] == Session().receive(deep, 7)
