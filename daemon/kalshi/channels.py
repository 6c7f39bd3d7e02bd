"""One channel of a connection: what is wanted of it, what was asked for, and the sid that it has.

A market is in one of these places of a channel, and moves by what we want and what the venue answers:

    missing ─asked→ members ─no longer wanted→ gone ─delete sent→ leaving ─acknowledged→ (nowhere, or missing)
       ↑────refused────┘

(`gone` ones are still members.) So the commands to send are always what lies in `missing` and `gone`: the
work is proportional to the change, however many markets there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from daemon.core.units import SECOND, Ns

BOOKS: Final = "orderbook_delta"
TRADES: Final = "trade"
LIFECYCLE: Final = "market_lifecycle_v2"
INDEX: Final = "cfbenchmarks_value"
ORDER_GROUPS: Final = "order_group_updates"
PRIVATE: Final = ("fill", "user_orders", "market_positions", ORDER_GROUPS)

TICKERS_PER_COMMAND: Final = 100
"""400 in one subscription were used without an error (sheet 2.4, code 26)."""
ACK_PATIENCE: Ns = 10 * SECOND
DELAY_MAX: Ns = 30 * SECOND
FORGIVEN_AFTER: Ns = 60 * SECOND
NO_ENTITLEMENT_DELAY: Ns = 600 * SECOND
"""A channel that we can do without, and that was refused, is asked for again after this."""
DELETE_PATIENCE: Ns = 2 * SECOND
CAPACITY_BELIEVED_FOR: Ns = 600 * SECOND
"""How long a subscription that was full (code 26) is taken to be full."""

Number: TypeAlias = Literal["next", "duplicate", "gap", "reset"]


class Stream:
    """A sid of this connection and the last sequence number seen on it; 0 before the first."""

    __slots__ = ("channel", "last_seq", "sid")

    def __init__(self, sid: int, channel: str) -> None:
        self.sid = sid
        self.channel = channel
        self.last_seq = 0

    def take(self, seq: int) -> Number:
        """Take the number of a frame and return what it says.

        Numbers count up from one per sid, over all markets and message types of that sid:

            number    = last + 1   next
                      = last       a duplicate: the frame was seen
                      > last + 1   a gap: frames are missing
                      < last       a reset: the count started over
                      first one    next if it is 1, else a gap: something came before it

        The first number of a book's sid may be any: no book is synced before its snapshot, none is lost.
        """
        last = self.last_seq
        if seq == last:
            return "duplicate"
        self.last_seq = seq
        if seq == last + 1 or (last == 0 and self.channel == BOOKS):
            return "next"
        return "gap" if seq > last else "reset"


class Channel:
    """The state of one channel. `wanted` are the markets wanted now, shared with who changes them."""

    __slots__ = (
        "added_at",
        "adds_open",
        "asked_at",
        "capacity",
        "capacity_at",
        "deletes_at",
        "failed_at",
        "failures",
        "gone",
        "index_ids",
        "is_broken",
        "is_per_market",
        "leaving",
        "members",
        "missing",
        "name",
        "portion",
        "retry_at",
        "stream",
        "unsure",
        "wanted",
    )

    def __init__(
        self,
        name: str,
        wanted: Mapping[str, object] | None = None,
        *,
        index_ids: tuple[str, ...] = (),
    ) -> None:
        """Build.

        Args:
            name: the venue's name of the channel.
            wanted: the markets, for a channel that is asked for by market; None for one that isn't.
            index_ids: the indices, for the channel of index values.
        """
        self.name = name
        self.is_per_market = wanted is not None
        self.wanted: Mapping[str, object] = {} if wanted is None else wanted
        self.index_ids = index_ids
        self.failures = 0
        self.failed_at: Ns = 0
        self.reset()
        self.retry_at: Ns = 0
        self.is_broken = False
        """Whether it failed since it was last whole: what it carries may have holes."""

    def reset(self) -> None:
        """Forget what was asked: nothing is ours, everything wanted is missing."""
        self.stream: Stream | None = None
        """The sid that is ours, and its numbers; None while there is none."""
        self.asked_at: Ns | None = None
        """When a subscribe was sent that is not answered yet."""
        self.members: dict[str, None] = {}
        """Markets asked for, in order."""
        self.missing: dict[str, None] = dict.fromkeys(self.wanted)
        self.gone: dict[str, None] = {}
        self.leaving: dict[str, Ns] = {}
        """Markets whose delete is not acknowledged yet, by when it was sent."""
        self.unsure: dict[str, None] = {}
        """Those of the members whose delete was never answered: it may be carried out yet."""
        self.portion = TICKERS_PER_COMMAND
        """How many markets go into one command; halved by code 26 until the venue accepts."""
        self.adds_open = 0
        """How many commands that add markets are not answered yet."""
        self.added_at: Ns = 0
        self.capacity: int | None = None
        """How many markets the subscription holds, once the venue refused a single one more."""
        self.capacity_at: Ns = 0
        self.deletes_at: Ns = 0
        """When markets may be deleted again, after a delete was refused."""

    @property
    def sid(self) -> int | None:
        """The channel's sid; None while it has none."""
        return None if self.stream is None else self.stream.sid

    @property
    def is_whole(self) -> bool:
        """Whether everything wanted of it was asked for, and the venue has answered."""
        return self.stream is not None and not self.missing and not self.adds_open

    @property
    def unplaced(self) -> list[str]:
        """Markets that the venue has no room for in this subscription."""
        is_full = self.capacity is not None and len(self.members) >= self.capacity
        return list(self.missing) if is_full else []

    def want(self, tickers: Iterable[str]) -> None:
        """Take note that these markets are wanted now."""
        for ticker in tickers:
            if ticker in self.unsure:
                # Kept as a member, a market that the venue has left would look subscribed for ever.
                self.not_asked([ticker])
            elif ticker in self.members:
                self.gone.pop(ticker, None)
            elif ticker not in self.leaving:
                self.missing[ticker] = None

    def unwant(self, tickers: Iterable[str]) -> None:
        """Take note that these markets are not wanted any more."""
        for ticker in tickers:
            self.missing.pop(ticker, None)
            if ticker in self.members:
                self.gone[ticker] = None

    def asked(self, tickers: Iterable[str]) -> None:
        """Take note that these markets are being asked for."""
        for ticker in tickers:
            self.missing.pop(ticker, None)
            self.members[ticker] = None

    def not_asked(self, tickers: Iterable[str]) -> None:
        """Take back what was asked for: it was refused."""
        for ticker in tickers:
            self.members.pop(ticker, None)
            self.gone.pop(ticker, None)
            self.unsure.pop(ticker, None)
            if ticker in self.wanted:
                self.missing[ticker] = None

    def deleted(self, tickers: Iterable[str], now: Ns) -> None:
        """Take note that the venue is being told to leave these markets."""
        for ticker in tickers:
            self.gone.pop(ticker, None)
            self.members.pop(ticker, None)
            self.unsure.pop(ticker, None)
            self.leaving[ticker] = now

    def left(self, tickers: Iterable[str]) -> None:
        """Take note that the venue has left these markets; one that is wanted again is missing."""
        for ticker in tickers:
            if self.leaving.pop(ticker, None) is not None and ticker in self.wanted:
                self.missing[ticker] = None
        # There is room again: large portions may pass.
        self.portion = TICKERS_PER_COMMAND

    def not_left(self, tickers: Iterable[str], now: Ns) -> None:
        """Take back a delete: it was refused, or never answered. It is sent again after a while."""
        for ticker in tickers:
            if self.leaving.pop(ticker, None) is None:
                continue
            if ticker in self.wanted:
                # Adding what the venue still has changes nothing there.
                self.missing[ticker] = None
            else:
                self.members[ticker] = None
                self.gone[ticker] = None
                self.unsure[ticker] = None
        self.deletes_at = now + DELETE_PATIENCE

    def fail(self, now: Ns) -> None:
        """Put the next attempt off: at once after the first failure in a minute, then 1 s, 2 s, … 30 s."""
        self.is_broken = True
        if now - self.failed_at > FORGIVEN_AFTER:
            self.failures = 0
        self.failures += 1
        self.failed_at = now
        delay = 0 if self.failures == 1 else min(SECOND << min(self.failures - 2, 8), DELAY_MAX)
        self.retry_at = now + delay

    def give_up(self, now: Ns) -> None:
        """Put the next attempt off for long: we may not have this channel, and can do without."""
        self.fail(now)
        self.retry_at = now + NO_ENTITLEMENT_DELAY

    def is_too_much(self, count: int, now: Ns) -> bool:
        """Take note that so many markets were too many (code 26); True when there is no room for even one."""
        self.portion = max(1, min(self.portion, count // 2))
        self.is_broken = True
        if count > 1:
            return False
        self.capacity, self.capacity_at = len(self.members), now
        return True

    def room(self, now: Ns) -> int | None:
        """Return how many markets more fit; None when that isn't known."""
        if self.capacity is None:
            return None
        if now - self.capacity_at >= CAPACITY_BELIEVED_FOR:
            self.capacity = None
            self.portion = TICKERS_PER_COMMAND
            return None
        return max(0, self.capacity - len(self.members))
