"""REST bodies of series, events, markets, books and trades (protocol sheet 4.2, 4.3)."""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import Any

from daemon.core.events import Level
from daemon.core.markets import Fees
from daemon.core.units import DAY, MINUTE, MONEY_ONE, PRICE_ONE, Money, Ns, PriceBand, Qty
from daemon.exchange.facts import EventFeesChanged, Traded
from daemon.exchange.market import Market
from daemon.exchange.tick_tables import LINEAR_CENT, TAPERED_DECI_CENT
from daemon.sandbox.bodies import PRICE_TEXT, no_price, qty_text, time_text, whole_cents
from daemon.sandbox.catalog import SeriesListing

_STRUCTURES = {LINEAR_CENT: "linear_cent", TAPERED_DECI_CENT: "tapered_deci_cent"}
SETTLEMENT_BOUNDS = "default"
"""Of every market. Source: protocol sheet 11, row 20."""
COLLATERAL_RETURN = ""
"""Of every event: MECNET and DIRECNET are not simulated. Source: protocol sheet 11, row 21."""
_RULES = "Simulated on this machine; nothing here is an offer of any exchange."


@lru_cache(maxsize=4096)
def market_id(ticker: str) -> str:
    """Return a market's UUID, which follows from its name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"kalshid:market:{ticker}"))


def structure(bands: tuple[PriceBand, ...]) -> str:
    """Return the label of a tick table; empty when it has none."""
    return _STRUCTURES.get(bands, "")


def price_ranges(bands: tuple[PriceBand, ...]) -> list[dict[str, str]]:
    """Return a tick table as the wire writes it."""
    return [
        {"end": PRICE_TEXT[band.end], "start": PRICE_TEXT[band.start], "step": PRICE_TEXT[band.step]}
        for band in bands
    ]


def strike_number(strike: Money) -> float | int:
    """Return a strike as the wire's JSON number."""
    whole, rest = divmod(strike, MONEY_ONE)
    return whole if not rest else strike / MONEY_ONE


def strike_title(strike: Money | None) -> str:
    """Return the venue's subtitle: the strike in words."""
    if strike is None:
        return "Target price: TBD"
    cents = whole_cents(strike)
    return f"Target Price: ${cents // 100:,}.{cents % 100:02d}"


def _multiplier(ppm: int) -> float | int:
    return ppm // MONEY_ONE if ppm % MONEY_ONE == 0 else ppm / MONEY_ONE


def _sources(listing: SeriesListing) -> list[dict[str, str]]:
    return [{"name": listing.source_name, "url": ""}]


def _series_fees(markets: list[Market]) -> Fees:
    """Return the series' own fees, which an event's may stand in for."""
    return markets[-1].series_fees or markets[-1].spec.fees


def series_body(listing: SeriesListing, markets: list[Market]) -> dict[str, Any]:
    """Return the series of these markets, oldest first; fees and shard are those of its newest one."""
    spec, fees = markets[-1].spec, _series_fees(markets)
    return {
        "additional_prohibitions": [],
        "categories": [listing.category],
        "category": listing.category,
        "contract_terms_url": "",
        "contract_url": "",
        "exchange_index": spec.exchange_index,
        "fee_multiplier": _multiplier(fees.multiplier_ppm),
        "fee_type": fees.fee_type,
        "frequency": listing.frequency,
        "last_updated_ts": time_text(series_updated_at(markets)),
        "settlement_sources": _sources(listing),
        "tags": list(listing.tags),
        "ticker": spec.series_ticker,
        "title": listing.title,
    }


def series_updated_at(markets: list[Market]) -> Ns:
    """Return when a series was last changed: when its first market was listed, and no more since."""
    return markets[0].created_at


def volume_text(markets: list[Market]) -> str:
    """Return the contracts traded in all of these markets."""
    return qty_text(sum(market.volume for market in markets))


def series_fees_body(markets: list[Market]) -> dict[str, Any]:
    """Return the one fee rule that a series has had, as a change that is over."""
    spec, fees = markets[-1].spec, _series_fees(markets)
    return {
        "fee_multiplier": _multiplier(fees.multiplier_ppm),
        "fee_type": fees.fee_type,
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"kalshid:fees:{spec.series_ticker}")),
        "scheduled_ts": time_text(series_updated_at(markets)),
        "series_ticker": spec.series_ticker,
    }


def event_fees_body(changed: EventFeesChanged, series_ticker: str) -> dict[str, Any]:
    """Return a change of an event's own fees; nulls are the override's end."""
    ppm = changed.multiplier_ppm
    name = f"kalshid:fees:{changed.event_ticker}:{changed.at}"
    return {
        "event_ticker": changed.event_ticker,
        "fee_multiplier_override": None if ppm is None else _multiplier(ppm),
        "fee_type_override": changed.fee_type,
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        "scheduled_ts": time_text(changed.at),
        "series_ticker": series_ticker,
    }


def event_body(listing: SeriesListing, markets: list[Market]) -> dict[str, Any]:
    """Return the event of these markets, with its own fee rule where it has one."""
    spec = markets[0].spec
    body = {
        "category": listing.category,
        "collateral_return_type": COLLATERAL_RETURN,
        "event_ticker": spec.event_ticker,
        "exchange_index": spec.exchange_index,
        "last_updated_ts": time_text(event_updated_at(markets)),
        "mutually_exclusive": listing.is_exclusive,
        "series_ticker": spec.series_ticker,
        "settlement_sources": _sources(listing),
        "strike_date": time_text(spec.close_at),
        "strike_period": listing.frequency,
        "sub_title": f"closes {time_text(spec.close_at)}",
        "title": spec.title,
    }
    if markets[0].series_fees is not None:
        body["fee_type_override"] = spec.fees.fee_type
        body["fee_multiplier_override"] = _multiplier(spec.fees.multiplier_ppm)
    return body


def event_updated_at(markets: list[Market]) -> Ns:
    """Return when an event was last changed: when its newest market was listed."""
    return max(market.created_at for market in markets)


def event_metadata_body(listing: SeriesListing, markets: list[Market]) -> dict[str, Any]:
    """Return an event's pictures, of which the sandbox has none, and its sources."""
    return {
        "image_url": "",
        "market_details": [
            {"color_code": "", "image_url": "", "market_ticker": market.ticker} for market in markets
        ],
        "settlement_sources": _sources(listing),
    }


def market_body(market: Market, volume_before: Qty = 0) -> dict[str, Any]:
    """Return a market with its quotes. Optional empty fields are left out.

    `volume_before` is the part of its volume that is older than 24 hours.
    """
    spec, book = market.spec, market.book
    bid = book.bid or 0
    ask = book.ask or PRICE_ONE
    body: dict[str, Any] = {
        "can_close_early": True,
        "close_time": time_text(spec.close_at),
        "created_time": time_text(market.created_at),
        "event_ticker": spec.event_ticker,
        "exchange_index": spec.exchange_index,
        "expected_expiration_time": time_text(spec.close_at + 5 * MINUTE),
        "expiration_time": time_text(spec.close_at + 7 * DAY),
        "expiration_value": market.expiration_value,
        "last_price_dollars": PRICE_TEXT[market.last or 0],
        "latest_expiration_time": time_text(spec.close_at + 7 * DAY),
        "market_type": "binary",
        "no_ask_dollars": no_price(bid),
        "no_bid_dollars": no_price(ask),
        "no_sub_title": strike_title(spec.strike),
        "notional_value_dollars": "1.0000",
        "occurrence_datetime": time_text(spec.close_at + 5 * MINUTE),
        "open_interest_fp": qty_text(market.open_interest),
        "open_time": time_text(spec.open_at),
        "previous_price_dollars": "0.0000",
        "previous_yes_ask_dollars": "0.0000",
        "previous_yes_bid_dollars": "0.0000",
        "price_level_structure": structure(spec.bands),
        "price_ranges": price_ranges(spec.bands),
        "result": market.result or "",
        "rules_primary": _RULES,
        "rules_secondary": "",
        "settlement_bounds_type": SETTLEMENT_BOUNDS,
        "settlement_timer_seconds": 1,
        "status": spec.status,
        "ticker": spec.ticker,
        "title": spec.title,
        "updated_time": time_text(market.updated_at),
        "volume_24h_fp": qty_text(max(0, market.volume - volume_before)),
        "volume_fp": qty_text(market.volume),
        "yes_ask_dollars": PRICE_TEXT[ask],
        "yes_ask_size_fp": qty_text(book.size("no", PRICE_ONE - ask)),
        "yes_bid_dollars": PRICE_TEXT[bid],
        "yes_bid_size_fp": qty_text(book.size("yes", bid)),
        "yes_sub_title": strike_title(spec.strike),
    }
    if spec.strike is not None:
        body["floor_strike"] = strike_number(spec.strike)
    if spec.strike_type is not None:
        body["strike_type"] = spec.strike_type
    if market.settlement_price is not None:
        body["settlement_value_dollars"] = PRICE_TEXT[market.settlement_price]
    if market.settled_at is not None:
        body["settlement_ts"] = time_text(market.settled_at)
    return body


def orderbook_body(market: Market, depth: int) -> dict[str, Any]:
    """Return the bids of both outcomes on their own scales, best last; `depth` 0 is all.

    An empty side is an empty list. Source: protocol sheet 11, row 18.
    """

    def side(levels: tuple[Level, ...]) -> list[list[str]]:
        return [[PRICE_TEXT[price], qty_text(size)] for price, size in levels[-depth:]]

    return {"no_dollars": side(market.book.levels("no")), "yes_dollars": side(market.book.levels("yes"))}


def trade_body(trade: Traded) -> dict[str, Any]:
    """Return a public trade."""
    return {
        "count_fp": qty_text(trade.qty),
        "created_time": time_text(trade.at),
        "is_block_trade": False,
        "no_price_dollars": no_price(trade.price),
        "taker_book_side": "bid" if trade.taker_side == "yes" else "ask",
        "taker_outcome_side": trade.taker_side,
        "taker_side": trade.taker_side,
        "ticker": trade.ticker,
        "trade_id": trade.trade_id,
        "yes_price_dollars": PRICE_TEXT[trade.price],
    }
