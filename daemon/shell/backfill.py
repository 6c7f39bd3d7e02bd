"""Backfill before trading: what the stream kept from us is read over REST and told to the core.

For every gap (see `gaps`), the market that closes first being the first: its candles of the last minutes,
many markets in a request; its public trades, whole for the gap; then `MarketBackfilled`, before which the
core sends nothing there. What can't be read is tried once more; then the market goes on without: its
windows stay cold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from daemon.core import events as e
from daemon.core.features.reach import Reach
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kalshi.errors import Refused, VenueError
from daemon.kalshi.http import PAGES_MAX
from daemon.kalshi.rest import ReadingRest
from daemon.shell.gaps import LENGTH, Gap, Gaps

log = structlog.get_logger(__name__)

POLL_S = 0.05
ATTEMPTS_MAX = 2
RETRY_AFTER: Ns = 5 * SECOND
TRADES_LAG: Ns = 2 * SECOND
"""The list of trades may run so far behind the stream. The sheet knows no figure: 0.4 s were measured for
our own lists (4.7), 9 s for quotes that pass a cache (1.6), which a query of its own does not."""
MARKETS_PER_BATCH = 100
READS_AT_ONCE = 4
BULK_MARKETS_MIN = 10
BULK_SPAN_MAX: Ns = 2 * MINUTE
"""From so many markets on, gaps no longer than this are read from the list of all markets' trades: after
a drop one list of seconds costs less than a request for each of a thousand markets."""
MARKETS_PER_PAGE = 2
"""Longer gaps too, while that list has no more pages than one for so many markets that are due: most of
thousands have not traded for minutes, and one list says so of all of them."""
LONG_LIST_EVERY: Ns = MINUTE
"""When it had more, it is not tried again for so long."""
NO_REACH = Reach(0, 0, 0)


class Backfill:
    """Reads the gaps that come due and tells what was in them.

    Args:
        venue: asked for candles and trades.
        silence: how long a connection may have been dead before its drop is told.
        now: our clock.
        emit: takes the events.
        backlog: how many events the core has still to handle.
        reach: how far back the features look; more than `LENGTH` of it is read, and hours only where asked.
    """

    def __init__(
        self,
        venue: ReadingRest,
        *,
        silence: Ns,
        now: Callable[[], Ns],
        emit: Callable[[e.Event], None],
        backlog: Callable[[], int],
        reach: Reach = NO_REACH,
    ) -> None:
        self._venue = venue
        self._now = now
        self._emit = emit
        self._backlog = backlog
        self._gaps = Gaps(silence, max(LENGTH, reach.trades))
        # Each period of the candles that are read, in minutes, and how far back.
        self._candles = {1: max(LENGTH, reach.minutes), 60: reach.hours}
        self._ended: list[tuple[Gap, bool]] = []
        self._turn = asyncio.Lock()
        self._long_list_at: Ns = 0
        """Not before is a list tried for long gaps."""
        self.counts = {"markets": 0, "trades": 0, "candles": 0, "failures": 0}
        """Since the start: markets told as backfilled, what was read for them, and reads that failed."""

    def bound_silence(self, silence: Ns) -> None:
        """From now on a connection may have been dead for so long before its drop is told."""
        self._gaps.bound_silence(silence)

    def on_batch(self, batch: Sequence[e.Event]) -> None:
        """Take in what the core has handled."""
        apply = self._gaps.apply
        for event in batch:
            if type(event) is not e.BookDeltaReceived:  # most are, and none of them breaks or mends a gap
                apply(event)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read, and nothing can be at this time."""
        return not self._turn.locked() and not self._gaps.has_due(self._now())

    @property
    def pending_count(self) -> int:
        """How many markets' past is not whole."""
        return len(self._gaps)

    async def run(self) -> None:
        """Read what comes due, by the clock that is in force, until cancelled."""
        while True:
            await self.settle()
            await asyncio.sleep(POLL_S)

    async def settle(self) -> None:
        """Read all that is due; on a tape, whoever moves the clock waits for it."""
        async with self._turn:
            bulk: _Bulk | None = None
            # Some at a time: a market that closes soon and comes back meanwhile is not behind thousands.
            while gaps := self._gaps.take_due(self._now(), MARKETS_PER_BATCH):
                bulk = await self._read_bulk(gaps, await self._read_long_bulk(gaps, bulk))
                turns = asyncio.Semaphore(READS_AT_ONCE)
                readable = await self._read_candles([gap for gap in gaps if self._gaps.is_current(gap)])
                async with asyncio.TaskGroup() as tasks:
                    for gap in readable:
                        tasks.create_task(self._fill(gap, bulk, turns))
                await self._tell_ended()

    async def _tell_ended(self) -> None:
        """Tell which markets' readings are over: the core may trade them from here on."""
        ended, self._ended = self._ended, []
        # A drop that waits in the inbox would be handled before the word that all is well, and be undone
        # by it. Nothing can come in between here and the next line that waits.
        while self._backlog():  # noqa: ASYNC110 - the pump announces nothing when it has caught up
            await asyncio.sleep(0.001)
        now = self._now()
        for gap, is_whole in ended:
            if self._gaps.is_current(gap):
                self._gaps.close(gap, is_whole=is_whole)
                self.counts["markets"] += 1
                self._emit(e.MarketBackfilled(gap.ticker, now))

    # --- candles ---------------------------------------------------------------------------------

    async def _read_candles(self, batch: list[Gap]) -> list[Gap]:
        """Tell the candles of some markets; returns those that go on to their trades."""
        opened = [gap for gap in batch if _has_past(gap)]
        if not opened:
            return batch
        try:
            found = [
                candle
                for period_min, length in self._candles.items()
                if length
                for candle in await self._candles_of(opened, period_min, length)
            ]
        except VenueError as error:
            if isinstance(error, Refused):
                # The past of the book is a help, no condition: its trades may still be had.
                self._tell_failure("candles", error)
                return batch
            for gap in opened:
                self._fail(gap, "candles", error)
            return [gap for gap in batch if not _has_past(gap)]
        current = {gap.ticker: gap.spec.open_at for gap in opened if self._gaps.is_current(gap)}
        for candle in found:
            if candle.ended_at > current.get(candle.ticker, candle.ended_at):
                self._emit(candle)
                self.counts["candles"] += 1
        return batch

    async def _candles_of(self, gaps: Sequence[Gap], period_min: int, length: Ns) -> list[e.CandleBackfilled]:
        """Return the markets' candles of a period as far back as asked. Raises VenueError."""
        start_s = (min(gap.until for gap in gaps) - length) // SECOND
        end_s = max(gap.until for gap in gaps) // SECOND
        found = await self._venue.candles_of([gap.ticker for gap in gaps], start_s, end_s, period_min)
        return [candle for gap in gaps for candle in found[gap.ticker]]

    # --- trades ----------------------------------------------------------------------------------

    async def _read_long_bulk(self, gaps: list[Gap], bulk: _Bulk | None) -> _Bulk | None:
        """Return all markets' trades as far back as these gaps go if that is few pages, else `bulk`."""
        now = self._now()
        lacking = [gap for gap in gaps if _has_trades(gap) and (bulk is None or not bulk.covers(gap))]
        if len(lacking) < BULK_MARKETS_MIN or all(map(_is_short, lacking)) or now < self._long_list_at:
            return bulk
        # Markets that came back a little earlier are in the next lot: one list is to do for them too.
        since = min(gap.since for gap in lacking) - MINUTE
        attempts = max(gap.attempts for gap in lacking)
        pages_max = min(PAGES_MAX, (len(lacking) + self._gaps.due_count(now)) // MARKETS_PER_PAGE)
        try:
            trades = await self._venue.trades(None, _min_ts(since, attempts), pages_max=pages_max)
        except VenueError as error:
            # No failure: each market's own list is still to be had.
            self._long_list_at = now + LONG_LIST_EVERY
            log.info("backfill.list_left", markets=len(lacking), reason=str(error))
            return bulk
        return _Bulk(since, now, trades)

    async def _read_bulk(self, gaps: list[Gap], bulk: _Bulk | None) -> _Bulk | None:
        """Return all markets' trades if that is worth it: those read before, or a new list."""
        short = [gap for gap in gaps if _is_short(gap) and (bulk is None or not bulk.covers(gap))]
        if len(short) < BULK_MARKETS_MIN:
            return bulk
        since, attempts, asked_at = min(gap.since for gap in short), short[0].attempts, self._now()
        try:
            trades = await self._venue.trades(None, _min_ts(since, attempts))
        except VenueError as error:
            self._tell_failure("trades", error)
            return bulk
        return _Bulk(since, asked_at, trades)

    async def _fill(self, gap: Gap, bulk: _Bulk | None, turns: asyncio.Semaphore) -> None:
        """Tell one market's trades and that it is backfilled, or see to it that it is tried again."""
        trades: list[e.TradePrinted] = []
        if _has_trades(gap):
            if bulk is not None and bulk.covers(gap):
                trades, newest = bulk.of(gap.ticker), bulk.newest
            else:
                try:
                    async with turns:
                        trades = await self._venue.trades(gap.ticker, _min_ts(gap.since, gap.attempts))
                except VenueError as error:
                    self._fail(gap, "trades", error)
                    return
                newest = _newest(trades)
            if gap.attempts + 1 < ATTEMPTS_MAX and _may_lack(newest, gap.until):
                self._gaps.retry(gap, gap.until + TRADES_LAG)
                return
        if self._gaps.is_current(gap):
            self._tell(gap, trades)

    def _tell(self, gap: Gap, trades: Sequence[e.TradePrinted]) -> None:
        if gap.has_trades:
            within = tuple(
                trade
                for trade in trades
                if trade.sent_at is not None and gap.since <= trade.sent_at < gap.until
            )
            self._emit(e.TradesBackfilled(gap.ticker, gap.since, gap.until, within, self._now()))
            self.counts["trades"] += len(within)
        self._ended.append((gap, True))

    # --- failures --------------------------------------------------------------------------------

    def _fail(self, gap: Gap, request: str, error: VenueError) -> None:
        self._tell_failure(request, error, gap.ticker)
        if not isinstance(error, Refused) and gap.attempts + 1 < ATTEMPTS_MAX:
            self._gaps.retry(gap, self._now() + RETRY_AFTER)
        else:
            self._ended.append((gap, False))

    def _tell_failure(self, request: str, error: VenueError, ticker: str | None = None) -> None:
        # No `VenueFailed`: discovery asks the same venue all the time and tells it, and hundreds of reads
        # that fail together are one failure, not hundreds in a row.
        self.counts["failures"] += 1
        log.warning("backfill.failed", request=request, ticker=ticker, reason=str(error))


class _Bulk:
    """All markets' trades since an instant, as they were listed when they were asked for."""

    def __init__(self, since: Ns, asked_at: Ns, trades: Sequence[e.TradePrinted]) -> None:
        self._since = since
        self._asked_at = asked_at
        self.newest = _newest(trades)
        self._by_ticker: dict[str, list[e.TradePrinted]] = {}
        for trade in trades:
            self._by_ticker.setdefault(trade.ticker, []).append(trade)

    def covers(self, gap: Gap) -> bool:
        """Whether a gap lies within what was listed; one that is read again needs a later list."""
        is_later = gap.attempts == 0 or self._asked_at >= gap.until + TRADES_LAG
        return self._since <= gap.since and gap.until <= self._asked_at and is_later

    def of(self, ticker: str) -> list[e.TradePrinted]:
        """Return one market's trades, oldest first."""
        return self._by_ticker.get(ticker, [])


def _has_past(gap: Gap) -> bool:
    """Whether anything can have happened in the market before the gap's end."""
    return gap.spec.open_at < gap.until


def _has_trades(gap: Gap) -> bool:
    """Whether trades may be missing."""
    return gap.has_trades and _has_past(gap)


def _is_short(gap: Gap) -> bool:
    return _has_trades(gap) and gap.until - gap.since <= BULK_SPAN_MAX


def _min_ts(since: Ns, attempts: int) -> int:
    """Return the second to read from. Each attempt asks a little differently: no cache knows the answer."""
    return since // SECOND - attempts


def _newest(trades: Sequence[e.TradePrinted]) -> Ns | None:
    return max((trade.sent_at for trade in trades if trade.sent_at is not None), default=None)


def _may_lack(newest: Ns | None, until: Ns) -> bool:
    """Whether a list may end before the gap does.

    One with a trade after the gap is whole. One of a market that trades, but without such, may lag. Where
    nothing was traded for longer than the list can lag, it is believed.
    """
    return newest is not None and until - TRADES_LAG < newest < until
