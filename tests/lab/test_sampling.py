"""Rows at stated instants: what they see, what they don't, and where there is none."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.book import Book
from daemon.core.events import BookSnapshotReceived
from daemon.core.features import CATALOGUE
from daemon.core.scorer import FeatureSchema
from daemon.core.units import MILLISECOND, MINUTE, SECOND, Ns
from daemon.exchange.tape import (
    TapeCounts,
    TapeMarket,
    TapeRecord,
    TapeSession,
    TapeSessionStarted,
)
from daemon.lab.sampling import UNKNOWN_MID, MidSeries, Row, Sampler, Sampling, double_mid_of
from daemon.lab.tape_events import events_of
from tests.lab.tiny_tape import MARKETS, START, TICKERS, stream

SCHEMA = FeatureSchema(tuple(CATALOGUE))
SESSION = TapeSession("s", "s.tape", "00", ("c",), START, START, TapeCounts())


def sampled(
    records: list[TapeRecord], sampling: Sampling, markets: tuple[TapeMarket, ...] = MARKETS
) -> tuple[list[Row], Sampler]:
    sampler = Sampler(sampling, SCHEMA)
    started = TapeSessionStarted("s", START)
    known = {one.ticker: one for one in markets}
    return list(sampler.rows(events_of(SESSION, known, [started, *records]))), sampler


def test_rows_lie_on_the_grid() -> None:
    """Every market at every whole multiple of the step within the session."""
    rows, _ = sampled(stream(1, 10), Sampling(every=2 * SECOND))

    assert [(ticker, at) for at in range(START, START + 10 * SECOND, 2 * SECOND) for ticker in TICKERS] == [
        (row.ticker, row.at) for row in rows
    ]


def test_another_seed_shifts_the_grid() -> None:
    """All of it by the same part of a step; seed 0 lies on whole multiples."""
    rows, _ = sampled(stream(1, 10), Sampling(every=2 * SECOND, seed=7))
    phases = {row.at % (2 * SECOND) for row in rows}

    assert 1 == len(phases)
    assert 0 not in phases
    assert START == Sampling(every=SECOND).first_after(START - SECOND + 1)


@given(
    seed=st.integers(0, 50),
    cut=st.integers(1, 19_000),
    other=st.integers(51, 99),
    shift=st.integers(0, 5_000),
)
@settings(max_examples=25, deadline=None)
def test_the_future_changes_no_row(seed: int, cut: int, other: int, shift: int) -> None:
    """Rows up to an instant are the same whether the future is another one, comes later, or not at all."""
    cut_at = START + cut * MILLISECOND
    whole = stream(seed, 20)
    past = [one for one in whole if one.received_at <= cut_at]
    future = [
        msgspec.structs.replace(one, received_at=one.received_at + shift * MILLISECOND)
        for one in stream(other, 20)
        if one.received_at > cut_at
    ]
    ended = tuple(msgspec.structs.replace(one, outcome=None) for one in MARKETS)
    rows = [
        [row for row in sampled(records, Sampling(every=SECOND), markets)[0] if row.at < past[-1].received_at]
        for records, markets in ((whole, MARKETS), ([*past, *future], ended), (past, MARKETS))
    ]

    assert rows[0] == rows[1] == rows[2]


def test_a_planted_leak_is_seen() -> None:
    """The same check fails for a row that peeks one second ahead: it can tell a leak."""
    whole, other = stream(1, 20), stream(2, 20)
    cut_at = START + 10 * SECOND - SECOND // 2
    mixed = [
        *(one for one in whole if one.received_at <= cut_at),
        *(one for one in other if one.received_at > cut_at),
    ]
    peeked = [
        [(row.at - SECOND, row.features) for row in sampled(records, Sampling(every=SECOND))[0]]
        for records in (whole, mixed)
    ]

    assert [one for one in peeked[0] if one[0] < cut_at] != [one for one in peeked[1] if one[0] < cut_at]


def test_quotes_are_the_books_best_levels() -> None:
    """Beside each row stands what could be traded against, as the features saw it."""
    rows, _ = sampled(stream(3, 10), Sampling(every=SECOND))
    spread = SCHEMA.names.index("spread")

    for row in rows:
        assert row.bid is not None
        assert row.ask is not None
        assert (row.ask - row.bid) / 10_000 == row.features[spread]


def test_no_row_where_the_daemon_would_take_none() -> None:
    """None before the open, from the close on, without a synced book, and on a connection that is silent."""
    late = tuple(
        msgspec.structs.replace(one, open_at=START + 2 * SECOND, close_at=START + 25 * SECOND)
        for one in MARKETS
    )
    records = paused(stream(1, 40))
    rows, _ = sampled(records, Sampling(every=SECOND, silent_max=2 * SECOND), late)
    seconds = [(row.at - START) // SECOND for row in rows if row.ticker == TICKERS[0]]

    assert [*range(2, 10), *range(14, 25)] == seconds
    unsynced, _ = sampled(records[2:], Sampling(every=SECOND), late)
    assert [] == unsynced


def paused(records: list[TapeRecord]) -> list[TapeRecord]:
    """The records with five silent seconds after the eighth."""
    return [
        one
        if one.received_at < START + 8 * SECOND
        else msgspec.structs.replace(one, received_at=one.received_at + 5 * SECOND)
        for one in records
    ]


def test_mids_are_unknown_through_a_silence() -> None:
    """From `silent_max` after the last word until the next one nobody knows where the market stood."""
    _, sampler = sampled(paused(stream(1, 20)), Sampling(every=SECOND, silent_max=2 * SECOND))
    for series in sampler.mids.values():
        unknown = [at for at, mid in zip(series.at, series.double_mid, strict=True) if mid == UNKNOWN_MID]
        assert 1 == len(unknown)
        after = next(at for at in series.at if at > unknown[0])
        assert (9, 13) == ((unknown[0] - START) // SECOND, (after - START) // SECOND)


def test_a_mid_needs_both_sides() -> None:
    """Unsynced, or with one side only: unknown, and never half a price."""
    book = Book("T")
    assert UNKNOWN_MID == double_mid_of(book)
    book.apply_snapshot(BookSnapshotReceived("T", ((4000, 1),), (), 1, None))
    assert UNKNOWN_MID == double_mid_of(book)
    book.apply_snapshot(BookSnapshotReceived("T", ((4000, 1),), ((5500, 1),), 2, None))
    assert 8500 == double_mid_of(book)


def test_a_series_keeps_changes_only_and_never_goes_back() -> None:
    """The same mid again is no change; an older stamp is taken for the last one."""
    series = MidSeries()
    for at, mid in ((5, 100), (6, 100), (4, 101), (9, UNKNOWN_MID)):
        series.note(at, mid)

    assert ([5, 5, 9], [100, 101, UNKNOWN_MID]) == (series.at, series.double_mid)


@pytest.mark.parametrize(("every", "silent_max"), [(0, SECOND), (-1, SECOND), (SECOND, 0)])
def test_an_impossible_rule_is_refused(every: Ns, silent_max: Ns) -> None:
    """With what is allowed."""
    with pytest.raises(ValueError, match="allowed: above 0"):
        Sampling(every=every, silent_max=silent_max)


def test_a_strike_is_a_feature_once_it_was_seen() -> None:
    """The manifest knows it from the start; no row does before the recorder saw it."""
    other = tuple(
        msgspec.structs.replace(one, outcome=None, strike_known_at=START + MINUTE) for one in MARKETS
    )
    place = SCHEMA.names.index("strike_distance")
    known, _ = sampled(stream(1, 10), Sampling(every=SECOND))
    unknown, _ = sampled(stream(1, 10), Sampling(every=SECOND), other)

    assert {None} == {row.features[place] for row in unknown}
    assert any(row.features[place] is not None for row in known if row.at > START + 3 * SECOND)
    assert {None} == {row.features[place] for row in known if row.at < START + 2 * SECOND}
