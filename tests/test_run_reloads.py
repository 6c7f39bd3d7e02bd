"""The reloads of a run: by a real SIGHUP, and what the service manager hears of them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from daemon.config import load_config
from daemon.core.backoff import Backoff
from daemon.core.units import MILLISECOND, QTY_ONE
from daemon.kalshi.session import Session
from daemon.run_reloads import ReloadedRun, reload_on_hangup, reloads_of
from daemon.shell.feeds import Feeds
from tests.shell.reload_rig import Daemon
from tests.shell.test_reloads import running


def run_of(daemon: Daemon, *, is_tape: bool = False) -> ReloadedRun:
    """What a run gives, around a standing feed."""
    feeds = Feeds(
        Session("kalshi", lag_max=7), daemon.inbox, now=lambda: daemon.at,
        backoff=lambda: Backoff(lambda: 0.5), silence_s=15,
    )  # fmt: skip
    return ReloadedRun(
        load_config(daemon.path), str(daemon.path), daemon.engine, daemon.metrics, feeds, lambda: daemon.at,
        daemon.inbox.put, is_tape=is_tape,
    )  # fmt: skip


def lag_max(run: ReloadedRun) -> int | None:
    return run.feeds.session._lateness.lag_max


async def test_a_hangup_reloads_and_the_supervisor_hears_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELOADING with the clock beside it, and READY when it is over; refused ones too."""
    address = str(tmp_path / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(address)
    listener.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    loop = asyncio.get_running_loop()
    try:
        async with running(tmp_path) as daemon, AsyncExitStack() as stack:
            run = run_of(daemon)
            reload_on_hangup(reloads_of(run), run, stack)
            for edge_min, expected in (("0.03", 60), ('"much"', 60)):
                daemon.write(order_contracts_max=60, edge_min=edge_min)
                os.kill(os.getpid(), signal.SIGHUP)
                heard = [(await loop.sock_recv(listener, 4096)).decode() for _ in range(2)]
                assert heard[0].startswith("RELOADING=1\nMONOTONIC_USEC=")
                assert heard[1].startswith("READY=1\nSTATUS=PAPER")
                assert expected * QTY_ONE == daemon.engine.config.limits.order_qty_max
            assert not daemon.metrics.is_config_loaded
    finally:
        listener.close()


async def test_the_connections_are_judged_by_the_new_lag(tmp_path: Path) -> None:
    """The core and the parts outside hold the same bound; those of a tape none."""
    async with running(tmp_path) as daemon:
        run = run_of(daemon)
        daemon.write("[feed]\ntransport_lag_max_ms = 300\n")
        assert "applied" == (await reloads_of(run).reload("test")).outcome
        bound = daemon.engine.config.limits.transport_lag_max
        assert (300 * MILLISECOND, bound) == (bound, lag_max(run))
        tape = run_of(daemon, is_tape=True)
        tape.bound_feeds(load_config(daemon.path))
        assert 7 == lag_max(tape)


async def test_a_tape_stays_the_sandboxs_whatever_the_file_says(tmp_path: Path) -> None:
    """Its mode is the command line's, and no change of the file."""
    async with running(tmp_path) as daemon:
        tape, live = run_of(daemon, is_tape=True), run_of(daemon)
        key = '[venue]\nkey_id = "k"\nprivate_key_file = "key.pem"\n'
        daemon.path.write_text(f'mode = "demo"\n{daemon.path.read_text()}{key}')
        assert ("sandbox", "demo") == (tape.read().mode, live.read().mode)
