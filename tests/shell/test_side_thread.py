"""A call that may never return holds up neither who asked nor the end of the process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from daemon.shell.side_thread import TookTooLong, call_aside

WITHIN_S = 30.0
SLEEPS = """
import asyncio, time
from daemon.shell.side_thread import TookTooLong, call_aside
try:
    asyncio.run(call_aside(lambda: time.sleep(600), 0.05))
except TookTooLong:
    print("given up")
"""


async def test_what_returns_is_returned() -> None:
    """And from another thread than the loop's."""
    async with asyncio.timeout(WITHIN_S):
        assert threading.get_ident() != await call_aside(threading.get_ident, WITHIN_S)


async def test_what_is_raised_is_raised() -> None:
    """A TimeoutError of its own is no verdict on how long it took."""

    def fail() -> None:
        raise TimeoutError("the disk")

    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(TimeoutError, match="the disk"):
            await call_aside(fail, WITHIN_S)


async def test_a_loop_without_an_end_is_ended() -> None:
    """Its place is told; it would take turns with all that trades."""
    turns = [0]

    def turn() -> None:
        while True:
            turns[0] += 1

    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(TookTooLong, match=r"took longer than 0.05 s: .*test_side_thread.py:\d+"):
            await call_aside(turn, 0.05)
        while any(one.name == "aside" for one in threading.enumerate()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert turns[0] > 0


def test_the_end_of_the_process_does_not_wait() -> None:
    """Here for a call that sleeps for ten minutes."""
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", SLEEPS],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert (0, "given up\n", "") == (ended.returncode, ended.stdout, ended.stderr)
    assert time.monotonic() - began < WITHIN_S
