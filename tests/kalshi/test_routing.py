"""Which market comes over which connection."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from daemon.kalshi.routing import CONNECTIONS_MAX, Routes

TICKERS = st.sampled_from([f"M{number}" for number in range(12)])
PER_CONNECTION = 3


def test_connections_are_filled_one_after_the_other() -> None:
    """5,000 markets are thirteen connections of at most 400, in order."""
    routes = Routes("kalshi", 400)
    feeds = [routes.assign(f"M{number}") for number in range(5_000)]
    assert ["kalshi"] * 400 == feeds[:400]
    assert "kalshi-13" == feeds[-1]
    assert 13 == len(routes.markets)


def test_a_market_keeps_its_connection() -> None:
    """Whatever becomes free elsewhere: a move would cost its book."""
    routes = Routes("kalshi", 1)
    assert ["kalshi", "kalshi-2"] == [routes.assign("A"), routes.assign("B")]
    assert "kalshi" == routes.release("A")
    assert "kalshi-2" == routes.assign("B")
    assert "kalshi" == routes.assign("C")


def test_an_empty_connection_may_be_closed_but_the_first() -> None:
    """Its name is free again then."""
    routes = Routes("kalshi", 1)
    for ticker in "ABC":
        routes.assign(ticker)
    routes.release("A")
    routes.release("B")
    assert ["kalshi-2"] == routes.empty()
    routes.close("kalshi-2")
    assert ["kalshi", "kalshi-2"] == [routes.assign("D"), routes.assign("E")]


def test_a_market_without_room_moves_to_another_connection() -> None:
    """The venue said that one is full: the next has room, or is opened."""
    routes = Routes("kalshi", 400, {"kalshi": 2}.get)
    assert ["kalshi", "kalshi", "kalshi-2"] == [routes.assign(ticker) for ticker in "ABC"]
    full = Routes("kalshi", 400, {"kalshi": 1}.get)
    full.assign("A")
    assert "kalshi-2" == full.move("A")


def test_a_venue_that_takes_not_even_one_market_is_not_asked_on_ever_new_connections() -> None:
    """The market waits: a hundred connections would change nothing."""
    routes = Routes("kalshi", 400, lambda feed: None if feed == "kalshi" else 0)
    routes.markets["kalshi-2"] = {"A": None}
    routes.feed_of["A"] = "kalshi-2"
    assert routes.move("A") is None
    assert ["A"] == list(routes.waiting)


def test_connections_end_somewhere() -> None:
    """Past the limit markets wait, and are placed when room is freed."""
    routes = Routes("kalshi", 1)
    for number in range(CONNECTIONS_MAX):
        assert routes.assign(f"M{number}") is not None
    assert routes.assign("late") is None
    routes.release("M7")
    assert "kalshi-8" == routes.assign("late")
    assert {} == routes.waiting


class Traffic(RuleBasedStateMachine):
    """Markets come, go and are refused in any order, on connections whose capacity the venue changes."""

    def __init__(self) -> None:
        super().__init__()
        self.capacities: dict[str, int] = {}
        self.routes = Routes("kalshi", PER_CONNECTION, self.capacities.get)
        self.wanted: set[str] = set()

    @rule(ticker=TICKERS)
    def assign(self, ticker: str) -> None:
        before = self.routes.feed_of.get(ticker)
        feed = self.routes.assign(ticker)
        assert before in (None, feed)
        self.wanted.add(ticker)

    @rule(ticker=TICKERS)
    def release(self, ticker: str) -> None:
        self.routes.release(ticker)
        self.wanted.discard(ticker)

    @rule(ticker=TICKERS, capacity=st.integers(0, 2))
    def refuse(self, ticker: str, capacity: int) -> None:
        feed = self.routes.feed_of.get(ticker)
        if feed is not None:
            self.capacities[feed] = min(capacity, len(self.routes.markets[feed]) - 1)
            assert feed != self.routes.move(ticker)

    @rule()
    def close_empty(self) -> None:
        for feed in self.routes.empty():
            self.routes.close(feed)
            self.capacities.pop(feed, None)

    @invariant()
    def every_wanted_market_has_one_place(self) -> None:
        routes = self.routes
        placed = [ticker for markets in routes.markets.values() for ticker in markets]
        assert len(placed) == len(set(placed))
        assert set(placed) | set(routes.waiting) == self.wanted
        assert not set(placed) & set(routes.waiting)
        assert all(len(markets) <= PER_CONNECTION for markets in routes.markets.values())
        assert {t: f for f, markets in routes.markets.items() for t in markets} == routes.feed_of


Traffic.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestTraffic = Traffic.TestCase
"""No market is on two connections or none, and no connection carries more than it may."""
