"""The reloads of a run: what they read and change, by signal and by file, and what the supervisor hears."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import msgspec

from daemon.assembly import TableSlots, check_strategies
from daemon.config import Config, ConfigError, load_config
from daemon.core.units import DAY, MILLISECOND, SECOND
from daemon.kalshi.session import Bounds
from daemon.parts import TAPE_REQUESTS_FACTOR, Parts
from daemon.shell.clock import FollowedClock, SystemClock
from daemon.shell.file_watch import FileWatch, content_of
from daemon.shell.log import set_level
from daemon.shell.reloads import ReloadRefused, Reloads, ReloadTerms
from daemon.shell.supervisor import Supervisor
from daemon.supervision import status_line

LOOK_EVERY_S = 1.0


class ReloadedRun(msgspec.Struct, frozen=True):
    """What of a run a reload reads and changes."""

    config: Config
    config_name: str
    parts: Parts
    clock: SystemClock | FollowedClock

    @property
    def is_tape(self) -> bool:
        """Whether a tape is played: whatever else is configured, by a sandbox and in its own time."""
        return isinstance(self.clock, FollowedClock)

    def read(self) -> Config:
        """Return the file as it is now, checked against this run too. Raises ConfigError."""
        found = load_config(Path(self.config_name))
        if self.is_tape:
            found = msgspec.structs.replace(found, mode=self.config.mode)
        problems = check_strategies(self.config_name, found.strategies, found.strategy_folder)
        reserve, capacity = found.orders.reserve_tokens, self.parts.queue.pacer.capacity
        if capacity <= reserve:
            leaves = f"{reserve} leaves nothing of the venue's write bucket of {capacity} tokens"
            problems.append(f"{self.config_name}: orders.reserve_tokens: {leaves}")
        if problems:
            raise ConfigError(problems)
        return found

    def bound(self, config: Config) -> None:
        """Have the parts outside of the core go by a configuration."""
        parts, sources, orders, feed = self.parts, self.parts.sources, config.orders, config.feed
        set_level(config.log.level)
        parts.queue.bound(
            requests_per_s_max=orders.requests_per_s_max * (TAPE_REQUESTS_FACTOR if self.is_tape else 1),
            in_flight_max=orders.in_flight_max,
            batch_max=orders.batch_max,
            reserve=orders.reserve_tokens,
        )
        parts.audit.every = config.audit.every_s * SECOND
        sources.rest.bound_time(config.venue.request_timeout_s)
        if sources.recorder is not None:
            sources.recorder.keep(config.store.calls_kept_days * DAY)
        if sources.notices is not None:
            sources.notices.kinds = frozenset(config.notify.events)
        if self.is_tape:
            return  # its time says nothing of a connection, and its fills are read by it
        silence = feed.silent_max_s * SECOND
        parts.feeds.bound(
            Bounds(feed.transport_lag_max_ms * MILLISECOND, silence, feed.channel_quiet_max_s * SECOND)
        )
        parts.reference.bound_silence(silence)
        parts.backfill.bound_silence(silence)
        parts.drop_copy.every = config.reconcile.fills_every_ms * MILLISECOND


def reloads_of(run: ReloadedRun) -> Reloads:
    """Return what reloads a run's configuration."""
    engine = run.parts.sources.engine
    slots = engine.changes.source
    assert isinstance(slots, TableSlots), "who assembles an engine gives it its source of strategies"
    live = run.config.live
    terms = ReloadTerms(
        read=run.read,
        prepare=lambda tables: slots.prepare(tables, engine),
        is_bound=run.config.mode == "live" and not live.override_reason.strip(),
        now=run.clock.now,
        emit=run.parts.inbox.put,
        on_taken=run.bound,
    )
    return Reloads(run.config, engine, run.parts.sources.metrics, terms)


def reload_unasked(reloads: Reloads, run: ReloadedRun, stack: AsyncExitStack) -> None:
    """Reload at every SIGHUP, and by the file where that is configured, until the stack ends.

    Limits that would loosen wait for `kalshid reload`.
    """
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def hang_up() -> None:
        task = loop.create_task(_told_reload(reloads, run, "SIGHUP"), name="reload")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    stack.callback(loop.remove_signal_handler, signal.SIGHUP)
    watch = loop.create_task(_watch(reloads, run), name="config-watch")

    async def end() -> None:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch

    stack.push_async_callback(end)


async def _watch(reloads: Reloads, run: ReloadedRun) -> None:
    """Reload when the file has another content for good; what it holds when this begins is looked at too."""
    path, watch, loop = Path(run.config_name), FileWatch(), asyncio.get_running_loop()
    while True:
        reloads.keep_up()
        if not reloads.is_file_watched:
            watch = FileWatch()
        else:
            content = await asyncio.to_thread(content_of, path)
            if watch.is_due(content, loop.time()) and not reloads.is_waiting:
                await _told_reload(reloads, run, "file")
                if not reloads.is_waiting:
                    watch.note_tried(content)
        await asyncio.sleep(LOOK_EVERY_S)


async def _told_reload(reloads: Reloads, run: ReloadedRun, by: str) -> None:
    """Reload, and let the service manager know when it begins and when it is over, done or refused."""
    supervisor = Supervisor.of(os.environ, os.getpid())
    if supervisor is not None:
        supervisor.reloading()
    try:
        await reloads.reload(by)
    except ReloadRefused:
        pass  # is in the log and in the metrics, and what was in force still is
    finally:
        if supervisor is not None:
            supervisor.ready(status_line(run.parts.sources.engine, run.config.mode))
            supervisor.close()
