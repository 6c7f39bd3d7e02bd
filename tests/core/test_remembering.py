"""Remembering: one life after the other, and no loss is forgotten between them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.asking import Slot
from daemon.core.commands import Command, KeepDay, LatchHalt, PlaceOrder
from daemon.core.day_record import DayRecord
from daemon.core.engine import Engine
from daemon.core.remembering import AGAIN
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import DAY, MONEY_ONE, SECOND, Money, Ns, Qty
from tests.core.worlds import (
    CASH,
    CONFIG,
    LIMITS,
    NOW,
    SCHEMA,
    T0,
    TICKER,
    Scripted,
    engine,
    reconciled,
    snapshot,
    spec,
    trading,
)

REMEMBERS = msgspec.structs.replace(CONFIG, remembers_day=True)
LIMIT = LIMITS.daily_loss_max
MIDNIGHT = NOW - NOW % DAY + DAY


def kept(commands: list[Command]) -> list[DayRecord]:
    """The records among commands."""
    return [one.record for one in commands if isinstance(one, KeepDay)]


def life(record: DayRecord | None, cash: Money, at: Ns, flows: tuple[e.CashFlow, ...] = ()) -> Engine:
    """A life that goes on with a day, whose account has so much cash, and which has decided once."""
    subject = engine(Scripted(), REMEMBERS)
    if record is not None:
        subject.handle(e.DayRecovered(record, at))
        subject.handle(e.CashFlowsRead(at, at, flows))
    for step in (0, 3):
        subject.handle(reconciled(at + step * SECOND, cash))
    return subject


def last_of(subject: Engine, at: Ns) -> DayRecord:
    """The record that a stop leaves."""
    subject.handle(e.StopRequested("sigterm", at))
    found = kept(subject.decide(at))
    return found[-1] if found else kept(subject.decide(at + AGAIN))[-1]


def test_a_restart_makes_no_room_for_another_loss() -> None:
    """Just below the limit before, a cent more after: halted, as if there had been one life."""
    first = life(None, CASH, T0)
    first.decide(T0 + 4 * SECOND)
    record = last_of(first, T0 + 5 * SECOND)
    second = life(record, CASH - LIMIT + 1, T0 + 60 * SECOND)
    assert [] == [one for one in second.decide(T0 + 64 * SECOND) if isinstance(one, LatchHalt)]
    assert second.gathering.pnl_today() == 1 - LIMIT
    third = life(last_of(second, T0 + 65 * SECOND), CASH - LIMIT, T0 + 120 * SECOND)
    (halt,) = [one for one in third.decide(T0 + 124 * SECOND) if isinstance(one, LatchHalt)]
    assert halt.by == "breaker daily_loss"


@given(st.lists(st.tuples(st.integers(-60, 60), st.sampled_from([0, 0, -40, 500])), max_size=5))
@settings(max_examples=40, deadline=None)
def test_many_lives_lose_no_more_than_one(moves: list[tuple[int, int]]) -> None:
    """The day's result and the drawdown are those of the cash, whatever the owner moved in between."""
    record, cash, results = None, CASH, [0]
    for number, (result, moved) in enumerate([(0, 0), *moves]):
        at = T0 + number * 60 * SECOND
        cash += (result + moved) * MONEY_ONE
        results.append(results[-1] + result * MONEY_ONE)
        flow = e.CashFlow(f"f{number}", moved * MONEY_ONE, 0, at - SECOND)
        subject = life(record, cash, at, (flow,) if moved else ())
        subject.decide(at + 4 * SECOND)
        assert subject.gathering.pnl_today() == results[-1]
        assert subject.gathering.drawdown() == max(results) - results[-1]
        record = last_of(subject, at + 5 * SECOND)


def test_another_day_begins_anew_and_a_peak_holds_for_a_day() -> None:
    """Losses and streaks are the day's; a drawdown goes on over midnight, as within one life."""
    record = DayRecord(
        MIDNIGHT // DAY - 1, MIDNIGHT - SECOND, CASH + LIMIT, CASH + 2 * MONEY_ONE, 4, (TICKER,)
    )
    subject = life(record, CASH, MIDNIGHT)
    subject.decide(MIDNIGHT + 4 * SECOND)
    gathering = subject.gathering
    assert (gathering.pnl_today(), gathering.record.losing_streak) == (0, 0)
    assert (gathering.drawdown(), gathering.exits.is_stopped_out(TICKER)) == (2 * MONEY_ONE, True)
    later = life(record, CASH, MIDNIGHT + DAY)
    later.decide(MIDNIGHT + DAY + 4 * SECOND)
    assert (later.gathering.drawdown(), later.gathering.exits.is_stopped_out(TICKER)) == (0, False)


def test_streak_and_stopped_out_markets_go_on() -> None:
    """Also before the markets are listed again."""
    record = DayRecord(T0 // DAY, T0, CASH, CASH, 3, (TICKER,))
    subject = life(record, CASH, T0 + SECOND)
    for step in range(4, 8):
        subject.decide(T0 + step * SECOND)
    gathering = subject.gathering
    assert (gathering.record.losing_streak, gathering.exits.stopped_out) == (3, (TICKER,))


def test_a_loss_that_a_person_acknowledged_halts_no_later_life() -> None:
    """It has to grow by another limit's worth."""
    record = DayRecord(T0 // DAY, T0, CASH, CASH, 0, (), (), (("daily_loss", LIMIT),))
    again = life(record, CASH - LIMIT, T0 + SECOND)
    assert [] == [one for one in again.decide(T0 + 5 * SECOND) if isinstance(one, LatchHalt)]
    twice = life(record, CASH - 2 * LIMIT, T0 + SECOND)
    assert [1] == [1 for one in twice.decide(T0 + 5 * SECOND) if isinstance(one, LatchHalt)]


def test_a_record_is_handed_on_while_nothing_is_believed() -> None:
    """A venue that is down outlasts many lives."""
    record = DayRecord(T0 // DAY, T0, CASH, CASH, 3, (TICKER,))
    subject = engine(Scripted(), REMEMBERS)
    subject.handle(e.DayRecovered(record, T0))
    told = [kept(subject.decide(T0 + step)) for step in (0, SECOND, AGAIN - SECOND, AGAIN)]
    assert told == [[record], [], [], [record]]


def test_the_record_is_decided_when_it_changes_and_now_and_then() -> None:
    """At most once a second; quotes alone are as old as they may be."""
    subject = trading(Scripted(), REMEMBERS)
    (first,) = kept(subject.decide(NOW))
    assert (first.equity_at_day_start, first.equity_peak) == (CASH, CASH)
    subject.handle(e.OrderFilled("t", "o", None, TICKER, "bid", 3_000, 100, 0, True, NOW, None))
    told = {at: kept(subject.decide(NOW + at)) for at in (SECOND // 2, SECOND, SECOND + 1, 20 * SECOND)}
    assert [at for at, records in told.items() if records] == [SECOND]
    (higher,) = told[SECOND]
    assert higher.equity_peak == CASH + 1_100 * 100
    (again,) = kept(subject.decide(NOW + SECOND + AGAIN))
    assert again.quotes[0][0] == TICKER


@pytest.mark.parametrize("config", [CONFIG])
def test_an_old_journals_setup_decides_no_record(config: object) -> None:
    """It replays as it was."""
    assert kept(trading(Scripted(), config).decide(NOW)) == []  # type: ignore[arg-type]


class Filler:
    """A strategy that buys until its own position is 10 contracts, and nobody else's counts."""

    name = "filler"
    features: tuple[str, ...] = ()
    book_changed_max: Ns | None = None

    def wants(self, view: MarketView) -> Wanted:
        """Return what is missing."""
        missing = 1_000 - view.own_position
        target = Target("bid", 4_200, missing, "take", "missing")
        return Wanted((target,) if missing > 0 else (), "full")


def filler(
    record: DayRecord | None, at: Ns, held: Qty, *, daily_loss_max: Money | None = None, cash: Money = CASH
) -> Engine:
    """A life of it that goes on with a record, in which the account holds so much at 42 cents."""
    slot = Slot(Filler(), frozenset({"KXBTC15M"}), daily_loss_max=daily_loss_max)
    subject = Engine(REMEMBERS, [slot], None, SCHEMA)
    listed = (e.PositionSnapshot(TICKER, held, abs(held) * 4_200, 0, 0),) if held else ()
    told = () if record is None else (e.DayRecovered(record, at), e.CashFlowsRead(at, at, ()))
    for event in (
        *told,
        e.MarketListed(spec(), at),
        e.FeedConnected("kalshi", at),
        snapshot(at),
        reconciled(at + 3 * SECOND, cash, listed),
        reconciled(at + 10 * SECOND, cash, listed),
        e.BookDeltaReceived(TICKER, "yes", 3_900, 100, at + 10 * SECOND, at + 10 * SECOND),
    ):
        subject.handle(event)
    return subject


def bought(subject: Engine, at: Ns, fee: Money = 0) -> Qty:
    """Decide; the venue fills what is placed; return how much that was."""
    total = 0
    for order in subject.decide(at):
        if isinstance(order, PlaceOrder):
            total += order.qty
            cid, name = order.client_order_id, f"id-{order.client_order_id}"
            subject.handle(e.OrderAccepted("place", cid, name, order.qty, 0, at, at))
            subject.handle(
                e.OrderFilled(f"t-{cid}", name, cid, TICKER, "bid", 4_200, order.qty, fee, True, at, at)
            )
    return total


def test_a_restart_buys_nothing_that_a_strategy_holds() -> None:
    """Its share stands in the record: what it has bought it does not buy again, life after life."""
    first = filler(None, T0, 0)
    assert 1_000 == bought(first, T0 + 10 * SECOND)
    record = last_of(first, T0 + 12 * SECOND)
    assert ((TICKER, "filler", 1_000, 4_200_000),) == record.shares
    for number in (1, 2, 3):
        at = T0 + number * 60 * SECOND
        again = filler(record, at, 1_000)
        assert 0 == bought(again, at + 10 * SECOND)
        record = last_of(again, at + 12 * SECOND)


@pytest.mark.parametrize(
    ("held", "missing"),
    [(1_000, 0), (1_500, 0), (600, 400), (0, 1_000), (-500, 1_000)],
)
def test_what_was_closed_meanwhile_is_held_no_more(held: Qty, missing: Qty) -> None:
    """The lists have the last word: a person sold, or bought besides; what they lack is nobody's."""
    record = DayRecord(T0 // DAY, T0, CASH, CASH, 0, shares=((TICKER, "filler", 1_000, 4_200_000),))
    subject = filler(record, T0 + SECOND, held)
    assert 1_000 - missing == subject.state.attribution.qty("filler", TICKER)
    assert held - (1_000 - missing) == subject.state.attribution.qty("", TICKER)
    assert missing == bought(subject, T0 + 11 * SECOND)


def test_a_strategys_loss_of_the_day_goes_on() -> None:
    """What it paid in fees before the restart is lost still, and counts to its limit; on the next day not."""
    first = filler(None, T0, 0)
    bought(first, T0 + 10 * SECOND, fee=2 * MONEY_ONE)
    lost = first.gathering.strategies.loss_today("filler")
    assert 2 * MONEY_ONE < lost
    record = last_of(first, T0 + 12 * SECOND)
    second = filler(record, T0 + 60 * SECOND, 600, daily_loss_max=2 * MONEY_ONE, cash=CASH - 2 * MONEY_ONE)
    assert 0 == bought(second, T0 + 70 * SECOND)
    assert 1 == second.refusals["strategy_daily_loss"]
    whole = filler(record, T0 + 60 * SECOND, 1_000)
    whole.decide(T0 + 70 * SECOND)
    assert lost == whole.gathering.strategies.loss_today("filler")
    later = filler(msgspec.structs.replace(record, day=record.day - 1), T0 + 60 * SECOND, 1_000)
    later.decide(T0 + 70 * SECOND)
    assert 0 == later.gathering.strategies.loss_today("filler")


def test_what_traded_while_nobody_watched_is_not_bought_again() -> None:
    """A crash with an order on its way, or a stop that leaves it: the fill is told to nobody, and counts."""
    first = filler(None, T0, 0)
    (record,) = kept(first.decide(T0 + 10 * SECOND))
    assert () == record.awaited
    (record,) = kept(first.decide(T0 + 12 * SECOND))
    assert ((TICKER, "filler", "bid", 1_000),) == record.awaited
    second = filler(record, T0 + 60 * SECOND, 700)
    assert 700 == second.state.attribution.qty("filler", TICKER)
    assert 300 == bought(second, T0 + 70 * SECOND)


def test_the_share_waits_until_the_lists_are_there() -> None:
    """A life that is never told the account hands it on."""
    record = DayRecord(T0 // DAY, T0, CASH, CASH, 0, shares=((TICKER, "filler", 1_000, 4_200_000),))
    subject = engine(Scripted(), REMEMBERS)
    subject.handle(e.DayRecovered(record, T0))
    assert record == last_of(subject, T0 + SECOND)
