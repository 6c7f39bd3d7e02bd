"""`kalshid sandbox`: from the command line's words to a running sandbox and an exit code."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from daemon.core.units import MONEY_ONE
from daemon.exchange.tape import TapeError
from daemon.sandbox.server import SandboxOptions, serve
from daemon.sandbox.tape import tape_flow
from daemon.sandbox.traders import TradersFlow

log = structlog.get_logger(__name__)

CRYPTO_SHARD = 2


class LaunchFailed(Exception):
    """The sandbox can't run as asked; the message says why."""


def launch(
    *,
    state: Path,
    port: int,
    seed: int,
    cash_dollars: int,
    idle_exit_s: float | None,
    tape: Path | None,
    speed: float | None,
    sessions: tuple[str, ...],
) -> None:
    """Run a sandbox until it is told to stop or nobody needs it.

    Args:
        state: where its account and keys are kept.
        port: on 127.0.0.1; 0 takes any.
        seed: of the simulated traders.
        cash_dollars: what a new account starts with.
        idle_exit_s: stop when nobody was connected for so long; None never.
        tape: a tape's folder; None runs the traders.
        speed: of the tape; None as fast as possible.
        sessions: of the tape; empty for all.

    Raises:
        LaunchFailed: the tape can't be read, the port is taken, the state folder is no sandbox's.
    """
    try:
        options = SandboxOptions(
            state_dir=state,
            make_flow=TradersFlow if tape is None else tape_flow(tape, speed, sessions or None),
            seed=seed,
            port=port,
            cash={CRYPTO_SHARD: cash_dollars * MONEY_ONE},
            idle_exit_s=idle_exit_s,
        )
        asyncio.run(serve(options))
    except (TapeError, OSError, ValueError) as error:
        raise LaunchFailed(str(error)) from error
