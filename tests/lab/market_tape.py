"""A tape of many short markets for the tests of training: a random spot, books that nearly know, outcomes."""

from __future__ import annotations

import math
import random
from pathlib import Path

import msgspec

from daemon.core.units import MINUTE, MONEY_ONE, PRICE_ONE, SECOND, Ns
from daemon.exchange.tape import TapeDelta, TapeManifest, TapeMarket, TapeSnapshot, TapeSpot
from tests.lab.tiny_tape import START, market, write_tape

SERIES = "KXBTC15M"
LIFE: Ns = 15 * MINUTE
SEEN_S = 60
"""Of each market only its last seconds are recorded."""
SIGMA = 6e-5
"""Of the spot's logarithm, per root of a second."""


def recorded(
    seed: int, count: int
) -> tuple[list[TapeSnapshot | TapeDelta | TapeSpot], tuple[TapeMarket, ...]]:
    """So many markets one after the other, their books a little beside what the spot says."""
    rng = random.Random(seed)
    records: list[TapeSnapshot | TapeDelta | TapeSpot] = []
    markets = []
    price, seq = 85_000.0, 0
    for number in range(count):
        close_at = START + (number + 1) * LIFE
        strike = round(price + rng.gauss(0, 25))
        ticker = f"{SERIES}-{number:03d}-00"
        before = market(ticker, None, close_at)
        for second in range(SEEN_S, -2, -1):
            at = close_at - second * SECOND
            price *= math.exp(rng.gauss(0, SIGMA)) if second > 0 else 1.0
            records.append(
                TapeSpot("kraken", "BTC/USD", round(price * 100) * MONEY_ONE // 100, str(at), at, at)
            )
            if second <= 0:
                continue  # the recorder hears the spot a little longer than the book
            sigmas = math.log(price / strike) / (SIGMA * math.sqrt(second))
            fair = 0.5 * (1 + math.erf(sigmas / math.sqrt(2))) + rng.gauss(0, 0.03)
            middle = min(9_700, max(300, round(fair * 100) * 100))
            seq += 1
            yes, no = ((middle - 100, 10_000),), ((PRICE_ONE - middle - 100, 10_000),)
            records.append(TapeSnapshot(ticker, yes, no, seq, 0, at + 1, None))
            seq += 1
            records.append(TapeDelta(ticker, "yes", middle - 200, 100, seq, 0, at + 2, at + 1))
        markets.append(
            msgspec.structs.replace(
                before,
                outcome="yes" if price >= strike else "no",
                open_at=close_at - LIFE,
                strike=strike * MONEY_ONE,
                strike_known_at=close_at - LIFE + 2 * SECOND,
            )
        )
        price = min(90_000.0, max(80_000.0, price))
    return records, tuple(markets)


def write_markets(folder: Path, count: int, seed: int = 1) -> TapeManifest:
    """Write them as a tape of two sessions, "a" and (the last market, which is soon played) "b"."""
    records, markets = recorded(seed, count)
    begins = markets[-1].close_at - SEEN_S * SECOND
    sessions = {"a": [one for one in records if one.received_at < begins]}
    return write_tape(
        folder, sessions | {"b": [one for one in records if one.received_at >= begins]}, markets
    )
