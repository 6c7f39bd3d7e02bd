"""Is what a decision rests on to be trusted? Asked at the decision, and again at the moment of sending."""

from __future__ import annotations

from daemon.core.book import Book
from daemon.core.lag import TransportLag
from daemon.core.limits import Limits
from daemon.core.markets import MarketSpec
from daemon.core.risk.refusals import Refusal
from daemon.core.units import Ns


class FeedHealth:
    """What we know of one of the venue's connections: up or not, when it was last heard, how late it is."""

    __slots__ = ("has_trade_hole", "heard_at", "is_connected", "lag", "traded_at")

    def __init__(self) -> None:
        self.is_connected = False
        self.heard_at: Ns | None = None
        self.lag = TransportLag()
        self.has_trade_hole = False
        """Whether trades are missing and none came since: the next one proves that the stream goes on."""
        self.traded_at: Ns = 0
        """When it brought its last public trade: none was missed before that. 0 before the first one."""

    def vouch(self, limits: Limits, now: Ns) -> Refusal | None:
        """Return why the connection is not to be trusted; None when it is."""
        heard_at, lag, offset = self.heard_at, self.lag.lag, self.lag.offset
        if not self.is_connected or heard_at is None:
            return "feed_down"
        if now - heard_at > limits.feed_silent_max:
            return "feed_silent"
        if lag is not None and lag > limits.transport_lag_max:
            return "transport_lag"
        if offset is not None and abs(offset) > limits.clock_offset_max:
            return "clock_skew"
        return None


def vouch_market(
    spec: MarketSpec,
    book: Book,
    book_changed_max: Ns | None,
    limits: Limits,
    now: Ns,
    close_guard: Ns | None = None,
) -> Refusal | None:
    """Return why this market may not be traded at this instant; None when it may.

    `close_guard` is the strategy's own, None for the one of the limits.
    """
    if not book.is_synced:
        return "book_unsynced"
    if book_changed_max is not None:
        changed_at = book.changed_at
        if changed_at is None or now - changed_at > book_changed_max:
            return "book_unchanged"
    if spec.status != "active" or not spec.open_at <= now < spec.close_at:
        return "market_not_open"
    if spec.close_at - now < (limits.close_guard if close_guard is None else close_guard):
        return "close_too_near"
    return None


def vouch_entry(
    limits: Limits, model_expires_at: Ns | None, *, is_reference_stale: bool, now: Ns
) -> Refusal | None:
    """Return why no position may be entered at this instant, though one may be left; None when it may.

    Args:
        limits: the limits.
        model_expires_at: when the model expires; None for never.
        is_reference_stale: whether the model needs the underlying's price and no source of it is well.
        now: the instant.
    """
    if limits.hours is not None and not limits.hours.is_open(now):
        return "outside_hours"
    if model_expires_at is not None and now >= model_expires_at:
        return "model_expired"
    return "reference_stale" if is_reference_stale else None
