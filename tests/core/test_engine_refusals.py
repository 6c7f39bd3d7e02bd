"""The refusals of a whole market, by events: at the decision, at the moment of sending, and their end."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import (
    CancelOrder,
    Command,
    LatchHalt,
    LiftHalt,
    PlaceOrder,
    ProbeVenue,
    Reconcile,
    WithdrawOrder,
)
from daemon.core.engine import Engine
from daemon.core.orders import CANCEL_AGAIN
from daemon.core.risk import Refusal
from daemon.core.strategy import Target
from daemon.core.units import HOUR, MINUTE, SECOND, Ns, PriceBand
from tests.core.worlds import CONFIG, NOW, T0, TICKER, Scripted, engine, reconciled, snapshot, spec, trading

BUY = Target("bid", 4_000, 1_000, "rest", "because")
SELL = Target("ask", 4_400, 1_000, "rest", "other side")
SHARD = spec().exchange_index


def status(is_active: bool, is_trading: bool, at: Ns = NOW) -> e.ExchangeStatusTold:
    """The exchange's word; its crypto shard is as the whole."""
    shards = (e.ShardStatus(0, True, True), e.ShardStatus(SHARD, is_active, is_trading))
    return e.ExchangeStatusTold(True, True, shards, None, at)


def orders(commands: list[Command]) -> list[Command]:
    """The commands that concern orders."""
    return [c for c in commands if not isinstance(c, Reconcile | ProbeVenue | LatchHalt | LiftHalt)]


def resting(subject: Engine, at: Ns = NOW) -> str:
    """Decide, let the venue accept the one order, and return its name."""
    (placed,) = orders(subject.decide(at))
    assert isinstance(placed, PlaceOrder)
    subject.handle(e.OrderAccepted("place", placed.client_order_id, "id-1", 0, placed.qty, at, at))
    return placed.client_order_id


def wanting(*targets: Target, is_backfilled: bool = False) -> tuple[Engine, Scripted]:
    """An engine that trades, and its strategy."""
    strategy = Scripted()
    strategy.targets = targets
    return trading(strategy, msgspec.structs.replace(CONFIG, is_backfilled=is_backfilled)), strategy


DRIFT = tuple(e.FrameRefused("kalshi", "type magic", NOW) for _ in range(21))
CASES: list[tuple[Refusal, bool, tuple[e.Event, ...], tuple[e.Event, ...], Ns]] = [
    ("exchange_paused", False, (status(False, False),), (status(True, True),), NOW),
    ("trading_paused", False, (status(True, False),), (status(True, True),), NOW),
    (
        "maintenance",
        False,
        (e.MaintenancePlanned(((NOW + 2 * MINUTE, NOW + HOUR),), NOW),),
        (e.MaintenancePlanned(((NOW + 2 * MINUTE + 1, NOW + HOUR),), NOW),),
        NOW,
    ),
    ("schema_drift", False, DRIFT, (), NOW + MINUTE),
    ("not_backfilled", True, (), (e.MarketBackfilled(TICKER, NOW),), NOW),
]


@pytest.mark.parametrize(
    ("refusal", "is_backfilled", "bad", "good", "later"), CASES, ids=[case[0] for case in CASES]
)
def test_a_market_refusal_holds_at_the_decision_and_at_sending_until_it_ends(
    refusal: Refusal, is_backfilled: bool, bad: tuple[e.Event, ...], good: tuple[e.Event, ...], later: Ns
) -> None:
    """Nothing new goes out, what waits in the queue neither; and then it goes on by itself."""
    subject, _ = wanting(BUY, is_backfilled=is_backfilled)
    for event in bad:
        subject.handle(event)
    assert orders(subject.decide(NOW)) == []
    assert subject.decisions.last[-1].reason == refusal
    waiting = PlaceOrder(
        "kd-1-9", TICKER, "bid", 4_000, 1, "good_till_canceled", True, SHARD, "s", "r", NOW, NOW, None
    )
    assert subject.vouch(waiting, NOW) == refusal
    for event in good:
        subject.handle(event)
    subject.handle(snapshot(later))
    assert subject.vouch(waiting, later) is None
    (placed,) = orders(subject.decide(later))
    assert isinstance(placed, PlaceOrder)


def test_what_rests_is_taken_out_before_maintenance_and_in_a_trading_pause() -> None:
    """Cancels are allowed then."""
    for event in (status(True, False), e.MaintenancePlanned(((NOW, NOW + HOUR),), NOW)):
        subject, _ = wanting(BUY)
        resting(subject)
        subject.handle(event)
        (cancelled,) = orders(subject.decide(NOW + 1))
        assert isinstance(cancelled, CancelOrder)


def test_no_cancel_is_sent_into_an_exchange_pause_and_it_is_when_it_is_over() -> None:
    """The venue would refuse it; not even a halt, a stop or an orphan of a previous life changes that."""
    subject, strategy = wanting(BUY)
    resting(subject)
    strategy.targets = ()
    subject.handle(status(False, False))
    assert orders(subject.decide(NOW + 1)) == []
    subject.handle(e.HaltRequested("person", NOW))
    assert orders(subject.decide(NOW + 2)) == []
    subject.handle(e.StopRequested("sigterm", NOW))
    assert orders(subject.decide(NOW + 3)) == []
    assert subject.phase == "stopping"
    subject.handle(status(True, True))
    (cancelled,) = orders(subject.decide(NOW + 4))
    assert isinstance(cancelled, CancelOrder)


def test_a_refused_cancel_is_not_sent_again_at_once() -> None:
    """After a close the venue refuses them all: each decision would send another one."""
    subject, strategy = wanting(BUY)
    resting(subject)
    strategy.targets = ()
    (cancelled,) = orders(subject.decide(NOW + 1))
    assert isinstance(cancelled, CancelOrder)
    refused = e.OrderRejected("cancel", cancelled.client_order_id, "market_inactive", "", NOW + 2)
    subject.handle(refused)
    assert orders(subject.decide(NOW + 3)) == []
    subject.handle(snapshot(NOW + 2 + CANCEL_AGAIN))
    (cancelled,) = orders(subject.decide(NOW + 2 + CANCEL_AGAIN))
    assert isinstance(cancelled, CancelOrder)


def test_an_orphan_waits_for_the_end_of_an_exchange_pause_too() -> None:
    """A market that nobody watches is on a shard that nobody knows: the exchange as a whole counts."""
    subject = engine(Scripted())
    subject.handle(reconciled(T0, orders=(e.OrderSnapshot("id-9", "kd-old-1", "X", "bid", 4_000, 0, 500),)))
    subject.handle(e.ExchangeStatusTold(False, False, (), None, T0))
    assert orders(subject.decide(T0)) == []
    subject.handle(e.ExchangeStatusTold(True, True, (), None, T0))
    assert [type(c) for c in orders(subject.decide(T0 + 1))] == [CancelOrder]


@pytest.mark.parametrize(
    ("code", "refusal"),
    [("trading_is_paused", "trading_paused"), ("exchange_is_paused", "exchange_paused")],
)
def test_a_rejection_for_a_pause_acts_at_once_and_asks_for_the_status(code: str, refusal: Refusal) -> None:
    """Not one order more, until the next status says otherwise; the venue is asked until it does."""
    subject, strategy = wanting(BUY)
    (placed,) = orders(subject.decide(NOW))
    assert isinstance(placed, PlaceOrder)
    subject.handle(e.OrderRejected("place", placed.client_order_id, code, "", NOW + 1))
    commands = subject.decide(NOW + 1)
    assert orders(commands) == []
    assert ProbeVenue(NOW + 1) in commands
    assert subject.decisions.last[-1].reason == refusal
    assert ProbeVenue(NOW + SECOND) not in subject.decide(NOW + SECOND)
    assert ProbeVenue(NOW + 3 * SECOND) in subject.decide(NOW + 3 * SECOND)
    at = NOW + 4 * SECOND
    subject.handle(status(True, True, at))
    commands = subject.decide(at)
    assert [type(c) for c in orders(commands)] == [PlaceOrder]
    assert ProbeVenue(at) not in commands
    assert subject.state.counts["pauses_met"] == 1
    assert strategy.views != []


def test_another_rejection_is_no_pause() -> None:
    """It is the strategy's matter whether to ask again."""
    subject, _ = wanting(BUY)
    (placed,) = orders(subject.decide(NOW))
    assert isinstance(placed, PlaceOrder)
    subject.handle(e.OrderRejected("place", placed.client_order_id, "insufficient_balance", "", NOW + 1))
    assert [type(c) for c in orders(subject.decide(NOW + 1))] == [PlaceOrder]


def test_a_market_that_is_left_is_quoted_no_more_and_forgotten_when_empty() -> None:
    """Its orders are cancelled at once, also while it is open and its book fine; then it is gone."""
    subject, strategy = wanting(BUY)
    name = resting(subject)
    asked = len(strategy.views)
    subject.handle(e.MarketDropped(TICKER, NOW + 1))
    (cancelled,) = orders(subject.decide(NOW + 1))
    assert isinstance(cancelled, CancelOrder)
    assert cancelled.reason == "not_watched"
    subject.handle(snapshot(NOW + 2))  # it was on its way
    assert orders(subject.decide(NOW + 2)) == []
    assert len(strategy.views) == asked
    gone = e.OrderAccepted("cancel", name, "id-1", None, 0, NOW + 3, NOW, reduced_by=1_000)
    subject.handle(gone)
    subject.decide(NOW + 2 * SECOND)
    assert subject.state.markets == {}


def test_an_order_on_its_way_into_a_market_that_is_left_does_not_leave() -> None:
    """The queue asks again."""
    subject, _ = wanting(BUY)
    (placed,) = orders(subject.decide(NOW))
    assert isinstance(placed, PlaceOrder)
    subject.handle(e.MarketDropped(TICKER, NOW))
    assert subject.vouch(placed, NOW) == "not_watched"


def test_new_prices_obey_the_new_grid() -> None:
    """A price that was fine a moment ago is refused; what rests off it stays."""
    subject, strategy = wanting(BUY)
    resting(subject)
    subject.handle(e.MarketGridChanged(TICKER, (PriceBand(0, 10_000, 700),), NOW))
    assert orders(subject.decide(NOW + 1)) == []
    strategy.targets = (BUY, Target("ask", 4_400, 1_000, "rest", "off"))
    subject.handle(snapshot(NOW + 2))
    assert orders(subject.decide(NOW + 2)) == []
    assert subject.refusals["off_grid"] == 1
    strategy.targets = (BUY, Target("ask", 4_900, 1_000, "rest", "on"))
    subject.handle(snapshot(NOW + 3))
    assert [type(c) for c in orders(subject.decide(NOW + 3))] == [PlaceOrder]


def test_an_activated_market_waits_for_the_account() -> None:
    """What rested there is gone: two readings must agree before anything is sent again."""
    subject, _ = wanting(BUY)
    resting(subject)
    subject.handle(e.MarketStatusChanged(TICKER, "inactive", NOW + 1))
    subject.handle(e.MarketStatusChanged(TICKER, "active", NOW + 1))
    commands = subject.decide(NOW + SECOND)
    assert [type(c) for c in commands if not isinstance(c, CancelOrder)] == [Reconcile]
    name = next(c.client_order_id for c in commands if isinstance(c, CancelOrder))
    subject.handle(e.OrderRejected("cancel", name, "not_found", "", NOW + SECOND))
    gone = (e.EndedOrder("id-1", name, TICKER, "canceled", 0),)
    for at in (NOW + 5 * SECOND, NOW + 10 * SECOND):
        subject.handle(reconciled(at, doubtful=(TICKER,), ended=gone))
    at = NOW + 11 * SECOND
    subject.handle(snapshot(at))
    assert [type(c) for c in orders(subject.decide(at))] == [PlaceOrder]


def test_a_drop_of_the_private_connection_stops_every_market() -> None:
    """The books are fine, but nobody would tell us of a fill."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = engine(strategy, msgspec.structs.replace(CONFIG, private_feed="kalshi-private"))
    for event in (
        e.MarketListed(spec(), T0),
        e.FeedConnected("kalshi", T0),
        e.FeedConnected("kalshi-private", T0),
        reconciled(T0 + 5 * SECOND),
        reconciled(NOW),
        snapshot(NOW),
        e.FeedHeard("kalshi-private", NOW),
    ):
        subject.handle(event)
    (placed,) = orders(subject.decide(NOW))
    assert isinstance(placed, PlaceOrder)
    subject.handle(e.FeedDropped("kalshi-private", "reset", NOW))
    assert subject.vouch(placed, NOW) == "not_reconciled"
    for at in (NOW + 5 * SECOND, NOW + 10 * SECOND):
        subject.handle(reconciled(at))
    subject.handle(snapshot(NOW + 10 * SECOND))
    assert subject.vouch(placed, NOW + 10 * SECOND) in ("feed_down", "not_reconciled")
    withdrawn = WithdrawOrder(placed.client_order_id, "not_reconciled", NOW + 10 * SECOND)
    assert [withdrawn] == orders(subject.decide(NOW + 10 * SECOND))
    assert [] == orders(subject.decide(NOW + 11 * SECOND))


def test_a_private_connection_that_says_nothing_stops_every_market() -> None:
    """As silence on a market's own does."""
    subject, _ = wanting(BUY)
    (placed,) = orders(subject.decide(NOW))
    assert isinstance(placed, PlaceOrder)
    at = NOW + 16 * SECOND
    subject.handle(e.FeedConnected("kalshi-2", at))
    subject.handle(e.MarketRouted(TICKER, "kalshi-2", at))
    subject.handle(snapshot(at))
    assert subject.vouch(placed, at) == "feed_silent"
    subject.handle(e.FeedHeard("kalshi", at))
    assert subject.vouch(placed, at) is None
