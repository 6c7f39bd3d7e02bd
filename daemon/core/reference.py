"""The price of each underlying, from several sources: which one is in force, decided from events and `now`.

Every source keeps windows of its own, so that changing over is immediate and nothing is computed across two
of them. A source is well while its connection is up, it was heard lately (a heartbeat counts) and it says
that it trades; the first well one in the order of preference is in force.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from daemon.core import events as e
from daemon.core.features import ReferenceFeatures
from daemon.core.units import SECOND, Money, Ns

SOURCE_OF_FEED: dict[e.Feed, str] = {
    "kraken": "kraken",
    "reference": "kraken",  # the connection's name in journals before the venue had several
    "kalshi": "cfbenchmarks",
}
"""Which source comes over a connection: the settlement index is a channel of the venue's first one."""
REFERENCE_FEEDS = frozenset({"kraken", "reference"})
"""Connections that carry a reference and nothing of the venue's."""


class Underlying(msgspec.Struct, frozen=True):
    """One underlying: how the tickers of the series on it begin, and what each source calls it."""

    series: str
    kraken: str
    cfbenchmarks: str

    @property
    def symbols(self) -> dict[str, str]:
        """Its name at each source."""
        return {"kraken": self.kraken, "cfbenchmarks": self.cfbenchmarks}


class ReferenceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which sources are believed, best first, how long after their last word, and for which markets."""

    prefer: tuple[str, ...] = ("kraken", "cfbenchmarks")
    stale_max: Ns = 15 * SECOND
    underlyings: tuple[Underlying, ...] = (Underlying("KXBTC", "BTC/USD", "BRTI"),)


class Source:
    """What is known of one source: its connection, its own word, and its prices by symbol."""

    __slots__ = ("heard_at", "is_connected", "is_trading", "name", "symbols")

    def __init__(self, name: str, symbols: Iterable[str]) -> None:
        self.name = name
        self.is_connected = False
        self.is_trading = True
        self.heard_at: Ns = 0
        """When its connection was last heard, prices aside; 0 before that."""
        self.symbols = {symbol: ReferenceFeatures() for symbol in symbols}

    @property
    def told_at(self) -> Ns | None:
        """When it was last heard, prices included; None before that."""
        return max([self.heard_at, *(features.priced_at for features in self.symbols.values())]) or None

    def drop(self) -> None:
        """The connection is gone: nothing that it said is in force."""
        self.is_connected = False
        for features in self.symbols.values():
            features.on_lost()


class Spot:
    """One underlying's sources, best first, and the watched markets on it."""

    __slots__ = ("_sources", "_stale_max", "tickers")

    def __init__(self, sources: Iterable[tuple[Source, ReferenceFeatures]], stale_max: Ns) -> None:
        self._sources = tuple(sources)
        self._stale_max = stale_max
        self.tickers: dict[str, None] = {}

    def source(self, now: Ns) -> str | None:
        """Return the name of the source in force; None when none is well."""
        return next((source.name for source, it in self._sources if self._is_well(source, it, now)), None)

    def in_force(self, now: Ns) -> ReferenceFeatures:
        """Return the features of the source in force; those of no source know nothing."""
        for source, features in self._sources:
            if self._is_well(source, features, now):
                return features
        return NOT_KNOWN

    def _is_well(self, source: Source, features: ReferenceFeatures, now: Ns) -> bool:
        if features.price is None or not source.is_connected or not source.is_trading:
            return False
        # A quiet symbol on a connection that beats is well; without a heartbeat only prices tell.
        oldest = now - self._stale_max
        return features.priced_at >= oldest or source.heard_at >= oldest


NOT_KNOWN = ReferenceFeatures()
"""Stands where no source is in force: it is never told anything."""


class References:
    """All underlyings and sources of the configuration."""

    def __init__(self, config: ReferenceConfig) -> None:
        self._sources = {
            name: Source(
                name, dict.fromkeys(u.symbols[name] for u in config.underlyings if name in u.symbols)
            )
            for name in config.prefer
        }
        self._none = Spot((), 0)
        """The reference of markets whose underlying is not configured."""
        self._spots: dict[str, Spot] = {}
        self._spots_on: dict[tuple[str, str], list[Spot]] = {}
        self._names: dict[str, Spot] = {}
        for underlying in config.underlyings:
            named = [(name, symbol) for name, symbol in underlying.symbols.items() if name in self._sources]
            named.sort(key=lambda pair: config.prefer.index(pair[0]))
            spot = Spot(
                ((self._sources[name], self._sources[name].symbols[symbol]) for name, symbol in named),
                config.stale_max,
            )
            self._spots[underlying.series] = spot
            self._names.setdefault(underlying.series, spot)
            for name, symbol in named:
                self._spots_on.setdefault((name, symbol), []).append(spot)
                self._names.setdefault(symbol, spot)

    def of_series(self, series_ticker: str) -> Spot:
        """Return the reference of a series: of the underlyings that its ticker begins with, the longest."""
        matching = [series for series in self._spots if series_ticker.startswith(series)]
        return self._spots[max(matching, key=len)] if matching else self._none

    @property
    def sources(self) -> dict[str, Source]:
        """The sources by name, best first; to be read, not changed."""
        return self._sources

    def source(self, symbol: str, now: Ns) -> str | None:
        """Return the source in force for a symbol (any source's name of it); None when none is well.

        Raises:
            KeyError: no underlying is called so.
        """
        return self._names[symbol].source(now)

    def heard_at(self) -> Ns:
        """Return when any source was last heard; 0 before that."""
        heard = [source.heard_at for source in self._sources.values()]
        prices = [f.priced_at for source in self._sources.values() for f in source.symbols.values()]
        return max([*heard, *prices, 0])

    def price(self) -> Money | None:
        """Return the first underlying's price as of the last word of any source; None when none is well."""
        spot = next(iter(self._spots.values()), self._none)
        return spot.in_force(self.heard_at()).price

    # --- intake: each returns the markets that it concerns, None when the event is of no use -------

    def on_price(self, event: e.ReferencePriceReceived) -> dict[str, None] | None:
        """Take a price: it proves that its source is connected."""
        source = self._sources.get(event.source)
        features = None if source is None else source.symbols.get(event.symbol)
        if source is None or features is None:
            return None
        source.is_connected = True
        features.on_price(event)
        return self._tickers_on(event.source, event.symbol)

    def on_candle(self, event: e.ReferenceCandleClosed) -> dict[str, None] | None:
        """Take a closed candle. One over REST says nothing of the connection."""
        source = self._sources.get(event.source)
        features = None if source is None else source.symbols.get(event.symbol)
        if features is None:
            return None
        features.candles.on_candle(event)
        return self._tickers_on(event.source, event.symbol)

    def on_status(self, event: e.ReferenceStatusTold) -> dict[str, None] | None:
        """Take a source's own word on whether it trades."""
        source = self._sources.get(event.source)
        if source is None:
            return None
        source.is_trading = event.is_trading
        return self._tickers_of(source)

    def on_connection(self, event: e.FeedConnected | e.FeedDropped) -> dict[str, None]:
        """Take a connection's coming or going, if a source comes over it."""
        source = self._sources.get(SOURCE_OF_FEED.get(event.feed, ""))
        if source is None:
            return {}
        if isinstance(event, e.FeedDropped):
            source.drop()
        else:
            source.is_connected = source.is_trading = True
            if event.feed in REFERENCE_FEEDS:
                source.heard_at = event.received_at
        return self._tickers_of(source)

    def on_heard(self, event: e.FeedHeard) -> None:
        """Take a sign of life; one of the venue's connection says nothing of the index."""
        if event.feed in REFERENCE_FEEDS:
            source = self._sources.get(SOURCE_OF_FEED[event.feed])
            if source is not None:
                source.heard_at = event.received_at

    def _tickers_on(self, source: str, symbol: str) -> dict[str, None]:
        spots = self._spots_on[source, symbol]
        if len(spots) == 1:
            return spots[0].tickers
        return {ticker: None for spot in spots for ticker in spot.tickers}

    def _tickers_of(self, source: Source) -> dict[str, None]:
        return {t: None for symbol in source.symbols for t in self._tickers_on(source.name, symbol)}
