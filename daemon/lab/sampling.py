"""Rows of a stream: the daemon's own beliefs and features, read at stated instants and at nothing else.

The events go through the core's own `State`, so that a row is computed by the very code that computes it
live. A row at t has seen what was received up to t and nothing after it. It is taken only where the daemon
would take one: the market is open, its book synced and its connection heard lately.

Two rules say when: `grid`, every so many nanoseconds, all open markets; `decision`, at the recorded
decisions, those markets that were touched since the last one, and all of them at a heartbeat, as the engine
does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.market import Market
from daemon.core.risk import FeedHealth
from daemon.core.scorer import FeatureSchema
from daemon.core.state import State
from daemon.core.units import SECOND, Ns, Price, Qty
from daemon.exchange.tape import TapeDecided, TapeSettings
from daemon.lab.tape_events import Happening

UNKNOWN_MID: Final = -1
"""Stands in a series of doubled mids where there is none: a side is missing, the book or its stream lost."""
HEARTBEAT: Final[Ns] = SECOND
SILENT_MAX: Final[Ns] = 10 * SECOND

_Heard: TypeAlias = e.BookDeltaReceived | e.BookSnapshotReceived | e.TradePrinted


class Sampling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When rows are taken.

    `every` is the grid's step, or the least time between two rows of a market at decisions, 0 for each one.
    Seed 0 puts the grid on whole multiples of the step since the epoch; another one shifts all of it by a
    part of a step that is drawn from it, for markets are quoted anew on whole seconds. `silent_max` is how
    long a connection may be silent before nothing that came over it is believed.
    """

    rule: Literal["grid", "decision"] = "grid"
    every: Ns = SECOND
    seed: int = 0
    silent_max: Ns = SILENT_MAX

    def __post_init__(self) -> None:
        """Refuse what is no rule. Raises ValueError."""
        if self.every < 0 or (self.rule == "grid" and self.every == 0):
            raise ValueError(f"sampling: every {self.every} ns; allowed: above 0, or 0 at decisions")
        if self.silent_max <= 0:
            raise ValueError(f"sampling: silent_max {self.silent_max} ns; allowed: above 0")

    def first_after(self, at: Ns) -> Ns:
        """Return the grid's first instant at or after an instant."""
        phase = 0
        if self.seed:
            phase = int.from_bytes(hashlib.sha256(str(self.seed).encode()).digest()[:8]) % self.every
        return -(-(at - phase) // self.every) * self.every + phase


class Row(msgspec.Struct, frozen=True):
    """One market at one instant: its features in schema order, and what could be traded against."""

    ticker: str
    at: Ns
    features: list[float | None]
    bid: Price | None
    ask: Price | None
    bid_size: Qty | None
    ask_size: Qty | None


class MidSeries(msgspec.Struct):
    """One market's doubled mid (half price units) from each instant on; UNKNOWN_MID where there is none."""

    at: list[Ns] = msgspec.field(default_factory=list)
    double_mid: list[int] = msgspec.field(default_factory=list)

    def note(self, at: Ns, double_mid: int) -> None:
        """Take what holds from an instant on; time never goes back."""
        if self.double_mid and self.double_mid[-1] == double_mid:
            return
        self.at.append(max(at, self.at[-1]) if self.at else at)
        self.double_mid.append(double_mid)


def double_mid_of(book: Book) -> int:
    """Return bid plus ask, UNKNOWN_MID while a side is missing or the book unsynced."""
    bid, ask = book.bid, book.ask
    return UNKNOWN_MID if bid is None or ask is None else bid + ask


def believing(schema: FeatureSchema, settings: TapeSettings | None) -> State:
    """Return the core's beliefs as a session begins: none. `settings` are of a journal, else the shipped."""
    if settings is None:
        return State(schema, "lab-")
    return State(
        schema,
        "lab-",
        reference=settings.reference,
        releases=settings.releases,
        audit_differences_max=settings.audit_differences_max,
    )


class Sampler:
    """Reads the rows of one session. `mids` and `last_at` are whole when the rows are."""

    def __init__(
        self, sampling: Sampling, schema: FeatureSchema, settings: TapeSettings | None = None
    ) -> None:
        self.mids: dict[str, MidSeries] = {}
        self.last_at: Ns = 0
        """The session's last instant so far."""
        self._sampling = sampling
        self._state = believing(schema, settings)
        self._heartbeat = HEARTBEAT if settings is None else settings.heartbeat
        self._swept_at: Ns | None = None
        self._sampled_at: dict[str, Ns] = {}

    def rows(self, happenings: Iterable[Happening]) -> Iterator[Row]:
        """Yield the session's rows in the order of their instants."""
        is_grid, every = self._sampling.rule == "grid", self._sampling.every
        next_at: Ns | None = None
        for event in happenings:
            now = event.received_at
            if now > self.last_at:
                if is_grid:
                    if next_at is None:
                        next_at = self._sampling.first_after(now)
                    while next_at < now:
                        yield from self._all_at(next_at)
                        next_at += every
                self.last_at = now
            if not isinstance(event, TapeDecided):
                self._take(event)
            elif not is_grid:
                yield from self._decided(event)
        self._end()

    # --- events --------------------------------------------------------------------------------

    def _take(self, event: e.Event) -> None:
        """Hand an event to the core, and note what it did to the mids."""
        state = self._state
        if type(event) is e.BookDeltaReceived:
            market = state.markets.get(event.ticker)
            if market is None:
                return
            self._hear(market.feed, event.received_at)
            state.apply_delta(event)
            self._note(event.ticker, market)
            return
        if isinstance(event, _Heard):
            market = state.markets.get(event.ticker)
            if market is not None:
                self._hear(market.feed, event.received_at)
        elif isinstance(event, e.FeedHeard):
            self._hear(state.connections.feeds.get(event.feed), event.received_at)
        state.apply(event)
        if isinstance(event, e.FeedDropped):
            for ticker, market in state.markets.items():
                self._note(ticker, market)
        elif isinstance(
            event, e.BookSnapshotReceived | e.BookLost | e.BookAudited | e.MarketRouted | e.MarketDropped
        ):
            self._note(event.ticker, state.markets.get(event.ticker))

    def _note(self, ticker: str, market: Market | None) -> None:
        series = self.mids.get(ticker)
        double_mid = UNKNOWN_MID if market is None else double_mid_of(market.book)
        if series is None:
            if double_mid == UNKNOWN_MID:
                return
            series = self.mids[ticker] = MidSeries()
        series.note(self.last_at, double_mid)

    def _hear(self, feed: FeedHealth | None, at: Ns) -> None:
        """A connection speaks: what it was silent about for too long was not known meanwhile."""
        if feed is None or feed.heard_at is None or at - feed.heard_at <= self._sampling.silent_max:
            return
        self._silence(feed)
        feed.heard_at = at
        for ticker, market in self._state.markets.items():
            if market.feed is feed:
                self._note(ticker, market)

    def _silence(self, feed: FeedHealth) -> None:
        assert feed.heard_at is not None, "silent since before it was heard"
        for ticker, market in self._state.markets.items():
            if market.feed is feed and ticker in self.mids:
                self.mids[ticker].note(feed.heard_at + self._sampling.silent_max, UNKNOWN_MID)

    def _end(self) -> None:
        for feed in self._state.feeds.values():
            if feed.heard_at is not None and self.last_at - feed.heard_at > self._sampling.silent_max:
                self._silence(feed)

    # --- rows ----------------------------------------------------------------------------------

    def _all_at(self, at: Ns) -> Iterator[Row]:
        for market in self._state.markets.values():
            market.open_by_clock(at)
            if self._is_open(market, at):
                yield _row_of(market, at)

    def _decided(self, decided: TapeDecided) -> Iterator[Row]:
        """Yield the rows of one decision: `Engine.decide` looks at the same markets."""
        state, now = self._state, decided.received_at
        if self._swept_at is None or now - self._swept_at >= self._heartbeat:
            self._swept_at = now
            state.forget_unwatched()
            state.touch_all()
        elif decided.is_all_touched:
            state.touch_all()
        state.touched.update(dict.fromkeys(decided.touched))
        touched, state.touched = state.touched, {}
        for ticker in touched:
            market = state.markets.get(ticker)
            if market is None:
                continue
            market.open_by_clock(now)
            before = self._sampled_at.get(ticker)
            is_due = before is None or now - before >= self._sampling.every
            if is_due and self._is_open(market, now):
                self._sampled_at[ticker] = now
                yield _row_of(market, now)

    def _is_open(self, market: Market, at: Ns) -> bool:
        """Whether the daemon could trade a market at an instant, its own account aside."""
        spec, heard_at = market.spec, market.feed.heard_at
        return (
            market.book.is_synced
            and spec.status == "active"
            and spec.open_at <= at < spec.close_at
            and not market.is_unwatched
            and heard_at is not None
            and at - heard_at <= self._sampling.silent_max
        )


def _row_of(market: Market, at: Ns) -> Row:
    book = market.book
    return Row(
        market.spec.ticker, at, market.features.row(at), book.bid, book.ask, book.bid_size, book.ask_size
    )
