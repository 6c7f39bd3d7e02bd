"""`kalshid sandbox`: from the command line's words to a running sandbox and an exit code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import structlog

from daemon.core.units import MILLISECOND, MONEY_ONE
from daemon.exchange.tape import TapeError
from daemon.sandbox.faults.registry import read_faults
from daemon.sandbox.flow import MakeFlow
from daemon.sandbox.flows.still import StillFlow
from daemon.sandbox.flows.tape import tape_flow
from daemon.sandbox.flows.traders import TradersFlow
from daemon.sandbox.server import SandboxOptions, serve

log = structlog.get_logger(__name__)

CRYPTO_SHARD = 2
READ_LAG_MS = 300
"""What the account's reads run behind by, if nobody says otherwise: 360 ms were seen (sheet 4.6)."""


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
    speed: float | Literal["max", "manual"],
    sessions: tuple[str, ...],
    world: Literal["traders", "still"] = "traders",
    admin_port: int = 0,
    keys: Path | None = None,
    faults: Path | None = None,
    read_lag_ms: int = READ_LAG_MS,
    has_maintenance: bool | None = None,
) -> None:
    """Run a sandbox until it is told to stop or nobody needs it.

    Args:
        state: where its account and keys are kept.
        port: on 127.0.0.1; 0 takes any.
        seed: of the simulated traders.
        cash_dollars: what a new account starts with.
        idle_exit_s: stop when nobody was connected for so long; None never.
        tape: a tape's folder; None runs the world.
        speed: times the wall's; "max" is as fast as a tape's follower goes, "manual" moves simulated time by
            the admin endpoint alone.
        sessions: of the tape; empty for all.
        world: simulated traders, or nothing but what the admin endpoint makes.
        admin_port: of the admin endpoint; 0 takes any.
        keys: where the client's keys are kept; None with the state.
        faults: a TOML file of faults that are in force from the start.
        read_lag_ms: how far the account's reads run behind what happened.
        has_maintenance: whether it is closed on Thursday mornings in New York; None: with simulated traders
            it is, as the real one, and where nothing happens by itself it isn't.

    Raises:
        LaunchFailed: the tape or the faults can't be read, the port is taken, the state folder is no
            sandbox's, or the words don't go together.
    """
    if tape is None and speed == "max":
        raise LaunchFailed("--speed max is for tapes: simulated time has no end to run to")
    if tape is not None and speed == "manual":
        raise LaunchFailed("--speed manual is for simulated time: a tape goes as it was recorded")
    if tape is not None and has_maintenance:
        raise LaunchFailed("--maintenance is for simulated time: a tape has its own in what is missing")
    if tape is not None and world != "traders":
        raise LaunchFailed("--tape and --world: a tape is a world of its own")
    pace = None if isinstance(speed, str) else speed
    if tape is None:
        make_flow: MakeFlow = TradersFlow if world == "traders" else StillFlow
    try:
        if tape is not None:
            make_flow = tape_flow(tape, pace, sessions or None)
        options = SandboxOptions(
            state_dir=state,
            make_flow=make_flow,
            seed=seed,
            port=port,
            cash={CRYPTO_SHARD: cash_dollars * MONEY_ONE},
            idle_exit_s=idle_exit_s,
            admin_port=admin_port,
            keys_dir=keys,
            speed=pace,
            faults=() if faults is None else read_faults(faults),
            read_lag=read_lag_ms * MILLISECOND,
            has_maintenance=(tape is None and world == "traders")
            if has_maintenance is None
            else has_maintenance,
        )
        asyncio.run(serve(options))
    except (TapeError, OSError, ValueError) as error:
        raise LaunchFailed(str(error)) from error
