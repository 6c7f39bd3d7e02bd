"""What works together around one engine, built and joined: feeds, queue, readers, discovery, pump.

`App` gives it a life (signals, phases, the end); here is only who knows whom.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine

from daemon.config import Config
from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.commands import Command
from daemon.core.engine import Engine
from daemon.core.pacer import Pacer
from daemon.core.units import SECOND
from daemon.kalshi.auth import Signer
from daemon.kalshi.rest import Rest
from daemon.kalshi.session import Session
from daemon.kraken.session import Session as ReferenceSession
from daemon.shell.backfill import Backfill
from daemon.shell.clock import FollowedClock, SystemClock
from daemon.shell.discovery import Discovery
from daemon.shell.feeds import Feeds
from daemon.shell.journal import Journal
from daemon.shell.loop import Inbox, Pump
from daemon.shell.metrics import Metrics
from daemon.shell.queue import OrderQueue
from daemon.shell.reads import Reader
from daemon.venue import Address


class Parts:
    """The parts of one run. Their tasks are `tasks`; the pump is run by whoever waits for the end."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        journal: Journal,
        rest: Rest,
        pacer: Pacer,
        *,
        inbox: Inbox,
        clock: SystemClock | FollowedClock,
        metrics: Metrics,
    ) -> None:
        self.inbox = inbox
        self._engine = engine
        self._books_lost = 0
        self.feeds = Feeds(
            Session("kalshi"),
            ReferenceSession(tuple(one.kraken for one in config.reference.underlyings)),
            inbox,
            now=clock.now,
            backoff=lambda: Backoff(random.random),
            silence_s=config.feed.silent_max_s,
        )
        self.queue = OrderQueue(
            rest,
            pacer,
            now=clock.now,
            vouch=engine.vouch,
            synced=journal.synced,
            emit=inbox.put,
            # The outer bound counts the machine's seconds; a tape's go by faster, and its venue's own
            # token budget, which counts the tape's, still binds.
            requests_per_s_max=config.orders.requests_per_s_max
            * (1 if isinstance(clock, SystemClock) else 1000),
            in_flight_max=config.orders.in_flight_max,
        )
        self.queue.on_wait = metrics.queue_wait.observe
        self.reader = Reader(rest, now=clock.now, emit=inbox.put)
        self.discovery = Discovery(
            rest,
            self.feeds,
            config.markets,
            now=clock.now,
            emit=inbox.put,
        )
        self.backfill = Backfill(
            rest,
            silence=config.feed.silent_max_s * SECOND,
            now=clock.now,
            emit=inbox.put,
            backlog=lambda: len(inbox),
        )
        self.feeds.on_listing_doubt = self.discovery.hurry
        self.pump = Pump(
            engine,
            inbox,
            journal,
            self.queue,
            self.reader,
            now=clock.now,
            is_followed=isinstance(clock, FollowedClock),
            on_latency=metrics.decision.observe,
            on_batch=self._after_batch,
        )

    def tasks(self, address: Address, signer: Signer) -> dict[str, Coroutine[None, None, None]]:
        """Return what is to run until it is cancelled, by name; discovery and the pump are not among it."""
        return {
            "feed": self.feeds.run_venue(address.ws_url, signer),
            "reference": self.feeds.run_reference(address.reference_ws_url),
            "queue": self.queue.run(),
            "reader": self.reader.run(),
            "backfill": self.backfill.run(),
        }

    async def settle(self) -> None:
        """Wait until everything up to the clock's time is handled: frames, decisions, answers."""
        await self.discovery.refresh_if_due()
        await self.feeds.flush()
        turn = self.pump.turns + 1
        self.inbox.nudge()
        # A slice of tape lasts a millisecond: looking again is simpler than an event for every part.
        while not self._has_settled(turn):
            await self.backfill.settle()
            await asyncio.sleep(0)

    def _has_settled(self, turn: int) -> bool:
        is_idle = not len(self.inbox) and self.queue.is_idle and self.reader.is_idle and self.backfill.is_idle
        return self._engine.phase == "stopped" or (is_idle and self.pump.turns >= turn)

    def _after_batch(self, events: list[e.Event], _commands: list[Command]) -> None:
        """Ask again for the books that the core found impossible though no frame was missing."""
        self.backfill.on_batch(events)
        state = self._engine.state
        if state.counts["books_lost"] != self._books_lost:
            self._books_lost = state.counts["books_lost"]
            session = self.feeds.session
            wrong = [
                ticker
                for ticker, market in state.markets.items()
                if not market.book.is_synced and session.is_synced(ticker)
            ]
            if wrong:
                self.feeds.resnapshot(wrong)
