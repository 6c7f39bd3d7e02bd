"""The public trades of one market's last minute: each once, and only where the stream has no hole.

Trades and books come over different subscriptions, so a trade window is valid by its own continuity:

    begin ──▶ observing ──▶ interrupted (a gap in the trades) ──▶ resumed by the connection's next trade
                  └───────▶ ended (the connection is gone) ─────▶ begin

A stretch of observation ends where the stream was surely whole, which is before a gap or a drop is noticed.
What lies between two stretches is a hole. REST fills it (`fill`): with a whole interval that
joins the stretches, the window reaches back over it; with less, it stays unknown until it has warmed up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from daemon.core.events import TradePrinted
from daemon.core.units import MINUTE, Ns, Qty

WINDOW: Ns = MINUTE


def signed_qty(trade: TradePrinted) -> Qty:
    """Return the contracts of a trade: positive where the taker bought YES."""
    return trade.qty if trade.taker_side == "yes" else -trade.qty


class TradeTape:
    """The signed contracts of the last minute, and since when nothing of them is missing."""

    __slots__ = ("_entries", "_resume_at", "_seen", "_since", "_stretches", "_sum")

    def __init__(self) -> None:
        self._entries: deque[tuple[Ns, Qty]] = deque()
        self._sum = 0
        self._seen: dict[str, Ns] = {}
        self._since: Ns | None = None
        """The start of the stretch that reaches up to now; None while not observing."""
        self._stretches: list[tuple[Ns, Ns]] = []
        """Whole intervals [start, end) of the past that don't touch the present one; in order."""
        self._resume_at: Ns | None = None
        """From when on the stream is whole again if its next message proves that it flows."""

    def begin(self, at: Ns) -> None:
        """Observe from this instant on, unless that is so already or a gap waits for its proof."""
        if self._since is None and self._resume_at is None:
            self._since = at
            self._join()

    def end(self, whole_until: Ns) -> None:
        """The connection is gone; before `whole_until` nothing is missing. `begin` begins anew."""
        if self._since is not None and self._since < whole_until:
            self._stretches.append((self._since, whole_until))
        self._since = self._resume_at = None

    def interrupt(self, at: Ns, whole_until: Ns) -> None:
        """Trades between the two instants are missing. The stream goes on: its next trade proves it."""
        if self._since is None and self._resume_at is None:
            return
        self.end(whole_until)
        self._resume_at = at

    def resume(self) -> None:
        """The stream flows: nothing is missing since the interruption."""
        if self._resume_at is not None:
            self._since, self._resume_at = self._resume_at, None
            self._join()

    def on_trade(self, at: Ns, trade: TradePrinted) -> None:
        """Count a trade that came over the stream, once."""
        self.resume()
        self.begin(at)
        if trade.trade_id in self._seen:
            return
        self._remember(at, trade)
        self._evict(at)
        qty = signed_qty(trade)
        self._entries.append((at, qty))
        self._sum += qty

    def fill(self, since: Ns, until: Ns, trades: Iterable[TradePrinted], now: Ns) -> None:
        """Take all trades of [since, until) as REST tells them, in any order; known ones count once.

        They count when the exchange says that they happened, though never after `now`: the stream's count
        when they arrived, so the two differ by the transport and the clocks' skew.
        """
        fresh = []
        for trade in trades:
            at = min(now, trade.received_at if trade.sent_at is None else trade.sent_at)
            if at > now - WINDOW and trade.trade_id not in self._seen:
                self._remember(at, trade)
                fresh.append((at, signed_qty(trade)))
        if fresh:
            self._entries = deque(sorted([*self._entries, *fresh], key=lambda entry: entry[0]))
            self._sum += sum(qty for _, qty in fresh)
        if since < until:
            self._stretches.append((since, until))
            self._join()
        self._evict(now)

    def flow(self, now: Ns) -> Qty | None:
        """Return the sum over (now - a minute, now]; None unless every trade of it is known."""
        if self._since is None or self._since > now - WINDOW:
            return None
        if self._entries and self._entries[0][0] <= now - WINDOW:
            self._evict(now)
        return self._sum

    def _remember(self, at: Ns, trade: TradePrinted) -> None:
        # Twice as long as the window: the two clocks may differ by some seconds.
        seen = self._seen
        seen[trade.trade_id] = at
        while seen[oldest := next(iter(seen))] <= at - 2 * WINDOW:
            del seen[oldest]

    def _evict(self, now: Ns) -> None:
        entries = self._entries
        while entries and entries[0][0] <= now - WINDOW:
            self._sum -= entries.popleft()[1]
        while self._stretches and self._stretches[0][1] <= now - WINDOW:
            del self._stretches[0]

    def _join(self) -> None:
        """Merge the stretches that touch, and those that touch the present one into it."""
        merged: list[tuple[Ns, Ns]] = []
        for start, end in sorted(self._stretches):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        while self._since is not None and merged and merged[-1][1] >= self._since:
            self._since = min(self._since, merged.pop()[0])
        self._stretches = merged
