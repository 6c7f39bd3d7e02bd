"""Holes that are easy to overlook: numbers in answers and in refused frames, sids that are not the books'."""

from __future__ import annotations

import json

from daemon.core import events as e
from daemon.core.units import SECOND
from daemon.kalshi.book_sync import PATIENCE
from daemon.kalshi.session import Session
from tests.kalshi.frames import delta, frame, snapshot, subscribed
from tests.kalshi.test_session import opened, sent, snapshots_asked


def synced(*tickers: str) -> Session:
    """Return a session whose books are all synced: their snapshots are the first numbers of sid 1."""
    session = opened(*tickers)
    for seq, ticker in enumerate(tickers, 1):
        session.receive(snapshot(ticker, seq, [(4000, 100)]), 0)
    return session


def lost(events: list[e.Event]) -> list[str]:
    """Return the markets whose books the events give up."""
    return [event.ticker for event in events if isinstance(event, e.BookLost)]


def test_an_answer_may_show_the_gap() -> None:
    """`ok` counts: one whose number lies ahead says that frames of that sid are missing."""
    session = synced("A", "B")
    session.watch(["C"])
    (add,) = [command for command in sent(session) if command["params"].get("sid") == 1]
    ok = frame("ok", {"market_tickers": ["A", "B", "C"]}, id=add["id"], sid=1, seq=4)
    assert ["A", "B", "C"] == lost(session.receive(ok, 1))
    assert not session.is_synced("A")


def test_an_error_may_show_the_gap() -> None:
    """A refused command's answer counts too where it carries a number."""
    session = synced("A", "B")
    session.watch(["C"])
    (add,) = [command for command in sent(session) if command["params"].get("sid") == 1]
    refused = frame("error", {"code": 18, "msg": "Command timeout"}, id=add["id"], sid=1, seq=4)
    assert {"A", "B", "C"} == set(lost(session.receive(refused, 1)))


def test_a_gap_that_swallowed_a_snapshot_asks_for_it_at_once() -> None:
    """The snapshot of a book that was never synced may be what is missing."""
    session = opened("A", "B")
    session.receive(snapshot("A", 1, [(4000, 100)]), 0)
    assert ["A", "B"] == lost(session.receive(delta("A", 3, "yes", 4000, 100), SECOND))
    assert [["A", "B"]] == [sorted(tickers) for tickers in snapshots_asked(session)]


def test_a_refused_frame_counts_and_costs_its_own_market_only() -> None:
    """Its number was the next one: the frame behind it shows no gap, and the other book goes on."""
    session = synced("A", "B")
    broken = delta("A", 3, "yes", 4000, 100).replace(b'"side":"yes"', b'"side":"maybe"')
    assert ["A"] == lost(session.receive(broken, 1))
    (event,) = session.receive(delta("B", 4, "yes", 4000, 100), 2)
    assert isinstance(event, e.BookDeltaReceived)
    assert (0, False, True) == (session.counters["gaps"], session.is_synced("A"), session.is_synced("B"))


def test_a_refused_frame_that_came_before_costs_nothing() -> None:
    """A duplicate that can't be read is still a duplicate."""
    session = synced("A")
    assert [] == lost(session.receive(snapshot("A", 1, [(4000, 1)]).replace(b"4000", b"maybe"), 1))
    assert session.is_synced("A")


def test_a_refused_frame_may_show_the_gap() -> None:
    """Its number tells of the frames before it, whatever it says itself."""
    session = synced("A", "B")
    broken = delta("A", 5, "yes", 4000, 100).replace(b'"side":"yes"', b'"side":"maybe"')
    assert {"A", "B"} == set(lost(session.receive(broken, 1)))


def test_a_book_on_a_sid_that_is_not_the_books_is_not_believed() -> None:
    """Whatever a frame of the trades' sid says of a book: its numbers vouch for no book."""
    session = synced("A")
    told = session.receive(delta("A", 1, "yes", 4000, 100, sid=2), 1)
    told += session.receive(snapshot("A", 2, [(9000, 1)], sid=2), 1)
    assert not [one for one in told if isinstance(one, e.BookDeltaReceived | e.BookSnapshotReceived)]
    (event,) = session.receive(delta("A", 2, "yes", 4000, 100), 2)
    assert isinstance(event, e.BookDeltaReceived)


def test_a_book_never_adopts_the_sid_of_another_channel() -> None:
    """Before its ack a subscription takes the sid of its first frame, unless that sid is taken."""
    session = Session(is_private=False, is_first=False)
    session.watch(["A"])
    session.connected(0)
    session.receive(subscribed("trade", 2, 2), 0)
    assert [] == session.receive(snapshot("A", 1, [(4000, 100)], sid=2), 0)
    session.receive(subscribed("orderbook_delta", 1, 1), 0)
    (event,) = session.receive(snapshot("A", 1, [(4000, 100)]), 0)
    assert isinstance(event, e.BookSnapshotReceived)


def test_a_new_sid_loses_what_the_old_one_synced() -> None:
    """Numbers of one sid say nothing of books that came over another; the old sid's holes are nobody's."""
    session = synced("A", "B")
    assert ["A", "B"] == lost(session.receive(subscribed("orderbook_delta", 9, 77), 1))
    session.receive(snapshot("A", 1, [(4000, 100)], sid=9), 2)
    assert [] == lost(session.receive(delta("A", 50, "yes", 4000, 100, sid=1), 3))
    assert session.is_synced("A")


def test_an_answer_about_a_sid_that_is_gone_says_nothing_of_the_new_one() -> None:
    """A delete that the dead subscription confirms is not the one that the living one owes."""
    session = synced("A", "B")
    session.unwatch(["B"])
    (delete,) = [command for command in sent(session) if command["params"].get("sid") == 1]
    session.receive(frame("error", {"code": 10, "msg": "Channel error"}, sid=1, seq=3), 1)
    session.watch(["B"])
    session.poll(2 * SECOND)
    session.receive(subscribed("orderbook_delta", 9, 99), 2 * SECOND)
    session.receive(snapshot("A", 1, [(4000, 100)], sid=9), 2 * SECOND)
    session.receive(snapshot("B", 2, [(4000, 100)], sid=9), 2 * SECOND)
    session.unwatch(["B"])
    session.poll(3 * SECOND)
    session.outgoing()
    session.watch(["B"])
    stale = frame("ok", {"market_tickers": ["A"]}, id=delete["id"])
    session.receive(stale, 3 * SECOND)
    assert "add_markets" not in {command["params"].get("action") for command in sent(session)}


def test_a_book_that_came_back_is_asked_for_promptly_the_next_time() -> None:
    """Patience grew while its snapshots did not come; one that came starts it over."""
    session = synced("A")
    session.resnapshot(["A"], "test", SECOND)
    for second in range(2, 30):
        session.poll(second * SECOND)
    session.outgoing()
    session.receive(snapshot("A", 2, [(4000, 100)]), 30 * SECOND)
    session.resnapshot(["A"], "test", 40 * SECOND)
    assert [["A"]] == snapshots_asked(session)
    session.poll(40 * SECOND + PATIENCE)
    assert [["A"]] == snapshots_asked(session)


def test_the_book_that_is_due_first_is_asked_for_in_its_time() -> None:
    """However long the others are still given."""
    session = synced("A", "B")
    session.resnapshot(["A"], "test", SECOND)
    session.poll(SECOND + PATIENCE)
    session.resnapshot(["B"], "test", SECOND + PATIENCE)
    session.resnapshot(["A"], "test", SECOND + PATIENCE)
    session.outgoing()
    session.poll(SECOND + 2 * PATIENCE)
    assert ["B"] in [command["params"]["market_tickers"] for command in map(json.loads, session.outgoing())]


def test_a_snapshot_from_before_a_delete_is_not_the_one_after_it() -> None:
    """Left and wanted again with its snapshot on its way: no change of it is told until it is asked for."""
    session = opened("A", "B")
    session.receive(snapshot("A", 1, [(4000, 100)]), 0)
    session.unwatch(["B"])
    (delete,) = [command for command in sent(session) if command["params"].get("sid") == 1]
    session.watch(["B"])
    assert [] == session.receive(snapshot("B", 2, [(4000, 100)]), 1)
    assert not session.is_synced("B")
    session.receive(frame("ok", {"market_tickers": ["A"]}, id=delete["id"], sid=1, seq=3), 2)
    assert ["add_markets"] == [
        command["params"]["action"] for command in sent(session) if command["params"].get("sid") == 1
    ]
    session.receive(snapshot("B", 4, [(4000, 100)]), 3)
    assert session.is_synced("B")
