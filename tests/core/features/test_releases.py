"""Scheduled releases by series."""

from __future__ import annotations

from daemon.core.features.releases import Release, instants_of


def test_a_series_has_its_own_releases_in_order_and_each_instant_once() -> None:
    """Those of another series are none of its, however alike the name."""
    releases = (
        Release("KXCPI", 30, "CPI"),
        Release("KXCPI", 10, "CPI"),
        Release("KXCPIY", 20, "CPI"),
        Release("KXCPI", 30, "the same again"),
    )
    assert instants_of(releases, "KXCPI") == (10, 30)
    assert instants_of(releases, "KXFED") == ()
