"""Every refusal by a case that triggers it and one just inside that does not, and what they are built of."""

from __future__ import annotations

import typing

import msgspec

from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.breakers import RULES as BREAKERS
from daemon.core.breakers import Opened
from daemon.core.ledger import Position
from daemon.core.lifecycle import OrderState
from daemon.core.limits import Limits
from daemon.core.orders import Order, Proposal, ProposePlace
from daemon.core.risk import AccountRisk, Approved, FeedHealth, MarketRisk, Refusal, Refused, Risk
from daemon.core.risk.grounds import StrategyRisk
from daemon.core.strategy import Target
from daemon.core.units import DAY, MILLISECOND, MONEY_ONE, SECOND, BookSide, PriceGrid
from tests.core.worlds import CASH, LIMITS, NOW, TICKER, snapshot, spec

MARKET_REFUSALS: tuple[Refusal, ...] = (
    "exchange_paused",
    "trading_paused",
    "maintenance",
    "schema_drift",
    "not_watched",
    "not_backfilled",
)
"""Those that the engine finds for a market before it asks the gate."""


def feed(**changes: object) -> FeedHealth:
    """A healthy connection."""
    health = FeedHealth()
    health.is_connected = True
    health.heard_at = NOW
    health.lag.observe(NOW, NOW)
    for name, value in changes.items():
        setattr(health, name, value)
    return health


def book(at: int = NOW) -> Book:
    """A synced book."""
    subject = Book(TICKER)
    subject.apply_snapshot(snapshot(at))
    return subject


def market(**changes: object) -> MarketRisk:
    """A tradable market without position or orders."""
    base = MarketRisk(
        spec=spec(),
        grid=PriceGrid(spec().bands),
        book=book(),
        position=None,
        open_orders=(),
        book_changed_max=None,
        feed=feed(),
        refusal=None,
    )
    return msgspec.structs.replace(base, **changes)


def account(**changes: object) -> AccountRisk:
    """An account that may trade."""
    base = AccountRisk(
        refusal=None,
        breaker=None,
        breaker_of_reducing=None,
        private_feed=feed(),
        cash_free=CASH,
        loss_elsewhere=0,
        pnl_today=0,
        orders_last_minute=0,
    )
    return msgspec.structs.replace(base, **changes)


def strategy(**changes: object) -> StrategyRisk:
    """A strategy that has nothing at stake, without limits of its own."""
    base = StrategyRisk(
        capital=None, share=None, staked_elsewhere=0, daily_loss_max=None, loss_today=0, held=2_000
    )
    return msgspec.structs.replace(base, **changes)


def resting(
    side: BookSide = "ask", price: int = 4_100, qty: int = 1_000, state: OrderState = "resting"
) -> Order:
    """One of our orders."""
    return Order(
        client_order_id=f"{side}{price}", ticker=TICKER, side=side, price=price, qty=qty, style="rest",
        strategy="s", at=NOW, state=state, order_id="id",
    )  # fmt: skip


def buy(price: int = 4_100, qty: int = 1_000) -> Target:
    """A target to buy 10 contracts at 41 cents."""
    return Target("bid", price, qty, "rest", "because")


def place(target: Target | None = None) -> ProposePlace:
    """A wish to buy."""
    return ProposePlace(TICKER, "s", target or buy())


def judge(
    proposal: Proposal | None = None,
    m: MarketRisk | None = None,
    a: AccountRisk | None = None,
    limits: Limits = LIMITS,
) -> Approved | Refused:
    """What the gate says."""
    return Risk(limits).approve(proposal or place(), m or market(), a or account(), NOW)


OPENED = Opened(BREAKERS["failures"], "", "open", "nobody answers")


def with_limits(**changes: object) -> Limits:
    """The usual limits, some of them set otherwise."""
    return msgspec.structs.replace(LIMITS, **changes)


def placed(order: Order, before: int) -> tuple[tuple[int, Order], ...]:
    """One order that was placed so long ago."""
    return ((NOW - before, order),)


def filled(price: int = 4_100) -> Order:
    """An order of ours that has traded."""
    order = resting("bid", price, 500, "executed")
    order.booked = order.filled = 500
    return order


def deep(yes: tuple[e.Level, ...] = ((4_000, 40_000),), no: tuple[e.Level, ...] = ((5_800, 30_000),)) -> Book:
    """A book with these levels."""
    subject = Book(TICKER)
    subject.apply_snapshot(snapshot(NOW, yes=yes, no=no))
    return subject


def traded(volume: int | None, open_for: int = DAY) -> MarketRisk:
    """A market that is open for so long, with so much volume."""
    return market(spec=spec(volume_day=volume, open_at=NOW - open_for))


ENTRY_REFUSALS: tuple[Refusal, ...] = (
    "outside_hours",
    "model_expired",
    "model_drifted",
    "score_out_of_range",
    "reference_stale",
    "stopped_out",
    "no_order_group",
    "order_group_triggered",
)
"""What the engine finds against entering, before it asks the gate."""


def late(lag: int) -> FeedHealth:
    """A connection whose last message came late."""
    health = feed()
    health.lag.observe(NOW + lag, NOW)
    return health


def skewed(offset: int) -> FeedHealth:
    """A connection whose clocks differ."""
    health = feed()
    health.lag.reset()
    health.lag.observe(NOW + offset, NOW)
    return health


def unsynced() -> Book:
    """A book that was lost."""
    subject = book()
    subject.lose("gap")
    return subject


CASES: list[tuple[Refusal, dict[str, typing.Any], dict[str, typing.Any]]] = [
    ("not_reconciled", {"a": account(refusal="not_reconciled")}, {}),
    ("halted", {"a": account(refusal="halted")}, {}),
    ("stopping", {"a": account(refusal="stopping")}, {}),
    ("strategy_off", {"a": account(refusal="strategy_off")}, {}),
    (
        "breaker_open",
        {"a": account(breaker=OPENED, breaker_of_reducing=OPENED)},
        {"a": account(breaker_of_reducing=OPENED)},
    ),
    ("feed_down", {"a": account(private_feed=feed(is_connected=False))}, {}),
    ("feed_down", {"m": market(feed=feed(is_connected=False))}, {}),
    ("feed_down", {"m": market(feed=FeedHealth())}, {}),
    (
        "feed_silent",
        {"m": market(feed=feed(heard_at=NOW - 15 * SECOND - 1))},
        {"m": market(feed=feed(heard_at=NOW - 15 * SECOND))},
    ),
    (
        "transport_lag",
        {"m": market(feed=late(501 * MILLISECOND))},
        {"m": market(feed=late(500 * MILLISECOND))},
    ),
    ("clock_skew", {"m": market(feed=skewed(-SECOND - 1))}, {"m": market(feed=skewed(-SECOND))}),
    *[
        # What triggers these, and what ends them, stands in test_engine_refusals.
        (refusal, {"m": market(refusal=refusal)}, {})
        for refusal in MARKET_REFUSALS
    ],
    ("book_unsynced", {"m": market(book=unsynced())}, {}),
    (
        "book_unchanged",
        {"m": market(book_changed_max=SECOND, book=book(NOW - SECOND - 1))},
        {"m": market(book_changed_max=SECOND, book=book(NOW - SECOND))},
    ),
    ("market_not_open", {"m": market(spec=spec(status="inactive"))}, {}),
    ("market_not_open", {"m": market(spec=spec(close_at=NOW))}, {}),
    (
        "close_too_near",
        {"m": market(spec=spec(close_at=NOW + 10 * SECOND - 1))},
        {"m": market(spec=spec(close_at=NOW + 10 * SECOND))},
    ),
    (
        "order_unknown",
        {"m": market(open_orders=(resting("bid", state="unknown"),))},
        {"m": market(open_orders=(resting("bid", state="placing"),))},
    ),
    ("off_grid", {"proposal": place(buy(4_150))}, {"proposal": place(buy(4_200))}),
    ("qty_out_of_range", {"proposal": place(buy(qty=10_001))}, {"proposal": place(buy(qty=10_000))}),
    ("qty_out_of_range", {"proposal": place(buy(qty=0))}, {"proposal": place(buy(qty=1))}),
    ("price_too_far", {"proposal": place(buy(3_100))}, {"proposal": place(buy(3_200))}),
    (
        "self_cross",
        {"m": market(open_orders=(resting("ask", 4_100),))},
        {"m": market(open_orders=(resting("ask", 4_200),))},
    ),
    (
        "position_limit",
        {"m": market(position=Position(19_001, 1_000_000))},
        {"m": market(position=Position(19_000, 1_000_000))},
    ),
    (
        "position_limit",
        {"m": market(position=Position(10_000, 1_000_000), open_orders=(resting("bid", 3_900, 9_001),))},
        {"m": market(position=Position(10_000, 1_000_000), open_orders=(resting("bid", 3_900, 9_000),))},
    ),
    (
        "market_loss_limit",
        {"m": market(position=Position(100, 95_900_001))},
        {"m": market(position=Position(100, 95_900_000))},
    ),
    (
        "total_loss_limit",
        {"a": account(loss_elsewhere=145_900_001)},
        {"a": account(loss_elsewhere=145_900_000)},
    ),
    (
        "daily_loss_limit",
        {"a": account(pnl_today=-50 * MONEY_ONE)},
        {"a": account(pnl_today=1 - 50 * MONEY_ONE)},
    ),
    ("cash_short", {"a": account(cash_free=4_099_999)}, {"a": account(cash_free=4_100_000)}),
    ("order_rate_limit", {"a": account(orders_last_minute=20)}, {"a": account(orders_last_minute=19)}),
    *[(refusal, {"m": market(entry_refusal=refusal)}, {}) for refusal in ENTRY_REFUSALS],
    (
        "volume_too_low",
        {"m": traded(19_999), "limits": with_limits(volume_day_min=20_000)},
        {"m": traded(20_000), "limits": with_limits(volume_day_min=20_000)},
    ),
    (
        "volume_too_low",
        {"m": traded(None), "limits": with_limits(volume_day_min=20_000)},
        {"m": traded(None, DAY - 1), "limits": with_limits(volume_day_min=20_000)},
    ),
    ("spread_too_wide", {"limits": with_limits(spread_max=199)}, {"limits": with_limits(spread_max=200)}),
    (
        "spread_too_wide",
        {"m": market(book=deep(yes=())), "limits": with_limits(spread_max=4_199)},
        {"m": market(book=deep(yes=())), "limits": with_limits(spread_max=4_200)},
    ),
    ("depth_too_thin", {"limits": with_limits(depth_min=30_001)}, {"limits": with_limits(depth_min=30_000)}),
    (
        "depth_too_thin",
        {"m": market(book=deep(yes=())), "limits": with_limits(depth_min=1)},
        {"m": market(book=deep(yes=((3_900, 1),))), "limits": with_limits(depth_min=1)},
    ),
    (
        "order_notional_limit",
        {"limits": with_limits(order_notional_max=4_099_999)},
        {"limits": with_limits(order_notional_max=4_100_000)},
    ),
    (
        "fair_value_too_far",
        {"m": market(score=0.51), "limits": with_limits(fair_away_max=999)},
        {"m": market(score=0.51), "limits": with_limits(fair_away_max=1_000)},
    ),
    (
        "event_position_limit",
        {"a": account(event_reach=1_001), "limits": with_limits(event_qty_max=2_000)},
        {"a": account(event_reach=1_000), "limits": with_limits(event_qty_max=2_000)},
    ),
    (
        "series_position_limit",
        {"a": account(series_reach=1_001), "limits": with_limits(series_qty_max=2_000)},
        {"a": account(series_reach=1_000), "limits": with_limits(series_qty_max=2_000)},
    ),
    (
        "settlement_position_limit",
        {"a": account(settlement_reach=1_001), "limits": with_limits(settlement_qty_max=2_000)},
        {"a": account(settlement_reach=1_000), "limits": with_limits(settlement_qty_max=2_000)},
    ),
    (
        "total_position_limit",
        {"a": account(total_reach=1_001), "limits": with_limits(total_qty_max=2_000)},
        {"a": account(total_reach=1_000), "limits": with_limits(total_qty_max=2_000)},
    ),
    (
        "event_loss_limit",
        {"a": account(event_realized=-1), "limits": with_limits(event_loss_max=4_100_000)},
        {"a": account(), "limits": with_limits(event_loss_max=4_100_000)},
    ),
    (
        "exposure_limit",
        {"a": account(exposure_elsewhere=900_001), "limits": with_limits(exposure_max=5_000_000)},
        {"a": account(exposure_elsewhere=900_000), "limits": with_limits(exposure_max=5_000_000)},
    ),
    (
        "drawdown_limit",
        {"a": account(drawdown=MONEY_ONE), "limits": with_limits(drawdown_max=MONEY_ONE)},
        {"a": account(drawdown=MONEY_ONE - 1), "limits": with_limits(drawdown_max=MONEY_ONE)},
    ),
    (
        "losing_streak",
        {"a": account(losing_streak=5), "limits": with_limits(losing_streak_max=5)},
        {"a": account(losing_streak=4), "limits": with_limits(losing_streak_max=5)},
    ),
    (
        "strategy_capital",
        {"a": account(strategy=strategy(capital=4_100_000, staked_elsewhere=1))},
        {"a": account(strategy=strategy(capital=4_100_000))},
    ),
    (
        "strategy_capital",
        {
            "m": market(open_orders=(resting("bid", 3_900, 100),)),
            "a": account(strategy=strategy(capital=4_489_999)),
        },
        {
            "m": market(open_orders=(resting("bid", 3_900, 100),)),
            "a": account(strategy=strategy(capital=4_490_000)),
        },
    ),
    (
        "strategy_daily_loss",
        {"a": account(strategy=strategy(daily_loss_max=MONEY_ONE, loss_today=MONEY_ONE))},
        {"a": account(strategy=strategy(daily_loss_max=MONEY_ONE, loss_today=MONEY_ONE - 1))},
    ),
    (
        "cash_reserve",
        {"limits": with_limits(cash_reserve=CASH - 4_099_999)},
        {"limits": with_limits(cash_reserve=CASH - 4_100_000)},
    ),
    (
        "market_orders_limit",
        {"m": market(open_orders=(resting(price=4_300),)), "limits": with_limits(market_orders_max=1)},
        {"m": market(open_orders=(resting(price=4_300),)), "limits": with_limits(market_orders_max=2)},
    ),
    (
        "open_orders_limit",
        {"a": account(open_orders=3), "limits": with_limits(open_orders_max=3)},
        {"a": account(open_orders=2), "limits": with_limits(open_orders_max=3)},
    ),
    (
        "message_budget",
        {
            "a": account(requests_last_minute=60, reducing_last_minute=12),
            "limits": with_limits(requests_per_minute_max=60),
        },
        {"a": account(requests_last_minute=47), "limits": with_limits(requests_per_minute_max=60)},
    ),
    (
        "repeated_execution",
        {"m": market(recent_orders=placed(filled(), 5) * 3), "limits": with_limits(repeated_fills_max=3)},
        {
            "m": market(recent_orders=placed(filled(), 5) * 2 + placed(filled(4_000), 5)),
            "limits": with_limits(repeated_fills_max=3),
        },
    ),
    (
        "duplicate_order",
        {"m": market(recent_orders=placed(resting("bid"), 49)), "limits": with_limits(duplicate_window=50)},
        {"m": market(recent_orders=placed(resting("bid"), 50)), "limits": with_limits(duplicate_window=50)},
    ),
]
