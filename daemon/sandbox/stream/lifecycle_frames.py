"""WebSocket bodies of the lives of markets and events (protocol sheet 2.7). All times are in seconds."""

from __future__ import annotations

from typing import Any

import msgspec

from daemon.core.markets import MarketSpec
from daemon.core.units import MONEY_ONE, SECOND
from daemon.exchange import facts
from daemon.sandbox.bodies import PRICE_TEXT, time_text
from daemon.sandbox.market_bodies import (
    COLLATERAL_RETURN,
    price_ranges,
    strike_number,
    strike_title,
    structure,
)

_encode = msgspec.json.Encoder().encode


def is_combo(ticker: str) -> bool:
    """Whether a market belongs to `multivariate_market_lifecycle` instead."""
    return ticker.startswith("KXMVE")


def event_lifecycle_body(spec: MarketSpec) -> bytes:
    """Return an event_lifecycle body: the event of this market was created."""
    return _encode(
        {
            "event_ticker": spec.event_ticker,
            "exchange_index": spec.exchange_index,
            "title": spec.title,
            "subtitle": f"closes {time_text(spec.close_at)}",
            "collateral_return_type": COLLATERAL_RETURN,
            "series_ticker": spec.series_ticker,
            "strike_date": spec.close_at // SECOND,
        }
    )


def event_fee_body(fact: facts.EventFeesChanged) -> bytes:
    """Return an event_fee_update body; both fields are null when the override is lifted."""
    multiplier: float | int | None = None
    if fact.multiplier_ppm is not None:
        whole, rest = divmod(fact.multiplier_ppm, MONEY_ONE)
        multiplier = fact.multiplier_ppm / MONEY_ONE if rest else whole
    return _encode(
        {
            "event_ticker": fact.event_ticker,
            "fee_type_override": fact.fee_type,
            "fee_multiplier_override": multiplier,
        }
    )


def lifecycle_body(fact: facts.MarketFact) -> bytes | None:
    """Return a market_lifecycle_v2 body; None for what the venue has no message for."""
    match fact:
        case facts.MarketOpened() | facts.MarketClosed():
            return None
        case facts.MarketCreated():
            return _encode(_created(fact))
        case facts.MarketActivated():
            fields: dict[str, Any] = {"is_deactivated": False, "event_type": "activated"}
        case facts.MarketDeactivated():
            fields = {"is_deactivated": True, "event_type": "deactivated"}
        case facts.StrikeSet():
            fields = {"floor_strike": strike_number(fact.strike), "yes_sub_title": strike_title(fact.strike)}
            if fact.strike_type is not None:
                fields["strike_type"] = fact.strike_type
            fields["event_type"] = "metadata_updated"
        case facts.CloseMoved():
            fields = {"close_ts": fact.close_at // SECOND, "event_type": "close_date_updated"}
        case facts.GridChanged():
            fields = {
                "event_type": "price_level_structure_updated",
                "price_level_structure": structure(fact.bands),
                "price_ranges": price_ranges(fact.bands),
            }
        case facts.Determined():
            fields = {
                "determination_ts": fact.at // SECOND,
                "result": fact.result,
                "settlement_value": PRICE_TEXT[fact.settlement_price],
                "event_type": "determined",
            }
        case facts.Settled():
            fields = {"settled_ts": fact.at // SECOND, "event_type": "settled"}
    return _encode({"market_ticker": fact.ticker, **fields})


def _created(fact: facts.MarketCreated) -> dict[str, Any]:
    spec = fact.spec
    metadata: dict[str, Any] = {
        "name": spec.title,
        "title": spec.title,
        "yes_sub_title": strike_title(spec.strike),
        "no_sub_title": strike_title(spec.strike),
        "rules_primary": "",
        "rules_secondary": "",
        "can_close_early": True,
        "event_ticker": spec.event_ticker,
        "expected_expiration_ts": (spec.close_at + 300 * SECOND) // SECOND,
    }
    if spec.strike_type is not None:
        metadata["strike_type"] = spec.strike_type
    if spec.strike is not None:
        metadata["floor_strike"] = strike_number(spec.strike)
    return {
        "market_ticker": spec.ticker,
        "exchange_index": spec.exchange_index,
        "open_ts": spec.open_at // SECOND,
        "close_ts": spec.close_at // SECOND,
        "additional_metadata": metadata,
        "event_type": "created",
        "price_level_structure": structure(spec.bands),
        "price_ranges": price_ranges(spec.bands),
    }
