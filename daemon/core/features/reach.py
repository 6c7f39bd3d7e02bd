"""How far into the past the features of a schema look: what has to be read of it before they are warm."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from daemon.core.features.catalogue import definition_of
from daemon.core.features.totals import grain_of
from daemon.core.features.trade_statistics import PERIODS
from daemon.core.units import HOUR, MINUTE, Ns


class Reach(msgspec.Struct, frozen=True):
    """The past that is read, by what it is read from; 0 where no feature looks back."""

    minutes: Ns
    """One-minute candles of the quotes."""
    hours: Ns
    """Hourly candles of the quotes."""
    trades: Ns
    """Public trades."""


def reach_of(names: Iterable[str]) -> Reach:
    """Return how far a schema's features look back.

    Raises:
        ValueError: a feature doesn't exist.
    """
    minutes = hours = trades = 0
    for definition in map(definition_of, names):
        window = definition.window or 0
        if definition.source == "trades":
            # Whole periods begin up to one of them before the window that they fill.
            period = window // PERIODS if definition.name.startswith("volume_z_") else 0
            trades = max(trades, window + max(grain_of(window), period, MINUTE))
        elif definition.source == "book" and window > HOUR:
            hours = max(hours, window + HOUR)
        elif definition.source == "book" and window >= MINUTE:
            minutes = max(minutes, window + 2 * MINUTE)
    return Reach(minutes, hours, trades)
