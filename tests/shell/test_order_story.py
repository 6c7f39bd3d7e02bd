"""What an order was decided on, and what came of it: exactly what the core saw, and exact money."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.events import MarketDetermined, OrderAccepted, QueuePlace, QueuePlacesRead
from daemon.core.units import MONEY_ONE, SECOND
from daemon.shell.journal import read_journal
from daemon.shell.order_story import MARKED_AFTER, OrderStory, Result, result_of
from daemon.shell.order_trail import Trail, at_of, find_order
from daemon.shell.retold import Session, retell
from tests.core.worlds import NOW, TICKER
from tests.shell.golden_session import golden_engine, session_in
from tests.shell.test_order_trail import ACCEPTED, ENDED, FILL, PLACE

SESSION = Session(Path("1.journal"), "i", "1", NOW, NOW)


def trail_of(*records: object, side: str = "bid") -> Trail:
    place = msgspec.structs.replace(PLACE, side=side)
    return Trail(SESSION, place, "venue-1", (place, ACCEPTED, *records), 0)  # type: ignore[arg-type]


def test_the_decision_is_told_as_the_core_saw_it(tmp_path: Path) -> None:
    """Of a recorded order: book, features, score, edge, wish and checks, and the size at its price."""
    trail = find_order([session_in(tmp_path).path], "kd-mwqmtptw-1")
    story = OrderStory(trail)
    retell(golden_engine(), read_journal(trail.session.path), story, until=story.until)
    first = story.told[0]
    assert (trail.place.decided_at, 3) == (first.at, len(story.told))
    seen, reason, judged = first.seen, first.reason, first.judged
    assert seen is not None
    assert reason is not None
    assert judged is not None
    assert ((4_200, 102_600), (4_400, 8_200)) == (seen.bids[0], seen.asks[0])
    assert 0.02 == seen.features["spread"]
    assert seen.features["ofi_10s"] is None
    assert "btc15m-demo/1" == seen.model
    assert ("trades", "edge -1.9c below 2.0c") == (reason.stage, reason.text)
    assert (trail.place.side, trail.place.price, trail.place.qty) in [
        (target.side, target.price, target.qty) for target in first.wanted
    ]
    assert "" == judged.refused
    assert not any(check.is_broken for check in judged.checks)
    checks = {check.name: (check.value, check.limit) for check in judged.checks}
    assert (trail.place.qty, 30_000) == checks["position_limit"]
    assert 64_660 == story.ahead_at_most


def test_with_each_place_in_the_queue_is_what_stood_there(tmp_path: Path) -> None:
    """The book at the first decision after the reading, where the book was known."""
    trail = find_order([session_in(tmp_path).path], "kd-mwqmtptw-1")
    accepted = next(one for one in trail.records if isinstance(one, OrderAccepted))
    at = accepted.received_at
    place = QueuePlace(accepted.order_id, trail.place.ticker, trail.place.price, 60_000)
    read = QueuePlacesRead(at, at, (place,))
    story = OrderStory(msgspec.structs.replace(trail, records=(*trail.records, read)))
    retell(golden_engine(), read_journal(trail.session.path), story, until=story.until)
    assert {at: 64_660} == story.standing
    assert story.ahead_at_most == story.standing[at]


def test_an_order_that_todays_code_does_not_give_is_not_explained_away(tmp_path: Path) -> None:
    """The decision is marked as another one: nothing is guessed of what it was made on."""
    trail = find_order([session_in(tmp_path).path], "kd-mwqmtptw-1")
    others = msgspec.structs.replace(trail.place, client_order_id="kd-other")
    changed = msgspec.structs.replace(trail, place=others)
    story = OrderStory(changed)
    retell(golden_engine(), read_journal(trail.session.path), story, until=story.until)
    assert [False] * 3 == [told.is_same for told in story.told]


def test_it_is_told_a_minute_past_its_last_record() -> None:
    """So that fills have a mark; where the market has ended they need none."""
    story = OrderStory(trail_of(FILL))
    assert at_of(FILL) + MARKED_AFTER == story.until
    assert at_of(FILL) == OrderStory(trail_of(FILL, ENDED)).until


@given(st.integers(0, 10_000), st.integers(1, 9_999), st.integers(1, 100_000), st.integers(0, MONEY_ONE))
def test_two_sides_of_a_trade_earn_what_the_other_loses(pays: int, price: int, qty: int, fee: int) -> None:
    """Settled P&L is exact, and nothing is made or lost but the fees."""
    ended = MarketDetermined(TICKER, "scalar", pays, NOW + SECOND)
    pnls = []
    for side in ("bid", "ask"):
        fill = msgspec.structs.replace(FILL, side=side, price=price, qty=qty, fee=fee)
        trail = trail_of(fill, ended, side=side)
        result = result_of(trail, OrderStory(trail))
        assert result.is_final
        assert result.pnl is not None
        pnls.append(result.pnl)
    assert [(pays - price) * qty - fee, (price - pays) * qty - fee] == pnls


def test_a_mark_is_the_mid() -> None:
    """Bought 4 at 40 cents, quoted 43 to 44: 14 cents, not settled."""
    trail = trail_of(FILL)
    story = OrderStory(trail)
    story.mark, story.marked_at = (4_300, 4_400), NOW
    assert Result(400, 0.4, 0, 140_000, 0.435, False, NOW) == result_of(trail, story)


def test_without_a_fill_nothing_was_earned_and_without_a_mark_nothing_is_known() -> None:
    """Zero is known, unknown is None."""
    empty, unmarked = trail_of(), trail_of(FILL)
    assert Result(0, None, 0, 0, None, False, None) == result_of(empty, OrderStory(empty))
    assert result_of(unmarked, OrderStory(unmarked)).pnl is None
