"""A tiny flow that plays like a tape: two sessions of one recorded market, in lockstep."""

from __future__ import annotations

from daemon.core.units import HOUR, SECOND, Ns
from daemon.exchange.exchange import Exchange
from daemon.sandbox.flow import ConnectionCut, Ended, History, Resumed, SequenceJumped, Telling
from tests.sandbox.scripted import OPEN, spec_of

START: Ns = 1_778_477_600_000_000_000
SECOND_START: Ns = START + HOUR
SESSION: Ns = 2 * SECOND


class TapedFlow:
    """A delta every 100 ms, a gap in the middle, a cut after two seconds, and the same once more."""

    mode = "tape"
    speed: float | None = None
    start_at = START

    def __init__(self, _resumed: Resumed) -> None:
        self._session_start = START
        self._played = -1

    def history(self) -> History:
        """Return nothing: a tape tells no past."""
        return History({}, (), (), ())

    def advance(self, exchange: Exchange, now: Ns) -> list[Telling]:
        """Play what is due."""
        told: list[Telling] = []
        told += exchange.list_market(spec_of(OPEN, START - HOUR, START + 3 * HOUR), now, is_shadow=True)
        while self._session_start + (self._played + 1) * SECOND // 10 <= now:
            self._played += 1
            if self._played == 0:
                told += exchange.apply_snapshot(OPEN, ((4000, 1000),), ((5000, 1000),), now)
            elif self._played >= SESSION * 10 // SECOND:
                return [*told, *self._cut(now)]
            else:
                if self._played == 10:
                    told.append(SequenceJumped(3, now))
                told += exchange.apply_delta(OPEN, "yes", 4000, 1, now)
        return told

    def _cut(self, now: Ns) -> list[Telling]:
        self._played = -1
        if self._session_start == START:
            self._session_start = SECOND_START
            return [ConnectionCut("session ended", SECOND_START, now)]
        return [ConnectionCut("session ended", None, now), Ended(now)]
