"""A sandbox with a past to ingest: three quarter-hours that are over, and one that runs; and its client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from daemon.core.units import HOUR, MINUTE, SECOND, Ns
from daemon.exchange.facts import Traded
from daemon.kalshi.auth import Signer, load_private_key
from daemon.lab.ingest.venue import ResearchRest, reading
from daemon.sandbox.flow import Candle, History, Ohlc, PastMarket, SpotPrinted
from tests.sandbox.running import Client, running
from tests.sandbox.scripted import ScriptedFlow, spec_of

SERIES = "KXBTC15M"
TRADES = 40
"""Of each past market."""
TEST_WITHIN_S = 30.0


def ticker_of(hours_ago: int) -> str:
    return f"KXBTC15M-26SEP25{hours_ago:02d}00-00"


PAST = tuple(ticker_of(hours) for hours in (4, 3, 2))
"""The markets that are over, oldest first."""


class PastFlow(ScriptedFlow):
    """Each past market had a candle a minute and a trade every 20 seconds, two of them in one second."""

    def history(self) -> History:
        """Return the three markets and an hour of spot prints."""
        hour = self.resumed.now // HOUR * HOUR
        candles: dict[str, tuple[Candle, ...]] = {}
        trades: list[Traded] = []
        markets: list[PastMarket] = []
        for hours in (4, 3, 2):
            begin = hour - hours * HOUR
            spec = spec_of(ticker_of(hours), begin, begin + 15 * MINUTE)
            candles[spec.ticker] = tuple(
                _candle(begin + minute * MINUTE, 4000 + minute) for minute in range(1, 16)
            )
            trades += [
                Traded(spec.ticker, f"{hours}-{number:03}", 4000 + number, 500, "yes", _at(begin, number))
                for number in range(TRADES)
            ]
            closed_at = spec.close_at
            markets.append(
                PastMarket(
                    spec, "yes", 10_000, "83,950.62", 12_300, closed_at + SECOND, closed_at + 2 * SECOND
                )
            )
        minutes = range(hour - HOUR, hour, MINUTE)
        spot = tuple(
            SpotPrinted("BTC/USD", 84_000_000_000 + at // MINUTE % 7, 10, True, 1, at) for at in minutes
        )
        return History(candles, tuple(trades), tuple(markets), spot)


def _at(begin: Ns, number: int) -> Ns:
    return begin + 20 * SECOND * (number // 2 * 2) + number % 2


def _candle(ended_at: Ns, price: int) -> Candle:
    flat = Ohlc(price, price + 100, price - 100, price)
    # The bids are gone for a while in the even minutes.
    bid = Ohlc(price - 50, price - 50, 0, price - 50) if price % 2 == 0 else flat
    traded = flat if price % 3 else None
    volume = 500 if price % 3 else 0
    return Candle(
        ended_at, bid, Ohlc(price + 50, 10_000, price + 50, price + 50), traded, volume, 7, volume * price
    )


@asynccontextmanager
async def past_venue(folder: Path) -> AsyncIterator[tuple[Client, ResearchRest]]:
    """Run the sandbox and a client within its budget."""
    async with (
        asyncio.timeout(TEST_WITHIN_S),
        running(folder, PastFlow) as client,
        rest_of(client) as venue,
    ):
        yield client, venue


@asynccontextmanager
async def rest_of(client: Client) -> AsyncIterator[ResearchRest]:
    """Connect to a sandbox that runs."""
    ready = client.ready
    signer = Signer(ready.key_id, load_private_key(Path(ready.private_key_path)))
    async with reading(ready.rest_url, signer, client.sandbox.venue.clock.now) as venue:
        yield venue
