"""The daemon as a process of its own, for tests: a folder with a configuration, and what a run left."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START_WITHIN_S = 60.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_config(folder: Path, *, page_listen: str = "", **changes: str) -> Path:
    """Write the shipped configuration into a folder, with its own state and port; return its path.

    `changes` replace the values of keys wherever they stand, as TOML text; the page is off unless asked for.
    """
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    changes = {
        "path": f'"{ROOT}/strategies/models/btc15m-demo/1"',
        "listen": f'"127.0.0.1:{free_port()}"',
        "idle_exit_s": "30",
        **changes,
    }
    for key, value in changes.items():
        text, count = re.subn(rf"(?m)^{key} = [^#\n]*", f"{key} = {value} ", text)
        assert count, f"config.toml has no key {key}"
    text, count = re.subn(r"(?m)^\[page\]\nlisten = .*$", f'[page]\nlisten = "{page_listen}"', text)
    assert count == 1, "config.toml has no [page]"
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


class Daemon:
    """One `kalshid run` in a folder; `program` are the words after Python's own that begin kalshid."""

    def __init__(self, config: Path, *words: str, program: Sequence[str] = ("-m", "daemon")) -> None:
        self.folder = config.parent
        self.config = config
        self.summary_path = self.folder / "summary.json"
        self.summary_path.unlink(missing_ok=True)
        self.log_path = self.folder / "daemon.log"
        command = [sys.executable, *program, "run", "--config", str(config), "--no-screen"]
        command += ["--summary", str(self.summary_path), *words]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )

    @property
    def log(self) -> str:
        """What it said."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def wait(self, timeout_s: float) -> int:
        """Wait for its end and return the exit code."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"the daemon did not end within {timeout_s} s:\n{self.log[-4000:]}"
            ) from None

    def wait_until(self, happened: Callable[[], bool], timeout_s: float = START_WITHIN_S) -> None:
        """Wait until something is true while the daemon runs."""
        deadline = time.monotonic() + timeout_s
        while not happened():
            assert self.process.poll() is None, f"the daemon ended early:\n{self.log[-4000:]}"
            assert time.monotonic() < deadline, f"it did not happen within {timeout_s} s:\n{self.log[-4000:]}"
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Ask it to end."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it without a word, it alone: its sandbox is in a session of its own."""
        self.process.kill()
        self.process.wait()

    @property
    def summary(self) -> dict[str, Any]:
        """What it wrote about the run."""
        found: dict[str, Any] = json.loads(self.summary_path.read_text(encoding="utf-8"))
        return found

    @property
    def journals(self) -> list[Path]:
        """All journals in its folder, oldest first."""
        return sorted(self.folder.glob("var/journal/*.journal"))


def sandbox_pid(folder: Path) -> int | None:
    """The process id of the sandbox of a folder; None when it does not run."""
    path = folder / "var/sandbox/ready.json"
    if not path.is_file() or not path.read_bytes().strip():
        return None
    pid = int(json.loads(path.read_bytes().splitlines()[0])["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    return pid


def end_sandbox(folder: Path) -> None:
    """End the sandbox that a killed daemon left behind."""
    pid = sandbox_pid(folder)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
