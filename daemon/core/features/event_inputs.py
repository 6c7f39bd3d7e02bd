"""What the markets of one event share: the quotes of all of them that are watched, and how they are ordered.

A market's own features tell its event of every change of its best levels, at a constant cost; what takes
all markets together (the implied distribution) is computed when it is read, once per change. Nothing here
marks a market for a decision: a market is decided when its own inputs change, and reads what its event is
at that instant.

Rules: a market counts until its outcome is told or it is closed. A lost book is unknown. An absent bid
stands at 0 and an absent ask at one dollar; a book without either says nothing.
"""

from __future__ import annotations

from bisect import bisect_left

from daemon.core.features.implied import Points, Quoted, bound_of, survival
from daemon.core.markets import MarketSpec
from daemon.core.units import Ns, Price

_ENDED = frozenset({"closed", "determined", "disputed", "amended", "finalized"})


class EventMember:
    """One market's place in its event: taken where a feature reads the event, left when it is forgotten."""

    __slots__ = ("counts", "double_mid", "event", "is_synced", "spec")

    def __init__(self, event: EventInputs, spec: MarketSpec) -> None:
        self.event = event
        self.spec = spec
        self.is_synced = False
        self.double_mid: int | None = None
        """Bid plus ask, an absent side at the end of the scale; None while lost or without a quote."""
        self.counts = False
        event.join(self)

    def quote(self, bid: Price, ask: Price, *, is_empty: bool) -> None:
        """Take the best levels of a synced book."""
        self.is_synced = True
        self._tell(None if is_empty else bid + ask)

    def lose(self) -> None:
        """The book is lost."""
        self.is_synced = False
        self._tell(None)

    def relist(self, spec: MarketSpec) -> None:
        """Take the listing as it is now."""
        self.spec = spec
        self.event.relist(self)

    def _tell(self, double_mid: int | None) -> None:
        event = self.event
        event.revision += 1
        if self.counts:
            event.add(self.double_mid, -1)
            event.add(double_mid, 1)
        self.double_mid = double_mid


class EventInputs:
    """The watched markets of one event. `revision` grows with whatever changes an answer."""

    __slots__ = ("_distributions", "_ladders", "_total", "_unknown", "members", "revision")

    def __init__(self) -> None:
        self.members: dict[str, EventMember] = {}
        self.revision = 0
        self._total = 0
        self._unknown = 0
        self._distributions: dict[Ns, tuple[int, Points | None]] = {}
        """By the instant at which they close: of which revision, and what it says."""
        self._ladders: dict[Ns, list[tuple[int, int]]] = {}

    def join(self, member: EventMember) -> None:
        """Take a market that is watched from here on. One of the same ticker is replaced."""
        ticker = member.spec.ticker
        if ticker in self.members:
            self.leave(ticker)
        self.members[ticker] = member
        self.relist(member)

    def leave(self, ticker: str) -> None:
        """A market isn't watched any more."""
        member = self.members.pop(ticker, None)
        if member is None:
            return
        if member.counts:
            self.add(member.double_mid, -1)
            member.counts = False
        self._changed()

    def relist(self, member: EventMember) -> None:
        """A member's listing changed."""
        counts = member.spec.status not in _ENDED
        if counts != member.counts:
            member.counts = counts
            self.add(member.double_mid, 1 if counts else -1)
        self._changed()

    def add(self, double_mid: int | None, times: int) -> None:
        """Add what a counted market stands at to the sum, or take it away."""
        if double_mid is None:
            self._unknown += times
        else:
            self._total += double_mid * times

    def double_sum(self) -> int | None:
        """Return the sum of the doubled mids of all that count; None while one is unknown, or none counts."""
        # A quote has at least one side, and none is 0: only the sum of nothing is.
        return None if self._unknown or not self._total else self._total

    def rank(self, spec: MarketSpec) -> tuple[int, int] | None:
        """Return how many markets stand below this one, and how many others there are.

        Of those with a known number that close with it; None when its own is not known.
        """
        bound = bound_of(spec)
        if bound is None:
            return None
        ladder = self._ladders.get(spec.close_at)
        if ladder is None:
            peers = [m.spec for m in self.members.values() if m.spec.close_at == spec.close_at]
            bounds = [bound_of(peer) for peer in peers]
            ladder = self._ladders[spec.close_at] = sorted(one for one in bounds if one is not None)
        return bisect_left(ladder, bound), len(ladder) - 1

    def distribution(self, close_at: Ns) -> Points | None:
        """Return what the markets that close at an instant say of the number they ask for. See `implied`."""
        known = self._distributions.get(close_at)
        if known is None or known[0] != self.revision:
            quoted = [
                Quoted(member.spec, member.double_mid)
                for member in self.members.values()
                if member.counts and member.spec.close_at == close_at
            ]
            is_lost = any(
                member.counts and not member.is_synced and member.spec.close_at == close_at
                for member in self.members.values()
            )
            known = self._distributions[close_at] = (self.revision, None if is_lost else survival(quoted))
        return known[1]

    def _changed(self) -> None:
        self.revision += 1
        self._ladders.clear()
        self._distributions.clear()


class Events:
    """The events of the watched markets, by ticker."""

    __slots__ = ("_events",)

    def __init__(self) -> None:
        self._events: dict[str, EventInputs] = {}

    def of(self, event_ticker: str) -> EventInputs:
        """Return an event's inputs, new ones for one that is not known."""
        return self._events.setdefault(event_ticker, EventInputs())

    def forget(self, event_ticker: str, ticker: str) -> None:
        """A market isn't watched any more; with its last one the event goes."""
        event = self._events.get(event_ticker)
        if event is not None:
            event.leave(ticker)
            if not event.members:
                del self._events[event_ticker]

    def __len__(self) -> int:
        return len(self._events)
