"""Listings for tests: a quarter-hour market around T0 with good quotes, changed as a test says."""

from __future__ import annotations

import msgspec

from daemon.core.units import MINUTE, Ns
from daemon.kalshi.bodies import Listing
from tests.core.worlds import T0, TICKER, spec

GOOD = Listing(
    spec=spec(),
    bid=4_000,
    ask=4_200,
    bid_qty=10_000,
    ask_qty=10_000,
    volume_24h=100_000,
    tick_structure="tapered_deci_cent",
)


def listing(
    ticker: str = TICKER,
    *,
    status: str = "active",
    opens: Ns = -5 * MINUTE,
    closes: Ns = 10 * MINUTE,
    **changes: object,
) -> Listing:
    """A listed market that opens and closes so long from T0; `changes` are the listing's own fields."""
    market = spec(ticker, status=status, open_at=T0 + opens, close_at=T0 + closes)
    return msgspec.structs.replace(GOOD, spec=market, **changes)
