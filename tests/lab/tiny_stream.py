"""A tiny world as core events, for the lab's tests: a random spot, one market at a time, a lagged maker."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from daemon.core.events import (
    BookSnapshotReceived,
    Event,
    MarketDetermined,
    MarketListed,
    ReferencePriceReceived,
)
from daemon.core.markets import Fees, MarketSpec
from daemon.core.units import MINUTE, MONEY_ONE, PRICE_ONE, SECOND, Ns, PriceBand

START: Ns = 1_790_000_100 * SECOND
LIFE: Ns = 15 * MINUTE
SIGMA = 6e-5


def spec(number: int, strike: int) -> MarketSpec:
    """The number-th market: they follow each other without a pause."""
    return MarketSpec(
        ticker=f"T-{number}",
        event_ticker=f"E-{number}",
        series_ticker="KXBTC",
        title="",
        status="active",
        open_at=START + number * LIFE,
        close_at=START + (number + 1) * LIFE,
        strike=strike,
        strike_type="greater_or_equal",
        bands=(PriceBand(0, PRICE_ONE, 10),),
        fees=Fees("quadratic", 1_000_000),
        exchange_index=2,
    )


def tiny_stream(seed: int, markets: int) -> Iterator[Event]:
    """Yield the events of so many markets, one second per step; the maker sees the spot three steps late."""
    rng = random.Random(seed)
    price = 85_000 * MONEY_ONE
    seen = [price] * 4
    for number in range(markets):
        strike = price
        listed = spec(number, strike)
        yield MarketListed(listed, listed.open_at)
        for second in range(900):
            now = listed.open_at + second * SECOND + 1
            price = round(price * math.exp(rng.gauss(0, SIGMA)))
            seen = [*seen[1:], price]
            yield ReferencePriceReceived("kraken", "BTC/USD", price, now, None)
            sigmas = math.log(seen[0] / strike) / (SIGMA * math.sqrt(900 - second))
            fair = 0.5 * (1 + math.erf(sigmas / math.sqrt(2))) + rng.gauss(0, 0.01)
            middle = min(9_800, max(200, round(fair * 1_000) * 10))
            yes, no = ((middle - 50, 10_000),), ((PRICE_ONE - middle - 50, 10_000),)
            yield BookSnapshotReceived(listed.ticker, yes, no, now, None)
        is_yes = price >= strike
        yield MarketDetermined(
            listed.ticker, "yes" if is_yes else "no", PRICE_ONE if is_yes else 0, listed.close_at + SECOND
        )
