"""Tests of facts as values that are kept."""

from __future__ import annotations

import msgspec

from daemon.exchange.facts import Filled, OrderState
from tests.exchange.venues import exchange_of, placed


def test_what_is_kept_reads_back() -> None:
    """An order's state and a fill survive msgpack: the sandbox's state directory holds them so."""
    exchange = exchange_of()
    placed(exchange, "sim:x", "ask", 5000, 50)
    order = placed(exchange, "a", "bid", 5000, 100)
    fill = exchange.accounts["a"].fills[0]
    assert order == msgspec.msgpack.decode(msgspec.msgpack.encode(order), type=OrderState)
    assert fill == msgspec.msgpack.decode(msgspec.msgpack.encode(fill), type=Filled)
