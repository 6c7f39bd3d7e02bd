"""The control socket, both ends over a real one: who may, what is declined, what comes too late."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import structlog.testing

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.shell.control import (
    Declined,
    FlattenOrder,
    HaltOrder,
    NoAnswer,
    NoDaemon,
    NotAllowed,
    ResumeOrder,
    Status,
    SwitchOrder,
    ask,
    serve_control,
    status_of,
)
from daemon.shell.control_socket import SOCKET_FILE
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from daemon.shell.strategy_watch import StrategyWatch
from tests.core.worlds import NOW, Scripted
from tests.core.worlds import trading as trading_engine
from tests.locked_out import locked_out

TEST_WITHIN_S = 30.0
WITHIN_S = 5.0


class Served:
    """A core, a switch and a socket; the core takes in what it is told at once, unless it hangs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine: Engine = trading_engine(Scripted())
        self.told: list[e.Event] = []
        self.hangs = False
        self.switch = KillSwitch(Latch(folder), now=lambda: NOW, emit=self.emit)
        self.switch.is_halted = lambda: self.engine.state.halt_reason is not None
        self.watch = StrategyWatch(self.engine, now=lambda: NOW, emit=self.emit)

    def emit(self, event: e.Event) -> None:
        self.told.append(event)
        if not self.hangs:
            self.engine.handle(event)

    def status(self) -> Status:
        return status_of(self.engine, self.switch, "sandbox")


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Served]:
    served = Served(folder)
    async with asyncio.timeout(TEST_WITHIN_S):
        runner = await serve_control(folder, served.switch, served.status, strategies=served.watch)
        try:
            yield served
        finally:
            await runner.cleanup()


async def test_the_status_says_how_it_stands(tmp_path: Path) -> None:
    """The process, the mode, the phase; no halt, no orders, no positions."""
    async with serving(tmp_path) as served:
        served.engine.decide(NOW)
        status = await ask(tmp_path, "/status", None, WITHIN_S)
    assert Status(os.getpid(), "sandbox", "trading", False, None, False, True, [], {}) == status


async def test_a_halt_is_latched_told_and_answered(tmp_path: Path) -> None:
    """And logged with the process and the user that the kernel names."""
    async with serving(tmp_path) as served:
        with structlog.testing.capture_logs() as lines:
            status = await ask(tmp_path, "/halt", HaltOrder("a reason"), WITHIN_S)
    assert (True, "a reason", True) == (status.is_halted, status.halt_reason, status.is_latched)
    assert [e.HaltRequested("a reason", NOW, "cli")] == served.told
    (called,) = [line for line in lines if line["event"] == "control.called"]
    assert ("/halt", os.getpid(), os.getuid(), os.getgid(), "a reason") == tuple(
        called[key] for key in ("call", "pid", "uid", "gid", "reason")
    )


async def test_a_core_that_does_not_take_it_in_is_not_waited_for(tmp_path: Path) -> None:
    """The answer says that it is not halted; on disk it is."""
    async with serving(tmp_path) as served:
        served.hangs = True
        status = await ask(tmp_path, "/halt", HaltOrder("a reason"), WITHIN_S)
    assert (False, True) == (status.is_halted, status.is_latched)


async def test_a_resume_needs_a_reason(tmp_path: Path) -> None:
    """Empty, blank, or none at all: declined, and nothing is told."""
    async with serving(tmp_path) as served:
        await ask(tmp_path, "/halt", HaltOrder("a reason"), WITHIN_S)
        for reason in ("", " \t"):
            with pytest.raises(Declined, match="empty"):
                await ask(tmp_path, "/resume", ResumeOrder(reason), WITHIN_S)
        with pytest.raises(Declined, match="reason"):
            await ask(tmp_path, "/resume", HaltOrder(), WITHIN_S)
        assert 1 == len(served.told)
        status = await ask(tmp_path, "/resume", ResumeOrder("all is well"), WITHIN_S)
        assert e.ResumeRequested("all is well", NOW, "cli") == served.told[-1]
    assert not status.is_halted


@pytest.mark.parametrize("call", ["/resume", "/flatten"])
async def test_what_comes_too_late_never_happens(tmp_path: Path, call: str) -> None:
    """Whoever asked was told that nobody answers: a daemon that wakes up must not do it by itself."""
    async with serving(tmp_path) as served:
        body = {"reason": "all is well", "expires_at": time.time_ns() - 1}
        connector = aiohttp.UnixConnector(str(tmp_path / SOCKET_FILE))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"http://kalshid{call}", json=body) as reply,
        ):
            assert 410 == reply.status
        assert [] == served.told


async def test_a_body_that_is_no_text_is_declined(tmp_path: Path) -> None:
    """By name, as every wrong body; nothing is told."""
    async with serving(tmp_path) as served:
        connector = aiohttp.UnixConnector(str(tmp_path / SOCKET_FILE))
        async with (
            aiohttp.ClientSession(connector=connector) as client,
            client.post("http://kalshid/halt", data=b'{"reason":"caf\xe9"}') as reply,
        ):
            assert 400 == reply.status
            assert (await reply.text()).startswith("/halt: ")
        assert [] == served.told


@pytest.mark.parametrize("cents", [-1, 100])
async def test_a_slippage_that_cannot_be_is_declined(tmp_path: Path, cents: int) -> None:
    """Prices end at 99 cents."""
    async with serving(tmp_path) as served:
        with pytest.raises(Declined, match="slippage_cents"):
            await ask(tmp_path, "/flatten", FlattenOrder(cents), WITHIN_S)
        assert [] == served.told


async def test_flatten_tells_its_slippage(tmp_path: Path) -> None:
    """In prices, after the halt."""
    async with serving(tmp_path) as served:
        await ask(tmp_path, "/flatten", FlattenOrder(3, "out"), WITHIN_S)
    assert [e.HaltRequested("out", NOW, "cli"), e.FlattenRequested("out", 300, NOW, "cli")] == served.told


async def test_the_socket_is_for_owner_and_group_and_replaces_a_dead_one(tmp_path: Path) -> None:
    """One that a killed daemon left behind is nobody's; ours goes with us."""
    path = tmp_path / SOCKET_FILE
    path.touch()
    async with serving(tmp_path):
        assert 0o660 == path.stat().st_mode & 0o777
    assert not path.exists()


async def test_a_path_that_is_too_long_for_a_socket_works(tmp_path: Path) -> None:
    """The kernel takes 107 bytes; state folders may lie deeper."""
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    async with serving(folder) as served:
        served.engine.decide(NOW)
        assert "trading" == (await ask(folder, "/status", None, WITHIN_S)).phase


async def test_whoever_may_not_connect_is_told_so(tmp_path: Path) -> None:
    """That is no word about the daemon, which may well run; and a NoAnswer to whoever knows only those."""
    async with serving(tmp_path) as served:
        await ask(tmp_path, "/status", None, WITHIN_S)
        with (
            locked_out(tmp_path),
            pytest.raises(NotAllowed, match="you may not connect to "),
        ):
            await ask(tmp_path, "/halt", HaltOrder("a reason"), WITHIN_S)
        assert [] == served.told


async def test_nobody_there_is_told_from_nobody_answers(tmp_path: Path) -> None:
    """No socket, a dead one, and one whose process hangs."""
    with pytest.raises(NoDaemon):
        await ask(tmp_path, "/status", None, WITHIN_S)
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(tmp_path / SOCKET_FILE))
        hung.listen()  # and never accepts: so does a stopped process
        with pytest.raises(NoAnswer, match=r"0\.2 s"):
            await ask(tmp_path, "/status", None, 0.2)
    with pytest.raises(NoDaemon):
        await ask(tmp_path, "/status", None, WITHIN_S)


async def test_a_strategy_is_switched_and_the_status_says_so(tmp_path: Path) -> None:
    """Off with its reason, and on again; who does not run can't be switched."""
    async with serving(tmp_path) as served:
        off = await ask(tmp_path, "/strategy", SwitchOrder("scripted", False, "losing"), WITHIN_S)
        assert {"scripted": "losing (cli)"} == off.strategies_off
        on = await ask(tmp_path, "/strategy", SwitchOrder("scripted", True), WITHIN_S)
        assert {} == on.strategies_off
        with pytest.raises(Declined, match="script: no such strategy runs; there are: scripted"):
            await ask(tmp_path, "/strategy", SwitchOrder("script", True), WITHIN_S)
        told = [(event.is_on, event.reason) for event in served.told if isinstance(event, e.StrategySwitched)]
        assert [(False, "losing"), (True, "kalshid strategy on")] == told
