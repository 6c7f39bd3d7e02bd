"""The page, opened: its parts joined, its own listener, its tasks. What fails here stops no trading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import msgspec
import structlog
from aiohttp import web

from daemon.core.units import Ns
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.page.curves import ACCOUNT_EVERY, MARKET_EVERY, Curves
from daemon.shell.page.decided import Decided
from daemon.shell.page.recent import Recent
from daemon.shell.page.site import Site
from daemon.shell.page.streams import Streams, event_of
from daemon.shell.page.token import page_token
from daemon.shell.page.view import AccountView, Words, account_view, choose_markets, market_view
from daemon.shell.queue_places import QueuePlaces
from daemon.shell.samples import Sources
from daemon.shell.store import STORE_NAME
from daemon.shell.summary import LIVE, mode_words
from daemon.shell.web import WebFailed

log = structlog.get_logger(__name__)

UNSEEN_TURNS = 10
"""Of so many points of a market's curve, one says anew which markets have one, while nobody looks."""


class PageTerms(msgspec.Struct, frozen=True):
    """What the page is given of a run."""

    sources: Sources
    switch: KillSwitch
    recent: Recent
    places: QueuePlaces
    mode: str
    state_dir: Path
    now: Callable[[], Ns]
    notes: Callable[[Ns], tuple[str, ...]]
    """What a person should know about now."""
    unready: Callable[[], str | None]
    """Why it is not ready to trade, or None."""


class _Opening(msgspec.Struct, frozen=True):
    """What a stream begins with."""

    mode: str
    is_live: bool
    account: tuple[object, ...]
    market: tuple[object, ...]


class Page:
    """What the open page knows: which markets it shows, and what was."""

    def __init__(self, terms: PageTerms) -> None:
        self._terms = terms
        self._shown: tuple[str, ...] = ()
        self._notes: tuple[str, ...] = ()
        self.curves, self._decided = Curves(), Decided()
        self.streams = Streams(self._opening, self._frames)
        terms.places.is_watched = lambda: self.streams.count > 0

    def tasks(self) -> list[Coroutine[None, None, None]]:
        """Return what runs until it is cancelled."""
        return [self._remember(), self.streams.run()]

    async def _remember(self) -> None:
        """Take a point of each curve when it is due, and say anew which markets are shown."""
        account_at: Ns | None = None
        for turns in count():
            now, engine = self._terms.now(), self._terms.sources.engine
            if self.streams.count or turns % UNSEEN_TURNS == 0:
                # Both look at every market: seldom, while nobody looks at them.
                self._shown = choose_markets(engine.state, now)
                self._notes = self._terms.notes(now)
            self._decided.take(engine.decisions)
            self._decided.forget(self._shown)
            self.curves.add_markets(engine, self._shown, now)
            if account_at is None or now - account_at >= ACCOUNT_EVERY:
                account_at = now
                view = self._account()
                self.curves.add_account(view.pnl, view.equity, now)
            await asyncio.sleep(MARKET_EVERY / 1e9)

    def _chosen(self, market: str | None) -> str | None:
        """Return the market that is shown for a choice: the first one where nothing was chosen."""
        return market if market is not None else next(iter(self._shown), None)

    def _account(self) -> AccountView:
        terms = self._terms
        words = Words(
            is_latched=terms.switch.latch.is_set,
            unready=terms.unready(),
            notes=self._notes,
            frames=terms.sources.feeds.counters["frames"],
        )
        engine, metrics = terms.sources.engine, terms.sources.metrics
        self._decided.take(engine.decisions)
        return account_view(engine, metrics, self._decided, self._shown, words, terms.now())

    def _opening(self, market: str | None) -> bytes:
        opening = _Opening(
            mode_words(self._terms.mode),
            self._terms.mode == LIVE,
            tuple(self.curves.account),
            self.curves.market(self._chosen(market)),
        )
        return event_of("opening", msgspec.json.encode(opening))

    def _frames(self, markets: tuple[str | None, ...]) -> dict[str | None, bytes]:
        engine, now = self._terms.sources.engine, self._terms.now()
        ahead = self._terms.places.ahead
        account = event_of("account", msgspec.json.encode(self._account()))
        frames = {}
        for market in markets:
            view = market_view(engine, self._decided, self._chosen(market), ahead, now)
            frames[market] = account + event_of("market", msgspec.json.encode(view))
        return frames


async def open_page(listen: str, terms: PageTerms, stack: AsyncExitStack) -> None:
    """Listen until the stack is closed; an empty `listen` opens nothing.

    Raises:
        WebFailed: the address is taken or not ours, or the page's token can't be kept.
    """
    if not listen:
        return
    page = Page(terms)
    token = page_token(terms.state_dir)
    site = Site(page.streams, terms.recent, terms.state_dir / STORE_NAME, terms.switch, token)
    runner = web.AppRunner(
        site.application(), access_log=None, shutdown_timeout=0.5, keepalive_timeout=15.0,
        auto_decompress=False,
    )  # fmt: skip
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    host, _, port = listen.rpartition(":")
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
    except (OSError, OverflowError) as error:
        raise WebFailed(f"page.listen = {listen!r}: {error}") from error
    log.info("page.opened", address=f"http://{host}:{runner.addresses[0][1]}")
    for work in page.tasks():
        task = asyncio.create_task(_alone(work))
        stack.push_async_callback(_ended, task)


async def _alone(work: Coroutine[None, None, None]) -> None:
    """Run a task of the page. One that fails is said, and ends no run: nobody trades by what he sees here."""
    try:
        await work
    except Exception:
        # Whatever it is: the run goes on without it.
        log.exception("page.failed")


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
