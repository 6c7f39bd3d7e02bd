"""Bodies about the exchange itself and about our budget of requests. Source: protocol sheet 4.1, 5."""

from __future__ import annotations

from datetime import datetime

import msgspec

from daemon.core import events as e
from daemon.core.units import MICROSECOND, SECOND, Ns, parse_instant


class ShardStatus(msgspec.Struct, frozen=True):
    """One exchange shard's state."""

    exchange_index: int
    exchange_active: bool
    trading_active: bool


class ExchangeStatus(msgspec.Struct, frozen=True):
    """Whether the venue is up and trades. The top-level flags are those of shard 0."""

    exchange_active: bool
    trading_active: bool
    exchange_index_statuses: list[ShardStatus] = []
    exchange_estimated_resume_time: str | None = None


class MaintenanceWindow(msgspec.Struct, frozen=True):
    """A time in which the venue is down."""

    start_datetime: str
    end_datetime: str


class Schedule(msgspec.Struct, frozen=True):
    """The venue's calendar; of its hours we read nothing, for it trades around the clock."""

    maintenance_windows: list[MaintenanceWindow]


class ScheduleReply(msgspec.Struct, frozen=True):
    """`GET /exchange/schedule`."""

    schedule: Schedule


class UserTimestampReply(msgspec.Struct, frozen=True):
    """`GET /exchange/user_data_timestamp`."""

    as_of_time: str


class HistoricalCutoffReply(msgspec.Struct, frozen=True):
    """`GET /historical/cutoff`."""

    market_settled_ts: str
    trades_created_ts: str
    orders_updated_ts: str


class BucketLimit(msgspec.Struct, frozen=True):
    """A token bucket: tokens it holds, tokens per second that flow in."""

    bucket_capacity: int
    refill_rate: int


class AccountLimits(msgspec.Struct, frozen=True):
    """The account's budget of tokens for reads and writes."""

    usage_tier: str
    read: BucketLimit
    write: BucketLimit


class EndpointCost(msgspec.Struct, frozen=True):
    """What one endpoint costs in tokens, if not the default. The path has `:name` parts."""

    method: str
    path: str
    cost: int


class EndpointCosts(msgspec.Struct, frozen=True):
    """The price list of requests, in tokens."""

    default_cost: int
    endpoint_costs: list[EndpointCost]


class HistoricalCutoff(msgspec.Struct, frozen=True):
    """What is older than these instants is in the historical tier only."""

    markets_settled_at: Ns
    trades_created_at: Ns
    orders_updated_at: Ns


def exchange_status_told(status: ExchangeStatus, received_at: Ns) -> e.ExchangeStatusTold:
    """Return the status as an event. Raises ValueError for a bad time."""
    resume = status.exchange_estimated_resume_time
    return e.ExchangeStatusTold(
        is_active=status.exchange_active,
        is_trading=status.trading_active,
        shards=tuple(
            e.ShardStatus(shard.exchange_index, shard.exchange_active, shard.trading_active)
            for shard in status.exchange_index_statuses
        ),
        resume_at=decode_zoned(resume) if resume else None,
        received_at=received_at,
    )


def maintenance_windows(schedule: Schedule) -> tuple[tuple[Ns, Ns], ...]:
    """Return the windows as (start, end). Raises ValueError for a bad time, or an end before its start."""
    windows = tuple(
        (decode_zoned(one.start_datetime), decode_zoned(one.end_datetime))
        for one in schedule.maintenance_windows
    )
    for start, end in windows:
        if start >= end:
            raise ValueError(f"a maintenance window from {start} to {end}")
    return windows


def historical_cutoff(reply: HistoricalCutoffReply) -> HistoricalCutoff:
    """Return the cutoff. Raises ValueError for a bad time."""
    return HistoricalCutoff(
        markets_settled_at=parse_instant(reply.market_settled_ts),
        trades_created_at=parse_instant(reply.trades_created_ts),
        orders_updated_at=parse_instant(reply.orders_updated_ts),
    )


def decode_zoned(text: str) -> Ns:
    """Return an RFC 3339 instant of any zone.

    The venue writes UTC everywhere that was recorded; its schedule never was, and is made in New York.

    Raises:
        ValueError: not an instant, or one without a zone.
    """
    if text.endswith("Z"):
        return parse_instant(text)
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"an instant without a zone: {text!r}")
    return int(at.replace(microsecond=0).timestamp()) * SECOND + at.microsecond * MICROSECOND
