"""Every check that an order went through, with its figure and its limit: for `explain`.

The gate says the first thing that speaks against an order, and its figure; of what passes it says nothing,
for that would cost every order time. So it is asked again, with limits that nothing keeps: then each of its
checks refuses, and by that tells its figure. No figure is reckoned in a second way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from daemon.core.limits import Limits
from daemon.core.risk import AccountRisk, MarketRisk, Refusal, Risk
from daemon.core.risk.grounds import Entry, Weight
from daemon.core.risk.refusals import RULES, Unit
from daemon.core.units import Ns

Bound: TypeAlias = Literal["at most", "below", "at least"]
_HUGE: Final = 1 << 62
_LIMITS: Final[dict[Refusal, tuple[str, Bound]]] = {
    "volume_too_low": ("volume_day_min", "at least"),
    "spread_too_wide": ("spread_max", "at most"),
    "depth_too_thin": ("depth_min", "at least"),
    "qty_out_of_range": ("order_qty_max", "at most"),
    "order_notional_limit": ("order_notional_max", "at most"),
    "price_too_far": ("price_away_max", "at most"),
    "fair_value_too_far": ("fair_away_max", "at most"),
    "position_limit": ("position_qty_max", "at most"),
    "event_position_limit": ("event_qty_max", "at most"),
    "series_position_limit": ("series_qty_max", "at most"),
    "settlement_position_limit": ("settlement_qty_max", "at most"),
    "total_position_limit": ("total_qty_max", "at most"),
    "market_loss_limit": ("market_loss_max", "at most"),
    "event_loss_limit": ("event_loss_max", "at most"),
    "total_loss_limit": ("total_loss_max", "at most"),
    "exposure_limit": ("exposure_max", "at most"),
    "daily_loss_limit": ("daily_loss_max", "below"),
    "drawdown_limit": ("drawdown_max", "below"),
    "losing_streak": ("losing_streak_max", "below"),
    "market_orders_limit": ("market_orders_max", "below"),
    "open_orders_limit": ("open_orders_max", "below"),
    "order_rate_limit": ("orders_per_minute_max", "below"),
    "repeated_execution": ("repeated_fills_max", "below"),
}
"""The limits with one figure: their field, and how the figure has to stand to it."""
_TIGHT: Final = {field: _HUGE if bound == "at least" else -_HUGE for field, bound in _LIMITS.values()}


class Check(msgspec.Struct, frozen=True):
    """One check: what was held against which limit, in the core's units.

    Attributes:
        name: the refusal that it would have been.
        value: None where the check has no figure, or had nothing to ask of this order.
        limit: None where it is off, or where the check has none.
        unit: of both; "words" where there is no figure.
        bound: how the value has to stand to the limit.
        is_broken: whether it spoke against the order. One that passed only gave up a part of a position.
    """

    name: Refusal
    value: int | None = None
    limit: int | None = None
    unit: Unit = "words"
    bound: Bound = "at most"
    is_broken: bool = False


def checks_of(
    proposal: Entry, market: MarketRisk, account: AccountRisk, limits: Limits, now: Ns
) -> tuple[Check, ...]:
    """Return all checks of an order, in the order of the table of refusals."""
    weight = Weight(proposal, market)
    broken = {one.name for one in Risk(limits).objections(proposal, weight, market, account, now)}
    figures = {
        one.name: one
        for one in (
            *_vouching(market, account, limits, now),
            *_of_limits(proposal, weight, market, account, limits, now),
        )
    }
    return tuple(
        msgspec.structs.replace(figures.get(name, Check(name)), is_broken=name in broken) for name in RULES
    )


def _vouching(market: MarketRisk, account: AccountRisk, limits: Limits, now: Ns) -> Iterator[Check]:
    """Yield the figures of what is asked of connections, book and market: the worse connection's."""
    feeds = (account.private_feed, market.feed)
    silences = [now - feed.heard_at for feed in feeds if feed.heard_at is not None]
    lags = [feed.lag.lag for feed in feeds if feed.lag.lag is not None]
    yield _seconds("feed_silent", max(silences, default=None), limits.feed_silent_max)
    yield _seconds("transport_lag", max(lags, default=None), limits.transport_lag_max)
    offsets = [abs(feed.lag.offset) for feed in feeds if feed.lag.offset is not None]
    yield _seconds("clock_skew", max(offsets, default=None), limits.clock_offset_max)
    changed_at = market.book.changed_at
    age = None if changed_at is None else now - changed_at
    yield _seconds("book_unchanged", age, market.book_changed_max)
    guard = limits.close_guard if market.close_guard is None else market.close_guard
    yield Check("close_too_near", market.spec.close_at - now, guard, "seconds", "at least")


def _seconds(name: Refusal, value: Ns | None, limit: Ns | None) -> Check:
    return Check(name, value, limit, "seconds")


def _of_limits(
    proposal: Entry, weight: Weight, market: MarketRisk, account: AccountRisk, limits: Limits, now: Ns
) -> Iterator[Check]:
    strategy = account.strategy
    nothing = None if strategy is None else msgspec.structs.replace(
        strategy, capital=-_HUGE, daily_loss_max=-_HUGE
    )  # fmt: skip
    poor = msgspec.structs.replace(account, cash_free=-_HUGE, strategy=nothing)
    tight = msgspec.structs.replace(limits, **_TIGHT)
    told = {one.name: one.value for one in Risk(tight).objections(proposal, weight, market, poor, now)}

    def check(name: Refusal, limit: int | None, bound: Bound = "at most") -> Check:
        value = told.get(name)
        return Check(name, value if isinstance(value, int) else None, limit, RULES[name].unit, bound)

    for name, (field, bound) in _LIMITS.items():
        yield check(name, getattr(limits, field), bound)
    yield check("strategy_capital", None if strategy is None else strategy.capital)
    yield check("strategy_daily_loss", None if strategy is None else strategy.daily_loss_max, "below")
    short = check("cash_short", account.cash_free)
    yield short
    kept = limits.cash_reserve
    yield Check("cash_reserve", short.value, account.cash_free - kept if kept else None, "dollars")
    # Its limit depends on what the order is for, so that is asked too, by an account that has none left.
    spent = msgspec.structs.replace(account, requests_last_minute=_HUGE, reducing_last_minute=_HUGE)
    rooms = Risk(limits).objections(proposal, weight, market, spent, now)
    room = next((one.limit for one in rooms if one.name == "message_budget"), None)
    yield Check("message_budget", account.requests_last_minute, room, "count", "below")
