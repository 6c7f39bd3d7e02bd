"""A call that may never return, in a thread that nobody has to wait for.

`asyncio.to_thread` takes a thread that the end of the process waits for, however long. This one is a daemon
thread: the result of a call that takes too long is dropped, and the process ends without it.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

_Result = TypeVar("_Result")
_STDLIB = sysconfig.get_path("stdlib")


class TookTooLong(Exception):
    """A call did not return in time; the message says how long that was, and where it is."""


async def call_aside(call: Callable[[], _Result], within_s: float) -> _Result:
    """Return what a call comes to in a thread of its own, and raise what it raises.

    Raises:
        TookTooLong: it has not returned. It is ended where it next comes back to Python; one that waits in
            the kernel for good stays, and holds nothing up.
    """
    loop = asyncio.get_running_loop()
    returned = asyncio.Event()
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again for who waits, whatever it is
            errors.append(error)
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(returned.set)

    # What is bound to the log's lines is bound in there too.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="aside", daemon=True)
    thread.start()
    try:
        async with asyncio.timeout(within_s):
            await returned.wait()
    except TimeoutError:
        place = _place(thread)
        _end(thread)
        raise TookTooLong(f"took longer than {within_s:g} s{place}") from None
    if errors:
        raise errors[0]
    return results[0]


def _place(thread: threading.Thread) -> str:
    """Return where a thread is, as far as that is not Python's own code; empty where nobody knows."""
    frame = sys._current_frames().get(thread.ident or 0)
    frames = [] if frame is None else traceback.extract_stack(frame)
    own = [one for one in frames if not one.filename.startswith((_STDLIB, "<frozen"))]
    return f": {own[-1].filename}:{own[-1].lineno}" if own else ""


def _end(thread: threading.Thread) -> None:
    """Raise SystemExit in a thread: a loop without an end would take turns with all that trades."""
    if thread.ident is not None and thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
