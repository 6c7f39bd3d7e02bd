"""Small worlds for tests of the core: a market, a book, an engine with a scripted strategy."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from daemon.core import events as e
from daemon.core.engine import Engine, EngineConfig, Slot
from daemon.core.markets import Fees, MarketSpec
from daemon.core.risk import Limits
from daemon.core.scorer import FeatureSchema
from daemon.core.strategy import MarketView, Strategy, Target, Wanted
from daemon.core.units import HOUR, MILLISECOND, MINUTE, MONEY_ONE, SECOND, Ns, PriceBand

T0: Ns = 1_790_366_100 * SECOND
TICKER = "KXBTC15M-26SEP251530-30"
SCHEMA = FeatureSchema(("mid", "spread"))
LIMITS = Limits(
    order_qty_max=10_000,
    position_qty_max=20_000,
    market_loss_max=100 * MONEY_ONE,
    total_loss_max=150 * MONEY_ONE,
    daily_loss_max=50 * MONEY_ONE,
    price_away_max=1_000,
    orders_per_minute_max=20,
    close_guard=10 * SECOND,
    feed_silent_max=15 * SECOND,
    transport_lag_max=500 * MILLISECOND,
    clock_offset_max=SECOND,
    refused_per_minute_max=20,
)
CONFIG = EngineConfig(
    order_id_prefix="kd",
    epoch=1_790_366_100_000,
    limits=LIMITS,
    order_ttl=SECOND,
    heartbeat=SECOND,
    reconcile_every=30 * SECOND,
    failures_max=3,
    probe_every=2 * SECOND,
)
CASH = 10_000 * MONEY_ONE


def spec(ticker: str = TICKER, **changes: object) -> MarketSpec:
    """A 15-minute bitcoin market that is open at T0."""
    market = MarketSpec(
        ticker=ticker,
        event_ticker=ticker.rsplit("-", 1)[0],
        series_ticker="KXBTC15M",
        title="BTC price up in next 15 mins?",
        status="active",
        open_at=T0 - MINUTE,
        close_at=T0 + 14 * MINUTE,
        strike=84_000 * MONEY_ONE,
        strike_type="greater_or_equal",
        bands=(PriceBand(0, 1_000, 10), PriceBand(1_000, 9_000, 100), PriceBand(9_000, 10_000, 10)),
        fees=Fees("quadratic", 1_000_000),
        exchange_index=2,
    )
    return msgspec.structs.replace(market, **changes)


def snapshot(
    at: Ns = T0,
    ticker: str = TICKER,
    yes: Sequence[e.Level] = ((3_900, 50_000), (4_000, 40_000)),
    no: Sequence[e.Level] = ((5_700, 50_000), (5_800, 30_000)),
) -> e.BookSnapshotReceived:
    """A book: 40.0 bid for 400 contracts, 42.0 asked for 300."""
    return e.BookSnapshotReceived(ticker, tuple(yes), tuple(no), at, at)


def reconciled(
    at: Ns = T0,
    cash: int = CASH,
    positions: tuple[e.PositionSnapshot, ...] = (),
    orders: tuple[e.OrderSnapshot, ...] = (),
    fills: tuple[e.OrderFilled, ...] = (),
    doubtful: tuple[str, ...] = (),
    ended: tuple[e.EndedOrder, ...] = (),
) -> e.AccountReconciled:
    """A reading of the venue's lists."""
    return e.AccountReconciled(at, at, cash, positions, orders, fills, doubtful, ended)


class Scripted:
    """A strategy that wants what the test says."""

    name = "scripted"
    features: tuple[str, ...] = ()

    def __init__(self, book_changed_max: Ns | None = None) -> None:
        self.book_changed_max: Ns | None = book_changed_max
        self.targets: tuple[Target, ...] = ()
        self.views: list[MarketView] = []

    def wants(self, view: MarketView) -> Wanted:
        """Return the scripted targets."""
        self.views.append(view)
        return Wanted(self.targets, "scripted")


def engine(strategy: Strategy, config: EngineConfig = CONFIG) -> Engine:
    """An engine without a model."""
    return Engine(config, [Slot(strategy, frozenset({"KXBTC15M"}))], None, SCHEMA)


def trading(strategy: Strategy, config: EngineConfig = CONFIG, cash: int = CASH) -> Engine:
    """An engine that is connected, has a book, and has reconciled an empty account at T0."""
    subject = engine(strategy, config)
    for event in (
        e.MarketListed(spec(), T0),
        e.FeedConnected("kalshi", T0),
        snapshot(),
        reconciled(T0 + 3 * SECOND, cash),
        reconciled(T0 + 10 * SECOND, cash),
        e.BookDeltaReceived(TICKER, "yes", 3_900, 100, T0 + 10 * SECOND, T0 + 10 * SECOND),
    ):
        subject.handle(event)
    return subject


NOW = T0 + 10 * SECOND
FAR = T0 + HOUR
