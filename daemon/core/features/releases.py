"""When figures are published: the releases that an owner wrote down, by series."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from daemon.core.units import Ns


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One scheduled publication that moves the markets of a series."""

    series: str
    at: Ns
    name: str


def instants_of(releases: Iterable[Release], series_ticker: str) -> tuple[Ns, ...]:
    """Return when something is released for a series, in order."""
    return tuple(sorted({release.at for release in releases if release.series == series_ticker}))
