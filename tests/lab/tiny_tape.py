"""A small tape of our own making, for the lab's tests: two markets of one event, their books, the spot."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path

from daemon.core.markets import Fees, MarketResult
from daemon.core.units import MILLISECOND, MINUTE, MONEY_ONE, SECOND, Ns
from daemon.exchange.tape import (
    TapeDelta,
    TapeManifest,
    TapeMarket,
    TapeRecord,
    TapeSettings,
    TapeSnapshot,
    TapeSpot,
)
from daemon.exchange.tick_tables import TAPERED_DECI_CENT
from daemon.lab.tape_writer import TapeWriter

START: Ns = 1_790_000_100 * SECOND
TICKERS = ("KXBTC15M-A-1", "KXBTC15M-A-2")


def market(
    ticker: str, outcome: MarketResult | None = "yes", close_at: Ns = START + 5 * MINUTE
) -> TapeMarket:
    """One market that opened five minutes before the tape begins."""
    return TapeMarket(
        ticker=ticker,
        event_ticker=ticker.rpartition("-")[0],
        series_ticker="KXBTC15M",
        title="",
        open_at=START - 5 * MINUTE,
        close_at=close_at,
        strike=85_000 * MONEY_ONE,
        strike_type="greater_or_equal",
        bands=TAPERED_DECI_CENT,
        fees=Fees("quadratic", 1_000_000),
        exchange_index=2,
        outcome=outcome,
        strike_known_at=START + 2 * SECOND,
    )


MARKETS = (market(TICKERS[0]), market(TICKERS[1], "no"))


def stream(seed: int, seconds: int, start_at: Ns = START) -> list[TapeRecord]:
    """So many seconds of two books and a spot, every 100 ms one change; no delta is impossible."""
    rng = random.Random(seed)
    records: list[TapeRecord] = []
    sizes: dict[tuple[str, str], dict[int, int]] = {}
    for seq, ticker in enumerate(TICKERS, 1):
        for side in ("yes", "no"):
            sizes[ticker, side] = {4_500 - 100 * place: 1_000 + 10 * place for place in range(5)}
        yes, no = (tuple(sorted(sizes[ticker, side].items())) for side in ("yes", "no"))
        records.append(TapeSnapshot(ticker, yes, no, seq, 0, start_at, None))
    seq, price = len(TICKERS), 85_000 * MONEY_ONE
    for step in range(1, 10 * seconds):
        at = start_at + step * 100 * MILLISECOND + rng.randrange(MILLISECOND)
        if step % 5 == 0:
            price += rng.randrange(-3, 4) * MONEY_ONE
            records.append(TapeSpot("elsewhere", "BTC-USD", price, str(step), at, at - 1))
        ticker, side = rng.choice(TICKERS), rng.choice(("yes", "no"))
        levels = sizes[ticker, side]
        at_level = rng.choice(sorted(levels)) if rng.random() < 0.5 else rng.randrange(40, 51) * 100
        size = levels.get(at_level, 0)
        delta = -size if size and rng.random() < 0.5 and len(levels) > 1 else rng.randrange(1, 500)
        levels[at_level] = size + delta
        if not levels[at_level]:
            del levels[at_level]
        seq += 1
        records.append(
            TapeDelta(ticker, "yes" if side == "yes" else "no", at_level, delta, seq, 0, at, at - MILLISECOND)
        )
    return records


def write_tape(
    folder: Path,
    sessions: Mapping[str, Iterable[TapeRecord]],
    markets: tuple[TapeMarket, ...] = MARKETS,
    settings: TapeSettings | None = None,
) -> TapeManifest:
    """Write sessions by name as a tape folder."""
    with TapeWriter(folder, "a test") as tape:
        for name, records in sessions.items():
            listed = list(records)
            writer = tape.session(name, ("c", "d"), listed[0].received_at, settings)
            for record in listed:
                writer.add(record)
        return tape.finish(markets)
