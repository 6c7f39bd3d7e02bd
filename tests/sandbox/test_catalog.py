"""Tests of what a series is besides its markets."""

from __future__ import annotations

from daemon.sandbox.catalog import Catalog, SeriesListing


def test_a_series_is_what_it_was_last_described_as() -> None:
    """The bitcoin series are known; another one has the title of its markets until it is described."""
    catalog = Catalog()
    assert ("Crypto", "fifteen_min") == (
        catalog.of("KXBTC15M", "").category,
        catalog.of("KXBTC15M", "").frequency,
    )
    assert SeriesListing("KXRAIN", "Rain?") == catalog.of("KXRAIN", "Rain?")
    catalog.describe(SeriesListing("KXRAIN", "Rain", "Climate", ("NYC",)))
    assert "Climate" == catalog.of("KXRAIN", "Rain?").category
