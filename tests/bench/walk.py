"""One recurring bitcoin market as frames on the wire: a spot that walks and a book that follows it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from daemon.core import events as e
from daemon.core.markets import Fees, MarketSpec
from daemon.core.units import (
    MILLISECOND,
    MINUTE,
    MONEY_ONE,
    SECOND,
    Ns,
    PriceBand,
    format_price,
    format_qty,
)

TICKER = "KXBTC15M-26SEP251530-30"
OPEN_AT: Ns = 1_790_364_600 * SECOND
STRIKE = 84_000 * MONEY_ONE
STEP: Ns = 10 * MILLISECOND
SLOW_STEP: Ns = 500 * MILLISECOND
_BANDS = (PriceBand(0, 1_000, 10), PriceBand(1_000, 9_000, 100), PriceBand(9_000, 10_000, 10))


def listing() -> MarketSpec:
    """The market, as the venue lists it."""
    return MarketSpec(
        ticker=TICKER, event_ticker="KXBTC15M-26SEP251530", series_ticker="KXBTC15M", title="BTC up?",
        status="active", open_at=OPEN_AT, close_at=OPEN_AT + 15 * MINUTE, strike=STRIKE,
        strike_type="greater_or_equal", bands=_BANDS, fees=Fees("quadratic", 1_000_000), exchange_index=2,
    )  # fmt: skip


def _frame(kind: str, seq: int, msg: dict[str, object], at: Ns) -> bytes:
    frame = {"type": kind, "sid": 1, "seq": seq, "msg": msg, "sending_ts_ms": at // MILLISECOND}
    return json.dumps(frame, separators=(",", ":")).encode() + b"\n"


def frames_of_a_walk(count: int, seed: int = 1, slow: int = 0) -> Iterator[tuple[Ns, bytes, int]]:
    """Yield (instant, frame, spot in Money): a snapshot, then `count` deltas, 100 a second.

    The first `slow` of them come half a second apart: that fills the windows of some minutes. The best
    levels stand where they are and change size; every fortieth message empties or refills one, so that the
    mid moves. No delta is impossible.
    """
    rng = random.Random(seed)
    sizes = {
        side: {price: 40_000 + 1_000 * i for i, price in enumerate(range(3_000, 4_900, 100))}
        for side in ("yes", "no")
    }
    at = OPEN_AT + 5 * MINUTE
    spot = STRIKE
    levels = {
        f"{side}_dollars_fp": [[format_price(price), format_qty(size)] for price, size in ladder.items()]
        for side, ladder in sizes.items()
    }
    yield at, _frame("orderbook_snapshot", 1, {"market_ticker": TICKER, "market_id": "m", **levels}, at), spot
    for number in range(2, count + 2):
        at += SLOW_STEP if number < slow + 2 else STEP
        spot += rng.randrange(-3, 4) * MONEY_ONE
        side = rng.choice(("yes", "no"))
        ladder = sizes[side]
        price = 4_800 if number % 40 == 0 else rng.choice((4_500, 4_600, 4_700))
        size = ladder.get(price, 0)
        if price == 4_800:
            delta = -size if size else 30_000
        else:
            delta = rng.randrange(1, 50) * 100 * rng.choice((-1, 1))
            delta = abs(delta) if size + delta <= 0 else delta
        ladder[price] = size + delta
        msg: dict[str, object] = {
            "market_ticker": TICKER,
            "market_id": "ef0ce114-eb71-419d-9563-c670d1859d5d",
            "price_dollars": format_price(price),
            "delta_fp": format_qty(delta),
            "side": side,
            "ts": "2026-09-25T19:13:44.342537Z",
            "ts_ms": at // MILLISECOND,
        }
        yield at, _frame("orderbook_delta", number, msg, at), spot


def reference(at: Ns, spot: int) -> e.ReferencePriceReceived:
    """The spot price as the reference feed tells it."""
    return e.ReferencePriceReceived("kraken", "BTC/USD", spot, at, at)
