"""What the passing of time tells of a conversation, and the scale of prices that it was opened with."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.units import HOUR, MILLISECOND, MINUTE, PRICE_ONE, SECOND
from daemon.kalshi.channel_history import HEARD_MIN
from daemon.kalshi.session import Bounds, Session
from tests.kalshi.frames import delta, frame, recorded_frames, snapshot, subscribed

BASE_MS = 1_790_363_624_342
"""The stamp of the deltas that `tests.kalshi.frames` makes."""
LAG_MAX = 500 * MILLISECOND
LEVELS = st.dictionaries(st.integers(1, 99).map(lambda cents: cents * 100), st.integers(1, 9), max_size=8)


def _opened(lag_max: int | None = None, channel_quiet_max: int | None = None) -> Session:
    session = Session(is_private=False, lag_max=lag_max, channel_quiet_max=channel_quiet_max)
    session.watch(["A"])
    session.connected(0)
    session.receive(subscribed("orderbook_delta", 1), 0)
    session.receive(subscribed("trade", 2, 2), 0)
    session.receive(snapshot("A", 1, [(4000, 100)]), 0)
    return session


def _delta(seq: int, sent_ms: int) -> bytes:
    """Return a delta that was sent so long after the first."""
    old, new = str(BASE_MS).encode(), str(BASE_MS + sent_ms).encode()
    return delta("A", seq, "yes", 4000, 1).replace(old, new)


def test_a_slow_consumer_is_told_to_begin_anew() -> None:
    """Messages flow, but each second they are older: only a new connection brings the present back."""
    session = _opened(lag_max=LAG_MAX)
    for second in range(30):
        now = second * SECOND
        session.receive(_delta(2 + second, 1_000 * second - 300 * second), now)
        session.poll(now)
        if session.reconnect_reason is not None:
            break
    assert session.reconnect_reason is not None
    assert session.reconnect_reason.startswith("slow consumer")
    session.dropped(session.reconnect_reason, now)
    session.connected(now)
    assert session.reconnect_reason is None


def test_a_quiet_market_is_no_slow_consumer() -> None:
    """One message in ten minutes, in time: the age of what we know grows, and nothing is wrong."""
    session = _opened(lag_max=LAG_MAX)
    seq = 1
    for second in range(3_600):
        if second % 600 == 0:
            seq += 1
            session.receive(_delta(seq, 1_000 * second), second * SECOND)
        session.poll(second * SECOND)
    assert session.reconnect_reason is None


def test_a_channel_that_falls_silent_is_told_by_poll() -> None:
    """Trades stop coming while books go on: told once, and again when they come."""
    session = _opened(channel_quiet_max=5 * MINUTE)
    told: list[e.Event] = []
    for second in range(900):
        now = second * SECOND
        session.receive(_delta(2 + second, 0), now)
        if second < 2 * HEARD_MIN:
            told += session.receive(_trade(1 + second), now)
        told += session.poll(now)
    told += session.receive(_trade(2 * HEARD_MIN + 1), 900 * SECOND)
    quiet = [event for event in told if isinstance(event, e.ChannelQuieted)]
    assert [("trade", False), ("trade", True)] == [(one.channel, one.silent_for is None) for one in quiet]


def test_what_a_channel_is_judged_by_may_change_but_not_whether_it_is() -> None:
    """A session without the judgement, as the private one, gets none by a change of the limit."""
    for channel_quiet_max, expected in ((5 * MINUTE, ["trade"]), (None, [])):
        session = _opened(channel_quiet_max=channel_quiet_max)
        session.bound(Bounds(lag_max=MINUTE, silence_max=HOUR, channel_quiet_max=MINUTE))
        told: list[e.Event] = []
        for second in range(200):
            session.receive(_delta(2 + second, 0), second * SECOND)
            if second < 2 * HEARD_MIN:
                session.receive(_trade(1 + second), second * SECOND)
            told += session.poll(second * SECOND)
        assert expected == [one.channel for one in told if isinstance(one, e.ChannelQuieted)]


def _trade(seq: int) -> bytes:
    msg = {"trade_id": f"t{seq}", "market_ticker": "A", "yes_price_dollars": "0.5000", "count_fp": "1.00",
           "taker_outcome_side": "yes"}  # fmt: skip
    return frame("trade", msg, sid=2, seq=seq)


def _quiet(silence_max: int | None = 12 * SECOND) -> Session:
    """Return a session whose subscriptions are whole and whose market is quiet from second 0 on."""
    session = Session(is_private=False, is_first=False, silence_max=silence_max)
    session.watch(["A"])
    session.connected(0)
    session.receive(subscribed("orderbook_delta", 1), 0)
    session.receive(subscribed("trade", 2, 2), 0)
    session.receive(snapshot("A", 1, [(4000, 100)]), 0)
    session.outgoing()
    session.poll(0)
    return session


def _asked(session: Session, first: int, last: int) -> list[tuple[int, str, int]]:
    """Poll once a second; return what was asked, and when."""
    asked = []
    for second in range(first, last + 1):
        session.poll(second * SECOND)
        commands = [json.loads(text) for text in session.outgoing()]
        asked += [(second, command["cmd"], command["id"]) for command in commands]
    return asked


def test_a_quiet_stream_is_asked_for_a_sign_of_life() -> None:
    """No frame for a quarter of the limit: one command that must be answered by a frame, and then none."""
    session = _quiet()
    assert [(3, "list_subscriptions", 3)] == _asked(session, 1, 11)
    assert session.reconnect_reason is None


def test_a_stream_that_answers_is_heard() -> None:
    """Any answer to the question, a refusal too, says that the stream flows; the silence begins anew."""
    answers = (
        frame("ok", [{"channel": "trade", "sid": 2}], id=3),
        frame("error", {"code": 5, "msg": "Unknown command"}, id=3),
        frame("error", {"code": 17, "msg": "Internal error"}, id=3),
    )
    for answer in answers:
        session = _quiet()
        _asked(session, 1, 4)
        stamped = answer.replace(b"}\n", b',"sending_ts_ms":4999}\n')
        assert [e.FeedHeard("kalshi", 5 * SECOND, 4999 * MILLISECOND)] == session.receive(stamped, 5 * SECOND)
        assert [9] == [second for second, _, _ in _asked(session, 6, 14)]
        assert (None, True) == (session.reconnect_reason, session.is_synced("A"))


def test_a_stream_that_is_asked_too_much_slows_its_commands_down() -> None:
    """Code 27 answers the question like any other command: it lives, and wants fewer."""
    session = _quiet()
    _asked(session, 1, 4)
    session.receive(frame("error", {"code": 27, "msg": "Too many requests"}, id=3), 5 * SECOND)
    session.watch(["B", "C"])
    assert ([], None) == (session.outgoing(), session.reconnect_reason)


def test_a_stream_that_answers_nothing_is_stalled() -> None:
    """Past the limit only a new connection helps; it starts with the whole limit before it."""
    session = _quiet()
    _asked(session, 1, 12)
    assert session.reconnect_reason is not None
    assert session.reconnect_reason.startswith("stalled")
    session.dropped(session.reconnect_reason, 12 * SECOND)
    session.connected(13 * SECOND)
    _asked(session, 14, 24)
    assert session.reconnect_reason is None


def test_without_a_limit_a_quiet_stream_is_left_alone() -> None:
    """Where the shell sets no limit nothing is asked, however long it is quiet."""
    session = _quiet(None)
    assert [] == _asked(session, 1, 100)


def test_the_price_scale_is_asked_for_explicitly() -> None:
    """The venue will change its default: whichever scale we read is the one that we asked for."""
    for is_yes_priced in (False, True):
        session = Session(is_private=False, is_yes_priced=is_yes_priced)
        session.watch(["A"])
        session.connected(0)
        params = json.loads(session.outgoing()[0])["params"]
        assert (["orderbook_delta"], is_yes_priced) == (params["channels"], params["use_yes_price"])


@given(yes=LEVELS, no=LEVELS, changes=st.lists(st.tuples(st.sampled_from(("yes", "no")), st.integers(1, 99))))
def test_both_price_scales_give_the_same_book(
    yes: dict[int, int], no: dict[int, int], changes: list[tuple[str, int]]
) -> None:
    """The same exchange told with `use_yes_price` false and true: the same levels, the same best prices."""
    books = []
    for is_yes_priced in (False, True):

        def scale(side: str, price: int, is_mirrored: bool = is_yes_priced) -> int:
            return PRICE_ONE - price if is_mirrored and side == "no" else price

        session = Session(is_private=False, is_yes_priced=is_yes_priced)
        session.watch(["A"])
        session.connected(0)
        session.receive(subscribed("orderbook_delta", 1), 0)
        book = Book("A")
        frames = [
            snapshot("A", 1, sorted(yes.items()), sorted((scale("no", price), n) for price, n in no.items()))
        ]
        for seq, (side, cents) in enumerate(changes, 2):
            frames.append(delta("A", seq, side, scale(side, 100 * cents), 7))
        for line in frames:
            (event,) = session.receive(line, 1)
            if isinstance(event, e.BookSnapshotReceived):
                book.apply_snapshot(event)
            elif isinstance(event, e.BookDeltaReceived):
                book.apply_delta(event)
        assert book.is_synced
        books.append((book.yes.sizes, book.no.sizes, book.bid, book.ask))
    assert books[0] == books[1]


def test_the_recorded_demo_book_rebuilds() -> None:
    """Recorded with `use_yes_price`: read so, the NO side comes out on its own scale."""
    ticker = "KXWTACHALLENGERMATCH-26JUN11JIMLEP-LEP"
    session = Session(is_yes_priced=True)
    session.watch([ticker])
    session.connected(0)
    book = Book(ticker)
    for line in recorded_frames("demo_2026-06/ws__orderbook_trade_yes.jsonl"):
        for event in session.receive(line, 1):
            if isinstance(event, e.BookSnapshotReceived):
                book.apply_snapshot(event)
            elif isinstance(event, e.BookDeltaReceived):
                book.apply_delta(event)
    assert book.is_synced
    assert ({4700: 300}, {4800: 200}) == (book.yes.sizes, book.no.sizes)
    assert (4700, 5200) == (book.bid, book.ask)


def test_frames_that_tell_no_book_tell_how_late_the_stream_is() -> None:
    """Once a second at most: a stream that was late once and is quiet since must not look late for ever."""
    session = _quiet()
    told = [
        session.receive(
            frame("ok", [], id=999).replace(b"}\n", b',"sending_ts_ms":%d}\n' % (ms - 10)), ms * MILLISECOND
        )
        for ms in (2_000, 2_500, 3_000, 3_900, 4_000)
    ]
    heard = [event for events in told for event in events if isinstance(event, e.FeedHeard)]
    assert [2_000, 3_000, 4_000] == [event.received_at // MILLISECOND for event in heard]
    assert all(event.received_at - (event.sent_at or 0) == 10 * MILLISECOND for event in heard)
