"""Which markets are decided by the clock alone, and when: never too many at one time, nor in one second.

Time changes decisions too: a market opens, a window empties, a close comes near. With every heartbeat the
few markets go in which we have something, and all the others if there are not more than a thousand. More of
them take turns, a thousand a second, spread evenly, and what was decided within a heartbeat for another
reason is spared: what the clock asks for has a bound, and no decision takes more than `AT_ONCE`, which would
keep waiting whatever happens then.
"""

from __future__ import annotations

from collections.abc import Collection

from daemon.core.units import MILLISECOND, Ns

AT_ONCE = 100
"""Some milliseconds' worth."""
EACH: Ns = MILLISECOND
"""So much of a round belongs to each market: a thirtieth of it is what a decision takes."""


class Sweep:
    """Walks over the markets again and again. A round that is late is ended before the next begins."""

    def __init__(self, heartbeat: Ns) -> None:
        self._heartbeat = heartbeat
        self._beat_at: Ns | None = None
        self._began_at: Ns = 0
        self._length: Ns = 0
        self._round: list[str] = []
        self._place = 0
        self._turn_at: Ns = 0
        """When the next market's turn comes, or the next round begins."""

    @property
    def due_at(self) -> Ns:
        """When a heartbeat, or the turn of any market, may come next; 0 before the first heartbeat."""
        return 0 if self._beat_at is None else min(self._turn_at, self._beat_at + self._heartbeat)

    def is_due(self, now: Ns) -> bool:
        """Whether a heartbeat, or the turn of any market, may have come; asked with every decision."""
        beat_at = self._beat_at
        return now >= self._turn_at or beat_at is None or now - beat_at >= self._heartbeat

    def beats(self, now: Ns) -> bool:
        """Whether it is time for what is looked at with every heartbeat; True, once for each."""
        if self._beat_at is not None and now - self._beat_at < self._heartbeat:
            return False
        self._beat_at = now
        return True

    def take(self, tickers: Collection[str], now: Ns) -> list[str]:
        """Return the markets whose turn it is, once; `tickers` are all that there are."""
        if self._place >= len(self._round):
            if now - self._began_at < self._length:
                return []
            self._began_at, self._round, self._place = now, list(tickers), 0
            self._length = max(self._heartbeat, EACH * len(self._round))
        place, count = self._place, len(self._round)
        passed = AT_ONCE + count * (now - self._began_at) // self._length
        self._place = max(place, min(count, passed, place + AT_ONCE))
        self._turn_at = self._next_turn_at()
        return self._round[place : self._place]

    def _next_turn_at(self) -> Ns:
        count, waiting = len(self._round), self._place + 1 - AT_ONCE
        if self._place >= count:
            return self._began_at + self._length
        return self._began_at - (-waiting * self._length // count)

    def spared_since(self, now: Ns) -> Ns:
        """Return after which instant a market must have been decided for its turn to be spared it."""
        return now if self._length <= self._heartbeat else now - self._heartbeat

    def wake_at(self) -> Ns:
        """Return when it is worth a decision again; 0, which is at once, before the first heartbeat."""
        if self._beat_at is None:
            return 0
        count, beat_at = len(self._round), self._beat_at + self._heartbeat
        if self._place >= count:
            return min(beat_at, self._began_at + self._length)
        worth = min(count, self._place + AT_ONCE // 2)
        return min(beat_at, self._began_at + self._length * max(0, worth - AT_ONCE) // count + 1)
