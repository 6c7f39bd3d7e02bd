"""Tests of candles and trades."""

from __future__ import annotations

from daemon.core.units import HOUR, MINUTE, SECOND
from daemon.exchange.facts import Traded
from daemon.exchange.market import Market
from daemon.exchange.matching import Order
from daemon.sandbox.chronicle import Chronicle, merge, minute_end
from daemon.sandbox.flow import Candle, Ohlc
from tests.sandbox.scripted import OPEN, spec_of

T0 = 29_839_000 * MINUTE + 10 * SECOND


def market_of(bid: int) -> Market:
    market = Market(spec_of(OPEN, T0, T0 + HOUR), T0)
    market.book.rest(
        Order("1", "a", "", OPEN, 2, "bid", bid, 100, "good_till_canceled", "taker_at_cross", T0)
    )
    return market


def trade(price: int, qty: int, at: int) -> Traded:
    return Traded(OPEN, f"t{at}", price, qty, "yes", at)


def test_a_minute_ends_inclusively() -> None:
    """An instant on the minute belongs to the minute that it ends."""
    end = 29_839_000 * MINUTE
    assert (end, end + MINUTE) == (minute_end(end), minute_end(end + 1))


def test_a_quiet_market_carries_its_quotes_forward() -> None:
    """Minutes without news have the last quotes, no price and no volume."""
    chronicle, market = Chronicle(), market_of(4000)
    chronicle.observe_quotes(market, T0)
    chronicle.observe_trade(trade(4100, 50, T0), market)
    chronicle.roll(market, T0 + 2 * MINUTE)
    flat, empty = Ohlc(4000, 4000, 4000, 4000), Ohlc(10_000, 10_000, 10_000, 10_000)
    one = Ohlc(4100, 4100, 4100, 4100)
    end = minute_end(T0)
    assert [
        Candle(end, flat, empty, one, 50, 0, 50 * 4100),
        Candle(end + MINUTE, flat, empty, None, 0, 0),
    ] == chronicle.candles(market, 0, end + MINUTE, MINUTE)
    assert 4100 == chronicle.last_price_before(OPEN, end + MINUTE)
    assert chronicle.last_price_before(OPEN, end) is None


def test_longer_candles_are_minutes_merged() -> None:
    """First open, last close, highest, lowest, summed volume."""
    first = Candle(MINUTE, Ohlc(1, 5, 1, 2), Ohlc(9, 9, 9, 9), None, 10, 1)
    then = Candle(2 * MINUTE, Ohlc(2, 3, 0, 3), Ohlc(9, 11, 8, 10), Ohlc(4, 4, 4, 4), 5, 2, 20)
    assert [Candle(HOUR, Ohlc(1, 5, 0, 3), Ohlc(9, 11, 8, 10), Ohlc(4, 4, 4, 4), 15, 2, 20)] == merge(
        [first, then], HOUR
    )


def test_trades_are_kept_by_market() -> None:
    """Oldest first; another market has none."""
    chronicle, market = Chronicle(), market_of(4000)
    for at in (T0, T0 + SECOND):
        chronicle.observe_trade(trade(4000, 1, at), market)
    assert [T0, T0 + SECOND] == [found.at for found in chronicle.trades_of(OPEN)]
    assert [] == list(chronicle.trades_of("OTHER"))


def test_old_volume_and_old_quotes_are_found() -> None:
    """Of the trades that are kept, and of the finished minutes; None where there is nothing so old."""
    chronicle, market = Chronicle(), market_of(4000)
    chronicle.observe_trade(trade(4000, 30, T0), market)
    chronicle.observe_trade(trade(4000, 12, T0 + SECOND), market)
    chronicle.roll(market, T0 + 2 * MINUTE)
    assert [0, 30, 42] == [chronicle.volume_before(OPEN, T0 + at) for at in (0, SECOND, MINUTE)]
    found = chronicle.latest_before(OPEN, T0 + HOUR)
    assert found is not None
    assert minute_end(T0) + MINUTE == found.ended_at
    assert chronicle.latest_before(OPEN, minute_end(T0)) is None


def test_a_closed_market_gets_no_more_minutes() -> None:
    """Its last minute is finished and time passes it by."""
    chronicle, market = Chronicle(), market_of(4000)
    chronicle.observe_quotes(market, T0)
    chronicle.finish(market)
    chronicle.roll(market, T0 + HOUR)
    assert 1 == len(chronicle.candles(market, 0, T0 + HOUR, MINUTE))
