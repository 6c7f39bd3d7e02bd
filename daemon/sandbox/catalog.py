"""What a series is besides its markets: title, category, tags, frequency, sources of settlement."""

from __future__ import annotations

from typing import Final

import msgspec


class SeriesListing(msgspec.Struct, frozen=True):
    """One series as the venue lists it; `is_exclusive`: of an event one market at most resolves YES."""

    ticker: str
    title: str
    category: str = "Crypto"
    tags: tuple[str, ...] = ()
    frequency: str = "custom"
    source_name: str = "kalshid sandbox"
    is_exclusive: bool = False


_KNOWN: Final = (
    SeriesListing("KXBTC15M", "Bitcoin price up down", "Crypto", ("BTC", "15 min"), "fifteen_min"),
    SeriesListing("KXBTCD", "Bitcoin price above", "Crypto", ("BTC", "Hourly"), "hourly"),
)


class Catalog:
    """The series that were described; one that never was is listed under the title of its markets."""

    def __init__(self) -> None:
        self._listings = {listing.ticker: listing for listing in _KNOWN}

    def describe(self, listing: SeriesListing) -> None:
        """Describe a series, or describe it anew."""
        self._listings[listing.ticker] = listing

    def of(self, ticker: str, title: str) -> SeriesListing:
        """Return a series' listing; `title` is what it is called where nobody described it."""
        found = self._listings.get(ticker)
        return found if found is not None else SeriesListing(ticker, title)
