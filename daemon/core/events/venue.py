"""The venue as a whole, and the lives of its markets."""

from __future__ import annotations

import msgspec

from daemon.core.events.fact import Fact
from daemon.core.markets import MarketResult, MarketSpec, MarketStatus
from daemon.core.units import Money, Ns, Price, PriceBand


class ShardStatus(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Whether one shard of the exchange is up (`is_active`), and whether it trades."""

    exchange_index: int
    is_active: bool
    is_trading: bool


class ExchangeStatusTold(Fact, frozen=True, gc=True):
    """What REST says of the exchange: on an exchange pause nothing goes, on a trading pause only cancels."""

    is_active: bool
    is_trading: bool
    shards: tuple[ShardStatus, ...]
    resume_at: Ns | None
    received_at: Ns


class MaintenancePlanned(Fact, frozen=True, gc=True):
    """The known maintenance windows from now on, as (start, end): the whole list, replacing the last."""

    windows: tuple[tuple[Ns, Ns], ...]
    received_at: Ns


class MarketListed(Fact, frozen=True, gc=True):
    """A market that we watch, as the venue lists it now. Listing it again replaces what we knew."""

    spec: MarketSpec
    received_at: Ns


class MarketStatusChanged(Fact, frozen=True):
    """A market was activated, deactivated, …; open and close have no event: they are clocks."""

    ticker: str
    status: MarketStatus
    received_at: Ns


class MarketCloseMoved(Fact, frozen=True):
    """A market's close time changed."""

    ticker: str
    close_at: Ns
    received_at: Ns


class MarketGridChanged(Fact, frozen=True, gc=True):
    """A market's tick table changed in mid-life."""

    ticker: str
    bands: tuple[PriceBand, ...]
    received_at: Ns


class MarketStrikeSet(Fact, frozen=True):
    """A market's strike became known or changed."""

    ticker: str
    strike: Money
    received_at: Ns


class MarketDetermined(Fact, frozen=True):
    """A market has a result; `settlement_price` is what one YES contract pays."""

    ticker: str
    result: MarketResult
    settlement_price: Price
    received_at: Ns


class MarketSettled(Fact, frozen=True):
    """A market's positions were paid out. The venue may say so twice."""

    ticker: str
    received_at: Ns


class MarketDropped(Fact, frozen=True):
    """We stop watching a market (it is over, or the configuration no longer names it)."""

    ticker: str
    received_at: Ns
