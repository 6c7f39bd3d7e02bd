"""A registered model in shadow: the daemon plays a tape with it as challenger, and its scores are counted.

The daemon runs as a process of its own on its own exchange; the model is scored on the rows that a strategy
asks for, measured, and never traded on. Nor is anything else: the strategy asks for more than a dollar.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from daemon.exchange.tape import TapeManifest
from daemon.shell.summary import ScoreRecord, Summary

SHADOW_NAME: Final = "shadow.json"
STARTED_WITHIN_S: Final = 60
"""Start and end of the daemon, beside what the tape takes."""
_LOG_SHOWN: Final = 2_000


class ShadowFailed(Exception):
    """The daemon did not play the tape to its end; says what it said last."""


class Shadowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`shadow.json`: what was played to whom, and how the challenger's scores did beside the default's."""

    challenger: str
    session: str
    frames: int
    orders: int
    scores: ScoreRecord


def latest_settled(tape: TapeManifest) -> str:
    """Return the latest session in which a market with a known result closes, else the latest one.

    Raises:
        ShadowFailed: no session has a change of a book.
    """
    live = sorted((one for one in tape.sessions if one.counts.deltas), key=lambda one: one.started_at)
    if not live:
        raise ShadowFailed("no session of the tape has a change of a book: nothing to play")
    closes = [market.close_at for market in tape.markets if market.outcome is not None]
    settled = [one for one in live if any(one.started_at < at <= one.ended_at for at in closes)]
    return (settled or live)[-1].session


def play_shadow(
    tape: Path, session: str, default: Path, challenger: Path, series: str, folder: Path, seconds: float
) -> Shadowed:
    """Return how a challenger scored beside the default model while the daemon played a session.

    Args:
        tape: the tape's folder.
        session: of it.
        default: the model that the strategy reads.
        challenger: the one that is only measured.
        series: whose markets are watched.
        folder: for configuration, state and log; what an earlier run left in it is removed.
        seconds: of wall time, at most.

    Raises:
        ShadowFailed: the daemon ended otherwise than well, or not in time.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config, summary_path, log_path = (folder / name for name in ("config.toml", "summary.json", "daemon.log"))
    config.write_text(_config(default, challenger, series), encoding="utf-8")
    command = [sys.executable, "-m", "daemon", "run", "--config", str(config), "--no-screen"]
    command += ["--tape", str(tape.absolute()), "--session", session, "--for", f"{seconds:g}s"]
    command += ["--summary", str(summary_path)]
    with log_path.open("wb") as log:
        try:
            ended = subprocess.run(  # noqa: S603 - our own program
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
                timeout=seconds + STARTED_WITHIN_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ShadowFailed(
                f"the daemon did not end within {error.timeout:g} s: {_said(log_path)}"
            ) from error
    if ended.returncode:
        raise ShadowFailed(f"the daemon exited with {ended.returncode}: {_said(log_path)}")
    summary = msgspec.json.decode(summary_path.read_bytes(), type=Summary)
    name = f"{challenger.parent.name}/{challenger.name}"
    return Shadowed(name, session, summary.frames, summary.orders, summary.scores)


def _said(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-_LOG_SHOWN:]


def _config(default: Path, challenger: Path, series: str) -> str:
    """Return a configuration of which all else is as shipped. Port 0: any that is free."""

    def quoted(text: object) -> str:
        return msgspec.json.encode(str(text)).decode()

    return f"""mode = "sandbox"
state_dir = "var"

[sandbox]
idle_exit_s = 30

[model]
path = {quoted(default.absolute())}
challenger = {quoted(challenger.absolute())}

[markets]
series = [{quoted(series)}]

[metrics]
listen = "127.0.0.1:0"

[strategies.fair_value]
enabled = true
series = [{quoted(series)}]
edge_min = 1.0
margin = 1.0
"""
