"""The markets as REST finds them: grouped, filtered, and split into the live and the historical tier."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec

from daemon.core.units import DAY
from daemon.exchange.market import Market
from daemon.sandbox.bodies import bare_text, nested_error
from daemon.sandbox.catalog import SeriesListing
from daemon.sandbox.cutoff import Cutoff
from daemon.sandbox.market_bodies import market_body
from daemon.sandbox.rest.query import Query, Span, choice, names, span
from daemon.sandbox.venue import Venue

STATUSES: Final = {
    "unopened": ("initialized",),
    "open": ("active",),
    "paused": ("inactive",),
    "closed": ("closed", "determined", "disputed", "amended"),
    "settled": ("finalized",),
}
"""The filter's words, and the markets' own (protocol sheet 4.2)."""

# A family of time filters → the status filters that it goes with. Source: protocol sheet 4.2.
_FAMILIES: Final[dict[str, Collection[str | None]]] = {
    "created": {None, "unopened", "open"},
    "close": {None, "closed"},
    "settled": {None, "settled"},
    "updated": {None},
}
# What may stand beside an `updated` filter; "only" of `mve_filter` may not.
_WITH_UPDATED: Final = frozenset({"limit", "cursor", "mve_filter", "series_ticker"})


class MarketFilter(msgspec.Struct, frozen=True):
    """Which markets GET /markets wants."""

    series: str | None
    event: str | None
    tickers: frozenset[str] | None
    statuses: tuple[str, ...] | None
    created: Span
    close: Span
    settled: Span
    updated: Span
    is_multivariate_only: bool

    def takes(self, market: Market) -> bool:
        """Whether a market is wanted. None of ours is multivariate."""
        spec = market.spec
        return (
            not self.is_multivariate_only
            and self.series in {None, spec.series_ticker}
            and self.event in {None, spec.event_ticker}
            and (self.tickers is None or spec.ticker in self.tickers)
            and (self.statuses is None or spec.status in self.statuses)
            and spec.close_at in self.close
            and market.created_at in self.created
            and market.settled_at in self.settled
            and market.updated_at in self.updated
        )


def market_filter(query: Query, operation: str) -> MarketFilter:
    """Return the filter of a request. Raises ApiError 400, bare, also for filters that exclude each other."""
    status = choice(query, "status", operation, STATUSES)
    spans = {family: span(query, f"{family}_", operation) for family in _FAMILIES}
    given = [family for family, found in spans.items() if found.is_bounded]
    if len(given) > 1:
        raise bare_text(operation, f"{given[0]} and {given[1]} timestamp filters are mutually exclusive")
    if given and status not in _FAMILIES[given[0]]:
        raise bare_text(operation, f"{given[0]} timestamp filters don't go with status {status}")
    mve = choice(query, "mve_filter", operation, ("only", "exclude"))
    if given == ["updated"]:
        own = {"min_updated_ts", "max_updated_ts"}
        others = sorted(name for name, value in query.items() if value and name not in _WITH_UPDATED | own)
        if others or mve == "only":
            named = others[0] if others else "mve_filter only"
            raise bare_text(operation, f"updated timestamp filters don't go with {named}")
    tickers = names(query, "tickers")
    return MarketFilter(
        query.get("series_ticker") or None,
        query.get("event_ticker") or None,
        None if tickers is None else frozenset(tickers),
        None if status is None else STATUSES[status],
        spans["created"],
        spans["close"],
        spans["settled"],
        spans["updated"],
        mve == "only",
    )


class Listings:
    """The venue's markets, read by the public calls."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._markets = venue.exchange.markets

    def _past(self) -> dict[str, Market]:
        archive = self._venue.chronicle.archive
        return {} if archive is None else archive.markets(self._venue.clock.now())

    def _all(self) -> dict[str, Market]:
        """All that is told of: what was over before the exchange began, then its own, as they were listed."""
        return {**self._past(), **self._markets}

    @property
    def cutoff(self) -> Cutoff:
        """Return where the live tier ends now."""
        return self._venue.chronicle.cutoff.at(self._venue.clock.now())

    def newest_first(self, *, is_archived: bool) -> list[Market]:
        """Return the markets of one tier."""
        cutoff = self.cutoff
        return [
            market
            for market in reversed(self._all().values())
            if cutoff.is_archived_market(market.settled_at) == is_archived
        ]

    def find(self, ticker: str, *, is_archived: bool) -> Market | None:
        """Return a market of one tier; None if it isn't there."""
        market = self._markets.get(ticker) or self._past().get(ticker)
        if market is None or self.cutoff.is_archived_market(market.settled_at) != is_archived:
            return None
        return market

    def find_live(self, ticker: str) -> Market | None:
        """Return a market of the live tier; None if it isn't there."""
        return self.find(ticker, is_archived=False)

    def live(self, ticker: str) -> Market:
        """Return a market of the live tier. Raises ApiError 404."""
        return self._present(self.find(ticker, is_archived=False))

    def archived(self, ticker: str) -> Market:
        """Return a market of the historical tier. Raises ApiError 404."""
        return self._present(self.find(ticker, is_archived=True))

    @staticmethod
    def _present(market: Market | None) -> Market:
        if market is None:
            raise nested_error(404, "not_found")
        return market

    def by_series(self) -> dict[str, list[Market]]:
        """Return all markets by series, in the order of their listing."""
        return self._grouped("series_ticker")

    def by_event(self) -> dict[str, list[Market]]:
        """Return all markets by event, in the order of their listing."""
        return self._grouped("event_ticker")

    def _grouped(self, field: str) -> dict[str, list[Market]]:
        found: dict[str, list[Market]] = {}
        for market in self._all().values():
            found.setdefault(getattr(market.spec, field), []).append(market)
        return found

    def series_of(self, market: Market) -> SeriesListing:
        """Return the listing of a market's series."""
        return self._venue.catalog.of(market.spec.series_ticker, market.spec.title)

    def body(self, market: Market) -> dict[str, Any]:
        """Return a market as the lists show it."""
        before = self._venue.clock.now() - DAY
        return market_body(market, self._venue.chronicle.volume_before(market.ticker, before))
