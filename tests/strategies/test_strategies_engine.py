"""The shipped strategies in the real engine: their wishes become orders, netted, limited, in their hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, Command, PlaceOrder
from daemon.core.engine import Engine, Slot
from daemon.core.models import Model
from daemon.core.scorer import FeatureSchema, Output
from daemon.core.strategy import Strategy
from daemon.core.units import DAY, HOUR, MINUTE, QTY_ONE, SECOND, Ns
from strategies import SHIPPED
from tests.core.worlds import CONFIG, T0, reconciled, snapshot, spec
from tests.strategies.views import NOON

SERIES = frozenset({"KXBTC15M"})


class Says:
    """A model that says the same of every market."""

    name = "says"
    version = "1"
    schema = FeatureSchema(("mid",))
    required = frozenset({"mid"})

    def __init__(self, says: float, output: Output = "probability") -> None:
        self.says = says
        self.output: Output = output

    def score(self, row: Sequence[float | None]) -> float:  # noqa: ARG002
        """Return what it says."""
        return self.says


def built(name: str, **params: object) -> Strategy:
    """A shipped strategy with these parameters, else its defaults."""
    shipped = SHIPPED[name]
    return shipped.build(msgspec.convert(params, shipped.params))


def engine(strategies: Sequence[Strategy], model: Says | None) -> Engine:
    """An engine of these strategies."""
    models: Mapping[str, Model] | None = None if model is None else {"default": Model(model)}
    return Engine(
        CONFIG, [Slot(strategy, SERIES, close_guard=0) for strategy in strategies], models, FeatureSchema(())
    )


def live(subject: Engine, at: Ns, closes_at: Ns, bid: int = 4_000, ask: int = 4_200) -> None:
    """List the market, connect, and reconcile an empty account until `at`."""
    market = spec(open_at=at - 30 * DAY, close_at=closes_at, volume_day=1_000 * QTY_ONE)
    for event in (
        e.MarketListed(market, at - 10 * SECOND),
        e.FeedConnected("kalshi", at - 10 * SECOND),
        quoted(at - 10 * SECOND, bid, ask),
        reconciled(at - 7 * SECOND),
        reconciled(at),
        quoted(at, bid, ask),
    ):
        subject.handle(event)


def quoted(at: Ns, bid: int, ask: int) -> e.BookSnapshotReceived:
    """A book of 400 contracts a side."""
    return snapshot(at, yes=((bid, 40_000),), no=((10_000 - ask, 40_000),))


def accepted(order: PlaceOrder, number: int, at: Ns) -> e.OrderAccepted:
    """The venue's yes to an order that rests whole."""
    return e.OrderAccepted("place", order.client_order_id, f"o-{number}", 0, order.qty, at, at)


def placed(commands: Sequence[Command]) -> list[tuple[str, str, int, int, str]]:
    """Strategy, side, price, contracts and time in force of new orders."""
    return [
        (one.strategy, one.side, one.price, one.qty // QTY_ONE, one.time_in_force)
        for one in commands
        if isinstance(one, PlaceOrder)
    ]


@pytest.mark.parametrize(
    ("name", "says", "expected"),
    [
        ("fair_value", 0.50, [("bid", 4_200, 50, "immediate_or_cancel")]),
        ("volatility_event", 0.50, [("bid", 4_200, 50, "immediate_or_cancel")]),
        ("volatility_event", 0.30, [("ask", 4_000, 50, "immediate_or_cancel")]),
        (
            "market_maker",
            0.41,
            [("bid", 3_800, 20, "good_till_canceled"), ("ask", 4_400, 20, "good_till_canceled")],
        ),
    ],
)
def test_what_a_model_is_worth_becomes_orders(
    name: str, says: float, expected: list[tuple[str, int, int, str]]
) -> None:
    """At the shipped parameters, under the shipped limits."""
    subject = engine([built(name)], Says(says))
    live(subject, T0 + 10 * SECOND, T0 + 14 * MINUTE)
    orders = placed(subject.decide(T0 + 10 * SECOND))
    assert [(name, *terms) for terms in expected] == orders
    assert not subject.refusals


@pytest.mark.parametrize(("change", "side"), [(0.05, "bid"), (-0.05, "ask")])
def test_a_forecast_of_a_change_is_no_probability(change: float, side: str) -> None:
    """The portfolio's model says changes: the orders pass the limit on the distance from fair value."""
    ten = NOON - 2 * HOUR
    subject = engine([built("portfolio")], Says(change, "change"))
    live(subject, ten, ten + 5 * DAY)
    price = 4_200 if side == "bid" else 4_000
    assert [("portfolio", side, price, 50, "immediate_or_cancel")] == placed(subject.decide(ten))
    early = engine([built("portfolio")], Says(change, "change"))
    live(early, ten - MINUTE, ten + 5 * DAY)
    assert [] == placed(early.decide(ten - MINUTE))


def week(strategy: Strategy, until: Ns, mid: int, then: int) -> tuple[Engine, list[Command]]:
    """An engine that saw a market stand still hour by hour, and then somewhere else."""
    subject = engine([strategy], None)
    at = until - 7 * DAY - 2 * HOUR
    live(subject, at, until + 3 * DAY, mid - 100, mid + 100)
    found: list[Command] = []
    while at < until - MINUTE:
        at = min(at + HOUR, until - MINUTE)
        subject.handle(quoted(at, mid - 100, mid + 100))
        subject.handle(reconciled(at))
        found += subject.decide(at)
    subject.handle(quoted(until, then - 100, then + 100))
    subject.handle(reconciled(until))
    return subject, found


@pytest.mark.parametrize(
    ("then", "expected"),
    [(3_500, [("bid", 3_600, 50)]), (6_500, [("ask", 6_400, 50)]), (5_500, [])],
    ids=["fallen", "risen", "near"],
)
def test_a_price_far_from_its_week_is_traded_back(then: int, expected: list[tuple[str, int, int]]) -> None:
    """From the engine's own features: nothing for a week, then an order; 1 c is 1 c of the real mean."""
    subject, before = week(built("mean_reversion"), NOON, 5_000, then)
    assert [] == placed(before)
    orders = placed(subject.decide(NOON))
    assert [("mean_reversion", *terms, "immediate_or_cancel") for terms in expected] == orders


def test_outside_its_hours_the_same_price_is_left_alone() -> None:
    """07:59 in New York is too early; the minute after it acts."""
    eight = NOON - 4 * HOUR
    subject, before = week(built("mean_reversion"), eight - MINUTE, 5_000, 3_500)
    assert [] == placed([*before, *subject.decide(eight - MINUTE)])
    subject.handle(quoted(eight, 3_400, 3_600))
    subject.handle(reconciled(eight))
    assert [("mean_reversion", "bid", 3_600, 50, "immediate_or_cancel")] == placed(subject.decide(eight))


def test_momentum_follows_where_mean_reversion_stands_aside() -> None:
    """Both run on one market: each move is traded by one of them at most, and never by both at once."""
    for then, expected in ((5_600, "momentum"), (6_500, "mean_reversion")):
        strategies = [built("momentum"), built("mean_reversion")]
        subject = engine(strategies, None)
        at = NOON - 7 * DAY - 2 * HOUR
        live(subject, at, NOON + 3 * DAY, 4_900, 5_100)
        while at < NOON - SECOND:
            at = min(at + (HOUR if at < NOON - HOUR else MINUTE), NOON - SECOND)
            subject.handle(quoted(at, 4_900, 5_100))
            subject.handle(reconciled(at))
            assert [] == placed(subject.decide(at))
        subject.handle(quoted(NOON, then - 100, then + 100))
        subject.handle(reconciled(NOON))
        assert {expected} == {name for name, *_ in placed(subject.decide(NOON))}


def test_strategies_side_by_side_never_trade_with_each_other() -> None:
    """One would sell where the other buys: what crosses is taken off both before anything is planned."""
    subject = engine([built("fair_value"), built("market_maker"), built("volatility_event")], Says(0.50))
    live(subject, T0 + 10 * SECOND, T0 + 14 * MINUTE)
    orders = placed(subject.decide(T0 + 10 * SECOND))
    assert {"fair_value", "volatility_event"} <= {name for name, *_ in orders}
    bids = [price for _, side, price, _, _ in orders if side == "bid"]
    asks = [price for _, side, price, _, _ in orders if side == "ask"]
    assert bids
    assert not asks or max(bids) < min(asks)


def test_a_resting_quote_moves_with_the_model_and_goes_before_the_close() -> None:
    """The market maker's order is amended where it is worth it, and taken out in the last minute."""
    model = Says(0.41)
    subject = engine([built("market_maker")], model)
    live(subject, T0 + 10 * SECOND, T0 + 14 * MINUTE)
    now = T0 + 10 * SECOND
    for number, order in enumerate(one for one in subject.decide(now) if isinstance(one, PlaceOrder)):
        subject.handle(accepted(order, number, now))
    model.says = 0.40
    subject.handle(quoted(now + SECOND, 4_000, 4_200))
    moved = [one for one in subject.decide(now + SECOND) if isinstance(one, AmendOrder)]
    assert [3_700, 4_300] == [one.price for one in moved]
    late = T0 + 13 * MINUTE + SECOND
    subject = engine([built("market_maker")], Says(0.41))
    live(subject, now, T0 + 14 * MINUTE)
    for number, order in enumerate(one for one in subject.decide(now) if isinstance(one, PlaceOrder)):
        subject.handle(accepted(order, number, now))
    subject.handle(quoted(late, 4_000, 4_200))
    assert 2 == sum(isinstance(one, CancelOrder) for one in subject.decide(late))
