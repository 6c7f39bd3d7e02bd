"""Candles, trades and books into events."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core.events import CandleBackfilled
from daemon.core.units import MINUTE, SECOND
from daemon.kalshi import bodies


def test_an_empty_side_of_a_candle_is_none() -> None:
    """Bid 0 and ask 1 are how the venue writes nothing."""
    candle = bodies.Candle(60, bodies.BidAsk("0.0000"), bodies.BidAsk("1.0000"), "12.50")
    expected = CandleBackfilled("A", MINUTE, 60 * SECOND, None, None, 1250, 1)
    assert expected == bodies.candle_backfilled("A", candle, MINUTE, 1)


@pytest.mark.parametrize(
    "change",
    [{"count_fp": "-1.00"}, {"yes_price_dollars": "1.0001"}, {"created_time": "2026-06-15 15:48:42"}],
)
def test_a_trade_that_can_not_be_is_refused(change: dict[str, str]) -> None:
    """A count below zero, a price outside of the contract, a time without a zone."""
    trade = bodies.PublicTrade("t", "A", "1.00", "0.5000", "yes", "2026-06-15T15:48:42.60323Z")
    assert 50 * 100 == bodies.trade_printed(trade, 0).price
    with pytest.raises(ValueError, match=r"below zero|outside|instant"):
        bodies.trade_printed(msgspec.structs.replace(trade, **change), 0)


def test_an_empty_book_is_a_book() -> None:
    """Both sides may be empty lists, or absent: how production writes an empty side is unconfirmed."""
    for body in (b'{"orderbook_fp":{"yes_dollars":[],"no_dollars":[]}}', b'{"orderbook_fp":{}}'):
        reply = msgspec.json.decode(body, type=bodies.OrderbookReply)
        book = bodies.book_snapshot("A", reply.orderbook_fp, 7)
        assert ((), (), 7, None) == (book.yes, book.no, book.received_at, book.sent_at)
