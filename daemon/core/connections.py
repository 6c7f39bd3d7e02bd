"""The venue's connections: over which one each market comes, how each is, and the shape of what they bring.

Connections are known by name. A market comes over "kalshi" until it is told to be routed over another one;
our orders and fills come over the private one, which may be the same.
"""

from __future__ import annotations

from collections import deque

from daemon.core import events as e
from daemon.core.reference import REFERENCE_FEEDS
from daemon.core.risk import FeedHealth, Limits, Refusal
from daemon.core.units import MINUTE, Ns

FIRST_FEED: e.Feed = "kalshi"
"""The connection of a market that was never routed to another."""


class Connections:
    """Health by connection, routes by market, and the frames that nobody could read."""

    def __init__(self, private_feed: e.Feed) -> None:
        self.private = FeedHealth()
        self.feeds: dict[e.Feed, FeedHealth] = {private_feed: self.private}
        self.feeds.setdefault(FIRST_FEED, FeedHealth())
        self.private_feed = private_feed
        self.quiet_channels: dict[tuple[e.Feed, str], Ns] = {}
        """Channels that are silent against their history, by (connection, channel), and for how long."""
        self._routes: dict[str, e.Feed] = {}
        self._refused: deque[Ns] = deque()
        """When frames of the venue were refused, within the last minute."""

    @staticmethod
    def is_venue(feed: e.Feed) -> bool:
        """Whether a connection is the venue's: the others carry references."""
        return feed not in REFERENCE_FEEDS

    def of(self, feed: e.Feed) -> FeedHealth:
        """Return a connection's health; one that we hear of for the first time is down."""
        return self.feeds.setdefault(feed, FeedHealth())

    def of_market(self, ticker: str) -> FeedHealth:
        """Return the health of the connection over which a market comes."""
        return self.of(self._routes.get(ticker, FIRST_FEED))

    def route(self, event: e.MarketRouted) -> FeedHealth:
        """Take over which connection a market comes, watched already or not; return its health."""
        left = self._routes.get(event.ticker)
        self._routes[event.ticker] = event.feed
        self._leave(left)
        return self.of(event.feed)

    def forget_market(self, ticker: str) -> None:
        """A market is watched no longer: it has no connection."""
        self._leave(self._routes.pop(ticker, None))

    def change(self, event: e.FeedConnected | e.FeedDropped) -> FeedHealth:
        """Take a venue connection's coming or going; return its health."""
        health = self.of(event.feed)
        health.has_trade_hole = False
        health.is_connected = isinstance(event, e.FeedConnected)
        if health.is_connected:
            health.heard_at = event.received_at
            health.lag.reset()
            return health
        for key in [key for key in self.quiet_channels if key[0] == event.feed]:
            del self.quiet_channels[key]
        self._leave(event.feed)
        return health

    def _leave(self, feed: e.Feed | None) -> None:
        """Forget a connection that is down and carries nothing: it was closed because it was empty.

        One that never came up has no drop to tell of.
        """
        if feed is None or feed in (FIRST_FEED, self.private_feed):
            return
        health = self.feeds.get(feed)
        if health is not None and not health.is_connected and feed not in self._routes.values():
            del self.feeds[feed]

    def hear(self, event: e.FeedHeard) -> None:
        """Take a sign of life. A stamped one tells how late the stream is, when no book says it any more."""
        health = self.of(event.feed)
        health.heard_at = event.received_at
        if event.sent_at is not None:
            health.lag.observe(event.received_at, event.sent_at)

    def quiet(self, event: e.ChannelQuieted) -> None:
        """Take that a channel fell silent, or speaks again."""
        key = (event.feed, event.channel)
        if event.silent_for is None:
            self.quiet_channels.pop(key, None)
        else:
            self.quiet_channels[key] = event.silent_for

    def refuse(self, event: e.FrameRefused) -> None:
        """Count a frame of the venue that could not be read."""
        refused = self._refused
        refused.append(event.received_at)
        while refused[0] <= event.received_at - MINUTE:
            refused.popleft()

    def drift(self, limits: Limits, now: Ns) -> Refusal | None:
        """Return "schema_drift" when more frames were refused in the last minute than is allowed."""
        allowed = limits.refused_per_minute_max
        if len(self._refused) <= allowed:
            return None
        is_drifting = self._refused[-1 - allowed] > now - MINUTE
        return "schema_drift" if is_drifting else None

    def worst(self) -> FeedHealth:
        """Return the connection that is worst off: down, or not heard for the longest."""
        return min(self.feeds.values(), key=lambda health: (health.is_connected, health.heard_at or 0))
