"""Where the live tier ends: what is older lives in the historical tier only (protocol sheet 4.4)."""

from __future__ import annotations

import msgspec

from daemon.core.units import DAY, Ns


class Cutoff(msgspec.Struct, frozen=True, gc=False):
    """The instants before which something is historical."""

    market_settled: Ns
    trades_created: Ns
    orders_updated: Ns
    market_positions_last_updated: Ns

    def is_archived_market(self, settled_at: Ns | None) -> bool:
        """Whether a market, with its candles, is historical: an unsettled one never is."""
        return settled_at is not None and settled_at < self.market_settled

    def is_archived_order(self, updated_at: Ns, *, is_resting: bool) -> bool:
        """Whether an order is historical: a resting one never is."""
        return not is_resting and updated_at < self.orders_updated

    def is_archived_trade(self, at: Ns) -> bool:
        """Whether a public trade or a fill is historical."""
        return at < self.trades_created

    def is_archived_position(self, updated_at: Ns, *, is_settled: bool) -> bool:
        """Whether a position is historical: an unsettled one never is, however old."""
        return is_settled and updated_at < self.market_positions_last_updated


class CutoffRule(msgspec.Struct, frozen=True, gc=False):
    """How the cutoffs follow from the time: so long ago, on a whole `step` (a UTC day, as recorded).

    The venue's own lengths are a target, not a promise; a test shortens them to see both sides.
    """

    live_for: Ns = 60 * DAY
    orders_live_for: Ns = 14 * DAY
    step: Ns = DAY

    def at(self, now: Ns) -> Cutoff:
        """Return the cutoffs at an instant."""
        old = (now - self.live_for) // self.step * self.step
        orders = (now - self.orders_live_for) // self.step * self.step
        return Cutoff(old, old, orders, old)
