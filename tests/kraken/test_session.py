"""The reference price from Kraken's trades."""

from __future__ import annotations

import json

import pytest

from daemon.core.events import FeedConnected, FeedDropped, ReferencePriceReceived
from daemon.core.units import SECOND, parse_instant
from daemon.kraken.session import ACK_PATIENCE, Session

STAMP = "2026-03-15T11:26:23.023215Z"


def _trades(*trades: tuple[int, str], kind: str = "update") -> bytes:
    rows = ",".join(
        f'{{"symbol":"BTC/USD","price":{price},"qty":0.1,"side":"buy","timestamp":"{STAMP}","trade_id":{number}}}'
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


def test_a_connection_asks_for_trades_with_a_snapshot() -> None:
    """The subscription names the symbol as Kraken writes it; both ends of a connection are events."""
    session = Session()
    assert session.connected(1) == [FeedConnected("reference", 1)]
    (command,) = session.outgoing()
    assert json.loads(command) == {
        "method": "subscribe",
        "params": {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": True},
        "req_id": 1,
    }
    assert session.dropped("gone", 2) == [FeedDropped("reference", "gone", 2)]


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
    """An error or silence: again after a while; a confirmed one is left alone."""
    session = _opened()
    session.receive(b'{"error":"Currency pair not supported","method":"subscribe","success":false}', 1)
    session.poll(ACK_PATIENCE - 1)
    assert session.outgoing() == []
    session.poll(ACK_PATIENCE)
    assert len(session.outgoing()) == 1
    ack = b'{"method":"subscribe","result":{"channel":"trade","symbol":"BTC/USD"},"success":true}'
    session.receive(ack, 2)
    session.poll(10 * ACK_PATIENCE)
    assert session.outgoing() == []
    assert session.counters["errors"] == 1


def test_other_messages_change_no_price() -> None:
    """Heartbeat, status and pong give no event; the state of the trading system is kept."""
    session = _opened()
    status = b'{"channel":"status","data":[{"connection_id":8869243459854524911,"system":"online"}]}'
    for frame in (b'{"channel":"heartbeat"}', status, b'{"method":"pong","req_id":1}'):
        assert session.receive(frame, SECOND) == []
    assert session.system == "online"
    assert session.counters["refused"] == 0


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"[]",
        b"{}",
        b'{"channel":"trade","type":"update"}',
        _trades((1, '"10"')),
        _trades((1, "1e5")),
        _trades((1, "-1")),
        _trades((1, "0")),
        _trades((1, "0.12345678")),
        _trades((1, "10")).replace(b"Z", b"+02:00"),
        _trades((1, "10")).replace(b'"symbol"', b'"name"'),
    ],
)
def test_a_frame_that_can_not_be_read_is_counted_and_gives_nothing(frame: bytes) -> None:
    """Never a guess at a price, never an exception."""
    session = _opened()
    assert session.receive(frame, 1) == []
    assert session.counters["refused"] == 1
