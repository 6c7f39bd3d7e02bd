"""What the gate is given: gathered from the beliefs of a running engine, at the decision and at sending."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import PlaceOrder
from daemon.core.engine import Engine, Slot
from daemon.core.features import CATALOGUE
from daemon.core.risk import Refusal
from daemon.core.scorer import FeatureSchema, Output
from daemon.core.strategy import Target
from daemon.core.units import DAY, HOUR, MONEY_ONE, SECOND
from tests.core.test_engine_refusals import BUY, SELL, orders, resting
from tests.core.test_limits import NEW_YORK
from tests.core.worlds import (
    CASH,
    CONFIG,
    LIMITS,
    NOW,
    SCHEMA,
    T0,
    TICKER,
    Scripted,
    reconciled,
    snapshot,
    spec,
    trading,
)

REFERENCE = next(name for name, one in CATALOGUE.items() if one.source == "reference")


class Model:
    """A model that needs the underlying's price."""

    name = "m"
    version = "1"
    schema = FeatureSchema((*SCHEMA.names, REFERENCE))
    required = frozenset({REFERENCE})
    output: Output = "probability"

    def score(self, row: object) -> float:  # noqa: ARG002
        """Return an even chance."""
        return 0.5


def limited(**changes: object) -> Engine:
    """An engine that wants to buy, with other limits."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    return trading(
        strategy, msgspec.structs.replace(CONFIG, limits=msgspec.structs.replace(LIMITS, **changes))
    )


def refused(subject: Engine, at: int = NOW) -> Refusal:
    """The one name under which a decision is refused."""
    assert orders(subject.decide(at)) == []
    (name,) = subject.refusals
    return name  # type: ignore[return-value]


def test_an_entry_is_vouched_for_again_at_the_moment_of_sending() -> None:
    """What was decided within the hours leaves within them; what only reduces leaves at any hour."""
    subject = limited(hours=msgspec.structs.replace(NEW_YORK, days=(4,), opens=0, closes=DAY))
    (placed,) = orders(subject.decide(NOW))
    assert isinstance(placed, PlaceOrder)
    assert subject.vouch(placed, NOW) is None
    subject.gathering.limits = msgspec.structs.replace(LIMITS, hours=NEW_YORK)
    night = NOW - NOW % DAY + 2 * HOUR
    assert subject.gathering.entry_refusal(subject.state.markets[TICKER], night) == "outside_hours"
    subject.gathering.limits = msgspec.structs.replace(
        LIMITS, hours=msgspec.structs.replace(NEW_YORK, days=())
    )
    assert subject.vouch(placed, NOW) == "outside_hours"
    short = e.OrderFilled("t", "old", None, TICKER, "ask", 4_000, placed.qty, 0, True, NOW, None)
    subject.handle(short)
    assert subject.vouch(msgspec.structs.replace(placed, purpose="reduce"), NOW) is None


def test_an_expired_model_enters_nothing() -> None:
    """Its metadata says when."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    assert (
        refused(trading(strategy, msgspec.structs.replace(CONFIG, model_expires_at=NOW))) == "model_expired"
    )


def test_a_model_that_needs_the_underlying_enters_nothing_without_it() -> None:
    """Until a source of it is well."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = Engine(CONFIG, [Slot(strategy, frozenset({"KXBTC15M"}))], Model(), Model.schema)
    for event in (
        e.MarketListed(spec(), T0),
        e.FeedConnected("kalshi", T0),
        reconciled(T0 + 3 * SECOND),
        reconciled(NOW),
        snapshot(NOW),
    ):
        subject.handle(event)
    assert refused(subject) == "reference_stale"
    subject.handle(e.FeedConnected("kraken", NOW))
    subject.handle(e.ReferencePriceReceived("kraken", "BTC/USD", 84_000 * MONEY_ONE, NOW, NOW))
    assert [type(c) for c in orders(subject.decide(NOW + 1))] == [PlaceOrder]


def test_requests_of_all_kinds_are_counted_within_a_minute() -> None:
    """An order and its amend are two; the third one waits, and a cancel passes."""
    subject = limited(requests_per_minute_max=2)
    strategy = subject.slots[0].strategy
    assert isinstance(strategy, Scripted)
    resting(subject)
    strategy.targets = (msgspec.structs.replace(BUY, price=3_800),)
    subject.handle(snapshot(NOW + 1))
    (amend,) = orders(subject.decide(NOW + 1))
    subject.handle(e.OrderAccepted("amend", amend.client_order_id, "id-1", 0, 1_000, NOW, NOW))  # type: ignore[union-attr]
    strategy.targets = (msgspec.structs.replace(BUY, price=3_700),)
    subject.handle(snapshot(NOW + 2))
    assert refused(subject, NOW + 2) == "message_budget"
    strategy.targets = ()
    subject.handle(snapshot(NOW + 3))
    assert len(orders(subject.decide(NOW + 3))) == 1


def test_two_orders_of_one_decision_count_each_other() -> None:
    """What was approved a moment ago is in flight already."""
    subject = limited(open_orders_max=1)
    strategy = subject.slots[0].strategy
    assert isinstance(strategy, Scripted)
    strategy.targets = (BUY, SELL)
    assert len(orders(subject.decide(NOW))) == 1
    assert subject.refusals == {"open_orders_limit": 1}


def test_a_loss_today_and_a_drawdown_are_of_the_marked_equity() -> None:
    """100 contracts bought at 50, marked at 41: 9 $ in an hour's book."""
    subject = trading(Scripted())
    subject.decide(NOW)
    subject.handle(e.OrderFilled("t", "o", None, TICKER, "bid", 5_000, 10_000, 0, True, NOW, None))
    gathering = subject.gathering
    assert (gathering.pnl_today(), gathering.drawdown()) == (0, 0)  # as of a moment ago
    subject.decide(NOW + SECOND)
    assert (gathering.equity_at_start, gathering.pnl()) == (CASH, -9 * MONEY_ONE)
    assert (gathering.pnl_today(), gathering.drawdown()) == (-9 * MONEY_ONE, 9 * MONEY_ONE)


@pytest.mark.parametrize("moved", [1_000 * MONEY_ONE, -1_000 * MONEY_ONE])
def test_cash_that_the_owner_moves_is_no_profit_and_no_loss(moved: int) -> None:
    """A deposit raises no limit on losses, and a withdrawal halts nobody."""
    subject = trading(Scripted())
    subject.decide(NOW)
    at = NOW + 10 * SECOND
    subject.handle(e.CashFlowsRead(at, at, (e.CashFlow("w", moved, 0, at),)))
    for _ in range(2):
        subject.handle(reconciled(at, CASH + moved))
        at += 3 * SECOND
    subject.decide(at)
    assert (subject.state.ledger.cash, subject.state.halt_reason) == (CASH + moved, None)
    gathering = subject.gathering
    assert (gathering.pnl(), gathering.pnl_today(), gathering.drawdown()) == (0, 0, 0)


@pytest.mark.parametrize(("guard", "expected"), [(None, 1), (HOUR, 0)])
def test_a_strategys_own_close_guard_holds(guard: int | None, expected: int) -> None:
    """A quarter of an hour is too near for a slow one."""
    strategy = Scripted()
    strategy.targets = (Target("bid", 4_000, 100, "rest", ""),)
    subject = trading(strategy)
    subject.changes.wrap(lambda _: Slot(strategy, frozenset({"KXBTC15M"}), guard))
    assert len(orders(subject.decide(NOW))) == expected
