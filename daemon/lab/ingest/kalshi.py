"""A series of the venue's into the store: what is listed, then what is missing of its candles and trades.

Nothing that the store has is asked for twice; what is read goes to disk as it comes, with a note of the
spans that it makes whole. So whatever ends it, the same words go on where it was, and again change nothing.

Only what can't change any more is taken: candles that are over, and trades that the venue's list is
believed to have (`SETTLED`). Which tier has a thing is what the venue's cutoff says (protocol sheet 4.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from random import random
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar

import msgspec

from daemon.core.backoff import Backoff
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kalshi.bodies import HistoricalCutoff, MarketOutcome
from daemon.kalshi.errors import Refused, Transient, Unreadable
from daemon.kalshi.rest.quotes import CANDLES_MAX
from daemon.lab.ingest.coverage import Coverage, Covered
from daemon.lab.ingest.keeping import Keeping
from daemon.lab.ingest.listing import book_rows, event_rows, market_row, series_row, settlement_row
from daemon.lab.ingest.plan import (
    Candles,
    Piece,
    Trades,
    Window,
    candle_stream,
    missing_candles,
    missing_trades,
    trade_stream,
)
from daemon.lab.ingest.venue import ListedMarket, ResearchRest
from daemon.lab.store import STATE_FOLDER, Store
from daemon.lab.store_tables import table_named
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


Part: TypeAlias = Trades | Candles
Progress: TypeAlias = Callable[[int, int], None]
"""Told how many requests' worth is done, and how many there are."""


def coverage_of(store: Store, series: str) -> Coverage:
    """Return what has been read of a series. Raises StoreError, also for a name that no series has."""
    table_named("markets").file_of({"series_ticker": series})
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
    refused_before = set(venue.markets_refused)
    keeping = Keeping(store, coverage_of(store, request.series))
    ingest = _Ingest(venue, store, request, keeping, now, progress)
    try:
        await ingest.run()
    finally:
        keeping.flush()
    refused = {name: why for name, why in venue.markets_refused.items() if name not in refused_before}
    return Tally(keeping.added, {**refused, **ingest.left_out})


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
        cutoff = await _patiently(self._venue.historical_cutoff)
        listed = await self._listed(cutoff)
        markets = [one.market for one in listed]
        await self._keep_listed(listed)
        await self._read_all(list(self._missing(markets, cutoff)))
        if "books" in self._request.what:
            open_now = [one.spec.ticker for one in markets if one.spec.status == "active"]
            books = await _patiently(self._venue.orderbooks, open_now) if open_now else []
            self._keeping.keep("books", book_rows(self._request.series, books))

    async def _listed(self, cutoff: HistoricalCutoff) -> list[ListedMarket]:
        """Return the markets that were open within the span, oldest first, of both tiers."""
        series, since = self._request.series, self._request.since
        until = min(self._now(), self._request.until or self._now())
        tiers = [False] if since >= cutoff.markets_settled_at else [True, False]
        found: dict[str, ListedMarket] = {}
        for is_historical in tiers:
            some = await _patiently(
                self._venue.markets_within, series, since, until, is_historical=is_historical
            )
            found.update((one.market.spec.ticker, one) for one in some)
        return sorted(found.values(), key=lambda one: (one.market.spec.open_at, one.market.spec.ticker))

    async def _keep_listed(self, listed: list[ListedMarket]) -> None:
        row = series_row(await _patiently(self._venue.series, self._request.series), self._now())
        if not _is_said(self._store, row):
            self._keeping.keep("series", [row])
        markets, read_at = [one.market for one in listed], self._now()
        titles = {one.market.spec.event_ticker: one.event_title for one in listed}
        self._keeping.keep("events", event_rows(markets, titles))
        self._keeping.keep("markets", (market_row(one, read_at) for one in markets))
        ends = (settlement_row(one) for one in markets)
        self._keeping.keep("settlements", (end for end in ends if end is not None))
        self._keeping.flush()

    def _missing(self, markets: list[MarketOutcome], cutoff: HistoricalCutoff) -> Iterator[Part]:
        request, coverage = self._request, self._keeping.coverage
        until = min(self._now() - SETTLED, request.until or self._now())
        window = Window(request.since // SECOND, until // SECOND)
        periods = sorted(request.periods, reverse=True) if "candles" in request.what else []
        # The minutes of a market that lives for months are more than all else: they come last.
        for period_min in (one for one in periods if one > 1):
            yield from missing_candles(markets, coverage, window, period_min, cutoff)
        if "trades" in request.what:
            yield from missing_trades(markets, coverage, window, cutoff)
        if 1 in periods:
            yield from missing_candles(markets, coverage, window, 1, cutoff)

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
                    self.left_out.update(dict.fromkeys(_tickers(part), str(error)))
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
            covered = [Covered(trade_stream(part.ticker), reached, until)] if reached < until else []
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
            is_cut = sum(len(rows) for rows in found.values()) >= CANDLES_MAX
        except Refused as error:
            if error.status != 400 or len(tickers) == 1:
                raise
            is_cut = True
        if is_cut and len(tickers) > 1:
            # More than the venue gives at once, by its own count: it refuses that, or leaves some out.
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
        covered = Covered(candle_stream(period_min, piece.ticker), *piece.span)
        self._keeping.keep("candles", rows, [covered])


def _tickers(part: Part) -> list[str]:
    return [part.ticker] if isinstance(part, Trades) else [one.ticker for one in part.group.pieces]


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
