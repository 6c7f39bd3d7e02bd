"""Stores for tests of the daily pipeline: made-up ladders that trend or only tremble, a few days each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from daemon.core.units import DAY, HOUR, MINUTE, PRICE_ONE, Ns
from daemon.lab.store import Store, open_store

SERIES = "KXMADE"
FIRST_DAY = 20_000

Rows = list[dict[str, Any]]
Price = Callable[[int, random.Random], float]
"""The change of a price over a day, in dollars, from its market's number."""


def trending(market: int, _random: random.Random) -> float:
    """Each market goes its own way, two cents and a half a day."""
    return 0.025 if market % 3 == 0 else -0.025


def trembling(_market: int, drawn: random.Random) -> float:
    """No market knows where it goes."""
    return drawn.choice((-0.03, -0.01, 0.0, 0.01, 0.03))


def made_store(root: Path, change: Price, events: int = 30, markets: int = 2, life_days: int = 8) -> Store:
    """Return an open store of so many events, one opened a day, each with markets of some days."""
    drawn = random.Random(7)
    listed: Rows = []
    settled: Rows = []
    candles: Rows = []
    trades: Rows = []
    for number in range(events * markets):
        event, place = divmod(number, markets)
        ticker = f"{SERIES}-{event:03}-T{place}"
        names = {"series_ticker": SERIES, "event_ticker": f"{SERIES}-{event:03}", "ticker": ticker}
        open_at = (FIRST_DAY + event) * DAY + HOUR
        close_at = open_at + life_days * DAY
        listed.append(
            names | {"title": "made", "open_at": open_at, "close_at": close_at, "strike_type": "greater",
                     "fee_type": "quadratic", "fee_multiplier_ppm": 1_000_000, "exchange_index": 0,
                     "was_over": True, "known_at": open_at}
        )  # fmt: skip
        price = 0.5
        of_it = {"series_ticker": SERIES, "ticker": ticker}
        for day in range(life_days + 1):
            begin = open_at // DAY * DAY + day * DAY
            candles += _candles(of_it, price, begin, open_at, close_at)
            trades += _trades(of_it, price, begin, open_at, close_at, drawn)
            price += change(number, drawn)
        is_yes = price > 0.5
        settled.append(
            names | {"result": "yes" if is_yes else "no", "settlement_price": PRICE_ONE if is_yes else 0,
                     "expiration_value": "", "closed_at": close_at, "settled_at": close_at + 5 * MINUTE,
                     "known_at": close_at + 5 * MINUTE}
        )  # fmt: skip
    store = open_store(root, may_create=True)
    for table, rows in (
        ("markets", listed),
        ("settlements", settled),
        ("candles", candles),
        ("trades", trades),
    ):
        store.add(table, rows)
    return store


def _cents(price: float) -> int:
    return round(price * 100) * 100


def _candles(
    of_it: dict[str, Any], price: float, begin: Ns, open_at: Ns, close_at: Ns
) -> Iterable[dict[str, Any]]:
    for hour in (14, 15, 16):
        ended_at = begin + hour * HOUR
        if open_at < ended_at < close_at:
            yield of_it | {
                "period_min": 60, "ended_at": ended_at, "known_at": ended_at, "volume": 0,
                "bid_close": _cents(price) - 100, "ask_close": _cents(price) + 100,
            }  # fmt: skip


def _trades(
    of_it: dict[str, Any], price: float, begin: Ns, open_at: Ns, close_at: Ns, drawn: random.Random
) -> Iterable[dict[str, Any]]:
    for hour in (2, 9, 17, 22):
        at = begin + hour * HOUR + drawn.randrange(HOUR)
        if open_at < at < close_at:
            is_yes = drawn.random() < 0.5
            yield of_it | {
                "trade_id": f"{of_it['ticker']}-{at}", "traded_at": at, "known_at": at,
                "price": _cents(price) + (100 if is_yes else -100), "qty": drawn.randrange(100, 5_000, 100),
                "taker_side": "yes" if is_yes else "no",
            }  # fmt: skip
