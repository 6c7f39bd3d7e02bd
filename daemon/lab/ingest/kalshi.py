"""A series of the venue's into the store: what is listed, then what is missing of its candles and trades.

Nothing that the store has is asked for twice; what is read goes to disk as it comes, with a note of the
spans that it makes whole. So whatever ends it, the same words go on where it was, and again change nothing.

Only what can't change any more is taken: candles that are over, and trades that the venue's list is
believed to have (`SETTLED`). Which tier has a thing is what the venue's cutoff says (protocol sheet 4.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from random import random
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar

import msgspec

from daemon.core.backoff import Backoff
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kalshi.bodies import HistoricalCutoff, MarketOutcome
from daemon.kalshi.errors import Refused, Transient, Unreadable
from daemon.lab.ingest.coverage import Coverage, Covered, Span
from daemon.lab.ingest.keeping import Keeping
from daemon.lab.ingest.listing import book_rows, event_rows, market_row, series_row, settlement_row
from daemon.lab.ingest.plan import Group, Piece, cut, gather
from daemon.lab.ingest.venue import ResearchRest
from daemon.lab.store import STATE_FOLDER, Store
from daemon.lab.store_writer import Added

What: TypeAlias = Literal["markets", "candles", "trades", "books"]
WHATS: tuple[What, ...] = ("markets", "candles", "trades", "books")
PERIODS = (1, 60, 1440)
"""Minutes of the venue's candles."""
SETTLED: Ns = MINUTE
"""So long after its end the lists are believed to have all of a span."""
AT_ONCE = 4
ATTEMPTS_MAX = 6
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Request(msgspec.Struct, frozen=True):
    """What is wanted of a series: `what`, of the markets that were open within [since, until).

    `markets` (with their series, events and settlements) are always read. `until` None is up to now.
    """

    series: str
    since: Ns
    until: Ns | None = None
    what: frozenset[What] = frozenset({"markets", "candles", "trades"})
    periods: tuple[int, ...] = PERIODS


class Tally(msgspec.Struct):
    """What came of a run: rows by table, and the markets that were left out, with the reason."""

    added: dict[str, Added]
    left_out: dict[str, str]


class Trades(msgspec.Struct, frozen=True):
    """A span of one market's trades, all of one tier."""

    ticker: str
    span: Span
    is_historical: bool


class Candles(msgspec.Struct, frozen=True):
    """Spans of candles that one request brings; of the historical tier it is of one market."""

    period_min: int
    group: Group
    is_historical: bool


Part: TypeAlias = Trades | Candles
Progress: TypeAlias = Callable[[int, int], None]
"""Told how many requests' worth is done, and how many there are."""


def coverage_of(store: Store, series: str) -> Coverage:
    """Return what has been read of a series. Raises StoreError."""
    return Coverage(store.root / STATE_FOLDER / "kalshi" / f"{series}.jsonl")


async def ingest_kalshi(
    venue: ResearchRest,
    store: Store,
    request: Request,
    *,
    now: Callable[[], Ns],
    progress: Progress = lambda _done, _total: None,
) -> Tally:
    """Read a series into the store. Cancelled, or failed, what was read until then is kept.

    Raises:
        VenueError: the venue said no, or did not answer for long.
        StoreError: the store can't be written.
    """
    store.lock()
    keeping = Keeping(store, coverage_of(store, request.series))
    ingest = _Ingest(venue, store, request, keeping, now, progress)
    try:
        await ingest.run()
    finally:
        keeping.flush()
    return Tally(keeping.added, {**venue.markets_refused, **ingest.left_out})


class _Ingest:
    def __init__(
        self,
        venue: ResearchRest,
        store: Store,
        request: Request,
        keeping: Keeping,
        now: Callable[[], Ns],
        progress: Progress,
    ) -> None:
        self._venue = venue
        self._store = store
        self._request = request
        self._keeping = keeping
        self._now = now
        self._progress = progress
        self.left_out: dict[str, str] = {}

    async def run(self) -> None:
        request, series = self._request, self._request.series
        cutoff = await _patiently(self._venue.historical_cutoff)
        markets = await self._markets(cutoff)
        await self._keep_listed(markets)
        parts: list[Part] = [*self._candles(markets, cutoff), *self._trades(markets, cutoff)]
        await self._read_all(parts)
        if "books" in request.what:
            open_now = [one.spec.ticker for one in markets if one.spec.status == "active"]
            books = await _patiently(self._venue.orderbooks, open_now) if open_now else []
            self._keeping.keep("books", book_rows(series, books))

    async def _keep_listed(self, markets: list[MarketOutcome]) -> None:
        row = series_row(await _patiently(self._venue.series, self._request.series), self._now())
        if not _is_said(self._store, row):
            self._keeping.keep("series", [row])
        titles: dict[str, str] = {}
        for event in dict.fromkeys(one.spec.event_ticker for one in markets):
            titles[event] = (await _patiently(self._venue.event, event)).title
        read_at = self._now()
        self._keeping.keep("events", event_rows(markets, titles))
        self._keeping.keep("markets", (market_row(one, read_at) for one in markets))
        ends = (settlement_row(one) for one in markets)
        self._keeping.keep("settlements", (end for end in ends if end is not None))
        self._keeping.flush()

    async def _markets(self, cutoff: HistoricalCutoff) -> list[MarketOutcome]:
        """Return the markets that were open within the span, oldest first, of both tiers."""
        series, since = self._request.series, self._request.since
        live = await _patiently(
            self._venue.outcomes, series_ticker=series, status=None, min_close_ts=since // SECOND
        )
        past: list[MarketOutcome] = []
        if since < cutoff.markets_settled_at:
            past = await _patiently(self._venue.outcomes, series_ticker=series, is_historical=True)
        until = min(self._now(), self._request.until or self._now())
        found = {one.spec.ticker: one for one in (*past, *live)}
        wanted = (one for one in found.values() if one.spec.open_at < until and one.spec.close_at > since)
        return sorted(wanted, key=lambda one: (one.spec.open_at, one.spec.ticker))

    # --- what is missing --------------------------------------------------------------------------

    def _wanted(self, market: MarketOutcome, after_close_s: int) -> Span | None:
        """Return the market's seconds within the request that can't change any more; None for none."""
        spec, request = market.spec, self._request
        until = min(self._now() - SETTLED, request.until or self._now()) // SECOND
        span = (
            max(spec.open_at, request.since) // SECOND,
            min(-(-spec.close_at // SECOND) + after_close_s, until),
        )
        return span if span[0] < span[1] else None

    def _candles(self, markets: Iterable[MarketOutcome], cutoff: HistoricalCutoff) -> Iterator[Candles]:
        if "candles" not in self._request.what:
            return
        for period_min in self._request.periods:
            period_s = period_min * 60
            live: list[Piece] = []
            for market in markets:
                # The last candle of a market ends up to a period after its close.
                wanted = self._wanted(market, period_s)
                if wanted is None:
                    continue
                ticker = market.spec.ticker
                is_old = market.settled_at is not None and market.settled_at < cutoff.markets_settled_at
                for missing in self._keeping.coverage.missing(f"candles/{period_min}/{ticker}", wanted):
                    for span in cut(missing, period_s):
                        piece = Piece(ticker, span, wanted)
                        if is_old:
                            yield Candles(period_min, Group((piece,)), is_historical=True)
                        else:
                            live.append(piece)
            for group in gather(live, period_s):
                yield Candles(period_min, group, is_historical=False)

    def _trades(self, markets: Iterable[MarketOutcome], cutoff: HistoricalCutoff) -> Iterator[Trades]:
        if "trades" not in self._request.what:
            return
        border = cutoff.trades_created_at // SECOND
        for market in markets:
            wanted, ticker = self._wanted(market, 1), market.spec.ticker
            if wanted is None:
                continue
            for since, until in self._keeping.coverage.missing(f"trades/{ticker}", wanted):
                if since < border:
                    yield Trades(ticker, (since, min(until, border)), is_historical=True)
                if until > border:
                    yield Trades(ticker, (max(since, border), until), is_historical=False)

    # --- reading ----------------------------------------------------------------------------------

    async def _read_all(self, parts: list[Part]) -> None:
        done = 0
        left = iter(parts)
        self._progress(0, len(parts))

        async def work() -> None:
            nonlocal done
            for part in left:
                try:
                    await (self._read_trades(part) if isinstance(part, Trades) else self._read_candles(part))
                except Refused as error:
                    if error.status != 404:
                        raise
                    names = (
                        [part.ticker]
                        if isinstance(part, Trades)
                        else [one.ticker for one in part.group.pieces]
                    )
                    self.left_out.update(dict.fromkeys(names, f"{error}"))
                done += 1
                self._progress(done, len(parts))

        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(AT_ONCE):
                    workers.create_task(work())
        except ExceptionGroup as group:
            # The first failure ends all: the others were cancelled.
            raise group.exceptions[0] from None

    async def _read_trades(self, part: Trades) -> None:
        """Read page by page, newest first: each makes a part of the span whole, down to its last second."""
        since, until = part.span
        cursor = ""
        while True:
            rows, following = await _patiently(
                self._venue.trade_rows,
                self._request.series,
                part.ticker,
                part.span,
                cursor,
                is_historical=part.is_historical,
            )
            times = [row["traded_at"] for row in rows]
            reached = since if not following else until
            if following and times and times == sorted(times, reverse=True):
                reached = min(until, times[-1] // SECOND + 1)
            covered = [Covered(f"trades/{part.ticker}", reached, until)] if reached < until else []
            self._keeping.keep("trades", rows, covered)
            until = min(until, reached)
            if not following:
                return
            if following == cursor:
                raise Transient(f"trades of {part.ticker}: the cursor repeats")
            cursor = following

    async def _read_candles(self, part: Candles) -> None:
        group, period_min = part.group, part.period_min
        if part.is_historical:
            for piece in group.pieces:
                await self._read_past_candles(piece, period_min)
            return
        tickers = [one.ticker for one in group.pieces]
        try:
            found = await _patiently(
                self._venue.candle_rows, self._request.series, tickers, group.span, period_min
            )
        except Refused as error:
            if error.status != 400 or len(tickers) == 1:
                raise
            # More than the venue gives at once, by its own count.
            for half in group.halves():
                await self._read_candles(Candles(period_min, half, is_historical=False))
            return
        for piece in group.pieces:
            rows = found.get(piece.ticker)
            if rows is None:
                # It was archived while we read.
                await self._read_past_candles(piece, period_min)
            else:
                self._keep_candles(piece, period_min, rows)

    async def _read_past_candles(self, piece: Piece, period_min: int) -> None:
        rows = await _patiently(
            self._venue.past_candle_rows, self._request.series, piece.ticker, piece.span, period_min
        )
        self._keep_candles(piece, period_min, rows)

    def _keep_candles(self, piece: Piece, period_min: int, rows: list[dict[str, Any]]) -> None:
        covered = Covered(f"candles/{period_min}/{piece.ticker}", *piece.span)
        self._keeping.keep("candles", rows, [covered])


def _is_said(store: Store, row: dict[str, Any]) -> bool:
    """Whether the store's newest row of a series says the same."""
    question = "SELECT * FROM series WHERE series_ticker = ? ORDER BY known_at DESC LIMIT 1"
    newest = store.rows(question, [row["series_ticker"]]).to_pylist()
    return bool(newest) and {**newest[0], "known_at": row["known_at"]} == row


async def _patiently(read: Callable[_P, Awaitable[_T]], *args: _P.args, **named: _P.kwargs) -> _T:
    """Read, and again where that may help. Raises VenueError."""
    backoff = Backoff(random)
    while True:
        try:
            return await read(*args, **named)
        except Unreadable:
            raise
        except Transient:
            if backoff.attempts >= ATTEMPTS_MAX - 1:
                raise
        await asyncio.sleep(backoff.next_s())
