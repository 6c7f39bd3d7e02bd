"""One market on the exchange: its listing, its book, its clock, and what the public is told of it."""

from __future__ import annotations

import msgspec

from daemon.core.markets import Fees, MarketResult, MarketSpec, MarketStatus
from daemon.core.units import Money, Ns, Price, PriceGrid, Qty
from daemon.exchange.matching import MatchingBook
from daemon.exchange.shadow import ShadowBook


class MarketRecord(msgspec.Struct, frozen=True, array_like=True):
    """Everything about a market but its book, as a value: what a state directory keeps."""

    spec: MarketSpec
    created_at: Ns
    updated_at: Ns
    last: Price | None
    volume: Qty
    open_interest: Qty
    dollar_volume: Money
    result: MarketResult | None
    settlement_price: Price | None
    expiration_value: str
    determined_at: Ns | None
    settled_at: Ns | None
    series_fees: Fees | None = None


class Market:
    """One listed market."""

    def __init__(self, spec: MarketSpec, created_at: Ns, *, is_shadow: bool = False) -> None:
        self.spec = spec
        self.grid = PriceGrid(spec.bands)
        self.book: MatchingBook = ShadowBook(spec.ticker) if is_shadow else MatchingBook(spec.ticker)
        self.created_at = created_at
        self.updated_at = created_at
        self.last: Price | None = None
        """YES price of the last trade; None before the first."""
        self.volume: Qty = 0
        self.open_interest: Qty = 0
        self.dollar_volume: Money = 0
        self.result: MarketResult | None = None
        self.settlement_price: Price | None = None
        self.expiration_value = ""
        """The venue's free text for the value that decided."""
        self.determined_at: Ns | None = None
        self.settled_at: Ns | None = None
        self.series_fees: Fees | None = None
        """What the event's own fee rule stands in for; None where the series' is in force."""

    @property
    def ticker(self) -> str:
        """The market's name."""
        return self.spec.ticker

    @property
    def status(self) -> MarketStatus:
        """The venue's word for where the market is in its life."""
        return self.spec.status

    def is_open(self, now: Ns) -> bool:
        """Whether orders are accepted."""
        return self.spec.status == "active" and now < self.spec.close_at

    def change(self, now: Ns, **fields: object) -> None:
        """Change the listing."""
        self.spec = msgspec.structs.replace(self.spec, **fields)
        self.updated_at = now
        if "bands" in fields:
            self.grid = PriceGrid(self.spec.bands)

    def determine(self, result: MarketResult, price: Price, expiration_value: str, now: Ns) -> None:
        """Take in a result, the first one or another; `price` is what one YES contract is worth by it."""
        self.result, self.settlement_price = result, price
        self.expiration_value, self.determined_at = expiration_value, now

    def traded(self, price: Price, qty: Qty) -> None:
        """Take in a public trade."""
        self.last = price
        self.volume += qty
        self.dollar_volume += price * qty

    def record(self) -> MarketRecord:
        """Return everything but the book."""
        return MarketRecord(
            self.spec,
            self.created_at,
            self.updated_at,
            self.last,
            self.volume,
            self.open_interest,
            self.dollar_volume,
            self.result,
            self.settlement_price,
            self.expiration_value,
            self.determined_at,
            self.settled_at,
            self.series_fees,
        )

    @classmethod
    def from_record(cls, record: MarketRecord) -> Market:
        """Return the market that had this record, with an empty book."""
        market = cls(record.spec, record.created_at)
        for name in MarketRecord.__struct_fields__[1:]:
            setattr(market, name, getattr(record, name))
        return market
