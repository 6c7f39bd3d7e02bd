"""Bodies of series, events and markets, and what the core makes of them. Source: protocol sheet 4.2."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import Raw

from daemon.core.markets import EventStructure, Fees, MarketResult, MarketSpec, MarketStatus
from daemon.core.units import PRICE_ONE, Ns, Price, Qty, parse_instant
from daemon.kalshi.decode import decode_bands, decode_count, decode_number, decode_price
from daemon.kalshi.errors import BadFrame
from daemon.kalshi.wire import PriceRange

VenueFeeType: TypeAlias = Literal[
    "quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees", "flat"
]


class Series(msgspec.Struct, frozen=True):
    """A series: its fee rule, and the shard that its markets trade on."""

    ticker: str
    fee_type: str
    fee_multiplier: Raw
    exchange_index: int | None = None
    category: str = ""
    frequency: str = ""
    title: str = ""


class SeriesBody(msgspec.Struct, frozen=True):
    """`GET /series/{t}`."""

    series: Series


class SeriesListReply(msgspec.Struct, frozen=True):
    """`GET /series`."""

    series: list[Series]


class SeriesFeeChange(msgspec.Struct, frozen=True):
    """A change of a series' fee rule at an instant."""

    series_ticker: str
    fee_type: VenueFeeType
    fee_multiplier: Raw
    scheduled_ts: str


class FeeChangesReply(msgspec.Struct, frozen=True):
    """`GET /series/fee_changes`."""

    series_fee_change_arr: list[SeriesFeeChange]


class EventBody(msgspec.Struct, frozen=True):
    """An event of the venue's: which series it belongs to, and its fee override, None when it has none."""

    event_ticker: str
    series_ticker: str
    fee_type_override: str | None = None
    fee_multiplier_override: Raw = Raw()
    title: str = ""
    mutually_exclusive: bool = False
    collateral_return_type: str = ""


class EventReply(msgspec.Struct, frozen=True):
    """`GET /events/{t}`."""

    event: EventBody


class EventsReply(msgspec.Struct, frozen=True):
    """One page of `GET /events`."""

    events: list[EventBody]


class Market(msgspec.Struct, frozen=True):
    """A market as listed."""

    ticker: str
    event_ticker: str
    open_time: str
    close_time: str
    status: MarketStatus
    price_ranges: list[PriceRange]
    title: str = ""
    strike_type: str | None = None
    floor_strike: Raw = Raw()
    cap_strike: Raw = Raw()
    exchange_index: int | None = None


class QuotedMarket(Market, frozen=True, kw_only=True):
    """A market as listed, with its quotes."""

    yes_bid_dollars: str
    yes_bid_size_fp: str
    yes_ask_dollars: str
    yes_ask_size_fp: str
    volume_24h_fp: str
    price_level_structure: str


class SettledMarket(Market, frozen=True, kw_only=True):
    """A market as listed, with its end."""

    result: Literal["yes", "no", "scalar", ""]
    expiration_value: str
    settlement_value_dollars: str | None = None
    settlement_ts: str | None = None


class MarketReply(msgspec.Struct, frozen=True):
    """`GET /markets/{t}`."""

    market: Market


class SettledMarketReply(msgspec.Struct, frozen=True):
    """`GET /historical/markets/{t}`."""

    market: SettledMarket


class Listing(msgspec.Struct, frozen=True):
    """A market with its quotes as listed, which may be some 15 s old.

    `bid` and `ask` are the best YES prices, None where a side is empty; `bid_qty` and `ask_qty` are what
    stands there. `tick_structure` is the venue's label, for a filter: prices come from `spec.bands`.
    """

    spec: MarketSpec
    bid: Price | None
    ask: Price | None
    bid_qty: Qty
    ask_qty: Qty
    volume_24h: Qty
    tick_structure: str


class MarketOutcome(msgspec.Struct, frozen=True):
    """A market with its end: everything is None until it is known.

    `settlement_price` is what one YES contract paid; `expiration_value` the venue's free text of what the
    underlying was (seen with and without a thousands comma), or None.
    """

    spec: MarketSpec
    result: MarketResult | None
    settlement_price: Price | None
    settled_at: Ns | None
    expiration_value: str | None


class FeeChange(msgspec.Struct, frozen=True):
    """A series' fee rule from an instant on; `fees` is None where we can't price it."""

    series_ticker: str
    fees: Fees | None
    at: Ns


def market_spec(market: Market, series: Series, event: EventBody) -> MarketSpec:
    """Return a market with the fees in force for it.

    Raises:
        BadFrame: something that trading needs is missing or unknown: a fee type that we can't price,
            a tick table, a time, the shard.
    """
    try:
        exchange_index = market.exchange_index if market.exchange_index is not None else series.exchange_index
        if exchange_index is None:
            raise ValueError("exchange_index is missing")
        return MarketSpec(
            ticker=market.ticker,
            event_ticker=market.event_ticker,
            series_ticker=series.ticker,
            title=market.title,
            status=market.status,
            open_at=parse_instant(market.open_time),
            close_at=parse_instant(market.close_time),
            strike=_strike(market),
            strike_type=market.strike_type or None,
            bands=decode_bands(market.price_ranges),
            fees=_fees(series, event),
            exchange_index=exchange_index,
            strike_range=_strike_range(market),
            structure=_structure(event),
            category=series.category,
        )
    except ValueError as error:
        raise BadFrame("market", f"{market.ticker}: {error}") from None


def listing(market: QuotedMarket, spec: MarketSpec) -> Listing:
    """Return a listed market with its quotes. Raises BadFrame for a bad number."""
    try:
        return Listing(
            spec=spec,
            bid=decode_quote(market.yes_bid_dollars),
            ask=decode_quote(market.yes_ask_dollars),
            bid_qty=decode_count(market.yes_bid_size_fp),
            ask_qty=decode_count(market.yes_ask_size_fp),
            volume_24h=decode_count(market.volume_24h_fp),
            tick_structure=market.price_level_structure,
        )
    except ValueError as error:
        raise BadFrame("market", f"{market.ticker}: {error}") from None


def market_outcome(market: SettledMarket, spec: MarketSpec) -> MarketOutcome:
    """Return a listed market with its end. Raises BadFrame for a bad number, or two that contradict."""
    try:
        price = decode_price(market.settlement_value_dollars) if market.settlement_value_dollars else None
        told: dict[str, Price | None] = {"yes": PRICE_ONE, "no": 0}
        if price is not None and told.get(market.result, price) != price:
            raise ValueError(f"result {market.result!r} pays {market.settlement_value_dollars}")
        return MarketOutcome(
            spec=spec,
            result=market.result or None,
            settlement_price=told.get(market.result) if price is None else price,
            settled_at=parse_instant(market.settlement_ts) if market.settlement_ts else None,
            expiration_value=market.expiration_value or None,
        )
    except ValueError as error:
        raise BadFrame("market", f"{market.ticker}: {error}") from None


def fee_change(change: SeriesFeeChange) -> FeeChange:
    """Return a scheduled change of fees. Raises ValueError for a bad time or multiplier."""
    multiplier_ppm = decode_number(change.fee_multiplier, 6)
    if multiplier_ppm is None or multiplier_ppm < 0:
        raise ValueError(f"{change.series_ticker}: the fee multiplier is missing or negative")
    fees = None if change.fee_type == "flat" else Fees(change.fee_type, multiplier_ppm)
    return FeeChange(change.series_ticker, fees, parse_instant(change.scheduled_ts))


def decode_quote(text: str) -> Price | None:
    """Return a best price; None for an empty side, which is written as 0 or 1. Raises ValueError."""
    price = decode_price(text)
    return price if 0 < price < PRICE_ONE else None


def _strike(market: Market) -> int | None:
    """The one number that the outcome depends on; None when unknown, or when it takes two or none."""
    match market.strike_type:
        case "greater" | "greater_or_equal":
            return decode_number(market.floor_strike, 6)
        case "less" | "less_or_equal":
            return decode_number(market.cap_strike, 6)
        case _:
            return None


def _strike_range(market: Market) -> tuple[int, int] | None:
    """The bounds between which a `between` market ends YES; None for others, or when one is unknown."""
    if market.strike_type != "between":
        return None
    floor, cap = decode_number(market.floor_strike, 6), decode_number(market.cap_strike, 6)
    return None if floor is None or cap is None or floor > cap else (floor, cap)


def _structure(event: EventBody) -> EventStructure:
    """How the event's markets hang together, as far as the venue says it. Source: protocol sheet 6.3."""
    if event.collateral_return_type == "DIRECNET":
        return "ladder"
    return "exclusive" if event.mutually_exclusive or event.collateral_return_type == "MECNET" else "unknown"


def _fees(series: Series, event: EventBody) -> Fees:
    """The event's override where it has one, else the series' rule. Source: protocol sheet 6.1."""
    fee_type = event.fee_type_override or series.fee_type
    multiplier_ppm = decode_number(event.fee_multiplier_override, 6)
    if multiplier_ppm is None:
        multiplier_ppm = decode_number(series.fee_multiplier, 6)
    if multiplier_ppm is None or multiplier_ppm < 0:
        raise ValueError("the fee multiplier is missing or negative")
    match fee_type:
        case "quadratic" | "quadratic_with_maker_fees" | "quadratic_with_combo_maker_fees":
            return Fees(fee_type, multiplier_ppm)
        case _:
            # An unknown fee is never taken as none.
            raise ValueError(f"a fee type that can't be priced: {fee_type!r}")
