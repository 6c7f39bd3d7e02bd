"""The service manager above us (systemd): told that we are ready, how we stand, that we still get somewhere.

Its protocol (sd_notify(3)) is lines `KEY=value` in one datagram to the Unix socket that NOTIFY_SOCKET names.
Nothing is waited for: a supervisor that does not listen costs one failed send, counted.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping

import structlog

log = structlog.get_logger(__name__)

TOLD_EVERY_S = 5.0
"""How often the status is said where nobody watches us; a watchdog is fed three times in its time."""
_STATUS_CHARS_MAX = 300
_STOP_EXTENDED_S = 15


class Supervisor:
    """One end of the protocol.

    Args:
        address: what NOTIFY_SOCKET says; "@name" is an abstract socket.
        watchdog_s: within which time it wants to hear that we live; None where it doesn't watch.
    """

    def __init__(self, address: str, watchdog_s: float | None) -> None:
        self.watchdog_s = watchdog_s
        self.failed_total = 0
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> Supervisor | None:
        """Return the supervisor that the environment names; None where there is none.

        WATCHDOG_USEC that is meant for another process (WATCHDOG_PID) is nobody's, as one that is no number.
        """
        address = environment.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return None
        wanted, whom = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(pid))
        is_ours = whom == str(pid) and wanted.isascii() and wanted.isdigit() and int(wanted) > 0
        return cls(address, int(wanted) / 1e6 if is_ours else None)

    def ready(self, status: str) -> None:
        """Say that we have started, or that a reload is over."""
        self._tell(f"READY=1\nSTATUS={_one_line(status)}")

    def reloading(self) -> None:
        """Say that a reload begins. Without the clock beside it the supervisor would wait for minutes."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        """Say that we stop, and ask for the time that it takes to confirm the last cancel."""
        self._tell(
            f"STOPPING=1\nEXTEND_TIMEOUT_USEC={_STOP_EXTENDED_S * 1_000_000}\nSTATUS={_one_line(status)}"
        )

    def stand(self, status: str, *, is_fed: bool) -> None:
        """Say how we stand; feed the watchdog if `is_fed`."""
        self._tell(("WATCHDOG=1\n" if is_fed else "") + f"STATUS={_one_line(status)}")

    def close(self) -> None:
        """Close our end."""
        self._socket.close()

    def _tell(self, lines: str) -> None:
        try:
            self._socket.sendto(lines.encode(), self._address)
        except OSError as error:
            # A full or vanished socket must not end a daemon that trades. The supervisor notices by itself.
            self.failed_total += 1
            if self.failed_total == 1:
                log.warning("supervisor.unheard", reason=str(error))


async def keep_told(
    supervisor: Supervisor,
    status: Callable[[], str],
    why_stuck: Callable[[], str | None],
    is_stopping: Callable[[], bool],
) -> None:
    """Say that we are ready, then how we stand, until cancelled; then close our end.

    Args:
        supervisor: whom to tell.
        status: how we stand, in one line.
        why_stuck: why we get nowhere, or None. Whoever gets nowhere does not feed the watchdog.
        is_stopping: whether the stop has begun.
    """
    every_s = TOLD_EVERY_S if supervisor.watchdog_s is None else min(TOLD_EVERY_S, supervisor.watchdog_s / 3)
    supervisor.ready(status())
    was_stuck = False
    try:
        while True:
            stuck = why_stuck()
            if stuck is not None and not was_stuck:
                log.error("progress.stuck", reason=stuck)
            was_stuck = stuck is not None
            if is_stopping():
                supervisor.stopping(status())
            supervisor.stand(status() if stuck is None else f"STUCK: {stuck}", is_fed=stuck is None)
            await asyncio.sleep(every_s)
    finally:
        supervisor.close()


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_STATUS_CHARS_MAX]
