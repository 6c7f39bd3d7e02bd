"""The reloads of a run: what they read, those by the signal SIGHUP, and what the service manager hears."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from daemon.assembly import TableSlots, check_strategies
from daemon.config import Config, ConfigError, load_config
from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.units import MILLISECOND, Ns
from daemon.shell.feeds import Feeds
from daemon.shell.metrics import Metrics
from daemon.shell.reloads import ReloadRefused, Reloads, ReloadTerms
from daemon.shell.supervisor import Supervisor
from daemon.supervision import status_line


class ReloadedRun(msgspec.Struct, frozen=True):
    """What of a run a reload reads and changes. `now` and `emit` are the clock, and what takes the event."""

    config: Config
    config_name: str
    engine: Engine
    metrics: Metrics
    feeds: Feeds
    now: Callable[[], Ns]
    emit: Callable[[e.Event], None]
    is_tape: bool

    def read(self) -> Config:
        """Return the file as it is now, its strategies checked. Raises ConfigError."""
        found = load_config(Path(self.config_name))
        if self.is_tape:  # which is played by a sandbox, whatever else is configured
            found = msgspec.structs.replace(found, mode=self.config.mode)
        if problems := check_strategies(self.config_name, found.strategies, found.strategy_folder):
            raise ConfigError(problems)
        return found

    def bound_feeds(self, config: Config) -> None:
        """Tell the connections what they are judged by; on a tape they are not."""
        if not self.is_tape:
            self.feeds.bound_lag(config.feed.transport_lag_max_ms * MILLISECOND)


def reloads_of(run: ReloadedRun) -> Reloads:
    """Return what reloads a run's configuration."""
    slots = run.engine.changes.source
    assert isinstance(slots, TableSlots), "who assembles an engine gives it its source of strategies"
    live = run.config.live
    terms = ReloadTerms(
        read=run.read,
        prepare=lambda tables: slots.prepare(tables, run.engine),
        is_bound=run.config.mode == "live" and not live.override_reason.strip(),
        now=run.now,
        emit=run.emit,
        on_taken=run.bound_feeds,
    )
    return Reloads(run.config, run.engine, run.metrics, terms)


def reload_on_hangup(reloads: Reloads, run: ReloadedRun, stack: AsyncExitStack) -> None:
    """Reload at every SIGHUP, until the stack ends. Limits that would loosen wait for `kalshid reload`."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def hang_up() -> None:
        task = loop.create_task(_told_reload(reloads, run), name="reload")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    stack.callback(loop.remove_signal_handler, signal.SIGHUP)


async def _told_reload(reloads: Reloads, run: ReloadedRun) -> None:
    """Reload, and let the service manager know when it begins and when it is over, done or refused."""
    supervisor = Supervisor.of(os.environ, os.getpid())
    if supervisor is not None:
        supervisor.reloading()
    try:
        await reloads.reload("SIGHUP")
    except ReloadRefused:
        pass  # is in the log and in the metrics, and what was in force still is
    finally:
        if supervisor is not None:
            supervisor.ready(status_line(run.engine, run.config.mode))
            supervisor.close()
