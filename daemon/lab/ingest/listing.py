"""What the venue lists, as rows of the store: series, events, markets and, apart from them, their ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from daemon.core.events import BookSnapshotReceived
from daemon.core.units import Ns
from daemon.kalshi.bodies import MarketOutcome, Series
from daemon.kalshi.decode import decode_number


def series_row(series: Series, read_at: Ns) -> dict[str, Any]:
    """Return a series. Known from our reading it on: what it said before, nobody tells."""
    return {
        "series_ticker": series.ticker,
        "title": series.title,
        "category": series.category,
        "frequency": series.frequency,
        "fee_type": series.fee_type,
        "fee_multiplier_ppm": decode_number(series.fee_multiplier, 6),
        "exchange_index": series.exchange_index,
        "known_at": read_at,
    }


def market_row(market: MarketOutcome, read_at: Ns) -> dict[str, Any]:
    """Return a market with nothing that its end made known; see the store's head on `close_at`.

    It is known from its opening on, though the strike of a recurring one arrives half a second later.
    """
    spec = market.spec
    floor, cap = spec.strike_range or (None, None)
    return {
        "series_ticker": spec.series_ticker,
        "event_ticker": spec.event_ticker,
        "ticker": spec.ticker,
        "title": spec.title,
        "open_at": spec.open_at,
        "close_at": spec.close_at,
        "strike_type": spec.strike_type,
        "strike": spec.strike,
        "strike_floor": floor,
        "strike_cap": cap,
        "fee_type": spec.fees.fee_type,
        "fee_multiplier_ppm": spec.fees.multiplier_ppm,
        "exchange_index": spec.exchange_index,
        "was_over": read_at >= spec.close_at,
        "known_at": spec.open_at,
    }


def settlement_row(market: MarketOutcome) -> dict[str, Any] | None:
    """Return how a market ended; None until it is settled."""
    spec = market.spec
    if market.settled_at is None or market.result is None:
        return None
    return {
        "series_ticker": spec.series_ticker,
        "event_ticker": spec.event_ticker,
        "ticker": spec.ticker,
        "result": market.result,
        "settlement_price": market.settlement_price,
        "expiration_value": market.expiration_value,
        "closed_at": spec.close_at,
        "settled_at": market.settled_at,
        "known_at": market.settled_at,
    }


def event_rows(markets: Iterable[MarketOutcome], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the events of markets, known from the opening of their first market on."""
    found: dict[str, dict[str, Any]] = {}
    for market in markets:
        spec = market.spec
        row = found.setdefault(
            spec.event_ticker,
            {
                "series_ticker": spec.series_ticker,
                "event_ticker": spec.event_ticker,
                "title": titles[spec.event_ticker],
                "structure": spec.structure,
                "known_at": spec.open_at,
            },
        )
        row["known_at"] = min(row["known_at"], spec.open_at)
    return list(found.values())


def book_rows(series: str, books: Sequence[BookSnapshotReceived]) -> list[dict[str, Any]]:
    """Return books as rows, a level each: level 0 is the best, prices on each side's own scale."""
    return [
        {
            "series_ticker": series,
            "ticker": book.ticker,
            "known_at": book.received_at,
            "side": side,
            "level": level,
            "price": price,
            "qty": qty,
        }
        for book in books
        for side, ladder in (("yes", book.yes), ("no", book.no))
        for level, (price, qty) in enumerate(reversed(ladder))
    ]
