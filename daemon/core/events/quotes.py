"""Books, trades and reference prices: streamed, read again, and audited."""

from __future__ import annotations

from daemon.core.events.fact import Fact, Feed, Level
from daemon.core.units import Money, Ns, Price, Qty, Side


class MarketRouted(Fact, frozen=True):
    """A market's book and trades come over this connection from here on; its book is unsynced."""

    ticker: str
    feed: Feed
    received_at: Ns


class BookSnapshotReceived(Fact, frozen=True, gc=True):
    """The whole book of one market. Levels ascend in price; each side is on its own price scale."""

    ticker: str
    yes: tuple[Level, ...]
    no: tuple[Level, ...]
    received_at: Ns
    sent_at: Ns | None


class BookDeltaReceived(Fact, frozen=True):
    """One level's total changed by `delta`."""

    ticker: str
    side: Side
    price: Price
    delta: Qty
    received_at: Ns
    sent_at: Ns | None


class BookLost(Fact, frozen=True):
    """The stream of one market can't be trusted until its next snapshot (a gap, a dead subscription)."""

    ticker: str
    reason: str
    received_at: Ns


class TradePrinted(Fact, frozen=True):
    """A public trade. `price` is the YES price; `taker_side` the outcome that the taker bought."""

    ticker: str
    trade_id: str
    price: Price
    qty: Qty
    taker_side: Side
    received_at: Ns
    sent_at: Ns | None


class CandleBackfilled(Fact, frozen=True):
    """A past candle of a market's quotes, from REST: the best YES bid and ask at its end, None if absent."""

    ticker: str
    period: Ns
    ended_at: Ns
    bid: Price | None
    ask: Price | None
    volume: Qty
    received_at: Ns


class TradesBackfilled(Fact, frozen=True, gc=True):
    """The market's public trades in [since, until), whole, over REST: what a broken stream kept from us."""

    ticker: str
    since: Ns
    until: Ns
    trades: tuple[TradePrinted, ...]
    received_at: Ns


class MarketBackfilled(Fact, frozen=True):
    """All of a market's past that REST has, or would give, is in; what is missing stays unknown."""

    ticker: str
    received_at: Ns


class BookAudited(Fact, frozen=True):
    """The venue's book over REST was held against the streamed one, at every moment that it can be from."""

    ticker: str
    is_equal: bool
    received_at: Ns


class ReferencePriceReceived(Fact, frozen=True):
    """A price of the underlying, in Money per unit. `source`: "kraken" or "cfbenchmarks"."""

    source: str
    symbol: str
    price: Money
    received_at: Ns
    sent_at: Ns | None


class ReferenceCandleClosed(Fact, frozen=True):
    """A finished candle of the underlying, over REST or concluded from the stream. Volume in 1e-8 units.

    Periods without trades have none: whoever reads candles fills forward.
    """

    source: str
    symbol: str
    period: Ns
    began_at: Ns
    open: Money
    high: Money
    low: Money
    close: Money
    volume_e8: int
    received_at: Ns


class ReferenceStatusTold(Fact, frozen=True):
    """A reference source says of itself whether it trades: `status` is its own word."""

    source: str
    status: str
    is_trading: bool
    received_at: Ns


class DailyBarRead(Fact, frozen=True):
    """A market's whole UTC day, from its public trades over REST. `day` counts days since the Unix epoch.

    `turnover` is the sum of YES price times contracts, so that turnover over `qty` is the mean price;
    `yes_value` and `no_value` are what takers of each side paid: contracts times the price of their side.
    """

    ticker: str
    day: int
    qty: Qty
    turnover: Money
    yes_value: Money
    no_value: Money
    received_at: Ns
