"""How late the event loop is: a timer that measures itself, for `kalshid_loop_lag_seconds`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

EVERY_S = 0.1


async def watch_loop(observe: Callable[[int], None], *, every_s: float = EVERY_S) -> None:
    """Tell, again and again, by how many nanoseconds a timer came late. Ends by being cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every_s
        await asyncio.sleep(every_s)
        observe(max(0, int((loop.time() - due) * 1e9)))
