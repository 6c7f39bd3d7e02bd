"""The venue's connections into the inbox, and what must follow from them.

Markets are spread over connections (`kalshi/routing`): one session and one `run_feed` each, so that one
that is cut, slow or full costs its own markets only. The first one also carries what is told once for the
whole exchange, and the account's own channels, unless these have a connection of their own.

A doubt about the listing makes discovery look again, and a book that the core found impossible though no
frame was missing is asked for anew.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.units import SECOND, Ns
from daemon.kalshi.auth import Signer
from daemon.kalshi.news import series_of
from daemon.kalshi.routing import Routes
from daemon.kalshi.session import Bounds, Session
from daemon.shell.loop import INBOX_MAX, Inbox
from daemon.shell.stream import run_feed

log = structlog.get_logger(__name__)

MARKETS_PER_CONNECTION = 400
_LOOK_EVERY_S = 1.0
_WAITING_RETRY_S = 60.0
"""How often markets that no connection had room for are tried again, if none is freed before."""


def another_session(feed: e.Feed) -> Session:
    """Return the session of a connection that carries markets only."""
    return Session(feed, is_private=False, is_first=False)


class _Link:
    """One connection: its session, and what runs it."""

    __slots__ = ("connection", "session", "task", "wake")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.wake = asyncio.Event()
        self.connection: ClientConnection | None = None
        self.task: asyncio.Task[None] | None = None

    def remember(self, connection: ClientConnection) -> None:
        """Keep the connection that is in force, for whoever wants to ping through it."""
        self.connection = connection


class Feeds:
    """All connections, and the glue between the venue's sessions and the rest."""

    def __init__(
        self,
        session: Session,
        inbox: Inbox,
        *,
        now: Callable[[], Ns],
        backoff: Callable[[], Backoff],
        silence_s: float,
        private: Session | None = None,
        another: Callable[[e.Feed], Session] = another_session,
        markets_per_connection: int = MARKETS_PER_CONNECTION,
    ) -> None:
        """Build.

        Args:
            session: of the first connection; its feed's name is the others' stem.
            inbox: takes all events.
            now: our time.
            backoff: makes the delays between attempts, for each connection its own.
            silence_s: how long nothing at all may come before a connection is given up.
            private: of a connection that carries the account's own channels and nothing else; None when the
                first one carries them.
            another: makes the session of a further connection, by its name.
            markets_per_connection: how many markets one connection may carry.
        """
        self.session = session
        self._inbox = inbox
        self._now = now
        self._backoff = backoff
        self._silence_s = silence_s
        self._another = another
        self.on_parsed: Callable[[int], None] | None = None
        """Takes the nanoseconds that a frame took, of some frames (`run_feed`)."""
        self.on_listing_doubt: Callable[[], None] | None = None
        """Called when markets or fees may have changed unseen, or a watched series has something new."""
        self.on_new_series: Callable[[tuple[str, ...]], None] | None = None
        """Called with the series in which a market or an event was made, anywhere on the exchange."""
        self._routes = Routes(session.feed, markets_per_connection, self._capacity_of)
        self._links = {session.feed: _Link(session)}
        if private is not None:
            self._links[private.feed] = _Link(private)
        self._series: Counter[str] = Counter()
        """How many markets of each series are watched."""
        self._closed: Counter[str] = Counter()
        """What the sessions of closed connections had counted."""
        self._has_changed = asyncio.Event()
        self._bounds: Bounds | None = None
        """What was said since the start; None for what each session was made with."""

    # --- what others ask ------------------------------------------------------------------------

    @property
    def counters(self) -> dict[str, int]:
        """The sessions' counts since the start, summed over all connections, closed ones included."""
        total = Counter(self._closed)
        for link in self._links.values():
            total.update(link.session.counters)
        return dict(total)

    @property
    def sessions(self) -> dict[e.Feed, Session]:
        """The session of each connection, by its name."""
        return {feed: link.session for feed, link in self._links.items()}

    @property
    def watched(self) -> tuple[str, ...]:
        """All markets that have a connection, in the order in which they were named."""
        return tuple(self._routes.feed_of)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Watched markets that no connection has room for."""
        return tuple(self._routes.waiting)

    def feed_of(self, ticker: str) -> e.Feed | None:
        """Return the connection of a watched market; None when it has none."""
        return self._routes.feed_of.get(ticker)

    def is_synced(self, ticker: str) -> bool:
        """Whether the market's book had its snapshot and every frame since."""
        feed = self._routes.feed_of.get(ticker)
        return feed is not None and self._links[feed].session.is_synced(ticker)

    def watch(self, tickers: Iterable[str]) -> None:
        """Subscribe to these markets too."""
        new = [
            ticker
            for ticker in dict.fromkeys(tickers)
            if ticker not in self._routes.feed_of and ticker not in self._routes.waiting
        ]
        self._series.update(map(series_of, new))
        self._place(new, self._routes.assign)

    def unwatch(self, tickers: Iterable[str]) -> None:
        """Subscribe to these markets no more."""
        for ticker in tickers:
            if ticker in self._routes.feed_of or ticker in self._routes.waiting:
                series = series_of(ticker)
                self._series[series] -= 1
                if not self._series[series]:
                    del self._series[series]
            feed = self._routes.release(ticker)
            if feed is not None:
                self._links[feed].session.unwatch([ticker])
                self._links[feed].wake.set()
        self._place(list(self._routes.waiting), self._routes.assign)
        self._close_empty()

    def bound(self, bounds: Bounds) -> None:
        """From now on judge all connections by these, also those to come."""
        self._bounds = bounds
        self._silence_s = bounds.silence_max / SECOND
        for link in self._links.values():
            link.session.bound(bounds)

    def resnapshot(self, tickers: Iterable[str]) -> None:
        """Ask again for books that the core found impossible though no frame was missing."""
        by_feed: dict[e.Feed, list[str]] = {}
        for ticker in tickers:
            if (feed := self._routes.feed_of.get(ticker)) is not None:
                by_feed.setdefault(feed, []).append(ticker)
        for feed, wrong in by_feed.items():
            link = self._links[feed]
            self._inbox.extend(link.session.resnapshot(wrong, "impossible book", self._now()))
            link.wake.set()

    # --- running --------------------------------------------------------------------------------

    async def run_venue(self, url: str, signer: Signer) -> None:
        """Keep the venue's connections up, as many as the markets need, until cancelled."""
        running: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        retried_at = loop.time()
        try:
            while True:
                for link in self._links.values():
                    if link.task is None:
                        link.task = asyncio.ensure_future(self._run_link(link, url, signer))
                        running.add(link.task)
                self._has_changed.clear()
                await _first_of(running, self._has_changed)
                for task in [task for task in running if task.done()]:
                    running.discard(task)
                    if not task.cancelled():
                        task.result()  # a feed ends by failing only, and its failure is ours
                if loop.time() - retried_at >= _WAITING_RETRY_S:
                    retried_at = loop.time()
                    self._place(list(self._routes.waiting), self._routes.assign)
                self._make_room()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for link in self._links.values():
                link.task = None

    async def flush(self) -> None:
        """Wait until all that the venue has sent so far is in the inbox; until connected, if it isn't."""
        for link in list(self._links.values()):
            await self._flush_link(link)

    async def _flush_link(self, link: _Link) -> None:
        session = link.session
        # Only on a tape, between two recorded sessions.
        while not session.is_connected or link.connection is None:
            await asyncio.sleep(0.005)
            if self._links.get(session.feed) is not link:
                return  # closed meanwhile: nothing more comes over it
        try:
            self._inbox.extend(session.poll(self._now()))
            for command in session.outgoing():
                await link.connection.send(command)
            # The answer to our ping comes behind all frames that were sent before it.
            await (await link.connection.ping())
        except ConnectionClosed:
            return
        seen = -1
        while seen != session.frames:
            seen = session.frames
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def _run_link(self, link: _Link, url: str, signer: Signer) -> None:
        session, backoff = link.session, self._backoff()
        if session is not self.session:
            # Not all at the same instant: many connections are one crowd to the venue. No attempt has
            # failed yet, so this takes nothing from the backoff: the first reconnect is as prompt as any.
            await asyncio.sleep(self._backoff().next_s())
        await run_feed(
            url,
            signer,
            session,
            self._now,
            lambda events: self._take(session, events),
            backoff=backoff,
            wake=link.wake,
            on_failure=lambda reason: log.warning(
                "feed.unreachable", feed=session.feed, url=url, reason=reason
            ),
            on_open=link.remember,
            on_parsed=self.on_parsed,
            silence_s=lambda: self._silence_s,
        )

    def _take(self, session: Session, events: list[e.Event]) -> None:
        self._inbox.extend(events)
        if len(self._inbox) > INBOX_MAX:
            session.reconnect_reason = f"the core is {len(self._inbox)} events behind"
        is_doubted = session.take_listing_doubt()
        if new := session.take_new_series():
            is_doubted = is_doubted or any(self._series[series] > 0 for series in new)
            if self.on_new_series is not None:
                self.on_new_series(new)
        if is_doubted and self.on_listing_doubt is not None:
            self.on_listing_doubt()

    # --- which market comes over which connection -----------------------------------------------

    def _capacity_of(self, feed: e.Feed) -> int | None:
        link = self._links.get(feed)
        return None if link is None else link.session.capacity

    def _place(self, tickers: list[str], place: Callable[[str], e.Feed | None]) -> None:
        """Give markets a connection, opening what is needed, and tell which."""
        by_feed: dict[e.Feed, list[str]] = {}
        for ticker in tickers:
            feed = place(ticker)
            if feed is not None:
                by_feed.setdefault(feed, []).append(ticker)
        for feed, placed in by_feed.items():
            if feed not in self._links:
                log.info("feed.added", feed=feed)
                self._links[feed] = _Link(self._another(feed))
                if self._bounds is not None:
                    self._links[feed].session.bound(self._bounds)
                self._has_changed.set()
            now = self._now()
            self._inbox.extend(e.MarketRouted(ticker, feed, now) for ticker in placed)
            self._links[feed].session.watch(placed)
            self._links[feed].wake.set()
        if unplaced := [ticker for ticker in tickers if ticker in self._routes.waiting]:
            log.error("markets.unplaced", count=len(unplaced), first=unplaced[0])

    def _make_room(self) -> None:
        """Move the markets that the venue refused on one connection to others."""
        for feed, link in list(self._links.items()):
            unplaced = link.session.unplaced
            if unplaced:
                log.warning("feed.full", feed=feed, capacity=link.session.capacity, moved=len(unplaced))
                link.session.unwatch(unplaced)
                link.wake.set()
                self._place(unplaced, self._routes.move)
        self._close_empty()

    def _close_empty(self) -> None:
        for feed in self._routes.empty():
            self._routes.close(feed)
            link = self._links.pop(feed)
            self._closed.update(link.session.counters)
            log.info("feed.closed", feed=feed)
            if link.task is not None:
                link.session.reconnect_reason = "closed: no market is left on it"
                link.task.cancel()


async def _first_of(running: set[asyncio.Task[None]], changed: asyncio.Event) -> None:
    """Wait until a task ends, something changed, or it is time to look around."""
    waiting = asyncio.ensure_future(changed.wait())
    try:
        await asyncio.wait({waiting, *running}, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
