"""The named limits, in core units: a part of every journal's header.

Those that are `None` by default came later: an old journal has none of them, and they are off.
"""

from __future__ import annotations

import msgspec

from daemon.core.units import DAY, Money, Ns, Price, Qty

THURSDAY = 3
"""The weekday of 1 January 1970; Monday is 0."""


class TradingHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The hours of the week in which positions may be entered, in a time zone.

    `days` are weekdays, Monday being 0; `opens` and `closes` count from midnight there. `offsets` are the
    zone's offsets from UTC, as (from this instant on, offset), ascending: the core reads no time zones.
    """

    text: str
    days: tuple[int, ...]
    opens: Ns
    closes: Ns
    offsets: tuple[tuple[Ns, Ns], ...]

    def is_open(self, now: Ns) -> bool:
        """Whether `now` lies within the hours; closes is not."""
        local = now
        for since, offset in reversed(self.offsets):
            if since <= now:
                local = now + offset
                break
        day, time = divmod(local, DAY)
        return (day + THURSDAY) % 7 in self.days and self.opens <= time < self.closes


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The named limits. `Config.limits` builds them from `config.toml`. None is off."""

    order_qty_max: Qty
    position_qty_max: Qty
    market_loss_max: Money
    total_loss_max: Money
    daily_loss_max: Money
    price_away_max: Price
    orders_per_minute_max: int
    close_guard: Ns
    feed_silent_max: Ns
    transport_lag_max: Ns
    clock_offset_max: Ns
    refused_per_minute_max: int = 20
    order_notional_max: Money | None = None
    fair_away_max: Price | None = None
    event_qty_max: Qty | None = None
    series_qty_max: Qty | None = None
    settlement_qty_max: Qty | None = None
    total_qty_max: Qty | None = None
    event_loss_max: Money | None = None
    exposure_max: Money | None = None
    cash_reserve: Money = 0
    market_orders_max: int | None = None
    open_orders_max: int | None = None
    requests_per_minute_max: int | None = None
    repeated_fills_max: int | None = None
    duplicate_window: Ns | None = None
    volume_day_min: Qty | None = None
    spread_max: Price | None = None
    depth_min: Qty | None = None
    hours: TradingHours | None = None
    drawdown_max: Money | None = None
    losing_streak_max: int | None = None
    stop_loss: Price | None = None
    take_profit: Price | None = None
