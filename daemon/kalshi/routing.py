"""Which market comes over which connection: filled one after the other, and a market keeps its connection.

The venue has one subscription per channel and connection, and a limit of markets per subscription that it
does not publish (code 26). So markets are spread: a new one goes to the first connection with room, and a
new connection is opened when none has any. Connections that became empty are closed, the first never.
"""

from __future__ import annotations

from collections.abc import Callable

from daemon.core.events import Feed

CONNECTIONS_MAX = 100
"""Half of what one user may have by default (sheet 2.8): another program may run under the same key."""


class Routes:
    """The connections and their markets. Pure."""

    def __init__(
        self, first: Feed, per_connection: int, capacity_of: Callable[[Feed], int | None] = lambda _: None
    ) -> None:
        """Build.

        Args:
            first: the name of the first connection; the others are named after it, "kalshi-2" and so on.
            per_connection: how many markets a connection may have.
            capacity_of: how many the venue allows on a connection, where it said so.
        """
        self._first = first
        self._per_connection = per_connection
        self._capacity_of = capacity_of
        self.markets: dict[Feed, dict[str, None]] = {first: {}}
        """The markets of each connection, in order."""
        self.feed_of: dict[str, Feed] = {}
        self.waiting: dict[str, None] = {}
        """Markets that are wanted and that no connection has room for."""

    def assign(self, ticker: str, refused_by: Feed | None = None) -> Feed | None:
        """Return the connection that a market belongs to from now on; None when it has to wait for room.

        A market that has none gets one, though not the one that refused it.
        """
        feed = self.feed_of.get(ticker)
        if feed is None:
            feed = self._find_room(refused_by)
            if feed is None:
                self.waiting[ticker] = None
                return None
            self.waiting.pop(ticker, None)
            self.markets[feed][ticker] = None
            self.feed_of[ticker] = feed
        return feed

    def release(self, ticker: str) -> Feed | None:
        """Take a market out; return the connection that it had, None if it had none."""
        self.waiting.pop(ticker, None)
        feed = self.feed_of.pop(ticker, None)
        if feed is not None:
            del self.markets[feed][ticker]
        return feed

    def move(self, ticker: str) -> Feed | None:
        """Give a market, for which its connection has no room, to another one; None when it has to wait."""
        refused_by = self.release(ticker)
        if refused_by is not None and self._capacity_of(refused_by) == 0:
            # Not even one market on a connection of its own: another connection would not help.
            self.waiting[ticker] = None
            return None
        return self.assign(ticker, refused_by)

    def empty(self) -> list[Feed]:
        """Return the connections that have no market left and may be closed."""
        return [feed for feed, markets in self.markets.items() if not markets and feed != self._first]

    def close(self, feed: Feed) -> None:
        """Forget a connection; it must be empty."""
        assert feed != self._first, "the first connection is never closed"
        assert not self.markets[feed], f"{feed} still has markets"
        del self.markets[feed]

    def _find_room(self, refused_by: Feed | None) -> Feed | None:
        for feed, markets in self.markets.items():
            capacity = self._capacity_of(feed)
            most = self._per_connection if capacity is None else min(capacity, self._per_connection)
            if len(markets) < most and feed != refused_by:
                return feed
        if len(self.markets) >= CONNECTIONS_MAX:
            return None
        number = 2
        while f"{self._first}-{number}" in self.markets:
            number += 1
        feed = f"{self._first}-{number}"
        self.markets[feed] = {}
        return feed
