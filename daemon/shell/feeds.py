"""Both streams into the inbox: the venue's and the reference price's, and what must follow from them.

A doubt about the listing makes discovery look again, and a book that the core found impossible though no
frame was missing is asked for anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.units import Ns
from daemon.kalshi.auth import Signer
from daemon.kalshi.session import Session
from daemon.kraken.session import Session as ReferenceSession
from daemon.shell.loop import INBOX_MAX, Inbox
from daemon.shell.stream import run_feed

log = structlog.get_logger(__name__)


class Feeds:
    """The two connections, and the glue between the venue's session and the rest."""

    def __init__(
        self,
        session: Session,
        reference: ReferenceSession,
        inbox: Inbox,
        *,
        now: Callable[[], Ns],
        backoff: Callable[[], Backoff],
        silence_s: float,
    ) -> None:
        self.session = session
        self.reference = reference
        self._inbox = inbox
        self._now = now
        self._backoff = backoff
        self._silence_s = silence_s
        self.on_listing_doubt: Callable[[], None] | None = None
        """Called when markets or fees may have changed unseen."""
        self._wake = asyncio.Event()
        self._connection: ClientConnection | None = None

    async def run_venue(self, url: str, signer: Signer) -> None:
        """Keep the venue's stream connected until cancelled."""
        await run_feed(
            url,
            signer,
            self.session,
            self._now,
            self._take,
            backoff=self._backoff(),
            wake=self._wake,
            on_failure=lambda reason: log.warning("feed.unreachable", url=url, reason=reason),
            on_open=self._remember,
            silence_s=self._silence_s,
        )

    async def run_reference(self, url: str) -> None:
        """Keep the reference price connected until cancelled."""
        await run_feed(
            url,
            None,
            self.reference,
            self._now,
            self._inbox.extend,
            backoff=self._backoff(),
            on_failure=lambda reason: log.warning("reference.unreachable", url=url, reason=reason),
            silence_s=self._silence_s,
        )

    def _remember(self, connection: ClientConnection) -> None:
        self._connection = connection

    def _take(self, events: list[e.Event]) -> None:
        self._inbox.extend(events)
        if len(self._inbox) > INBOX_MAX:
            self.session.reconnect_reason = f"the core is {len(self._inbox)} events behind"
        if self.session.take_listing_doubt() and self.on_listing_doubt is not None:
            self.on_listing_doubt()

    def watch(self, tickers: list[str]) -> None:
        """Subscribe to these markets too."""
        self.session.watch(tickers)
        self._wake.set()

    def unwatch(self, tickers: list[str]) -> None:
        """Subscribe to these markets no more."""
        self.session.unwatch(tickers)
        self._wake.set()

    def resnapshot(self, tickers: list[str]) -> None:
        """Ask again for books that the core found impossible though no frame was missing."""
        self._inbox.extend(self.session.resnapshot(tickers, "impossible book", self._now()))
        self._wake.set()

    async def flush(self) -> None:
        """Wait until all that the venue has sent so far is in the inbox; until connected, if it isn't."""
        # Only on a tape, between two recorded sessions.
        while not self.session.is_connected or self._connection is None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        try:
            self.session.poll(self._now())
            for command in self.session.outgoing():
                await self._connection.send(command)
            # The answer to our ping comes behind all frames that were sent before it.
            await (await self._connection.ping())
        except ConnectionClosed:
            return
        seen = -1
        while seen != self.session.frames:
            seen = self.session.frames
            await asyncio.sleep(0)
            await asyncio.sleep(0)
