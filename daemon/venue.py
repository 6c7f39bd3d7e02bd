"""Where the venue is: Kalshi as configured, or the sandbox that is started or joined for the run."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from daemon.config import Config
from daemon.shell.child import LISTENING_FILE, READY_FILE, SandboxChild, SandboxReady, answers, read_ready

SANDBOX_FOLDER = "sandbox"
"""Below the state folder: the sandbox that a run starts, or joins."""


class RunOptions(msgspec.Struct, frozen=True):
    """What the command line adds to the configuration. `speed` None is as fast as possible."""

    for_s: float | None = None
    summary_path: Path | None = None
    tape: Path | None = None
    speed: float | None = None
    sessions: tuple[str, ...] = ()
    has_screen: bool = False
    is_live: bool = False
    """`--live`: the second of the two switches that real money needs."""
    is_json: bool = False
    """Standard output belongs to JSON lines."""


class Address(msgspec.Struct, frozen=True):
    """Where the venue is, and with what we sign. `clock_ws_url` is None where time is the machine's."""

    rest_url: str
    ws_url: str
    reference_ws_url: str
    reference_rest_url: str
    key_id: str
    private_key_file: Path
    clock_ws_url: str | None = None
    is_lockstep: bool = False


async def find_venue(config: Config, options: RunOptions, stack: AsyncExitStack) -> Address:
    """Return the venue's addresses. A sandbox that this starts or joins is ended with the stack.

    Raises:
        SandboxFailed: it did not come up.
    """
    if options.tape is None and config.mode != "sandbox":
        return _kalshi(config)
    table, state_dir = config.sandbox, config.path(config.state_dir)
    words = ["--seed", str(table.seed), "--cash", str(table.cash_dollars)]
    words += ["--idle-exit", f"{table.idle_exit_s}s"]
    # Practice may be on a Thursday night: ours has no weekly maintenance, unless that is what is practised.
    words.append("--maintenance" if table.maintenance and options.tape is None else "--no-maintenance")
    folder = state_dir / SANDBOX_FOLDER
    if options.tape is not None:
        # A tape's account lives for one run: each begins with the same cash at the same instant.
        folder = state_dir / "tape-sandbox" / str(time.time_ns())
        speed = "max" if options.speed is None else str(options.speed)
        words += ["--tape", str(options.tape), "--speed", speed]
        for name in options.sessions:
            words += ["--session", name]
    child = SandboxChild(folder, words)
    stack.push_async_callback(child.stop)
    return _sandbox(await child.start(), is_tape=options.tape is not None)


async def running_venue(config: Config) -> Address | None:
    """Return where the venue is, starting nothing; None where nothing of ours can rest.

    The sandbox of the state folder is found, whoever started it. None is for one that doesn't run, and for
    paper trading, whose account is nowhere but in the daemon.
    """
    if config.mode == "shadow":
        return None
    if config.mode != "sandbox":
        return _kalshi(config)
    folder = config.path(config.state_dir) / SANDBOX_FOLDER
    for name in (LISTENING_FILE, READY_FILE):
        ready = read_ready(folder, name)
        if ready is not None and await answers(ready):
            return _sandbox(ready, is_tape=False)
    return None


def _kalshi(config: Config) -> Address:
    venue = config.venue
    return Address(
        rest_url=venue.rest_url,
        ws_url=venue.ws_url,
        reference_ws_url=config.reference.kraken_ws_url,
        reference_rest_url=config.reference.kraken_rest_url,
        key_id=venue.key_id,
        private_key_file=config.path(venue.private_key_file),
    )


def _sandbox(ready: SandboxReady, *, is_tape: bool) -> Address:
    return Address(
        rest_url=ready.rest_url,
        ws_url=ready.ws_url,
        reference_ws_url=ready.reference_ws_url,
        reference_rest_url=ready.reference_rest_url,
        key_id=ready.key_id,
        private_key_file=Path(ready.private_key_path),
        clock_ws_url=ready.clock_ws_url if is_tape else None,
        is_lockstep=not ready.is_paced,
    )
