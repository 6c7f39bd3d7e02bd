"""The markets that belong together with the one that is decided: the event's, and the strategy's series'.

Nothing is built that no strategy asks for. The index of the watched markets is made anew only when one came
or went; what a strategy asks twice of one view is made once. The order is the tickers', so that a replay sees
the same.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from daemon.core.market import Market
from daemon.core.markets import MarketSpec
from daemon.core.state import State
from daemon.core.strategy import Peer
from daemon.core.units import Ns, Qty


class PeerIndex:
    """The watched markets by event and by strategy, ascending."""

    def __init__(self, state: State, score_of: Callable[[str, str], float | None]) -> None:
        """Build.

        Args:
            state: the beliefs.
            score_of: the last score that a strategy's model gave a market, by both names; None for none, or
                one that is doubted.
        """
        self._state = state
        self.score_of = score_of
        self._listed_total = -1
        self._events: dict[str, list[str]] = {}
        self._traded: dict[str, tuple[Callable[[MarketSpec], bool], list[str]]] = {}
        """By strategy, with what said which: it may come back under its name with another series."""

    def of_event(self, event_ticker: str) -> list[str]:
        """Return the watched markets of an event."""
        self._refresh()
        return self._events.get(event_ticker, [])

    def of(self, strategy: str, trades: Callable[[MarketSpec], bool]) -> list[str]:
        """Return the watched markets that a strategy trades; `trades` says which."""
        self._refresh()
        kept = self._traded.get(strategy)
        if kept is not None and kept[0] == trades:
            return kept[1]
        found = sorted(ticker for ticker, market in self._state.markets.items() if trades(market.spec))
        self._traded[strategy] = (trades, found)
        return found

    def market(self, ticker: str) -> Market | None:
        """Return a market; None where it is watched no longer."""
        market = self._state.markets.get(ticker)
        return None if market is None or market.is_unwatched else market

    def position(self, ticker: str) -> Qty:
        """Return the account's signed contracts in a market."""
        return self._state.ledger.position_qty(ticker)

    def _refresh(self) -> None:
        if self._listed_total == self._state.listings_changed:
            return
        self._listed_total = self._state.listings_changed
        self._events, self._traded = {}, {}
        for ticker in sorted(self._state.markets):
            spec = self._state.markets[ticker].spec
            self._events.setdefault(spec.event_ticker, []).append(ticker)


class WatchedPeers(msgspec.Struct):
    """The `Peers` of one view of one strategy. Valid only during the call."""

    _index: PeerIndex
    _strategy: str
    _trades: Callable[[MarketSpec], bool]
    _spec: MarketSpec
    _changed_max: Ns | None
    _now: Ns

    def of_event(self) -> tuple[Peer, ...]:
        """Return the other watched markets of the event, by ticker; not the view's own."""
        return self._peers(self._index.of_event(self._spec.event_ticker))

    def of_series(self) -> tuple[Peer, ...]:
        """Return the other watched markets of all series that this strategy trades, by ticker."""
        return self._peers(self._index.of(self._strategy, self._trades))

    def _peers(self, tickers: list[str]) -> tuple[Peer, ...]:
        own = self._spec.ticker
        return tuple([peer for name in tickers if name != own and (peer := self._peer(name)) is not None])

    def _peer(self, ticker: str) -> Peer | None:
        market = self._index.market(ticker)
        if market is None:
            return None
        book = market.book
        # The last score of a market that this strategy would not be asked about now is of another time.
        max_age, changed_at = self._changed_max, book.changed_at
        is_fresh = max_age is None or (changed_at is not None and self._now - changed_at <= max_age)
        is_scored = is_fresh and book.is_synced and market.spec.status == "active"
        return Peer(
            market.spec,
            book.bid,
            book.ask,
            book.bid_size,
            book.ask_size,
            self._index.position(ticker),
            self._index.score_of(self._strategy, ticker) if is_scored else None,
        )
