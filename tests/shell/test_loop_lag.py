"""The loop's lag: a callback that blocks shows, with at least its length."""

from __future__ import annotations

import asyncio
import time

from daemon.shell.loop_lag import watch_loop


async def test_what_blocks_the_loop_is_told() -> None:
    """A timer that was due while something blocked comes late, and says by how much; none comes early."""
    lags: list[int] = []
    heard = asyncio.Event()

    def hear(lag: int) -> None:
        lags.append(lag)
        heard.set()

    async with asyncio.timeout(10):
        watch = asyncio.create_task(watch_loop(hear, every_s=0.005))
        await heard.wait()
        await asyncio.sleep(0)  # the next timer is set
        lags.clear()
        heard.clear()
        time.sleep(0.1)  # noqa: ASYNC251 - what is measured is a loop that is blocked
        await heard.wait()
        watch.cancel()
    assert min(lags) >= 0
    assert max(lags) > 50_000_000
