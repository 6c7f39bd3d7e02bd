"""The embedded sandbox as a child process that outlives a killed daemon.

The child is found again by the ready line that it wrote into its state folder: if that process still
answers, the daemon joins it instead of starting a second exchange, and finds its account as it was.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import aiohttp
import msgspec
import structlog

log = structlog.get_logger(__name__)

READY_FILE = "ready.json"
"""What a sandbox that a daemon started said."""
LISTENING_FILE = "listening.json"
"""What any sandbox of the folder says as long as it listens."""
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0


class SandboxFailed(Exception):
    """The sandbox did not come up; the message ends with the last lines of its log."""


class SandboxReady(msgspec.Struct, frozen=True):
    """The line that a sandbox prints when it listens."""

    rest_url: str
    ws_url: str
    reference_ws_url: str
    clock_ws_url: str
    key_id: str
    private_key_path: str
    pid: int
    mode: str
    is_paced: bool
    reference_rest_url: str


def read_ready(folder: Path, name: str = READY_FILE) -> SandboxReady | None:
    """Return what the sandbox of a state folder said when it began to listen; it may have ended since.

    Raises:
        PermissionError: the folder is not ours: whether one runs can't be known.
    """
    path = folder / name
    try:
        for line in path.read_bytes().splitlines():
            if line.startswith(b"{"):
                return msgspec.json.decode(line, type=SandboxReady)
    except PermissionError:
        raise
    except (OSError, msgspec.MsgspecError):
        return None
    return None


def _has_ended(pid: int) -> bool:
    """Whether a process is gone, or nothing but its exit code is left of it.

    One whose parent was killed is handed to process 1, which in a container may never ask after it.
    """
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:
        return True
    except OSError:
        return False  # no /proc here: it runs, as far as one can tell


async def answers(ready: SandboxReady) -> bool:
    """Whether that sandbox still listens."""
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{ready.rest_url}/exchange/status") as reply,
        ):
            return reply.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


class SandboxChild:
    """Starts or joins the sandbox of one state folder.

    Args:
        folder: the sandbox's state folder.
        arguments: what follows `kalshid sandbox` on its command line; a running one started with
            other arguments is stopped and replaced.
    """

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self._folder = folder
        self._arguments = arguments
        self._ready_path = folder / READY_FILE
        self._arguments_path = folder / "arguments.json"
        self._log_path = folder / "sandbox.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.ready: SandboxReady | None = None
        self.was_running = False

    async def start(self) -> SandboxReady:
        """Join the sandbox that runs, or start one and wait until it listens.

        Raises:
            SandboxFailed: it ended, did not listen in time, or somebody else's uses the folder.
        """
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        wanted = msgspec.json.encode(self._arguments)
        ready = read_ready(self._folder)
        if ready is not None and await answers(ready):
            if self._arguments_path.is_file() and self._arguments_path.read_bytes() == wanted:
                log.info("sandbox.joined", pid=ready.pid, url=ready.rest_url)
                self.was_running = True
                self.ready = ready
                return ready
            await self._end(ready.pid)
        alone = read_ready(self._folder, LISTENING_FILE)
        if alone is not None and await answers(alone):
            whose = f"process {alone.pid} is a sandbox of {self._folder} that was started by hand"
            raise SandboxFailed(f"{whose}: end it, or name another state_dir")
        self._arguments_path.write_bytes(wanted)
        # -P: what lies in the folder that we were started from is no part of the program.
        program = [sys.executable, "-P", "-m", "daemon"]
        command = [*program, "sandbox", "--state", str(self._folder), *self._arguments]
        # A session of its own: neither our Ctrl-C nor our death reaches it.
        with self._ready_path.open("wb") as out, self._log_path.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own program, started once
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True
            )
        self.ready = await self._wait_until_ready(self._process)
        log.info("sandbox.started", pid=self.ready.pid, url=self.ready.rest_url)
        return self.ready

    async def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> SandboxReady:
        deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
        while asyncio.get_running_loop().time() < deadline:
            ready = read_ready(self._folder)
            if ready is not None:
                return ready
            if process.poll() is not None:
                raise SandboxFailed(f"the sandbox ended with code {process.returncode}:\n{self._log_tail()}")
            await asyncio.sleep(0.02)
        process.kill()
        process.wait()
        raise SandboxFailed(f"the sandbox did not listen within {READY_WITHIN_S:.0f} s:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        try:
            return "\n".join(self._log_path.read_text(errors="replace").splitlines()[-15:])
        except OSError as error:
            return f"(no log: {error})"

    async def stop(self) -> None:
        """End the sandbox and wait for it; its account stays in its folder."""
        if self.ready is not None:
            await self._end(self.ready.pid)
            self.ready = None

    async def _end(self, pid: int) -> None:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return
        deadline = asyncio.get_running_loop().time() + STOP_WITHIN_S
        while asyncio.get_running_loop().time() < deadline:
            if self._process is not None and self._process.pid == pid:
                if self._process.poll() is not None:
                    return
            elif _has_ended(pid):
                return
            await asyncio.sleep(0.02)
        log.warning("sandbox.killed", pid=pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
