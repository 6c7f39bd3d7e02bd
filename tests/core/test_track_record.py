"""The track record: equity at its marks, and losses in a row."""

from __future__ import annotations

import pytest

from daemon.core import events as e
from daemon.core.ledger import Ledger, Position
from daemon.core.track_record import TrackRecord
from daemon.core.units import DAY, SECOND
from tests.core.worlds import NOW


def traded(ledger: Ledger, ticker: str, buy: int, sell: int, fee: int = 0) -> None:
    """One contract bought and sold again."""
    for side, price in (("bid", buy), ("ask", sell)):
        name = f"{ticker}{side}{ledger.fills_total}"
        ledger.apply_fill(
            e.OrderFilled(name, name, None, ticker, side, price, 100, fee, True, NOW, None)  # type: ignore[arg-type]
        )


def test_equity_is_kept_at_the_start_at_midnight_and_at_its_peak() -> None:
    """A day's loss is counted from midnight UTC, a drawdown from the highest of the run."""
    record = TrackRecord(Ledger())
    assert (record.equity_at_start, record.drawdown(5)) == (None, 0)
    for equity, at in ((100, 0), (130, SECOND), (90, 2 * SECOND), (80, DAY)):
        record.tell_equity(equity, at)
    assert (record.equity_at_start, record.equity_peak, record.equity_at_day_start) == (100, 130, 80)
    assert (record.drawdown(95), record.drawdown(131)) == (35, 0)


def test_a_look_is_due_every_second_and_at_midnight() -> None:
    """Not on every tick."""
    record = TrackRecord(Ledger())
    assert record.is_look_due(0)
    record.tell_equity(1, DAY - 1)
    assert not record.is_look_due(DAY - 1)
    assert record.is_look_due(DAY)
    record.tell_equity(1, DAY)
    assert [record.is_look_due(DAY + SECOND - 1), record.is_look_due(DAY + SECOND)] == [False, True]


@pytest.mark.parametrize(
    ("results", "expected"),
    [([(50, 40), (50, 40)], 2), ([(50, 40), (50, 60)], 0), ([(50, 60), (50, 40)], 1)],
)
def test_losses_in_a_row_are_counted_until_a_gain(results: list[tuple[int, int]], expected: int) -> None:
    """Closed positions of whatever market, one after the other."""
    ledger = Ledger()
    record = TrackRecord(ledger)
    record.look_for_results()
    for number, (buy, sell) in enumerate(results):
        traded(ledger, f"M-{number}", buy * 100, sell * 100)
        record.look_for_results()
        record.look_for_results()
    assert record.losing_streak == expected


def test_fees_make_a_small_gain_a_loss() -> None:
    """What counts is what is left."""
    ledger = Ledger()
    record = TrackRecord(ledger)
    record.look_for_results()
    traded(ledger, "M", 5_000, 5_100, fee=6_000)
    record.look_for_results()
    assert record.losing_streak == 1


def test_a_settlement_is_a_result_and_a_position_that_is_open_is_none() -> None:
    """Half of it sold at a loss is not yet one."""
    ledger = Ledger()
    record = TrackRecord(ledger)
    record.look_for_results()
    ledger.apply_fill(e.OrderFilled("a", "a", None, "M", "bid", 5_000, 200, 0, True, NOW, None))
    ledger.apply_fill(e.OrderFilled("b", "b", None, "M", "ask", 4_000, 100, 0, True, NOW, None))
    record.look_for_results()
    assert record.losing_streak == 0
    ledger.settle("M", 0)
    record.look_for_results()
    assert record.losing_streak == 1


def test_midnight_ends_a_streak() -> None:
    """A new day (UTC) is traded again."""
    ledger = Ledger()
    record = TrackRecord(ledger)
    record.tell_equity(1, 0)
    record.look_for_results()
    traded(ledger, "M", 5_000, 4_000)
    record.look_for_results()
    assert record.losing_streak == 1
    record.tell_equity(1, DAY)
    assert record.losing_streak == 0


def test_what_the_lists_brought_is_no_result_of_ours() -> None:
    """A position that was replaced by the venue's word has another past."""
    ledger = Ledger()
    record = TrackRecord(ledger)
    record.look_for_results()
    ledger.positions["M"] = Position(0, 0, -500, 0)
    ledger.realized -= 500
    record.forget_results()
    record.look_for_results()
    assert record.losing_streak == 0
