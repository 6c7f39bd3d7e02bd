"""Tests of one listed market."""

from __future__ import annotations

import msgspec

from daemon.exchange.market import Market, MarketRecord
from tests.exchange.venues import CLOSED, T0, spec_of


def test_a_market_is_open_between_its_times_while_active() -> None:
    """Neither an initialized market nor one past its close takes orders."""
    market = Market(spec_of(), T0)
    assert not market.is_open(T0)
    market.change(T0, status="active")
    assert (True, False) == (market.is_open(CLOSED - 1), market.is_open(CLOSED))


def test_a_trade_counts_towards_volume_and_dollars() -> None:
    """Last price, contracts and dollars follow the prints."""
    market = Market(spec_of(), T0)
    assert (None, 0) == (market.record().last, market.volume)
    market.traded(4000, 100)
    market.traded(6000, 50)
    assert (6000, 150, 700_000) == (market.last, market.volume, market.dollar_volume)


def test_a_market_comes_back_from_its_record() -> None:
    """A record survives msgpack and makes the same market, with an empty book."""
    market = Market(spec_of(), T0)
    market.traded(4000, 100)
    market.change(T0 + 1, status="active")
    record = msgspec.msgpack.decode(msgspec.msgpack.encode(market.record()), type=MarketRecord)
    assert market.record() == record == Market.from_record(record).record()
