"""Remembering: one life after the other, and no loss is forgotten between them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.commands import Command, KeepDay, LatchHalt
from daemon.core.day_record import DayRecord
from daemon.core.engine import Engine
from daemon.core.remembering import AGAIN
from daemon.core.units import DAY, MONEY_ONE, SECOND, Money, Ns
from tests.core.worlds import CASH, CONFIG, LIMITS, NOW, T0, TICKER, Scripted, engine, reconciled, trading

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
