"""Kraken's REST candles: GET /0/public/OHLC. Errors have status 200 (protocol sheet 8.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from daemon.core.units import MINUTE, SECOND, Ns
from daemon.sandbox.reference.rows import ohlc_texts
from daemon.sandbox.reference.spot_bars import SpotBars

PATH: Final = "/0/public/OHLC"
BASE_PATH: Final = "/0/public"
ROWS_MAX: Final = 720
INTERVALS: Final = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
"""Minutes. A week is the longest past that is kept, so the longest of these have one candle or two."""
_LEGACY: Final = {"BTC": "XBT", "DOGE": "XDG"}


def pair_names(symbol: str) -> tuple[str, ...]:
    """Return the spellings of a symbol that REST knows; the last one is the key that it answers under."""
    base, _, quote = symbol.partition("/")
    old = _LEGACY.get(base, base)
    return (symbol, base + quote, f"{old}/{quote}", old + quote, f"X{old}Z{quote}")


def _error(text: str) -> dict[str, Any]:
    return {"error": [text]}


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def ohlc_body(series: Mapping[str, SpotBars], query: Mapping[str, str], now: Ns) -> dict[str, Any]:
    """Return the answer to a request for candles.

    At most the newest 720 that began after `since`; the last one always runs, with nothing traded perhaps;
    `last` is the newest finished one.
    """
    minutes, since = _whole(query.get("interval", "1")), _whole(query.get("since", "0"))
    if "pair" not in query or minutes not in INTERVALS or since is None:
        return _error("EGeneral:Invalid arguments")
    found = [symbol for symbol in series if query["pair"].upper() in pair_names(symbol)]
    if not found:
        return _error("EQuery:Unknown asset pair")
    period = minutes * MINUTE
    bars = series[found[0]].bars(period, ROWS_MAX)
    running_at = now - now % period
    rows = [ohlc_texts(bar) for bar in bars if bar.began_at > since * SECOND]
    finished = [bar.began_at for bar in bars if bar.began_at < running_at]
    if bars and bars[-1].began_at < running_at:
        close = ohlc_texts(bars[-1])[4]
        rows.append([running_at // SECOND, close, close, close, close, "0.0", "0.00000000", 0])
    last = finished[-1] if finished else running_at - period
    return {"error": [], "result": {pair_names(found[0])[-1]: rows[-ROWS_MAX:], "last": last // SECOND}}
