"""Spans as requests: nothing missing, nothing too much for one answer."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import HOUR, SECOND
from daemon.kalshi.bodies import HistoricalCutoff, MarketOutcome
from daemon.kalshi.rest.calls import TICKERS_MAX
from daemon.lab.ingest.coverage import Coverage, Covered
from daemon.lab.ingest.plan import (
    EACH_MAX,
    TOGETHER_MAX,
    Candles,
    Group,
    Piece,
    Trades,
    Window,
    candle_stream,
    cut,
    gather,
    missing_candles,
    missing_trades,
    trade_stream,
)
from tests.sandbox.scripted import spec_of

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


def market(settled_at: int | None) -> MarketOutcome:
    return MarketOutcome(spec_of("T", 10 * HOUR, 11 * HOUR), None, None, settled_at, None)


def test_what_is_missing_is_asked_of_the_tier_that_has_it(tmp_path: Path) -> None:
    """Trades by their time, candles by the market's settlement; what was read is left out of both."""
    coverage = Coverage(tmp_path / "s.jsonl")
    hour_s = HOUR // SECOND
    middle = 10 * hour_s + 1800
    coverage.add(
        [Covered(trade_stream("T"), middle, middle + 60), Covered(candle_stream(1, "T"), middle, middle + 60)]
    )
    cutoff = HistoricalCutoff(12 * HOUR, (middle - 600) * SECOND, 0)
    window = Window(0, 20 * hour_s)
    assert [
        Trades("T", (10 * hour_s, middle - 600), is_historical=True),
        Trades("T", (middle - 600, middle), is_historical=False),
        Trades("T", (middle + 60, 11 * hour_s + 1), is_historical=False),
    ] == list(missing_trades([market(None)], coverage, window, cutoff))
    life = (10 * hour_s, 11 * hour_s + 60)
    pieces = [Piece("T", span, life) for span in ((life[0], middle), (middle + 60, life[1]))]
    for settled_at, is_old in ((None, False), (12 * HOUR, False), (12 * HOUR - 1, True)):
        found = list(missing_candles([market(settled_at)], coverage, window, 1, cutoff))
        assert [Candles(1, Group((piece,)), is_historical=is_old) for piece in pieces] == found


def test_nothing_is_asked_of_what_can_still_change(tmp_path: Path) -> None:
    """Neither after the window, nor of a market that opens later."""
    coverage, cutoff = Coverage(tmp_path / "s.jsonl"), HistoricalCutoff(0, 0, 0)
    open_s = 10 * HOUR // SECOND
    assert [] == list(missing_trades([market(None)], coverage, Window(0, open_s), cutoff))
    assert [] == list(missing_candles([market(None)], coverage, Window(0, open_s), 60, cutoff))
    (found,) = missing_candles([market(None)], coverage, Window(open_s + 5, open_s + 9), 60, cutoff)
    assert (open_s + 5, open_s + 9) == found.group.span
