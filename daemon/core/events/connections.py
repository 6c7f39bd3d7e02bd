"""What happens to our connections, and to the shape of what comes over them."""

from __future__ import annotations

from daemon.core.events.fact import Fact, Feed
from daemon.core.units import Ns


class FeedConnected(Fact, frozen=True):
    """A connection is up. Its books stay unsynced until their snapshots."""

    feed: Feed
    received_at: Ns


class FeedDropped(Fact, frozen=True):
    """A connection is gone: nothing that came over it is vouched for any more."""

    feed: Feed
    reason: str
    received_at: Ns


class FeedHeard(Fact, frozen=True):
    """A connection is alive though it brought no event of its own; `sent_at` if what came was stamped."""

    feed: Feed
    received_at: Ns
    sent_at: Ns | None = None


class FrameRefused(Fact, frozen=True):
    """A frame of a shape that we don't know, or with a value that can't be: schema drift, if it repeats."""

    feed: Feed
    shape: str
    received_at: Ns


class ChannelQuieted(Fact, frozen=True):
    """A channel is silent against its own history while others of its connection speak; or speaks again.

    `silent_for` is None when it speaks again.
    """

    feed: Feed
    channel: str
    silent_for: Ns | None
    received_at: Ns


class TradesLost(Fact, frozen=True):
    """The trade stream of a connection has a hole: trades of any of its markets may be missing."""

    feed: Feed
    reason: str
    received_at: Ns
