"""Work that gives way to the daemon beside it: a replay takes a whole core, and trading may need it."""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
from collections.abc import Callable
from typing import TypeVar

NICENESS = 15
"""How much less than others it is given where both want a core: about a thirtieth."""
_T = TypeVar("_T")


def give_way(work: Callable[[], _T]) -> _T:
    """Return what some work returns, or raise what it raises; it runs in a thread that gives way to others.

    A thread of its own, for niceness is a thread's (Linux) and can't be taken back: whoever calls stays as he
    is. He waits, and may be interrupted; the work then ends with the process.
    """
    found: list[_T] = []
    failed: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        # Where it is nicer already, or may not change, it works as it is.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        try:
            found.append(context.run(work))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            failed.append(error)

    thread = threading.Thread(target=run, name="giving-way", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]
