"""The embedded sandbox as a real child process: started, joined, replaced, ended, and failing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest

from daemon.shell import child as module
from daemon.shell.child import SandboxChild, SandboxFailed, SandboxReady, read_ready
from tests.locked_out import locked_out

TEST_WITHIN_S = 90.0
WORDS = ["--idle-exit", "60s"]

START_AND_DIE = """
import asyncio, os, sys
from pathlib import Path
from daemon.shell.child import SandboxChild
asyncio.run(SandboxChild(Path(sys.argv[1]), sys.argv[2:]).start())
os._exit(9)
"""


def is_running(pid: int) -> bool:
    """Whether the process does anything any more: one that waits to be asked after doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def answers(ready: SandboxReady) -> bool:
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{ready.rest_url}/exchange/status") as reply,
        ):
            return reply.status == 200
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def sandbox(folder: Path, words: list[str]) -> AsyncIterator[SandboxChild]:
    """A sandbox that is started or joined, and ended whatever happens."""
    async with asyncio.timeout(TEST_WITHIN_S):
        subject = SandboxChild(folder, words)
        try:
            await subject.start()
            yield subject
        finally:
            await subject.stop()


async def test_it_is_started_listens_and_is_ended(tmp_path: Path) -> None:
    """A process of its own, in a session of its own; what it keeps lies in its folder."""
    folder = tmp_path / "deep" / "sandbox"
    async with sandbox(folder, WORDS) as subject:
        ready = subject.ready
        assert ready is not None
        assert not subject.was_running
        assert is_running(ready.pid)
        assert os.getsid(ready.pid) != os.getsid(0)
        assert await answers(ready)
        assert Path(ready.private_key_path).is_relative_to(folder)
    assert not is_running(ready.pid)
    assert not await answers(ready)
    assert subject.ready is None
    await subject.stop()


async def test_what_lies_in_the_working_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of strategies of one's own there, or a `daemon` of somebody else's, is not the program."""
    (tmp_path / "strategies").mkdir()
    (tmp_path / "daemon.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    async with sandbox(tmp_path / "sandbox", WORDS) as subject:
        assert subject.ready is not None


async def test_one_that_outlived_its_daemon_is_joined(tmp_path: Path) -> None:
    """The next start finds the same process by its ready line, and ends it like its own."""
    async with asyncio.timeout(TEST_WITHIN_S):
        starting = await asyncio.create_subprocess_exec(
            sys.executable, "-c", START_AND_DIE, str(tmp_path), *WORDS, stderr=subprocess.DEVNULL
        )
        assert 9 == await starting.wait()
    left_behind = msgspec.json.decode(
        (tmp_path / "ready.json").read_bytes().splitlines()[0], type=SandboxReady
    )
    async with sandbox(tmp_path, WORDS) as subject:
        assert subject.was_running
        assert left_behind == subject.ready
        before = asyncio.get_running_loop().time()
    assert not is_running(left_behind.pid)
    # Not waited for in vain, though nobody asks after an orphan here.
    assert asyncio.get_running_loop().time() - before < module.STOP_WITHIN_S


async def test_one_with_other_arguments_is_replaced(tmp_path: Path) -> None:
    """Another seed is another exchange: the old one is ended first."""
    async with sandbox(tmp_path, WORDS) as first, asyncio.timeout(TEST_WITHIN_S):
        assert first.ready is not None
        old = first.ready.pid
        async with sandbox(tmp_path, [*WORDS, "--cash", "500"]) as second:
            assert second.ready is not None
            assert not second.was_running
            assert old != second.ready.pid
            assert not is_running(old)


@pytest.mark.parametrize("left", [b"", b"{", b'{"pid":1}\n', None], ids=["empty", "torn", "other", "dead"])
async def test_what_a_dead_one_left_is_no_obstacle(tmp_path: Path, left: bytes | None) -> None:
    """A torn ready line, or one of a process that is gone: a new sandbox is started."""
    if left is None:
        gone = SandboxReady(
            "http://127.0.0.1:9/trade-api/v2", "ws://127.0.0.1:9/ws", "ws://127.0.0.1:9/r", "ws://127.0.0.1:9/c",
            "id", "key.pem", 2**22 - 1, "traders", True, "http://127.0.0.1:9/0/public",
        )  # fmt: skip
        left = msgspec.json.encode(gone)
    (tmp_path / "ready.json").write_bytes(left)
    (tmp_path / "arguments.json").write_bytes(msgspec.json.encode(WORDS))
    async with sandbox(tmp_path, WORDS) as subject:
        assert subject.ready is not None
        assert not subject.was_running
        assert await answers(subject.ready)


def test_whether_one_of_another_user_runs_is_not_guessed(tmp_path: Path) -> None:
    """None is for a folder in which nothing has said that it listens."""
    assert read_ready(tmp_path) is None
    with locked_out(tmp_path), pytest.raises(PermissionError):
        read_ready(tmp_path)


async def test_one_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    """The message has the exit code and the end of its log, where the reason is."""
    async with asyncio.timeout(TEST_WITHIN_S):
        with pytest.raises(SandboxFailed, match=r"(?s)ended with code 2:.*no-such-option"):
            await SandboxChild(tmp_path, ["--no-such-option"]).start()


async def test_one_that_does_not_listen_in_time_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left running, and the message says how long was waited."""
    monkeypatch.setattr(module, "READY_WITHIN_S", 0.05)
    subject = SandboxChild(tmp_path, WORDS)
    async with asyncio.timeout(TEST_WITHIN_S):
        with pytest.raises(SandboxFailed, match="did not listen within"):
            await subject.start()
    assert subject._process is not None
    assert -signal.SIGKILL == subject._process.returncode
