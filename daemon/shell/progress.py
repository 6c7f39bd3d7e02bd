"""Whether the daemon still gets somewhere: what the service manager's watchdog depends on.

Never on the venue: an exchange that is closed or down would make a restart loop of its outage. So a
connection that is known to be down is no standstill; one that we believe in, and that has long been silent
though its own silence should have ended it, is.
"""

from __future__ import annotations

from collections.abc import Callable

from daemon.core.state import State
from daemon.core.units import SECOND, Ns
from daemon.shell.journal import Journal

FEED_SILENT_MAX: Ns = 120 * SECOND
"""Many times what makes a connection anew: who is silent for this long is not being tended."""


class Progress:
    """Remembers what was asked of the disk at the last look, for the next one to find done.

    Args:
        state: the core's beliefs.
        journal: must get what is written onto the disk between two looks.
        why_unwell: why the pump does not turn, or None.
        now: our clock.
    """

    def __init__(
        self,
        state: State,
        journal: Journal,
        why_unwell: Callable[[], str | None],
        now: Callable[[], Ns],
    ) -> None:
        self._state = state
        self._journal = journal
        self._why_unwell = why_unwell
        self._now = now
        self._asked_end = journal.synced_end

    def why_stuck(self) -> str | None:
        """Return why nothing gets done, or None; to be asked every few seconds, in the running loop."""
        unsynced = self._asked_end - self._journal.synced_end
        self._asked_end = self._journal.end
        self._journal.begin_sync()
        if (reason := self._why_unwell()) is not None:
            return reason
        if unsynced > 0:
            return f"the disk has not taken {unsynced} bytes of the journal since the last look"
        return self._why_untended()

    def _why_untended(self) -> str | None:
        now = self._now()
        for ticker, market in self._state.markets.items():
            spec, feed = market.spec, market.feed
            if spec.status != "active" or not spec.open_at <= now < spec.close_at:
                continue
            if feed.is_connected and feed.heard_at is not None and now - feed.heard_at > FEED_SILENT_MAX:
                silent_s = (now - feed.heard_at) // SECOND
                return f"{ticker}: its connection, said to be up, is silent for {silent_s} s"
        return None
