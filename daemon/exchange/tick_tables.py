"""The tick tables that our own markets use, by the venue's label.

A client reads `price_ranges` of the market, never the label; only the exchange's side needs these.
Source: protocol sheet 3.2.
"""

from __future__ import annotations

from typing import Final

from daemon.core.units import PRICE_ONE, PriceBand

LINEAR_CENT: Final = (PriceBand(0, PRICE_ONE, 100),)
TAPERED_DECI_CENT: Final = (
    PriceBand(0, 1_000, 10),
    PriceBand(1_000, 9_000, 100),
    PriceBand(9_000, PRICE_ONE, 10),
)
