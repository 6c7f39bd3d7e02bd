"""Spans as requests: nothing missing, nothing too much for one answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.kalshi.rest.calls import TICKERS_MAX
from daemon.lab.ingest.plan import EACH_MAX, TOGETHER_MAX, Group, Piece, cut, gather

STARTS = st.integers(0, 200_000)
LENGTHS = st.integers(1, 60_000)


@given(since=st.integers(0, 10**9), length=st.integers(1, 10**7), period_s=st.sampled_from([60, 3600]))
def test_a_span_is_cut_whole(since: int, length: int, period_s: int) -> None:
    """The parts follow each other from end to end, none with more candles than a request may have."""
    parts = list(cut((since, since + length), period_s))
    assert [since, *(until for _, until in parts)] == [*(start for start, _ in parts), since + length]
    assert all(0 < until - start <= EACH_MAX * period_s for start, until in parts)


@given(
    spans=st.lists(st.tuples(st.integers(0, 9), STARTS, LENGTHS), max_size=40),
    period_s=st.sampled_from([60, 3600]),
)
def test_each_piece_is_in_one_request(spans: list[tuple[int, int, int]], period_s: int) -> None:
    """And a request of more than one names no market twice, and has room for all that it can bring."""
    pieces = [
        Piece(f"T{name}", (start, start + length), (start, start + length)) for name, start, length in spans
    ]
    groups = gather(pieces, period_s)
    found = [piece for group in groups for piece in group.pieces]
    assert sorted(pieces, key=_by_place) == sorted(found, key=_by_place)
    for group in groups:
        tickers = [piece.ticker for piece in group.pieces]
        assert len(tickers) == len(set(tickers)) <= TICKERS_MAX
        assert len(tickers) == 1 or group.candles(period_s) <= TOGETHER_MAX
        assert all(group.span[0] <= one.span[0] < one.span[1] <= group.span[1] for one in group.pieces)


def _by_place(piece: Piece) -> tuple[str, int, int]:
    return piece.ticker, *piece.span


def test_short_markets_share_requests() -> None:
    """A day of quarter-hours is one request: each has candles while it lives, and not for the whole day."""
    quarters = [
        Piece(f"T{number}", span, span)
        for number in range(96)
        for span in [(900 * number, 900 * number + 960)]
    ]
    (group,) = gather(quarters, 60)
    assert (0, 96 * 900 + 60) == group.span
    one, other = group.halves()
    assert quarters == [*one.pieces, *other.pieces]


def test_a_long_market_is_alone() -> None:
    """Beside it there would be no room for another."""
    long = (0, EACH_MAX * 60)
    pieces = [Piece(name, long, long) for name in ("A", "B")]
    assert [Group((pieces[0],)), Group((pieces[1],))] == gather(pieces, 60)
