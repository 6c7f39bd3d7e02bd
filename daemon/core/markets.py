"""What a market is: its identity, times, tick table, strike and fees, as the venue lists it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemon.core.units import Money, Ns, PriceBand, Qty

MarketStatus: TypeAlias = Literal[
    "initialized", "active", "inactive", "closed", "determined", "disputed", "amended", "finalized"
]
MarketResult: TypeAlias = Literal["yes", "no", "scalar"]
EventStructure: TypeAlias = Literal["ladder", "exclusive", "unknown"]
"""How the markets of an event hang together: "ladder", they ask where one number ends; "exclusive", at most
one of them ends YES; "unknown", the venue doesn't say."""
FeeType: TypeAlias = Literal["quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"]
"""The fee types that we can price. `flat` and any other one is refused, never taken as zero."""


class Fees(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The fee rule in force for a market: its type and multiplier, in millionths (1_000_000 = 1)."""

    fee_type: FeeType
    multiplier_ppm: int


class MarketSpec(msgspec.Struct, frozen=True, array_like=True):
    """One market as the venue lists it.

    `strike` (Money) is None until known: on recurring bitcoin markets it arrives half a second after
    the open. `strike_type` is the venue's word (`greater_or_equal`, …) or None. `strike_range` are the two
    bounds of a `between`, both within, None for all others. `volume_day` is what was traded in 24 hours as of
    the last look, its first two digits; None where not known, and while the market is open for less than
    that. `category` is its series', such as "Economics", empty where not known.
    """

    ticker: str
    event_ticker: str
    series_ticker: str
    title: str
    status: MarketStatus
    open_at: Ns
    close_at: Ns
    strike: Money | None
    strike_type: str | None
    bands: tuple[PriceBand, ...]
    fees: Fees
    exchange_index: int
    strike_range: tuple[Money, Money] | None = None
    structure: EventStructure = "unknown"
    volume_day: Qty | None = None
    category: str = ""
