"""Every reason for which *we* say no, by name: the limit behind it, what it means, and who passes it.

What the venue says is a rejection. The table below is the documentation (daemon/REFUSALS.md is made from
it) and the rule: the gate asks it whether an order that only reduces a position passes.
"""

from __future__ import annotations

import typing
from typing import Literal, TypeAlias

import msgspec

from daemon.core.units import MONEY_ONE, PRICE_CENT, QTY_ONE, SECOND, format_decimal

Refusal: TypeAlias = Literal[
    "not_reconciled",
    "halted",
    "stopping",
    "breaker_open",
    "feed_down",
    "feed_silent",
    "transport_lag",
    "clock_skew",
    "exchange_paused",
    "trading_paused",
    "maintenance",
    "schema_drift",
    "not_watched",
    "not_backfilled",
    "book_unsynced",
    "book_unchanged",
    "market_not_open",
    "close_too_near",
    "strategy_off",
    "order_unknown",
    "outside_hours",
    "model_expired",
    "model_drifted",
    "score_out_of_range",
    "reference_stale",
    "stopped_out",
    "no_order_group",
    "order_group_triggered",
    "volume_too_low",
    "spread_too_wide",
    "depth_too_thin",
    "off_grid",
    "qty_out_of_range",
    "order_notional_limit",
    "price_too_far",
    "fair_value_too_far",
    "self_cross",
    "position_limit",
    "event_position_limit",
    "series_position_limit",
    "settlement_position_limit",
    "total_position_limit",
    "market_loss_limit",
    "event_loss_limit",
    "total_loss_limit",
    "exposure_limit",
    "daily_loss_limit",
    "drawdown_limit",
    "losing_streak",
    "strategy_capital",
    "strategy_daily_loss",
    "cash_short",
    "cash_reserve",
    "market_orders_limit",
    "open_orders_limit",
    "order_rate_limit",
    "message_budget",
    "repeated_execution",
    "duplicate_order",
]
"""Every reason for which *we* say no."""

Unit: TypeAlias = Literal["contracts", "dollars", "cents", "seconds", "count", "words"]
_SCALES: dict[Unit, int] = {
    "contracts": QTY_ONE,
    "dollars": MONEY_ONE,
    "cents": PRICE_CENT,
    "seconds": SECOND,
}


class Rule(msgspec.Struct, frozen=True):
    """What a refusal means. `key` is the limit's place in config.toml, empty where it has none."""

    meaning: str
    key: str = ""
    unit: Unit = "words"
    is_lifted: bool = False
    """Whether an order that only gives up a part of the position passes."""


RULES: dict[Refusal, Rule] = {
    "not_reconciled": Rule("The venue's lists and our books have not agreed yet, or something was missed."),
    "halted": Rule("A person or a guard has halted trading; only a person resumes it."),
    "stopping": Rule("The daemon is stopping."),
    "breaker_open": Rule("A breaker is open, or half open with its trial still out.", "breaker.failures_max"),
    "feed_down": Rule("The connection of the book, or of our orders, is down."),
    "feed_silent": Rule("That connection brings nothing.", "feed.silent_max_s"),
    "transport_lag": Rule("That connection's messages come late.", "feed.transport_lag_max_ms"),
    "clock_skew": Rule("The exchange's clock and ours differ.", "feed.clock_offset_max_ms"),
    "exchange_paused": Rule("The exchange takes nothing at all, not even cancels."),
    "trading_paused": Rule("The exchange takes cancels only."),
    "maintenance": Rule("A maintenance window is near, or has begun."),
    "schema_drift": Rule("Too many frames could not be read.", "feed.refused_per_minute_max"),
    "not_watched": Rule("The market is watched no longer."),
    "not_backfilled": Rule("What was missed of the market is still being read."),
    "book_unsynced": Rule("The book is lost until its next snapshot."),
    "book_unchanged": Rule("The book has not changed for too long.", "strategies.<name>.book_changed_max_ms"),
    "market_not_open": Rule("The market is not active, or its time has not come or is over."),
    "close_too_near": Rule("The market closes too soon.", "risk.close_guard_s"),
    "strategy_off": Rule("The strategy is switched off: it raised, took too long, or a person did it."),
    "order_unknown": Rule("The fate of one of our orders in this market is not known."),
    "outside_hours": Rule("It is none of the trading hours.", "risk.trading_hours", "words", True),
    "model_expired": Rule("The model's metadata says that it has expired.", "", "words", True),
    "model_drifted": Rule(
        "The model has drifted, and there is no other that may take its place; a person swaps one in.",
        "model.fallback", "words", True,
    ),
    "score_out_of_range": Rule(
        "A feature that the model needs is beyond what it was trained on, by its metadata's quantiles.",
        "", "words", True,
    ),
    "reference_stale": Rule(
        "The model needs the underlying's price, and no source of it is well.",
        "reference.stale_max_ms", "words", True,
    ),
    "stopped_out": Rule(
        "A stop-loss closed a position here: no new one.", "risk.stop_loss_cents", "words", True
    ),
    "no_order_group": Rule(
        "The shard's order group, the exchange's own limit on what we trade, is not known (yet).",
        "orders.group_contracts_max", "words", True,
    ),
    "order_group_triggered": Rule(
        "The exchange has emptied our order group: more was traded in 15 seconds than it allows.",
        "orders.group_contracts_max", "words", True,
    ),
    "volume_too_low": Rule(
        "Too little was traded in 24 hours. A market that is open for less than a day is not asked.",
        "risk.volume_day_contracts_min", "contracts", True,
    ),
    "spread_too_wide": Rule(
        "Best ask less best bid; a side that is empty stands at the end of the scale.",
        "risk.spread_max_cents", "cents", True,
    ),
    "depth_too_thin": Rule(
        "Contracts at the best bid, or at the best ask.", "risk.depth_contracts_min", "contracts", True
    ),
    "off_grid": Rule("The price is none of the market's."),
    "qty_out_of_range": Rule("The order is too large, or nothing.", "risk.order_contracts_max", "contracts"),
    "order_notional_limit": Rule(
        "The order costs too much.", "risk.order_notional_max_dollars", "dollars", True
    ),
    "price_too_far": Rule(
        "The price is too far from the best opposite one, or there is none.",
        "risk.price_away_max_cents", "cents",
    ),
    "fair_value_too_far": Rule(
        "The price is too far from the model's value: one of the two is wrong.",
        "risk.fair_away_max_cents", "cents", True,
    ),
    "self_cross": Rule("It would trade with an order of our own."),
    "position_limit": Rule("Position in the market.", "risk.position_contracts_max", "contracts", True),
    "event_position_limit": Rule(
        "Positions in the event's markets.", "risk.event_contracts_max", "contracts", True
    ),
    "series_position_limit": Rule(
        "Positions in the series' markets.", "risk.series_contracts_max", "contracts", True
    ),
    "settlement_position_limit": Rule(
        "Positions in all markets on the underlying that close at one time.",
        "risk.settlement_contracts_max", "contracts", True,
    ),
    "total_position_limit": Rule("Positions in all markets.", "risk.total_contracts_max", "contracts", True),
    "market_loss_limit": Rule("Worst case of the market.", "risk.market_loss_max_dollars", "dollars", True),
    "event_loss_limit": Rule(
        "Worst case of the event over all outcomes that can be.",
        "risk.event_loss_max_dollars", "dollars", True,
    ),
    "total_loss_limit": Rule("Worst cases of all events.", "risk.total_loss_max_dollars", "dollars", True),
    "exposure_limit": Rule(
        "What all positions cost, and what all orders may cost.",
        "risk.exposure_max_dollars", "dollars", True,
    ),
    "daily_loss_limit": Rule(
        "Marked loss since midnight UTC.", "risk.daily_loss_max_dollars", "dollars", True
    ),
    "drawdown_limit": Rule(
        "Marked loss from the highest equity of this run.", "risk.drawdown_max_dollars", "dollars", True
    ),
    "losing_streak": Rule(
        "Positions closed or settled at a loss, one after the other, since midnight UTC.",
        "risk.losing_streak_max", "count", True,
    ),
    "strategy_capital": Rule(
        "What the strategy's positions cost, and what its orders may cost. What gives up its own passes.",
        "strategies.<name>.capital_dollars", "dollars", True,
    ),
    "strategy_daily_loss": Rule(
        "The strategy's marked loss since midnight UTC. What gives up its own passes.",
        "strategies.<name>.daily_loss_max_dollars", "dollars", True,
    ),
    "cash_short": Rule("The order may take more cash than is free.", "", "dollars", True),
    "cash_reserve": Rule(
        "It would take of the cash that is to stay free.", "risk.cash_reserve_dollars", "dollars", True
    ),
    "market_orders_limit": Rule("Open orders in the market.", "risk.orders_per_market_max", "count", True),
    "open_orders_limit": Rule("Open orders in all markets.", "risk.open_orders_max", "count", True),
    "order_rate_limit": Rule("New orders within a minute.", "risk.orders_per_minute_max", "count", True),
    "message_budget": Rule(
        "Order requests of all kinds within a minute; cancels count, and pass. A fifth is kept for reducing.",
        "risk.requests_per_minute_max", "count",
    ),
    "repeated_execution": Rule(
        "Orders of this market, side and price that were filled within a minute: a runaway.",
        "risk.repeated_fills_max", "count",
    ),
    "duplicate_order": Rule("The same order was just sent.", "risk.duplicate_window_ms", "words"),
}  # fmt: skip
"""By name, in the order of `Refusal`."""


class Refused(msgspec.Struct, frozen=True):
    """One refusal: its name, the limit, and what it was held against, in the core's units.

    `limit` is None where the refusal has none, `value` where it is not known.
    """

    name: Refusal
    limit: int | None = None
    value: int | str | None = None

    @property
    def text(self) -> str:
        """The refusal for people, such as "position_limit: 320 of 300 contracts"."""
        unit = RULES[self.name].unit
        if isinstance(self.value, str):
            return f"{self.name}: {self.value}"
        if self.limit is None:
            return self.name
        value = "unknown" if self.value is None else amount(self.value, unit)
        words = "" if unit in ("count", "words") else f" {unit}"
        return f"{self.name}: {value} of {amount(self.limit, unit)}{words}"


def amount(number: int, unit: Unit) -> str:
    """Return a number of the core as people write it, without zeros that say nothing."""
    scale = _SCALES.get(unit)
    if scale is None:
        return str(number)
    return format_decimal(number, len(str(scale)) - 1).rstrip("0").rstrip(".")


def refusals_page() -> str:
    """Return daemon/REFUSALS.md: one row for each refusal."""
    lines = [
        "# Refusals",
        "",
        "Made from `daemon/core/risk/refusals.py`. A refusal is our own no; the venue's is a rejection.",
        "*Reducing passes*: an order that only gives up a part of a position is sent nevertheless. Cancels",
        "always pass.",
        "",
        "| name | limit | what it means | reducing passes |",
        "|---|---|---|---|",
    ]
    for name in typing.get_args(Refusal):
        rule = RULES[name]
        key = f"`{rule.key}`" if rule.key else "–"
        lines.append(f"| `{name}` | {key} | {rule.meaning} | {'yes' if rule.is_lifted else 'no'} |")
    return "\n".join(lines) + "\n"
