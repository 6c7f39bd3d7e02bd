"""Which markets are decided by the clock alone: each once per heartbeat, and never too many at one time.

Time changes decisions too: a market opens, a window empties, a close comes near. With thousands of markets to
decide all of them at one instant would keep whatever happens then waiting, so a round is spread over the
heartbeat: no decision takes more than `AT_ONCE` of them. Fewer than that are decided together.
"""

from __future__ import annotations

from collections.abc import Iterable

from daemon.core.units import Ns

AT_ONCE = 100
"""Some milliseconds' worth."""


class Sweep:
    """Walks over the markets again and again. A round that is late is ended before the next begins."""

    def __init__(self, heartbeat: Ns) -> None:
        self._heartbeat = heartbeat
        self._began_at: Ns | None = None
        self._round: list[str] = []
        self._place = 0

    def begin(self, tickers: Iterable[str], now: Ns) -> bool:
        """Begin a round if it is time for one: True, once for each."""
        began_at = self._began_at
        is_due = began_at is None or now - began_at >= self._heartbeat
        if not is_due or self._place < len(self._round):
            return False
        self._began_at, self._round, self._place = now, list(tickers), 0
        return True

    def take(self, now: Ns) -> list[str]:
        """Return the markets whose turn it is, once."""
        place, count = self._place, len(self._round)
        if place >= count or self._began_at is None:
            return []
        passed = AT_ONCE + count * (now - self._began_at) // self._heartbeat
        self._place = max(place, min(count, passed, place + AT_ONCE))
        return self._round[place : self._place]

    def wake_at(self) -> Ns:
        """Return when it is worth a decision again; 0, which is at once, before the first round."""
        if self._began_at is None:
            return 0
        count = len(self._round)
        if self._place >= count:
            return self._began_at + self._heartbeat
        worth = min(count, self._place + AT_ONCE // 2)
        return self._began_at + self._heartbeat * max(0, worth - AT_ONCE) // count + 1
