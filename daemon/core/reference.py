"""The price of each underlying, from several sources: which one is in force, decided from events and `now`.

Every source keeps windows of its own, so that changing over is immediate and nothing is computed across two
of them. A source is well while its connection is up, it was heard lately (a heartbeat counts, for some
minutes) and it says that it trades. Of those that are, the first in the order of preference is in force. One
that ceases to be well is left at once; one that is well again is taken only when it has settled.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from daemon.core import events as e
from daemon.core.features import ReferenceFeatures
from daemon.core.features.reference import RETURN_WINDOWS
from daemon.core.units import MINUTE, SECOND, Money, Ns

SOURCE_OF_FEED: dict[e.Feed, str] = {
    "kraken": "kraken",
    "reference": "kraken",  # the connection's name in journals before the venue had several
    "kalshi": "cfbenchmarks",
}
"""Which source comes over a connection: the settlement index is a channel of the venue's first one."""
INDEX_SOURCE = "cfbenchmarks"
"""The source by which bitcoin markets are settled."""
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


SETTLED: Ns = max(RETURN_WINDOWS)
"""So long a source has to be well without a break before it takes over from another one that is. Before that
its windows are cold; and one that comes and goes would make the price jump between two bases each time."""
QUIET_MAX: Ns = 2 * MINUTE
"""A price older than this is not believed, however well its connection beats."""


class Source:
    """What is known of one source: its connection, its own word, and its prices by symbol."""

    __slots__ = (
        "connected_at",
        "heard_at",
        "is_connected",
        "is_trading",
        "name",
        "stale_max",
        "symbols",
        "well_since",
    )

    def __init__(self, name: str, symbols: Iterable[str], stale_max: Ns) -> None:
        self.name = name
        self.is_connected = False
        self.is_trading = True
        self.connected_at: Ns = 0
        self.heard_at: Ns = 0
        """When its connection was last heard, prices aside; 0 before that."""
        self.symbols = {symbol: ReferenceFeatures() for symbol in symbols}
        self.well_since: dict[str, Ns] = dict.fromkeys(self.symbols, 0)
        """By symbol, when it last became well; whether it still is, is another question."""
        self.stale_max = stale_max

    @property
    def told_at(self) -> Ns | None:
        """When it was last heard, prices included; None before that."""
        return max([self.heard_at, *(features.priced_at for features in self.symbols.values())]) or None

    def drop(self) -> None:
        """The connection is gone: nothing that it said is in force."""
        self.is_connected = False
        for features in self.symbols.values():
            features.on_lost()

    def well_until(self, symbol: str) -> Ns:
        """Return from when on a symbol is not well if nothing more is heard; 0 when it isn't now."""
        features = self.symbols[symbol]
        if features.price is None or not self.is_connected or not self.is_trading:
            return 0
        # A quiet symbol on a connection that beats is well; without a heartbeat only prices tell.
        heard_at, priced_at, stale_max = self.heard_at, features.priced_at, self.stale_max
        return min(max(priced_at, heard_at) + stale_max, priced_at + max(QUIET_MAX, stale_max)) + 1

    def well(self, now: Ns) -> list[str]:
        """Return the symbols that are well."""
        return [symbol for symbol in self.symbols if now < self.well_until(symbol)]

    def note_returns(self, well_before: list[str], at: Ns) -> None:
        """Take down which symbols became well by what was just heard."""
        for symbol in self.well(at):
            if symbol not in well_before:
                # Prices from before the connection, which opened it, say nothing of how long it lasts.
                self.well_since[symbol] = max(at, self.connected_at)


NOT_KNOWN = ReferenceFeatures()
"""Stands where no source is in force: it is never told anything."""


class Spot:
    """One underlying's sources, best first, and the watched markets on it."""

    __slots__ = ("_chosen_at", "_features", "_sources", "_until", "tickers")

    def __init__(self, sources: Iterable[tuple[Source, str]]) -> None:
        self._sources = tuple(sources)
        self._features = NOT_KNOWN
        self._chosen_at: Ns = 0
        self._until: Ns = 0
        """The choice that was made at one instant holds up to another, unless a source is heard."""
        self.tickers: dict[str, None] = {}

    @property
    def is_known(self) -> bool:
        """Whether it is an underlying of the configuration, and not the stand-in for those that are not."""
        return bool(self._sources)

    def forget_choice(self) -> None:
        """A source told something: whatever was chosen may be another one now."""
        self._until = 0

    def source(self, now: Ns) -> str | None:
        """Return the name of the source in force; None when none is well."""
        chosen = self._choose(self._well(now), now)
        return None if chosen is None else chosen[0].name

    def in_force(self, now: Ns) -> ReferenceFeatures:
        """Return the features of the source in force; those of no source know nothing."""
        if self._chosen_at <= now < self._until:
            return self._features
        well = self._well(now)
        chosen = self._choose(well, now)
        if chosen is None:
            return NOT_KNOWN
        source, symbol = chosen
        settle_at = [one.well_since[its] + SETTLED for one, its in well]
        self._chosen_at = now
        self._until = min([source.well_until(symbol), *(at for at in settle_at if at > now)])
        self._features = source.symbols[symbol]
        return self._features

    def index(self, now: Ns) -> ReferenceFeatures | None:
        """Return the features of the settlement index, in force or not; None where it isn't well."""
        for source, symbol in self._sources:
            if source.name == INDEX_SOURCE and now < source.well_until(symbol):
                return source.symbols[symbol]
        return None

    def _well(self, now: Ns) -> list[tuple[Source, str]]:
        return [(source, symbol) for source, symbol in self._sources if now < source.well_until(symbol)]

    @staticmethod
    def _choose(well: list[tuple[Source, str]], now: Ns) -> tuple[Source, str] | None:
        """Return the best one that has settled; while none has, the one that is well for the longest."""
        for source, symbol in well:
            if now - source.well_since[symbol] >= SETTLED:
                return source, symbol
        return min(well, key=lambda one: one[0].well_since[one[1]], default=None)


class References:
    """All underlyings and sources of the configuration."""

    def __init__(self, config: ReferenceConfig) -> None:
        self._sources = {
            name: Source(
                name,
                dict.fromkeys(u.symbols[name] for u in config.underlyings if name in u.symbols),
                config.stale_max,
            )
            for name in config.prefer
        }
        self._none = Spot(())
        """The reference of markets whose underlying is not configured."""
        self._spots: dict[str, Spot] = {}
        self._spots_on: dict[tuple[str, str], list[Spot]] = {}
        self._names: dict[str, Spot] = {}
        for underlying in config.underlyings:
            named = [(name, symbol) for name, symbol in underlying.symbols.items() if name in self._sources]
            named.sort(key=lambda pair: config.prefer.index(pair[0]))
            spot = Spot((self._sources[name], symbol) for name, symbol in named)
            self._spots[underlying.series] = spot
            self._names.setdefault(underlying.series, spot)
            for name, symbol in named:
                self._spots_on.setdefault((name, symbol), []).append(spot)
                self._names.setdefault(symbol, spot)

    def of_series(self, series_ticker: str) -> Spot:
        """Return the reference of a series: of the underlyings that its ticker begins with, the longest."""
        matching = [series for series in self._spots if series_ticker.startswith(series)]
        return self._spots[max(matching, key=len)] if matching else self._none

    def bound_staleness(self, stale_max: Ns, at: Ns) -> None:
        """From now on a source is well if it was heard within another time."""
        for source in self._sources.values():
            well_before = source.well(at)
            source.stale_max = stale_max
            self._note(source, well_before, at)

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
        at = max(features.priced_at, event.received_at)
        well_before = source.well(at)
        source.is_connected = True
        features.on_price(event)
        self._note(source, well_before, at)
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
        well_before = source.well(event.received_at)
        source.is_trading = event.is_trading
        self._note(source, well_before, event.received_at)
        return self._tickers_of(source)

    def on_connection(self, event: e.FeedConnected | e.FeedDropped) -> dict[str, None]:
        """Take a connection's coming or going, if a source comes over it."""
        source = self._sources.get(SOURCE_OF_FEED.get(event.feed, ""))
        if source is None:
            return {}
        well_before = source.well(event.received_at)
        if isinstance(event, e.FeedDropped):
            source.drop()
        else:
            source.is_connected = source.is_trading = True
            source.connected_at = event.received_at
            if event.feed in REFERENCE_FEEDS:
                source.heard_at = event.received_at
        self._note(source, well_before, event.received_at)
        return self._tickers_of(source)

    def on_heard(self, event: e.FeedHeard) -> None:
        """Take a sign of life; one of the venue's connection says nothing of the index."""
        if event.feed in REFERENCE_FEEDS:
            source = self._sources.get(SOURCE_OF_FEED[event.feed])
            if source is not None:
                well_before = source.well(event.received_at)
                source.heard_at = event.received_at
                self._note(source, well_before, event.received_at)

    def _note(self, source: Source, well_before: list[str], at: Ns) -> None:
        """Take down what a source's word changed in whether it is well."""
        source.note_returns(well_before, at)
        for symbol in source.symbols:
            for spot in self._spots_on[source.name, symbol]:
                spot.forget_choice()

    def _tickers_on(self, source: str, symbol: str) -> dict[str, None]:
        spots = self._spots_on[source, symbol]
        if len(spots) == 1:
            return spots[0].tickers
        return {ticker: None for spot in spots for ticker in spot.tickers}

    def _tickers_of(self, source: Source) -> dict[str, None]:
        return {t: None for symbol in source.symbols for t in self._tickers_on(source.name, symbol)}
