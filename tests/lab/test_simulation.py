"""The simulated markets: repeatable, whole, and settled on the index as the venue says."""

from __future__ import annotations

from functools import cache

import pytest

from daemon.core.events import (
    BookDeltaReceived,
    Event,
    MarketDetermined,
    MarketListed,
    MarketStrikeSet,
    ReferencePriceReceived,
    TradePrinted,
)
from daemon.core.scorer import FeatureSchema
from daemon.core.state import State
from daemon.core.units import MINUTE, MONEY_ONE, PRICE_ONE, SECOND
from daemon.lab.simulation import START_AT, Simulation


@cache
def two_markets() -> tuple[Event, ...]:
    """Two markets' events, made once."""
    return tuple(Simulation(7, 2).events())


def test_the_same_seed_gives_the_same_events() -> None:
    """Not one event differs between two runs of a seed; another seed is another world."""
    assert two_markets() == tuple(Simulation(7, 2).events())
    assert two_markets()[:100] != tuple(Simulation(8, 1).events())[:100]


def test_every_market_is_listed_struck_and_determined() -> None:
    """A market's life is told from its listing to its result, half a second for the strike."""
    events = two_markets()
    listed = [event.spec.ticker for event in events if isinstance(event, MarketListed)]
    struck = {event.ticker: event.received_at for event in events if isinstance(event, MarketStrikeSet)}
    determined = [event for event in events if isinstance(event, MarketDetermined)]
    assert len(set(listed)) == 2
    assert [struck[name] for name in listed] == [START_AT + SECOND // 2, START_AT + 15 * MINUTE + SECOND // 2]
    assert listed == [event.ticker for event in determined]
    assert {event.settlement_price for event in determined} <= {0, PRICE_ONE}


def test_the_result_is_what_the_next_strike_says() -> None:
    """A market settles YES exactly if the next one's strike, the same index value, reaches its own."""
    strikes = [event.strike for event in two_markets() if isinstance(event, MarketStrikeSet)]
    first = next(event for event in two_markets() if isinstance(event, MarketDetermined))
    assert ("yes" if strikes[1] >= strikes[0] else "no") == first.result


def test_time_never_goes_back() -> None:
    """Events come in the order in which they are received."""
    times = [event.received_at for event in two_markets()]
    assert sorted(times) == times


def test_the_books_stay_synced_and_uncrossed() -> None:
    """The deltas rebuild each book without a loss, and bids stay below asks."""
    state = State(FeatureSchema(("mid",)), "test")
    for event in two_markets():
        state.apply(event)
        if isinstance(event, TradePrinted | ReferencePriceReceived):
            for market in state.markets.values():
                bid, ask = market.book.bid, market.book.ask
                assert bid is None or ask is None or bid < ask
    assert state.counts["books_lost"] == 0


def test_the_world_is_busy() -> None:
    """There are books, trades and prices to learn from, and the price stays a bitcoin's."""
    kinds = [type(event) for event in two_markets()]
    assert kinds.count(BookDeltaReceived) > 10_000
    assert kinds.count(TradePrinted) > 100
    prices = [event.price for event in two_markets() if isinstance(event, ReferencePriceReceived)]
    assert len(prices) > 1_000
    assert all(50_000 * MONEY_ONE < price < 150_000 * MONEY_ONE for price in prices)


def test_the_fair_value_is_known_at_each_step_and_ends_near_the_result() -> None:
    """While a market's events are told its chance is known at every second from the strike on."""
    simulation = Simulation(7, 1)
    last = {}
    for event in simulation.events():
        if isinstance(event, BookDeltaReceived) and event.received_at < START_AT + 15 * MINUTE:
            last[event.ticker] = simulation.fair_value(event.ticker, event.received_at)
            assert 0 < last[event.ticker] < 1
        if isinstance(event, MarketDetermined):
            assert (last[event.ticker] > 0.5) == (event.result == "yes")
    assert len(last) == 1
    with pytest.raises(KeyError):
        simulation.fair_value("T", 0)
