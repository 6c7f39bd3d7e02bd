"""Candles as they are asked for and as they are written: live names, historical names (sheet 4.3, 4.4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from daemon.core.units import DAY, HOUR, MINUTE, SECOND, Ns, Price
from daemon.exchange.market import Market
from daemon.sandbox.bodies import PRICE_TEXT, bare_error, qty_text
from daemon.sandbox.chronicle import Chronicle
from daemon.sandbox.flow import Candle, Ohlc
from daemon.sandbox.rest.query import Query, flag, seconds, whole

PERIODS: Final[dict[int, Ns]] = {1: MINUTE, 60: HOUR, 1440: DAY}


class Asked(msgspec.Struct, frozen=True, gc=False):
    """Which candles a request wants: those that end within [start_at, end_at]."""

    start_at: Ns
    end_at: Ns
    period: Ns
    with_latest_before: bool


class Row(msgspec.Struct, frozen=True):
    """A candle, and the last traded price before it: None when nothing was traded before."""

    candle: Candle
    previous: Price | None


def asked(query: Query, operation: str) -> Asked:
    """Return what a request wants. Raises ApiError 400, bare."""
    start_at = seconds(query, "start_ts", operation)
    end_at = seconds(query, "end_ts", operation)
    minutes = whole(query, "period_interval", operation)
    for name, value in (("StartTs", start_at), ("EndTs", end_at), ("PeriodInterval", minutes)):
        if value is None:
            raise bare_error(operation, name, "required")
    period = PERIODS.get(minutes or 0)
    if period is None:
        raise bare_error(operation, "PeriodInterval", "oneof")
    assert start_at is not None
    assert end_at is not None
    if end_at < start_at:
        raise bare_error(operation, "EndTs", "gtefield")
    return Asked(start_at, end_at, period, flag(query, "include_latest_before_start", operation) or False)


def rows(chronicle: Chronicle, market: Market, wanted: Asked) -> list[Row]:
    """Return a market's candles, oldest first, each with the price before it."""
    found = chronicle.candles(market, wanted.start_at, wanted.end_at, wanted.period)
    if wanted.with_latest_before:
        found = _with_latest_before(chronicle, market, wanted, found)
    if not found:
        return []
    previous = chronicle.last_price_before(market.ticker, found[0].ended_at - wanted.period + 1)
    listed = []
    for candle in found:
        listed.append(Row(candle, previous))
        if candle.price is not None:
            previous = candle.price.close
    return listed


def _with_latest_before(
    chronicle: Chronicle, market: Market, wanted: Asked, found: list[Candle]
) -> list[Candle]:
    """Put the latest candle before the start in front, moved to the first boundary from the start on.

    It has no trades, and its quotes stand where they stood last. A real candle at that boundary says
    all that itself, and is not doubled. Source: openapi of 10 June 2026, `include_latest_before_start`.
    """
    latest = chronicle.latest_before(market.ticker, wanted.start_at)
    first_end = -(-wanted.start_at // wanted.period) * wanted.period
    if latest is None or (found and found[0].ended_at <= first_end):
        return found
    bid, ask = latest.bid.close, latest.ask.close
    flat = Candle(
        first_end, Ohlc(bid, bid, bid, bid), Ohlc(ask, ask, ask, ask), None, 0, latest.open_interest
    )
    return [flat, *found]


def _mean(candle: Candle) -> Price | None:
    """Return the volume-weighted price, to the nearest 1e-4 $; None without trades."""
    if candle.price is None or not candle.volume:
        return None
    return (2 * candle.turnover + candle.volume) // (2 * candle.volume)


def _prices(ohlc: Ohlc, suffix: str) -> dict[str, str | None]:
    return {
        f"close{suffix}": PRICE_TEXT[ohlc.close],
        f"high{suffix}": PRICE_TEXT[ohlc.high],
        f"low{suffix}": PRICE_TEXT[ohlc.low],
        f"open{suffix}": PRICE_TEXT[ohlc.open],
    }


def live_body(row: Row) -> dict[str, Any]:
    """Return a candle of the live tier: members that nothing was traded for are missing."""
    candle = row.candle
    price: dict[str, str | None] = {}
    if candle.price is not None:
        price = _prices(candle.price, "_dollars")
    mean = _mean(candle)
    if mean is not None:
        price["mean_dollars"] = PRICE_TEXT[mean]
    if row.previous is not None:
        price["previous_dollars"] = PRICE_TEXT[row.previous]
    return {
        "end_period_ts": candle.ended_at // SECOND,
        "open_interest_fp": qty_text(candle.open_interest),
        "price": price,
        "volume_fp": qty_text(candle.volume),
        "yes_ask": _prices(candle.ask, "_dollars"),
        "yes_bid": _prices(candle.bid, "_dollars"),
    }


def historical_body(row: Row) -> dict[str, Any]:
    """Return a candle of the historical tier: other names, and nulls where nothing was traded."""
    candle = row.candle
    mean = _mean(candle)
    price: dict[str, str | None] = dict.fromkeys(("close", "high", "low", "open"))
    if candle.price is not None:
        price = _prices(candle.price, "")
    price["mean"] = None if mean is None else PRICE_TEXT[mean]
    price["previous"] = None if row.previous is None else PRICE_TEXT[row.previous]
    return {
        "end_period_ts": candle.ended_at // SECOND,
        "open_interest": qty_text(candle.open_interest),
        "price": price,
        "volume": qty_text(candle.volume),
        "yes_ask": _prices(candle.ask, ""),
        "yes_bid": _prices(candle.bid, ""),
    }


def end_within(listed: Iterable[list[Row]], most: int) -> Ns | None:
    """Return the last end up to which all these lists together hold at most so many candles.

    None: they hold no more than that as they are.
    """
    ends = sorted(row.candle.ended_at for rows_of_one in listed for row in rows_of_one)
    if len(ends) <= most:
        return None
    # All candles of one end stand or fall together: the first one too many ends nothing.
    kept = [end for end in ends if end < ends[most]]
    return kept[-1] if kept else ends[0] - 1
