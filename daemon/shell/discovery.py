"""Which markets are watched: what `[markets]` names and its filter lets pass, looked up again and again.

A look reads one paged list per series and status, never one per market. A market that entered is listed
to the core and subscribed, one that changed is listed again, one that fell out is unsubscribed and
dropped: the core then cancels what we have in it. `selection` decides; here is only the asking. A list
that can't be read changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec
import structlog

from daemon.config_tables import Markets
from daemon.core import events as e
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kalshi.bodies import EventBody, Listing
from daemon.kalshi.errors import Refused, VenueError
from daemon.kalshi.rest import ReadingRest
from daemon.kalshi.rest.calls import remember
from daemon.shell.fee_calendar import FeeCalendar
from daemon.shell.feeds import Feeds
from daemon.shell.selection import Changes, Selection, filter_of

log = structlog.get_logger(__name__)

POLL_S = 0.1
HURRIED_EVERY: Ns = SECOND
"""Looks follow each other no faster, however often the venue says that something changed."""
CATEGORIES_EVERY: Ns = 10 * MINUTE
"""How often a category is asked for its series: new ones are seldom."""
CATEGORY_SERIES_PER_LOOK = 10
"""Series of categories that are read again in one look, the longest unread first; new ones are read at
once. A category has hundreds, and the read budget is for more than looking."""
FEES_EVERY: Ns = 5 * MINUTE
"""How often the venue is asked for fee changes to come."""
LISTINGS_PER_TURN = 250
"""So many are compared before others may run: some milliseconds."""
TOLD_SINGLY_MAX = 20
"""More markets than this that enter together are one line of the log."""
_SERIES_STATUSES = ("open", "unopened")


class Discovery:
    """Keeps the watched set up to date.

    Args:
        venue: asked for the lists.
        feeds: told what to subscribe to.
        markets: `[markets]` of the configuration.
        now: our clock.
        emit: takes the events.
    """

    def __init__(
        self,
        venue: ReadingRest,
        feeds: Feeds,
        markets: Markets,
        *,
        now: Callable[[], Ns],
        emit: Callable[[e.Event], None],
    ) -> None:
        self._venue = venue
        self._feeds = feeds
        self._markets = markets
        self._every = markets.refresh_s * SECOND
        self._now = now
        self._emit = emit
        self._selection = Selection(filter_of(markets))
        self._fees = FeeCalendar()
        self._category_series: dict[str, Ns | None] = {}
        """Series of the named categories, and when they were last read."""
        self._refusals: dict[str, str] = {}
        self._looked_at: Ns = 0
        self._due_at: Ns = 0
        self._categories_due_at: Ns = 0
        self._fees_due_at: Ns = 0
        self._are_fees_doubted = False
        self._has_failed = False

    @property
    def watched_count(self) -> int:
        """How many markets are watched."""
        return len(self._selection.watched)

    @property
    def refused_count(self) -> int:
        """How many listed markets can't be read or priced; the log names each once, with its reason."""
        return len(self._venue.markets_refused)

    async def run(self) -> None:
        """Look whenever it is due, by the clock that is in force, until cancelled."""
        while True:
            await self.refresh_if_due()
            await asyncio.sleep(POLL_S)

    def hurry(self, *, are_fees_doubted: bool = True) -> None:
        """Look again at once: the venue said that markets, or fees, changed; or we may have missed it."""
        self._are_fees_doubted = self._are_fees_doubted or are_fees_doubted
        self._due_at = min(self._due_at, self._looked_at + HURRIED_EVERY)

    def look_at(self, series: Sequence[str]) -> None:
        """Look again at once if one of these series is ours: something new was listed there."""
        ours = [ticker for ticker in series if ticker in self._category_series]
        self._category_series |= dict.fromkeys(ours)
        if ours or not set(series).isdisjoint(self._markets.series):
            self.hurry(are_fees_doubted=False)

    async def refresh_if_due(self) -> None:
        """Ask the venue for every list, if it is time; one that fails is told and tried again next time."""
        await self._change_fees(self._now())
        now = self._now()
        if now < self._due_at:
            return
        self._looked_at, self._due_at = now, now + self._every
        if self._are_fees_doubted:
            self._are_fees_doubted = False
            self._venue.forget_fees()
        await self._read_plans(now)
        found, series_read = await self._read_lists(now)
        await self._read_missing(found, series_read)
        await self._select(list(found.values()))
        self._tell(self._selection.expire(self._now()))

    # --- reading ---------------------------------------------------------------------------------

    async def _read_plans(self, now: Ns) -> None:
        """Read what changes seldom: the series of the categories, and the fee changes to come."""
        if now >= self._categories_due_at:
            self._categories_due_at = now + CATEGORIES_EVERY
            for category in self._markets.categories:
                try:
                    series = await self._venue.series_in(category)
                except VenueError as error:
                    self._tell_failure("series", category, error)
                    self._categories_due_at = now
                    continue
                for one in series:
                    self._category_series.setdefault(one.ticker, None)
        if now >= self._fees_due_at:
            self._fees_due_at = now + FEES_EVERY
            try:
                self._fees.plan(await self._venue.fee_changes())
            except VenueError as error:
                self._tell_failure("fee_changes", "all", error)
                if not isinstance(error, Refused):
                    self._fees_due_at = now
            await self._change_fees(now)

    def _series_to_read(self, now: Ns) -> list[str]:
        """Return the named series, and of the categories' the new ones and some that are due again."""
        named = self._markets.series
        others = {ticker: at for ticker, at in self._category_series.items() if ticker not in named}
        unread = [ticker for ticker, at in others.items() if at is None]
        known = sorted((at, ticker) for ticker, at in others.items() if at is not None)
        chosen = [*unread, *(ticker for _, ticker in known[:CATEGORY_SERIES_PER_LOOK])]
        self._category_series |= dict.fromkeys(chosen, now)
        return [*named, *chosen]

    async def _read_lists(self, now: Ns) -> tuple[dict[str, Listing], set[str]]:
        """Return what is listed, by ticker, and the series that were read whole."""
        found: dict[str, Listing] = {}
        series_read: set[str] = set()
        for series in self._series_to_read(now):
            try:
                for status in _SERIES_STATUSES:
                    self._keep(found, await self._venue.listings(series_ticker=series, status=status))
            except VenueError as error:
                self._tell_failure("markets", series, error)
                if self._category_series.get(series) is not None:
                    self._category_series[series] = None
            else:
                self._tell_answer()
                series_read.add(series)
        for event in self._markets.events:
            try:
                self._keep(found, await self._venue.listings(event_ticker=event))
            except VenueError as error:
                self._tell_failure("markets", event, error)
        await self._read_tickers(found, self._markets.tickers)
        return found, series_read

    async def _read_missing(self, found: dict[str, Listing], series_read: set[str]) -> None:
        """Ask for the watched markets that their series no longer lists as open: paused, most likely."""
        now, refused = self._now(), self._venue.markets_refused
        missing = []
        for ticker, spec in list(self._selection.watched.items()):
            if ticker in found or spec.close_at <= now:
                continue
            if ticker in refused:
                self._tell(self._selection.refuse(ticker, refused[ticker]))
            elif spec.series_ticker in series_read:
                missing.append(ticker)
        await self._read_tickers(found, missing)

    async def _read_tickers(self, found: dict[str, Listing], tickers: Iterable[str]) -> None:
        rest = [ticker for ticker in tickers if ticker not in found]
        try:
            self._keep(found, await self._venue.listings(tickers=rest))
        except VenueError as error:
            self._tell_failure("markets", ",".join(rest[:3]), error)

    def _keep(self, found: dict[str, Listing], listed: Iterable[Listing]) -> None:
        found.update((one.spec.ticker, one) for one in listed)
        for ticker, reason in self._venue.markets_refused.items():
            if self._refusals.get(ticker) != reason:
                remember(self._refusals, ticker, reason)
                log.warning("market.refused", ticker=ticker, reason=reason)

    # --- fees ------------------------------------------------------------------------------------

    async def _change_fees(self, now: Ns) -> None:
        """Put the scheduled fee changes in force whose time has come."""
        if self._fees.release(now):
            self.hurry()
        for change in self._fees.take_due(now):
            log.info("fees.changed", series=change.series_ticker, fees=str(change.fees), at=change.at)
            concerned = [
                spec
                for spec in self._selection.watched.values()
                if spec.series_ticker == change.series_ticker
            ]
            fees = {
                spec.ticker: change.fees
                for spec in concerned
                if not await self._is_overridden(spec.event_ticker)
            }
            self._tell(self._selection.reprice(fees, self._now()))

    async def _is_overridden(self, event_ticker: str) -> bool:
        """Whether an event has fees of its own; one that can't be read is taken to follow its series."""
        try:
            return _has_own_fees(await self._venue.event(event_ticker))
        except VenueError as error:
            self._tell_failure("event", event_ticker, error)
            return False

    # --- telling ---------------------------------------------------------------------------------

    async def _select(self, listed: list[Listing]) -> None:
        """Compare what is listed with what is watched, the market that closes first being the first."""
        listed.sort(key=lambda one: (one.spec.close_at, one.spec.ticker))
        for start in range(0, len(listed), LISTINGS_PER_TURN):
            part = []
            for one in listed[start : start + LISTINGS_PER_TURN]:
                held = self._fees.held(one.spec.series_ticker)
                if held is None or await self._is_overridden(one.spec.event_ticker):
                    part.append(one)
                elif held.fees is not None:
                    spec = msgspec.structs.replace(one.spec, fees=held.fees)
                    part.append(msgspec.structs.replace(one, spec=spec))
            self._tell(self._selection.apply(part, self._now()))
            await asyncio.sleep(0)

    def _tell(self, changes: Changes) -> None:
        now = self._now()
        for spec in (*changes.changed, *changes.entered):
            self._emit(e.MarketListed(spec, now))
        if changes.entered:
            if len(changes.entered) > TOLD_SINGLY_MAX:
                log.info("market.watched", count=len(changes.entered), first=changes.entered[0].ticker)
            else:
                for spec in changes.entered:
                    log.info(
                        "market.watched", ticker=spec.ticker, closes_in_s=(spec.close_at - now) // SECOND
                    )
            self._feeds.watch([spec.ticker for spec in changes.entered])
        if changes.left:
            self._feeds.unwatch([left.ticker for left in changes.left])
            for left in changes.left:
                log.info("market.left", ticker=left.ticker, reason=left.reason)
                self._emit(e.MarketDropped(left.ticker, now))

    def _tell_failure(self, request: str, subject: str, error: VenueError) -> None:
        if isinstance(error, Refused):
            log.warning("discovery.refused", request=request, subject=subject, reason=str(error))
            return
        log.warning("discovery.failed", request=request, subject=subject, reason=str(error))
        self._has_failed = True
        self._emit(e.VenueFailed(request, str(error), self._now()))

    def _tell_answer(self) -> None:
        """After a failure: else those with hours between them would add up to an open breaker."""
        if self._has_failed:
            self._has_failed = False
            self._emit(e.VenueAnswered("markets", self._now()))


def _has_own_fees(event: EventBody) -> bool:
    return event.fee_type_override is not None or bytes(event.fee_multiplier_override) not in (b"", b"null")
