"""What works together around one engine, built and joined: feeds, queue, readers, discovery, pump.

`App` gives it a life (signals, phases, the end); here is only who knows whom.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from importlib.metadata import version as installed_version

import msgspec

from daemon.assembly import PRIVATE_FEED
from daemon.config import Config
from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.commands import Command
from daemon.core.connections import FIRST_FEED
from daemon.core.engine import Engine
from daemon.core.features.reach import reach_of
from daemon.core.pacer import Pacer
from daemon.core.units import DAY, MILLISECOND, MONEY_ONE, SECOND, Ns
from daemon.kalshi.auth import Signer
from daemon.kalshi.costs import Costs, WriteCosts
from daemon.kalshi.rest import ReadingRest, Rest
from daemon.kalshi.session import Session
from daemon.kraken.rest import KrakenRest
from daemon.kraken.session import Session as KrakenSession
from daemon.shell.account_calls import AccountCalls
from daemon.shell.audit import Audit
from daemon.shell.backfill import Backfill
from daemon.shell.clock import FollowedClock, SystemClock
from daemon.shell.daily import DailyBars
from daemon.shell.discovery import Discovery
from daemon.shell.drop_copy import DropCopy
from daemon.shell.feeds import Feeds
from daemon.shell.golive import config_sha256, limits_sha256, strategy_runs
from daemon.shell.journal import Journal
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from daemon.shell.loop import Inbox, Pump
from daemon.shell.metrics import Metrics
from daemon.shell.model_swaps import Judgements
from daemon.shell.notices import Notices
from daemon.shell.outcomes import Outcomes
from daemon.shell.page.recent import Recent
from daemon.shell.queue import OrderQueue
from daemon.shell.queue_places import QueuePlaces
from daemon.shell.read_gate import ReadGate
from daemon.shell.reads import Reader
from daemon.shell.reference import SPACING_S, ReferenceSource
from daemon.shell.samples import Sources
from daemon.shell.settlements import Settlements
from daemon.shell.shadow.venue import ACCOUNT_FILE, ShadowVenue
from daemon.shell.store import STORE_NAME, Recorder
from daemon.shell.store.rows import Run
from daemon.shell.strategy_watch import StrategyWatch
from daemon.shell.venue_status import VenueStatus
from daemon.venue import Address

TAPE_REQUESTS_FACTOR = 1000
"""The outer bounds count the machine's seconds; a tape's go by faster, and its venue's own token budget,
which counts the tape's, still binds."""
TAPE_FILLS_EVERY: Ns = 60 * SECOND
"""How often fills are read on a tape, in its time: a second there passes in milliseconds."""


class Outside(msgspec.Struct, frozen=True):
    """What the parts are given of the world: the venue's REST, both token budgets, the reference's REST."""

    rest: ReadingRest
    writes: Pacer
    reads: ReadGate | None
    """None in lockstep with a tape: its time stands still while anyone waits for tokens."""
    kraken: KrakenRest
    costs: WriteCosts
    """What order requests take of `writes`, by the account's own list."""
    shadow: ShadowVenue | None = None
    """The account that is nowhere but here, and then `rest` can only read."""
    notices: Notices | None = None

    @property
    def account(self) -> AccountCalls:
        """Where our orders go and our account is read."""
        if self.shadow is not None:
            return self.shadow
        assert isinstance(self.rest, Rest), "what only reads has no account that trades"
        return self.rest


class Parts:
    """The parts of one run. Their tasks are `tasks`; the pump is run by whoever waits for the end."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        journal: Journal,
        outside: Outside,
        *,
        inbox: Inbox,
        clock: SystemClock | FollowedClock,
        metrics: Metrics,
        switch: KillSwitch | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """Build and join.

        Args:
            config: what is asked for.
            engine: the core.
            journal: where all is recorded first.
            outside: what is given of the world.
            inbox: the core's.
            clock: ours, or the tape's.
            metrics: what is counted.
            switch: the kill switch; None makes that of the configured state folder.
            recorder: feeds the store; None where nothing is kept for reports.
        """
        self.switch = switch or KillSwitch(
            Latch(config.path(config.state_dir)), now=clock.now, emit=inbox.put
        )
        self.switch.is_halted = lambda: engine.state.halt_reason is not None
        self.switch.on_failure = metrics.count_latch_failure
        self.inbox, self.gate = inbox, outside.reads
        self._engine = engine
        self._shadow, self._recorder, self._notices = outside.shadow, recorder, outside.notices
        self._books_lost, self._judgements = 0, Judgements(engine.models)
        rest, now, emit, is_followed = outside.rest, clock.now, inbox.put, isinstance(clock, FollowedClock)
        self.feeds = _feeds(config, inbox, clock)
        self.reference = _reference(config, inbox, clock, outside.kraken)
        counted = metrics.orders.counting(emit)
        self.queue = _queue(config, engine, journal, outside, counted, clock, self.switch)
        self.queue.on_wait = metrics.queue_wait.observe
        self.strategies = StrategyWatch(engine, now=now, emit=emit)
        self.reader = Reader(outside.account, now=now, emit=emit)
        self.discovery = Discovery(rest, self.feeds, config.markets, now=now, emit=emit)
        self.feeds.on_parsed = metrics.stages.stages["parse"].observe
        self.feeds.on_listing_doubt = self.discovery.hurry
        self.feeds.on_new_series = self.discovery.look_at
        self.backfill = Backfill(
            rest, silence=config.feed.silent_max_s * SECOND, now=now, emit=emit, backlog=lambda: len(inbox),
            reach=reach_of(engine.schema.names),
        )  # fmt: skip
        self.audit = Audit(
            rest, engine.state.markets, every=config.audit.every_s * SECOND, now=now, emit=emit
        )
        self.outcomes = Outcomes(rest, engine.state, now=now, emit=inbox.extend)
        self.daily = DailyBars(rest, engine.state, engine.schema.names, now=now, emit=emit)
        self.settlements = Settlements(outside.account, engine.state, now=now, emit=inbox.extend)
        fills_every = TAPE_FILLS_EVERY if is_followed else config.reconcile.fills_every_ms * MILLISECOND
        self.drop_copy = DropCopy(outside.account, engine.state, every=fills_every, now=now, emit=emit)
        self.places = QueuePlaces(outside.account, engine.state, now=now, emit=emit)
        # A sandbox that has a weekly maintenance says so; one that says nothing has none.
        self.status = VenueStatus(rest, now=now, emit=emit, has_standing_window=config.mode != "sandbox")
        self.recent = Recent()
        self.pump = self._pump(journal, metrics, clock)
        if self.gate is not None:
            self.gate.on_wait = metrics.read_wait.observe
        self.sources = Sources(
            engine=engine, metrics=metrics, journal=journal, inbox=inbox, rest=rest, gate=self.gate,
            queue=self.queue, feeds=self.feeds, reference=self.reference, discovery=self.discovery,
            backfill=self.backfill, audit=self.audit, recorder=recorder, notices=outside.notices,
            tickers_max=config.metrics.tickers_max,
        )  # fmt: skip
        """What the owner is told about."""

    def _pump(self, journal: Journal, metrics: Metrics, clock: SystemClock | FollowedClock) -> Pump:
        return Pump(
            self._engine, self.inbox, journal, self.queue, self.reader, now=clock.now,
            is_followed=isinstance(clock, FollowedClock), on_latency=metrics.decision.observe,
            on_batch=self._after_batch, switch=self.switch, begin_sync=journal.begin_sync,
            stages=metrics.stages,
        )  # fmt: skip

    def tasks(self, address: Address, signer: Signer) -> dict[str, Coroutine[None, None, None]]:
        """Return what is to run until it is cancelled, by name; the pump is not among it.

        On a tape in lockstep whoever moves the clock waits in `settle` for what else would run by itself.
        """
        tasks = {
            "feed": self.feeds.run_venue(address.ws_url, signer),
            "reference": self.reference.run(address.reference_ws_url),
            "queue": self.queue.run(),
            "reader": self.reader.run(),
            "halt-watch": self.switch.watch(),
        }
        if self.gate is not None:
            tasks["read-gate"] = self.gate.run()
        if self._shadow is not None:
            tasks["shadow"] = self._shadow.run()
        if not address.is_lockstep:
            tasks["discovery"] = self.discovery.run()
            tasks["backfill"] = self.backfill.run()
            tasks["audit"] = self.audit.run()
            tasks["outcomes"] = self.outcomes.run()
            tasks["daily"] = self.daily.run()
            tasks["settlements"] = self.settlements.run()
            tasks["drop-copy"] = self.drop_copy.run()
            tasks["queue-places"] = self.places.run()
            tasks["venue-status"] = self.status.run()
        return tasks

    async def settle(self) -> None:
        """Wait until everything up to the clock's time is handled: frames, reads, decisions, answers."""
        await self.discovery.refresh_if_due()
        await self.status.refresh_if_due()
        await self.feeds.flush()
        self.reference.nudge()
        await self._turned()
        await self.backfill.settle()
        await self.audit.settle()
        await self.outcomes.settle()
        await self.daily.read_if_due()
        await self.settlements.read_if_due()
        await self.drop_copy.read_if_due()
        await self._turned()

    async def _turned(self) -> None:
        turn = self.pump.turns + 1
        self.inbox.nudge()
        # A slice of tape lasts a millisecond: looking again is simpler than an event for every part.
        while not self._has_settled(turn):  # noqa: ASYNC110
            await asyncio.sleep(0)

    def _has_settled(self, turn: int) -> bool:
        is_idle = (
            not len(self.inbox) and self.queue.is_idle and self.reader.is_idle and self.reference.is_idle
        )
        return self._engine.phase == "stopped" or (is_idle and self.pump.turns >= turn)

    def _after_batch(self, events: list[e.Event], commands: list[Command]) -> None:
        """Tell what the core has handled, and ask again for books that it found impossible."""
        if self._shadow is not None:
            self._shadow.on_batch(events)
        self.backfill.on_batch(events)
        self.audit.on_batch(events)
        self.sources.metrics.orders.on_batch(events, commands)
        self.strategies.on_batch(events, commands)
        self.outcomes.on_batch(events)
        self.settlements.on_batch(events)
        self.status.on_batch(events)
        self.recent.on_batch(events, commands)
        if self._recorder is not None:
            self._recorder.on_batch(events, commands)
        if self._notices is not None:
            self._notices.on_batch(self._engine, events, commands)
        self._judgements.tell()
        state = self._engine.state
        if state.counts["books_lost"] != self._books_lost:
            self._books_lost = state.counts["books_lost"]
            wrong = [
                ticker
                for ticker, market in state.markets.items()
                if not market.book.is_synced and self.feeds.is_synced(ticker)
            ]
            if wrong:
                self.feeds.resnapshot(wrong)


def has_account(config: Config) -> bool:
    """Whether the account may have had lives before this one; paper's has none until its file is there."""
    return config.mode != "shadow" or (config.path(config.state_dir) / "shadow" / ACCOUNT_FILE).exists()


def open_shadow(
    config: Config,
    rest: ReadingRest,
    clock: SystemClock | FollowedClock,
    inbox: Inbox,
    stack: AsyncExitStack,
) -> ShadowVenue | None:
    """Return the account that is nowhere but here, closed with the stack; None in other modes than shadow.

    Raises:
        ShadowStateRefused: what its last life left can't be read.
    """
    if config.mode != "shadow":
        return None
    shadow = ShadowVenue.open(
        config.path(config.state_dir) / "shadow",
        rest,
        cash=config.shadow.cash_dollars * MONEY_ONE,
        latency=config.shadow.latency_ms * MILLISECOND,
        now=clock.now,
        emit=inbox.put,
    )
    stack.callback(shadow.close)
    return shadow


def open_store(
    config: Config, engine: Engine, models_sha256: str, costs: Costs, clock: SystemClock | FollowedClock
) -> Recorder:
    """Return what feeds the store of a run, its beginning written. Whoever opens it closes it.

    `models_sha256` is the fingerprint of all models that are traded.
    """
    run = Run(
        clock.now(), config.mode, installed_version("kalshid"),
        msgspec.json.encode(strategy_runs(config.strategies)).decode(), models_sha256,
        limits_sha256(engine.config.limits), config_sha256(config),
    )  # fmt: skip
    path, kept = config.path(config.state_dir) / STORE_NAME, config.store.calls_kept_days * DAY
    return Recorder(path, engine, run, cost=costs.of, now=clock.now, kept=kept)


def _feeds(config: Config, inbox: Inbox, clock: SystemClock | FollowedClock) -> Feeds:
    """Return the venue's connections as `[venue]`, `[feed]` and `[reference]` ask for."""
    # A clock that is told the time says nothing of how long our connection took: there it is not judged.
    is_followed = isinstance(clock, FollowedClock)
    lag_max = None if is_followed else config.feed.transport_lag_max_ms * MILLISECOND
    quiet_max = None if is_followed else config.feed.channel_quiet_max_s * SECOND
    silence_max = None if is_followed else config.feed.silent_max_s * SECOND

    def another(feed: e.Feed) -> Session:
        return Session(
            feed, is_private=False, is_first=False, lag_max=lag_max, channel_quiet_max=quiet_max,
            silence_max=silence_max,
        )  # fmt: skip

    indices = (one.cfbenchmarks for one in config.reference.underlyings)
    first = Session(
        FIRST_FEED,
        is_private=config.private_channels == "first",
        index_ids=tuple(dict.fromkeys(indices)) if "cfbenchmarks" in config.reference.prefer else (),
        lag_max=lag_max,
        channel_quiet_max=quiet_max,
        silence_max=silence_max,
    )
    private = None
    if config.private_channels == "own":
        private = Session(
            PRIVATE_FEED, is_public=False, is_first=False, lag_max=lag_max, silence_max=silence_max
        )
    return Feeds(
        first,
        inbox,
        now=clock.now,
        backoff=lambda: Backoff(random.random),
        silence_s=config.feed.silent_max_s,
        private=private,
        another=another,
        markets_per_connection=config.venue.markets_per_connection,
    )


def _queue(
    config: Config,
    engine: Engine,
    journal: Journal,
    outside: Outside,
    emit: Callable[[e.Event], None],
    clock: SystemClock | FollowedClock,
    switch: KillSwitch,
) -> OrderQueue:
    """Return the way of all orders, bounded as `[orders]` asks for."""
    factor = TAPE_REQUESTS_FACTOR if isinstance(clock, FollowedClock) else 1
    return OrderQueue(
        outside.account,
        outside.writes,
        outside.costs,
        now=clock.now,
        # Also a halt that somebody else has put on disk, while the core has not heard of it.
        vouch=lambda command, now: switch.refusal() or engine.vouch(command, now),
        synced=journal.synced,
        emit=emit,
        requests_per_s_max=config.orders.requests_per_s_max * factor,
        in_flight_max=config.orders.in_flight_max,
        batch_max=config.orders.batch_max,
    )


def _reference(
    config: Config, inbox: Inbox, clock: SystemClock | FollowedClock, kraken: KrakenRest
) -> ReferenceSource:
    """Return the reference's connection, for all underlyings that `[reference]` names."""
    is_followed = isinstance(clock, FollowedClock)
    silence_s = config.feed.silent_max_s
    session = KrakenSession(
        tuple(dict.fromkeys(one.kraken for one in config.reference.underlyings)),
        silence_max=None if is_followed else silence_s * SECOND,
    )
    return ReferenceSource(
        session,
        kraken,
        now=clock.now,
        emit=inbox.extend,
        backoff=lambda: Backoff(random.random),
        silence_s=silence_s,
        spacing_s=0 if is_followed else SPACING_S,
    )
