"""One channel of one connection: what it names, its numbers, its limits; and what it sees of the venue."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import msgspec

from daemon.core.events import Level
from daemon.sandbox.stream.commands import SEQUENCED, Command, CommandRefused
from daemon.sandbox.stream.frames import frame

if TYPE_CHECKING:
    from daemon.sandbox.stream.subscriptions import ClientSession

RATE_WINDOW_MS: Final = 1_000

SESSION_NAMES_MAX: Final = 500_000
SESSION_COMMANDS_PER_S_MAX: Final = 10_000
"""Sanity caps of one connection, over all of its subscriptions. Source: protocol sheet 2.8."""

Ladders: TypeAlias = tuple[tuple[Level, ...], tuple[Level, ...]]
"""YES and NO levels, each ascending on its own scale."""


class Subscription:
    """One channel of one connection."""

    __slots__ = (
        "awaited",
        "channel",
        "is_sequenced",
        "is_silent",
        "is_yes_price",
        "names",
        "recent_ms",
        "seq",
        "session",
        "sid",
    )

    def __init__(self, session: ClientSession, sid: int, channel: str) -> None:
        self.session = session
        self.sid = sid
        self.channel = channel
        self.is_sequenced = channel in SEQUENCED
        self.seq = 0
        self.names: dict[str, None] | None = {}
        """Markets, or indices, in the order of their adding; None: all."""
        self.is_yes_price = False
        self.is_silent = False
        """Whether `ok` leaves the names out."""
        self.awaited: dict[str, list[int]] = {}
        """Tickers whose snapshot was asked for but isn't known yet, and the commands that asked."""
        self.recent_ms: deque[int] = deque()
        """When the commands of the last second came."""

    def wants(self, name: str) -> bool:
        """Whether a market or an index belongs to it."""
        return self.names is None or name in self.names

    def next_seq(self) -> int | None:
        """Return the next message's number; None on an unsequenced channel."""
        if not self.is_sequenced:
            return None
        self.seq += 1
        return self.seq

    def message(self, kind: str, body: bytes, sending_ts_ms: int, id: int | None = None) -> bytes:
        """Return a frame of this subscription, which takes the next number."""
        return frame(kind, body, sending_ts_ms, id=id, sid=self.sid, seq=self.next_seq())


class StreamLimits(msgspec.Struct, frozen=True):
    """The unpublished limits behind codes 26 and 27: configurable, off by default (sheet 11, row 5)."""

    markets_per_subscription: int | None = None
    commands_per_s: int | None = None
    """Of one subscription."""
    session_names: int = SESSION_NAMES_MAX
    session_commands_per_s: int = SESSION_COMMANDS_PER_S_MAX

    def check_size(self, subscription: Subscription | None, names: Iterable[str] | None) -> None:
        """Check that names may be added to a subscription, or to a new one.

        Raises:
            CommandRefused: 26, more markets than one subscription may have; names the first one too many.
        """
        limit = self.markets_per_subscription
        known = {} if subscription is None else subscription.names
        if limit is None or names is None or known is None:
            return
        count = len(known)
        for name in names:
            count += name not in known
            if count > limit:
                raise CommandRefused(26, sid=subscription.sid if subscription else None, ticker=name)

    def check_rate(self, subscription: Subscription, now_ms: int) -> None:
        """Count a command of a subscription.

        Raises:
            CommandRefused: 27, they come too fast.
        """
        limit, recent = self.commands_per_s, subscription.recent_ms
        if limit is None:
            return
        while recent and recent[0] <= now_ms - RATE_WINDOW_MS:
            recent.popleft()
        if len(recent) >= limit:
            raise CommandRefused(27, sid=subscription.sid)
        recent.append(now_ms)


class VenueView(Protocol):
    """What a session sees of the venue."""

    limits: StreamLimits
    command_fault: Callable[[Command], int | None] | None
    """Names the error code that answers a command instead of its being carried out: a fault. None: none."""

    @property
    def now_ms(self) -> int:
        """The sandbox's clock in ms."""

    @property
    def index_ids(self) -> tuple[str, ...]:
        """All indices."""

    def ladders(self, ticker: str) -> Ladders | None:
        """Return a market's levels, empty ones of an unknown market; None while a tape hasn't told them."""

    def summary(self, ticker: str) -> bytes | None:
        """Return a market's current ticker body; None for an unknown market."""

    def open_tickers(self) -> list[str]:
        """Return the markets that trade."""

    def ticker_of(self, market_id: str) -> str:
        """Return the ticker of a market id; of an unknown one the id itself, which no market has."""

    def changed(self) -> None:
        """Hear that the set of subscriptions, or what they name, changed."""
