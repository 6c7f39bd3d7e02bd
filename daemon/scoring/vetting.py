"""A model folder is looked at by another process before this one loads it.

Whatever is checked beforehand, a library that reads a stranger's file may abort, hang, or take all memory.
So a child process (`check_model`) does first what loading does: hashes, schema, frozen rows, within limits of
memory, processor time and a clock. If it ends in any other way than by a verdict, the model is refused and
says how it ended. What was looked at is what is loaded: the verdict pins the metadata, which pins the files.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from daemon.scoring.check_model import Refused, Verdict, Vetted
from daemon.scoring.metadata import ModelRefused
from daemon.scoring.registry import LoadedModel, load_model

__all__ = ["TIMEOUT_S", "Vetted", "load_vetted", "load_vetted_async", "vet_model", "vet_model_async"]

TIMEOUT_S = 20.0
"""Wall clock, start included. The shipped model takes a tenth of a second."""
_VERDICT_BYTES_MAX = 64 * 1024
# The child is given nothing that it doesn't need: no one's secrets stand in its environment.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "LC_ALL", "TMPDIR")


def load_vetted(folder: Path, timeout_s: float = TIMEOUT_S) -> LoadedModel:
    """Return the model of a registry folder, loaded here after a child process found nothing wrong.

    Blocks for as long as that takes: where a loop must go on, `load_vetted_async`.

    Raises:
        ModelRefused: the child refused it or came to no verdict, or it has changed since.
    """
    return load_model(folder, vet_model(folder, timeout_s).metadata_sha256)


async def load_vetted_async(folder: Path, timeout_s: float = TIMEOUT_S) -> LoadedModel:
    """As `load_vetted`, without blocking; the child is ended when this is cancelled."""
    vetted = await vet_model_async(folder, timeout_s)
    return await asyncio.to_thread(load_model, folder, vetted.metadata_sha256)


def vet_model(folder: Path, timeout_s: float = TIMEOUT_S) -> Vetted:
    """Return what a child process says of a model folder that it could load and score.

    Raises:
        ModelRefused: it could not, or came to no verdict in time; the message says why.
    """
    try:
        ended = subprocess.run(  # noqa: S603 - our own program
            _command(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_slow(folder, timeout_s) from None
    return _verdict(folder, ended.returncode, ended.stdout)


async def vet_model_async(folder: Path, timeout_s: float = TIMEOUT_S) -> Vetted:
    """As `vet_model`, without blocking; the child is ended when this is cancelled."""
    child = await asyncio.create_subprocess_exec(
        *_command(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )
    try:
        async with asyncio.timeout(timeout_s):
            said, _ = await child.communicate()
    except TimeoutError:
        raise _too_slow(folder, timeout_s) from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode is not None, "its output has ended, and it was waited for"
    return _verdict(folder, child.returncode, said)


def _command(folder: Path) -> list[str]:
    # -P: what lies in the folder that we were started from is no part of the program.
    return [sys.executable, "-P", "-m", "daemon.scoring.check_model", str(folder.absolute())]


def _environment() -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed_on, "OMP_NUM_THREADS": "1"}


def _too_slow(folder: Path, timeout_s: float) -> ModelRefused:
    return ModelRefused(
        f"{folder}: looking at it took longer than {timeout_s:g} s: it hangs, or is too large"
    )


def _verdict(folder: Path, code: int, said: bytes) -> Vetted:
    """Return the verdict of a child that ended with a code (below zero: by a signal) and said this."""
    if code != 0:
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        raise ModelRefused(f"{folder}: the process that looked at it ended {how}, without a verdict")
    try:
        verdict: Verdict = msgspec.json.decode(said[:_VERDICT_BYTES_MAX], type=Verdict)
    except msgspec.DecodeError as error:
        raise ModelRefused(f"{folder}: the process that looked at it gave no verdict: {error}") from error
    if isinstance(verdict, Refused):
        raise ModelRefused(verdict.reason)
    return verdict
