"""Mids at instants, from journals: what the books said then, and nothing where they said nothing."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.units import MINUTE, SECOND
from daemon.report.mids import Mids, journals_between
from tests.report.days import DAY_0, M, N, epoch_of, heard, keep_journal, quote

T = DAY_0
LATER = T + 1_000 * SECOND


def asked_of(folder: Path, records: list[e.Event], *asked: int) -> list[int | None]:
    """The mids of M so many seconds after the start, from a journal of these records."""
    path = keep_journal(folder, epoch_of(T), records)
    mids = Mids((T + second * SECOND, M) for second in asked)
    mids.read([path], LATER)
    return [mids.then[T + second * SECOND, M] for second in asked]


def test_a_mid_is_that_of_the_book_as_it_stood_then(tmp_path: Path) -> None:
    """After all that was heard up to the instant, that one included, and nothing that came later."""
    delta = e.BookDeltaReceived(M, "yes", 4_200, 100, T + 3 * SECOND, None)
    records: list[e.Event] = [quote(T + SECOND, 4_000, 4_400), delta, heard(T + 9 * SECOND)]
    assert [None, 4_200, 4_200, 4_300, 4_300] == asked_of(tmp_path, records, 0, 1, 2, 3, 5)


def test_a_lost_book_has_no_mid_and_its_last_one_stays_known(tmp_path: Path) -> None:
    """Lost, dropped, rerouted, doubted by an audit, or with its connection: unknown until a snapshot."""
    ways: list[e.Event] = [
        e.BookLost(M, "a gap", T + 2 * SECOND),
        e.MarketDropped(M, T + 2 * SECOND),
        e.MarketRouted(M, "kalshi-2", T + 2 * SECOND),
        e.BookAudited(M, False, T + 2 * SECOND),
        e.FeedDropped("kalshi", "gone", T + 2 * SECOND),
    ]
    for number, way in enumerate(ways):
        records: list[e.Event] = [
            quote(T, 4_000, 4_400),
            way,
            heard(T + 4 * SECOND),
            quote(T + 5 * SECOND, 5_000, 5_200),
        ]
        path = keep_journal(tmp_path / str(number), epoch_of(T), [*records, heard(T + 9 * SECOND)])
        mids = Mids([(T + SECOND, M), (T + 3 * SECOND, M), (T + 6 * SECOND, M)])
        mids.read([path], LATER)
        assert [4_200, None, 5_100] == list(mids.then.values()), way
        assert [4_200, 4_200, 5_100] == list(mids.last.values()), way


def test_after_the_last_word_of_a_run_nobody_knows(tmp_path: Path) -> None:
    """A book that nobody watches any more has no mid; the next run's books are its own."""
    first = keep_journal(tmp_path, 1, [quote(T, 4_000, 4_400), heard(T + SECOND)])
    again: list[e.Event] = [
        heard(T + 50 * SECOND),
        quote(T + 60 * SECOND, 6_000, 6_200),
        heard(T + 90 * SECOND),
    ]
    second = keep_journal(tmp_path, 2, again)
    mids = Mids([(T + SECOND // 2, M), (T + 55 * SECOND, M), (T + 70 * SECOND, M), (T + 100 * SECOND, M)])
    mids.read([first, second], LATER)
    assert [4_200, None, 6_100, None] == list(mids.then.values())
    assert [4_200, 4_200, 6_100, 6_100] == list(mids.last.values())


def test_what_was_determined_is_its_price(tmp_path: Path) -> None:
    """From then on, whatever its book says, and whether or not anybody watches."""
    ended = e.MarketDetermined(M, "yes", 10_000, T + 2 * SECOND)
    records: list[e.Event] = [quote(T, 4_000, 4_400), ended, heard(T + 3 * SECOND)]
    assert [4_200, 10_000, 10_000] == asked_of(tmp_path, records, 1, 2, 500)


def test_feeds_that_dropped_and_broken_journals_are_incidents(tmp_path: Path) -> None:
    """How long it was away, or that it did not come back; a file that is none is named."""
    records: list[e.Event] = [
        e.FeedDropped("kalshi", "gone", T), e.FeedConnected("kalshi", T + 2 * SECOND),
        e.FeedDropped("kraken", "closed", T + 5 * SECOND),
    ]  # fmt: skip
    path = keep_journal(tmp_path, epoch_of(T), records)
    broken = path.with_name(f"{epoch_of(T) + 1}.journal")
    broken.write_bytes(b"nothing")
    mids = Mids([])
    mids.read([path, broken], LATER)
    assert ["feed", "feed", "journal"] == [one.kind for one in mids.incidents]
    assert "kalshi away 2.0 s: gone" == mids.incidents[0].words
    assert "kraken away until the run's end: closed" == mids.incidents[1].words
    assert str(broken) in mids.incidents[2].words


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.lists(st.integers(0, 300), max_size=8))
def test_the_order_of_asking_changes_nothing(steps: list[int], at: list[int]) -> None:
    """Each answer is that of a book rebuilt from nothing but what came before."""
    events: list[e.Event] = []
    told, now = [], T
    for number, step in enumerate(steps):
        now += step * SECOND
        bid = 1_000 + 100 * (number * 7 % 50)
        told.append((now, bid + 50))
        events.append(quote(now, bid, bid + 100))
    mids = Mids((T + second * SECOND, M) for second in at)
    mids.follow([[one] for one in [*events, heard(LATER - 1)]], LATER)
    for second in at:
        asked = T + second * SECOND
        wanted = [mid for told_at, mid in told if told_at <= asked]
        assert (wanted[-1] if wanted else None) == mids.then[asked, M]


def test_the_journals_of_a_period_are_found_by_their_names(tmp_path: Path) -> None:
    """One that began before it may reach into it; of another mode's run, or of later, none."""
    folder = tmp_path / "journal"
    for minute in (0, 10, 20, 30):
        keep_journal(tmp_path, epoch_of(T + minute * MINUTE), [quote(T, 1, 2, N)])
    epochs = [epoch_of(T + minute * MINUTE) for minute in (0, 10, 30)]
    found = journals_between(folder, epochs, T + 12 * MINUTE, T + 25 * MINUTE)
    assert [epoch_of(T + 10 * MINUTE)] == [int(path.stem) for path in found]
    everything = journals_between(folder, epochs, T, T + 31 * MINUTE)
    assert epochs == [int(path.stem) for path in everything]
