"""Kraken's candles into the store. REST tells the newest 720 and nothing before them: read it often enough.

What lies between two readings too far apart is missing for good, and said: a feature over it is unknown,
never a bridge. Minutes without a trade have no candle, and are no gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from random import random

import msgspec

from daemon.core.backoff import Backoff
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kraken.candles import Candle, Past
from daemon.kraken.rest import ROWS_MAX, KrakenRest, ReadFailed
from daemon.lab.ingest.coverage import Coverage, Covered, Span
from daemon.lab.ingest.keeping import Keeping
from daemon.lab.store import STATE_FOLDER, Store
from daemon.lab.store_tables import Row
from daemon.lab.store_writer import Added

INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
"""Minutes of Kraken's candles. Source: protocol sheet 8.1."""
ATTEMPTS_MAX = 5
_OLD_NAMES = {"XBT": "BTC", "XDG": "DOGE"}


class Told(msgspec.Struct, frozen=True):
    """What came of a run; `gaps` are the spans (Unix seconds) between readings that nobody tells any more."""

    added: Added
    gaps: tuple[Span, ...]


def symbol_of(pair: str) -> str:
    """Return a pair as the store names it, by the newer names: XBT/USD is BTC/USD.

    Raises:
        ValueError: it isn't two names with a slash between.
    """
    parts = [_OLD_NAMES.get(part, part) for part in pair.upper().split("/")]
    if len(parts) != 2 or not all(part.isalnum() for part in parts):
        raise ValueError(f"{pair!r} is not a pair such as BTC/USD")
    return "/".join(parts)


async def ingest_kraken(
    rest: KrakenRest, store: Store, symbol: str, period_min: int, now: Callable[[], Ns]
) -> Told:
    """Read a symbol's candles into the store: those that are over, and that the store hasn't.

    Raises:
        ReadFailed | ReadRefused: Kraken didn't answer for long, or said no.
        StoreError: the store can't be written.
    """
    store.lock()
    name = symbol.replace("/", "")
    keeping = Keeping(store, Coverage(store.root / STATE_FOLDER / "kraken" / f"{name}.jsonl"))
    stream, period = f"ohlc/{period_min}/{symbol}", period_min * MINUTE
    known = keeping.coverage.of(stream)
    since = known[-1][1] * SECOND if known else None
    past = await _past(rest, symbol, period, since)
    span = _span(past, since, period, now())
    if span is not None:
        rows = [_row(symbol, period_min, one) for one in past.candles if one.began_at < span[1] * SECOND]
        keeping.keep("ohlc", rows, [Covered(stream, *span)])
    keeping.flush()
    spans = keeping.coverage.of(stream)
    gaps = tuple((before[1], after[0]) for before, after in pairwise(spans))
    return Told(keeping.added.get("ohlc", Added()), gaps)


async def _past(rest: KrakenRest, symbol: str, period: Ns, since: Ns | None) -> Past:
    backoff = Backoff(random)
    while True:
        try:
            return await rest.ohlc(symbol, period, since)
        except ReadFailed:
            if backoff.attempts >= ATTEMPTS_MAX - 1:
                raise
        await asyncio.sleep(backoff.next_s())


def _span(past: Past, since: Ns | None, period: Ns, now: Ns) -> Span | None:
    """Return the seconds of which the answer has all candles that began in them; None if there are none."""
    until = min(past.covered_until, now - now % period)
    if past.candles:
        begin = past.candles[0].began_at
    elif since is None:
        return None
    else:
        begin = until
    if since is not None:
        # So many of the newest rows, the running one among them, are told however few of them had trades.
        begin = max(since, min(begin, until - (ROWS_MAX - 1) * period))
    return None if begin >= until else (begin // SECOND, until // SECOND)


def _row(symbol: str, period_min: int, candle: Candle) -> Row:
    return {
        "pair": symbol,
        "period_min": period_min,
        "began_at": candle.began_at,
        "open": candle.open,
        "high": candle.high,
        "low": candle.low,
        "close": candle.close,
        "volume_e8": candle.volume_e8,
        "known_at": candle.began_at + period_min * MINUTE,
    }
