"""Connections: each market has one, the private one is ours, and what can't be read is counted."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.connections import Connections
from daemon.core.units import MINUTE, SECOND
from tests.core.worlds import LIMITS, T0, TICKER


def refused(at: int, feed: str = "kalshi") -> e.FrameRefused:
    """A frame of a shape that nobody knows."""
    return e.FrameRefused(feed, "type magic", at)


def test_a_market_comes_over_the_first_connection_until_told() -> None:
    """And may be told before anyone watches it."""
    connections = Connections("kalshi")
    assert connections.of_market(TICKER) is connections.feeds["kalshi"]
    connections.route(e.MarketRouted(TICKER, "kalshi-2", T0))
    assert connections.of_market(TICKER) is connections.feeds["kalshi-2"]
    connections.forget_market(TICKER)
    assert connections.of_market(TICKER) is connections.feeds["kalshi"]


def test_the_private_connection_may_be_the_first_or_one_of_its_own() -> None:
    """Both are known, and down, from the start."""
    assert list(Connections("kalshi").feeds) == ["kalshi"]
    assert list(Connections("kalshi-private").feeds) == ["kalshi-private", "kalshi"]
    assert Connections("kalshi-private").private.vouch(LIMITS, T0) == "feed_down"


def test_a_connection_that_was_closed_empty_is_not_missed() -> None:
    """One that carries a market is, and so is the private one."""
    connections = Connections("kalshi-private")
    connections.route(e.MarketRouted(TICKER, "kalshi-2", T0))
    for feed in ("kalshi", "kalshi-private", "kalshi-2", "kalshi-3"):
        connections.change(e.FeedConnected(feed, T0))
    for feed in ("kalshi-2", "kalshi-3", "kalshi-private"):
        connections.change(e.FeedDropped(feed, "closed", T0))
    assert sorted(connections.feeds) == ["kalshi", "kalshi-2", "kalshi-private"]


def test_a_connection_that_never_came_up_is_not_missed_either() -> None:
    """It has no drop to tell of: it goes with its last market, dropped or moved elsewhere."""
    connections = Connections("kalshi")
    connections.change(e.FeedConnected("kalshi", T0))
    for ticker in ("A", "B"):
        connections.route(e.MarketRouted(ticker, "kalshi-2", T0))
    connections.forget_market("A")
    assert ["kalshi", "kalshi-2"] == list(connections.feeds)
    connections.route(e.MarketRouted("B", "kalshi-3", T0))
    assert ["kalshi", "kalshi-3"] == list(connections.feeds)
    connections.forget_market("B")
    assert connections.worst() is connections.feeds["kalshi"]
    assert connections.worst().vouch(LIMITS, T0) is None


def test_a_sign_of_life_with_a_stamp_tells_the_lag() -> None:
    """A connection whose last book was late, and which is quiet now, is judged by what it answers."""
    connections = Connections("kalshi")
    health = connections.change(e.FeedConnected("kalshi", T0))
    for at, lag in ((T0, 0), (T0 + SECOND, 2 * SECOND)):
        health.lag.observe(at, at - lag)
    assert health.lag.lag == 2 * SECOND
    connections.hear(e.FeedHeard("kalshi", T0 + 2 * SECOND, T0 + 2 * SECOND))
    assert health.lag.lag == 0


def test_the_worst_connection_is_down_or_the_longest_silent() -> None:
    """One lamp for all of them."""
    connections = Connections("kalshi")
    connections.change(e.FeedConnected("kalshi", T0))
    connections.change(e.FeedConnected("kalshi-2", T0 + 1))
    assert connections.worst() is connections.feeds["kalshi"]
    connections.hear(e.FeedHeard("kalshi", T0 + 5))
    assert connections.worst() is connections.feeds["kalshi-2"]
    connections.route(e.MarketRouted(TICKER, "kalshi-2", T0))
    connections.change(e.FeedDropped("kalshi", "reset", T0 + 6))
    assert connections.worst() is connections.feeds["kalshi"]


def test_drift_is_more_than_so_many_refused_frames_within_a_minute() -> None:
    """One more than allowed is drift; a minute after the first of them it has calmed down."""
    connections = Connections("kalshi")
    for number in range(LIMITS.refused_per_minute_max):
        connections.refuse(refused(T0 + number * SECOND))
    now = T0 + 30 * SECOND
    assert connections.drift(LIMITS, now) is None
    connections.refuse(refused(now, "kalshi-2"))
    assert connections.drift(LIMITS, now) == "schema_drift"
    assert connections.drift(LIMITS, T0 + MINUTE - 1) == "schema_drift"
    assert connections.drift(LIMITS, T0 + MINUTE) is None


def test_a_trickle_of_refused_frames_is_no_drift_and_no_leak() -> None:
    """However long it goes on."""
    connections = Connections("kalshi")
    for number in range(1_000):
        connections.refuse(refused(T0 + number * 3 * SECOND))
    assert connections.drift(LIMITS, T0 + 3_000 * SECOND) is None
    assert len(connections._refused) == 20


def test_quiet_channels_are_kept_for_people() -> None:
    """Until they speak again, or their connection is gone."""
    connections = Connections("kalshi")
    connections.quiet(e.ChannelQuieted("kalshi", "trade", MINUTE, T0))
    connections.quiet(e.ChannelQuieted("kalshi", "ticker", MINUTE, T0))
    assert connections.quiet_channels == {("kalshi", "trade"): MINUTE, ("kalshi", "ticker"): MINUTE}
    connections.quiet(e.ChannelQuieted("kalshi", "trade", None, T0))
    assert list(connections.quiet_channels) == [("kalshi", "ticker")]
    connections.change(e.FeedDropped("kalshi", "reset", T0))
    assert connections.quiet_channels == {}
