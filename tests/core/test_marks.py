"""Marks: by which quote a position is worth what."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.ledger import Position
from daemon.core.market import Market
from daemon.core.marks import Marks
from daemon.core.reference import Spot
from daemon.core.risk import FeedHealth
from tests.core.worlds import NOW, SCHEMA, TICKER, snapshot, spec


def market() -> Market:
    """40 bid, 42 asked."""
    subject = Market(spec(), SCHEMA, Spot(()), FeedHealth())
    subject.book.apply_snapshot(snapshot(NOW))
    return subject


def test_a_position_keeps_its_last_mark_while_its_book_is_lost() -> None:
    """Its loss does not vanish; nor when the market is watched no more, nor in the next life."""
    marks, subject, held = Marks(), market(), Position(100, 60_00 * 100)
    marks.look({TICKER: held}, {TICKER: subject})
    subject.book.lose("gap")
    assert marks.worth(held, subject, TICKER) == 100 * 4_100
    marks.look({TICKER: held}, {TICKER: subject})
    assert marks.worth(held, None, TICKER) == 100 * 4_100
    after = Marks()
    after.recover(marks.told())
    assert after.worth(held, None, TICKER) == 100 * 4_100


def test_a_book_that_is_back_and_a_result_go_before_what_is_remembered() -> None:
    """Only what is not known is remembered."""
    marks, subject, held = Marks(), market(), Position(100, 1)
    marks.recover([(TICKER, 9_000, 9_200)])
    assert marks.worth(held, subject, TICKER) == 100 * 4_100
    subject.change(e.MarketDetermined(TICKER, "yes", 10_000, NOW))
    assert marks.worth(held, subject, TICKER) == 100 * 10_000


def test_what_is_held_no_more_is_forgotten_and_what_was_never_quoted_is_worth_its_cost() -> None:
    """Nothing piles up, and nothing is made up."""
    marks, subject = Marks(), market()
    marks.look({TICKER: Position(100, 1)}, {TICKER: subject})
    assert [(TICKER, 4_000, 4_200)] == list(marks.told())
    marks.look({TICKER: Position()}, {TICKER: subject})
    assert marks.told() == ()
    assert marks.worth(Position(100, 123), None, TICKER) == 123
