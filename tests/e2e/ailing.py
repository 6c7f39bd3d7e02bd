"""`kalshid` with two ailments that no exchange can give it: a slow disk, and a pump that stands still.

Each is there while a file of its name lies in a folder. All else is what a person runs.

Run as: python -m tests.e2e.ailing <folder of the ailments> run --config <config.toml> ...
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from daemon.cli import main
from daemon.core.events import Event
from daemon.shell.loop import Inbox

SLOW_DISK = "slow_disk"
STUCK_PUMP = "stuck_pump"
SYNC_TAKES_S = 0.7


def fall_ill(folder: Path) -> None:
    """Let the ailments begin with their files in a folder, and end with them."""
    sync, drain = os.fdatasync, Inbox.drain

    def slow_sync(fd: int) -> None:
        if (folder / SLOW_DISK).exists():
            time.sleep(SYNC_TAKES_S)  # in the thread that waits for the disk
        sync(fd)

    async def stuck_drain(self: Inbox, timeout_s: float | None) -> list[Event]:
        while (folder / STUCK_PUMP).exists():  # noqa: ASYNC110 - nobody announces a file's end
            await asyncio.sleep(0.1)
        return await drain(self, timeout_s)

    os.fdatasync = slow_sync  # type: ignore[assignment]
    Inbox.drain = stuck_drain  # type: ignore[method-assign]


if __name__ == "__main__":
    fall_ill(Path(sys.argv[1]))
    main(sys.argv[2:])
