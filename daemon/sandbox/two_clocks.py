"""Signatures in a sandbox whose time is not the wall's: a stamp of either clock is a good one.

The official clients sign by their machine's time, and know no other. Where the sandbox runs N times as fast,
or stands, they would be refused after a quarter of a minute. Each stamp is held against the clock that it is
closer to; the window stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import time_ns

from daemon.core.units import MILLISECOND, Ns
from daemon.sandbox.auth import Signer, Verifier


def signed_by(headers: Mapping[str, str], now: Ns, wall: Ns | None = None) -> Ns:
    """Return the time to check a signed request against: `now`, or the wall's if its stamp is closer to it.

    Args:
        headers: the request's.
        now: the sandbox's time.
        wall: the machine's; None reads it.
    """
    stamp = headers.get("KALSHI-ACCESS-TIMESTAMP", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 20):
        return now
    at = int(stamp) * MILLISECOND
    wall = time_ns() if wall is None else wall
    return wall if abs(at - wall) < abs(at - now) else now


class TwoClockVerifier(Verifier):
    """Checks signatures by either clock."""

    def identify(self, headers: Mapping[str, str], method: str, path: str, now: Ns) -> Signer:
        """Return who signed."""
        return super().identify(headers, method, path, signed_by(headers, now))
