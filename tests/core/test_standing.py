"""What is kept from one decision to the next: the same commands and reasons as without keeping anything."""

from __future__ import annotations

import random

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import CancelOrder, Command, PlaceOrder, WithdrawOrder
from daemon.core.engine import Engine, Slot
from daemon.core.exchange_status import MAINTENANCE_GUARD
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import MILLISECOND, MINUTE, SECOND, Ns
from tests.core.test_engine_kept import answers
from tests.core.worlds import CONFIG, LIMITS, NOW, SCHEMA, T0, TICKER, Scripted, reconciled, snapshot, spec
from tests.core.worlds import trading as one_market

TICKERS = ("KXBTC15M-26SEP251530-30", "KXBTC15M-26SEP251530-45")
PASSED: tuple[Ns, ...] = tuple(step * MILLISECOND for step in (0, 0, 1, 1, 2, 2, 3, 3, 10, 10, 60, 700))


class Follows:
    """Wants a price that follows the best sizes in steps, so that it mostly stands; raises when told to."""

    features: tuple[str, ...] = ()
    book_changed_max: Ns | None = 2 * SECOND

    def __init__(self, name: str, away: int) -> None:
        self.name, self.away = name, away

    def wants(self, view: MarketView) -> Wanted:
        """Return a bid and an ask, one of them, or none."""
        book = view.book
        if book.bid is None or book.ask is None or book.bid_size is None:
            return Wanted((), "no quotes")
        step = book.bid_size // 20_000 % 4
        if book.bid_size % 10_000 == 7_700:
            raise ArithmeticError("told to")
        bid = Target("bid", book.bid - self.away, 1_000 + 300 * step, "rest", "below", slack=100)
        ask = Target("ask", book.ask + self.away, 1_000, "rest", "above")
        return Wanted(((), (bid,), (bid, ask), (ask,))[step], f"step {step}")


def trading() -> Engine:
    """Two markets, two strategies, an account that is believed."""
    config = msgspec.structs.replace(
        CONFIG,
        order_expiry=8 * SECOND,
        order_group_limit=100_000,
        limits=msgspec.structs.replace(
            LIMITS, orders_per_minute_max=1_000, order_qty_max=1_500, transport_lag_max=20 * MILLISECOND
        ),
    )
    slots = [
        Slot(Follows(name, away), frozenset({"KXBTC15M"})) for name, away in (("near", 100), ("far", 300))
    ]
    subject = Engine(config, slots, None, SCHEMA)
    for ticker in TICKERS:
        subject.handle(e.MarketListed(spec(ticker), T0))
    for event in (e.FeedConnected("kalshi", T0), reconciled(T0 + 3 * SECOND), reconciled(T0 + 10 * SECOND)):
        subject.handle(event)
    for ticker in TICKERS:
        subject.handle(snapshot(T0 + 10 * SECOND, ticker))
    return subject


def reading(subject: Engine, now: Ns) -> e.Event:
    """The venue's lists: what rests, and the cash, which no fill has changed."""
    resting = [one for one in subject.state.orders.values() if one.state == "resting"]
    orders = [
        e.OrderSnapshot(
            one.order_id or "",
            one.client_order_id,
            one.ticker,
            one.side,
            one.price,
            one.filled,
            one.remaining,
        )
        for one in resting
    ]
    return reconciled(now, orders=tuple(orders))


def happening(rng: random.Random, now: Ns) -> e.Event:
    """A level of a book most of the time, and now and then anything that may stop us or let us go on."""
    ticker = rng.choice(TICKERS)
    if rng.random() < 0.985:
        sent_at = now - (30 * MILLISECOND if rng.random() < 0.02 else 0)  # late ones are past the limit
        qty = rng.choice((100, 9_700, -100, 20_000, -10_000))
        return e.BookDeltaReceived(ticker, rng.choice(("yes", "no")), 4_000, qty, now, sent_at)
    rare: tuple[e.Event, ...] = (
        e.TradePrinted(ticker, str(now), 4_000, 100, "yes", now, now),
        snapshot(now, ticker),
        snapshot(now, ticker),
        e.BookLost(ticker, "gap", now),
        e.FeedDropped("kalshi", "test", now),
        e.FeedConnected("kalshi", now),
        e.FeedConnected("kalshi", now),
        e.HaltRequested("test", now),
        *[e.ResumeRequested("test", now)] * 4,
        e.StrategySwitched("near", False, "test", now),
        *[e.StrategySwitched(name, True, "test", now) for name in ("near", "near", "far")],
        e.ExchangeStatusTold(True, rng.random() < 0.7, (), None, now),
        e.MaintenancePlanned(((now + 2 * MINUTE + SECOND, now + 3 * MINUTE),), now),
        e.MaintenancePlanned((), now),
        e.MaintenancePlanned((), now),
        e.AccountDoubted("test", now),
        e.MarketListed(spec(ticker), now),
        e.MarketStatusChanged(ticker, rng.choice(("active", "inactive")), now),
    )
    return rng.choice(rare)


@pytest.mark.parametrize("seed", range(8))
def test_nothing_that_is_kept_changes_a_decision(seed: int) -> None:
    """An engine that finds everything anew at every decision gives the same commands, for the same reason."""
    rng = random.Random(seed)
    keeping, anew = trading(), trading()
    now = T0 + 10 * SECOND
    placed = stood = 0
    waiting: list[e.Event] = []
    for step in range(4_000):
        now += rng.choice(PASSED)
        told = [happening(rng, now)]
        if step % 20 == 0:
            told.append(reading(keeping, now))
        for event in told + waiting:
            keeping.handle(event)
            anew.handle(event)
        anew._standing.forget()
        stood += len(keeping._standing._kept)
        commands = keeping.decide(now)
        assert anew.decide(now) == commands, f"step {step}: {told}"
        assert anew.decisions.last == keeping.decisions.last
        placed += sum(isinstance(command, PlaceOrder) for command in commands)
        waiting = [one for command in commands for one in answers(rng, command, now)]

    assert placed > 10
    assert stood > 10


def scripted() -> tuple[Scripted, Engine]:
    """One market and a strategy that wants a bid, which rests."""
    strategy = Scripted()
    strategy.targets = (Target("bid", 3_800, 1_000, "rest", "because"),)
    subject = one_market(strategy)
    (placed,) = (command for command in subject.decide(NOW) if isinstance(command, PlaceOrder))
    subject.handle(e.OrderAccepted("place", placed.client_order_id, "id-1", 0, 1_000, NOW, NOW))
    subject.decide(NOW)
    tick(subject, 1)
    return strategy, subject


def tick(subject: Engine, after_ms: int) -> list[Command]:
    """Decide on a level that changes, so many milliseconds after NOW."""
    at = NOW + after_ms * MILLISECOND
    subject.handle(e.BookDeltaReceived(TICKER, "yes", 3_900, 100, at, at))
    return subject.decide(at)


def test_what_was_asked_for_is_no_longer_as_it_rested() -> None:
    """Wanting what rested before, while more was asked for, gives up the more that still waits."""
    strategy, subject = scripted()
    bid = strategy.targets
    assert tick(subject, 2) == []
    strategy.targets = (*bid, Target("bid", 3_700, 1_000, "rest", "more"))
    (more,) = tick(subject, 3)
    strategy.targets = bid
    (withdrawn,) = tick(subject, 4)
    assert isinstance(more, PlaceOrder)
    assert isinstance(withdrawn, WithdrawOrder)
    assert more.client_order_id == withdrawn.client_order_id


def test_a_maintenance_begins_by_the_clock() -> None:
    """Between two looks at everything a window's guard begins: what rests goes at that instant."""
    _, subject = scripted()
    begins_at = NOW + 10 * MILLISECOND + MAINTENANCE_GUARD
    subject.handle(e.MaintenancePlanned(((begins_at, begins_at + MINUTE),), NOW))
    assert tick(subject, 8) == []
    assert tick(subject, 9) == []
    (command,) = tick(subject, 10)
    assert isinstance(command, CancelOrder)
