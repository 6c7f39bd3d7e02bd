"""Pauses: of the exchange (nothing is allowed) or of trading (cancels are), per shard, and maintenance.

A trading pause refuses new and amended orders and lets cancels and decreases through. An exchange pause,
rare, refuses everything. Resting orders stay, but for those that asked to go (`cancel_order_on_pause`).
Maintenance is an exchange pause of all shards with a beginning and an end. Source: protocol sheet 7.6.
"""

from __future__ import annotations

import msgspec

from daemon.core.units import Ns
from daemon.exchange.facts import MaintenanceScheduled, PauseChanged
from daemon.exchange.requests import Refused

SHARDS = (0, 1, 2, 3)
"""The venue's shards: default, combos, crypto and commodities, tennis and baseball (sheet 4.9)."""


class Pause(msgspec.Struct, frozen=True, gc=False):
    """How a shard stands. `resumes_at` is None when no end was announced."""

    is_exchange_paused: bool = False
    is_trading_paused: bool = False
    resumes_at: Ns | None = None


_NONE = Pause()


class Pauses:
    """Which shards are paused, and the windows that are scheduled. Times are the caller's."""

    def __init__(self) -> None:
        self._pauses: dict[int, Pause] = {}
        self._windows: list[tuple[Ns, Ns]] = []
        self._begun: tuple[Ns, Ns] | None = None

    def of(self, exchange_index: int) -> Pause:
        """Return how a shard stands."""
        return self._pauses.get(exchange_index, _NONE)

    def is_exchange_active(self, exchange_index: int) -> bool:
        """Whether a shard takes any request at all."""
        return not self.of(exchange_index).is_exchange_paused

    def is_trading_active(self, exchange_index: int) -> bool:
        """Whether a shard takes new orders: not while the exchange is paused either."""
        pause = self._pauses.get(exchange_index)
        return pause is None or not (pause.is_exchange_paused or pause.is_trading_paused)

    def refusal(self, exchange_index: int, *, is_cancel: bool = False) -> Refused | None:
        """Return why a request can't be taken now; None when it can."""
        pause = self._pauses.get(exchange_index)
        if pause is None:
            return None
        if pause.is_exchange_paused:
            return Refused("exchange_is_paused")
        if pause.is_trading_paused and not is_cancel:
            return Refused("trading_is_paused")
        return None

    @property
    def windows(self) -> tuple[tuple[Ns, Ns], ...]:
        """Return the maintenance windows that are not over, as (start, end), soonest first."""
        return tuple(self._windows)

    def set(self, exchange_index: int, pause: Pause, now: Ns) -> PauseChanged | None:
        """Let a shard stand so; None if it does already."""
        if self.of(exchange_index) == pause:
            return None
        if pause == _NONE:
            del self._pauses[exchange_index]
        else:
            self._pauses[exchange_index] = pause
        return PauseChanged(
            exchange_index, pause.is_exchange_paused, pause.is_trading_paused, pause.resumes_at, now
        )

    def schedule(self, start_at: Ns, end_at: Ns, now: Ns) -> MaintenanceScheduled:
        """Announce maintenance.

        Raises:
            ValueError: it ends before it starts, or is over already.
        """
        if not start_at < end_at or end_at <= now:
            raise ValueError(f"no window ahead: {start_at} to {end_at}, now {now}")
        self._windows = sorted({*self._windows, (start_at, end_at)})
        return MaintenanceScheduled(start_at, end_at, now)

    def advance(self, now: Ns) -> list[PauseChanged]:
        """Let maintenance begin and end; an end lifts only what that window had paused."""
        changed: list[PauseChanged | None] = []
        while self._windows and self._windows[0][0] <= now:
            start_at, end_at = window = self._windows[0]
            if self._begun != window and now < end_at:
                self._begun = window
                for shard in SHARDS:
                    pause = msgspec.structs.replace(
                        self.of(shard), is_exchange_paused=True, resumes_at=end_at
                    )
                    changed.append(self.set(shard, pause, start_at))
            if now < end_at:
                break
            self._windows.pop(0)
            self._begun = None
            for shard in SHARDS:
                held = self.of(shard)
                if held.is_exchange_paused and held.resumes_at == end_at:
                    pause = msgspec.structs.replace(held, is_exchange_paused=False, resumes_at=None)
                    changed.append(self.set(shard, pause, end_at))
        return [fact for fact in changed if fact is not None]
