"""The set of features that one market keeps up to date.

Rules: time is told and never goes back; unknown is None; the loss of the book ends all windows of the
book, and they warm up again from nothing; those of trades live by the trade stream's own continuity.
"""

from __future__ import annotations

from functools import cache
from typing import get_args

from daemon.core.book import Book
from daemon.core.events import CandleBackfilled, DailyBarRead, TradePrinted, TradesBackfilled
from daemon.core.features.catalogue import statistic_of
from daemon.core.features.event_inputs import EventInputs
from daemon.core.features.inputs import MarketInputs, Reference
from daemon.core.features.reference import ReferenceFeatures
from daemon.core.features.statistic import Changes
from daemon.core.features.windows import NEVER
from daemon.core.markets import MarketSpec
from daemon.core.scorer import FeatureSchema
from daemon.core.units import Ns, Qty, Side


@cache
def _places_of(schema: FeatureSchema) -> tuple[tuple[int, ...], ...]:
    """Return the places of what changes with each of `Changes`: for all markets."""
    changes = [statistic_of(name)[1].changes for name in schema.names]
    return tuple(
        tuple(place for place, kind in enumerate(changes) if kind == wanted) for wanted in get_args(Changes)
    )


class FeatureSet:
    """The features of one market, in a schema's order."""

    __slots__ = (
        "_add_mid", "_due_at", "_flow", "_inputs", "_is_book_stale", "_is_top_stale", "_messages",
        "_mid_due_at", "_now", "_past", "_past_due_at", "_places", "_removed", "_row", "_spot_revision",
        "_statistics", "_trades_due_at", "schema",
    )  # fmt: skip

    def __init__(
        self,
        schema: FeatureSchema,
        spec: MarketSpec,
        reference: Reference,
        event: EventInputs | None = None,
        releases: tuple[Ns, ...] = (),
    ) -> None:
        """Build cold.

        Args:
            schema: the features, in order.
            spec: the market.
            reference: its underlying's price.
            event: what the markets of its event share; None for a market that is alone.
            releases: when something is released that moves it, in order.

        Raises:
            ValueError: the schema names a feature that doesn't exist.
        """
        self.schema = schema
        self._inputs = MarketInputs(spec, reference, EventInputs() if event is None else event, releases)
        found = [statistic_of(name) for name in schema.names]
        # One list, and places that all markets share: with thousands of markets each object more is a wait.
        self._statistics = [statistic(self._inputs, definition) for definition, statistic in found]
        self._places = _places_of(schema)
        self._row: list[float | None] = [None] * len(found)
        # A change behind the best levels leaves what is made of them alone as it was, and so on.
        self._is_top_stale = self._is_book_stale = True
        self._mid_due_at: Ns = 0
        self._trades_due_at: Ns = 0
        self._past_due_at: Ns = 0
        self._due_at: Ns = 0
        """The first of these: of an idle market a row looks at this one alone."""
        self._spot_revision = -1
        self._past: tuple[float | None, ...] | None = None
        """What the reference price's past was in the last row."""
        inputs = self._inputs
        # What nobody reads is not kept: looked up once, for a book changes hundreds of times a second.
        self._flow = inputs.flow if inputs.flow.is_read else None
        self._messages = inputs.messages if inputs.messages.is_read else None
        self._removed = inputs.removed if inputs.removed.is_read else None
        mids = (inputs.mids, inputs.minutes, inputs.hours, inputs.ranges)
        self._add_mid = tuple(stream.add for stream in mids if stream.is_read)
        self._now: Ns = 0

    def on_spec(self, spec: MarketSpec) -> None:
        """Take the market's listing as it is now (strike, close time)."""
        self._inputs.spec = spec
        self._spot_revision = -1
        if self._inputs.member is not None:
            self._inputs.member.relist(spec)

    def on_book(
        self, book: Book, now: Ns, delta: Qty = 0, side: Side | None = None, is_behind: bool = False
    ) -> None:
        """Take the book after every applied snapshot, delta or loss; `delta` is what a level changed by.

        `side`: of which outcome, None where it may be both. `is_behind`: it stands behind that side's best,
        so that the best levels are as they were. The book is read again by `row`, so the same object must be
        kept up to date and every change of it be told here.
        """
        if now < self._now:
            now = self._now
        else:
            self._now = now
        inputs = self._inputs
        self._is_book_stale = True
        if not book.is_synced:
            self._is_top_stale = True
            self._mid_due_at = self._due_at = 0
            if inputs.book is not None:
                inputs.end()
            return
        top = inputs.top
        double_mid = top.double_mid
        has_changed = not is_behind and top.update(book, side)
        if inputs.book is None:
            self._begin(book, now)
            return
        inputs.heard_at = now
        if self._messages is not None:
            self._messages.add(now, 1)
        if delta < 0 and self._removed is not None:
            self._removed.add(now, -delta)
        if has_changed:
            self._is_top_stale = True
            inputs.top_changed_at = now
            if self._flow is not None and top.flow:
                self._flow.add(now, top.flow)
            if inputs.member is not None:
                inputs.member.quote(top.bid, top.ask, is_empty=not (top.bid_size or top.ask_size))
            if top.double_mid is not double_mid and top.double_mid != double_mid:
                self._mid_due_at = self._due_at = 0
                for add in self._add_mid:
                    add(now, top.double_mid)

    def _begin(self, book: Book, now: Ns) -> None:
        """The book is there: its windows begin, and nothing of this message lies within them."""
        inputs = self._inputs
        inputs.book = book
        self._is_top_stale = True
        self._mid_due_at = self._trades_due_at = self._due_at = 0
        inputs.begin(now)
        top = inputs.top
        for add in self._add_mid:
            add(now, top.double_mid)
        if inputs.member is not None:
            inputs.member.quote(top.bid, top.ask, is_empty=not (top.bid_size or top.ask_size))

    def on_trade(self, trade: TradePrinted) -> None:
        """Take a public trade; one that is known already counts once."""
        self._trades_due_at = self._due_at = 0
        self._inputs.trades.on_trade(self._at(trade.received_at), trade)

    def on_trades_backfilled(self, event: TradesBackfilled) -> None:
        """Take an interval of trades from REST: it fills the holes of the stream that it covers."""
        self._trades_due_at = self._due_at = 0
        now = self._at(event.received_at)
        self._inputs.trades.fill(event.since, event.until, event.trades, now)

    def on_stream_begun(self, at: Ns) -> None:
        """The connection is up: trades are observed from here on."""
        self._trades_due_at = self._due_at = 0
        self._inputs.trades.begin(self._at(at))

    def on_stream_ended(self, whole_until: Ns) -> None:
        """The connection is gone: trades after `whole_until` may be missing. Tell of the book apart."""
        self._trades_due_at = self._due_at = 0
        self._inputs.trades.end(whole_until)

    def on_trades_lost(self, at: Ns, whole_until: Ns) -> None:
        """Trades between the two instants are missing; the connection's next trade proves that it goes on."""
        self._trades_due_at = self._due_at = 0
        self._inputs.trades.interrupt(self._at(at), whole_until)

    def on_trades_resumed(self) -> None:
        """The connection brought a trade of some market: its stream flows again."""
        self._trades_due_at = self._due_at = 0
        self._inputs.trades.resume()

    def on_candle(self, candle: CandleBackfilled) -> None:
        """Take a candle of the past, in any order, before or after the book's snapshot.

        Finished candles of a minute or an hour that end on a whole one count, if a feature reads so far
        back; others are ignored.
        """
        inputs = self._inputs
        self._mid_due_at = self._due_at = 0
        for mids in (inputs.minutes, inputs.hours):
            if mids.is_read:
                mids.on_candle(candle)

    def on_daily_bar(self, bar: DailyBarRead) -> None:
        """Take a past day's bar, in any order; one that is told again replaces the first."""
        self._inputs.daily.on_bar(bar)

    def row(self, now: Ns) -> list[float | None]:
        """Return the features in schema order; None is unknown or warming up."""
        if now < self._now:
            now = self._now
        else:
            self._now = now
        inputs, row, statistics = self._inputs, self._row, self._statistics
        of_top, of_book, _, _, _, _, others = self._places
        spot = inputs.reference.in_force(now)
        if spot is not inputs.spot or spot.revision != self._spot_revision:
            self._renew_spot(spot, now)
        if self._is_book_stale:
            self._is_book_stale = False
            for place in of_book:
                row[place] = statistics[place].get(now)
            if self._is_top_stale:
                self._is_top_stale = False
                for place in of_top:
                    row[place] = statistics[place].get(now)
        if now >= self._due_at:
            self._renew_due(now)
        for place in others:
            row[place] = statistics[place].get(now)
        return row[:]

    def _renew_spot(self, spot: ReferenceFeatures, now: Ns) -> None:
        """Ask anew what hangs on the reference price now; what hangs on its past is due."""
        inputs, row = self._inputs, self._row
        inputs.spot, self._spot_revision = spot, spot.revision
        self._past_due_at = self._due_at = 0
        for place in self._places[3]:
            row[place] = self._statistics[place].get(now)

    def _renew_due(self, now: Ns) -> None:
        """Ask anew what may have ended by the time alone, or by news; find out when the next is due."""
        _, _, of_mid, _, of_past, of_trades, _ = self._places
        if now >= self._mid_due_at:
            self._mid_due_at = self._renew(of_mid, now)
        if now >= self._trades_due_at:
            self._trades_due_at = self._renew(of_trades, now)
        if now >= self._past_due_at:
            spot = self._inputs.spot
            past = spot.past(now)
            self._past_due_at = spot.past_due_at
            if past is not self._past:
                self._past = past
                for place in of_past:
                    self._row[place] = self._statistics[place].get(now)
        self._due_at = min(self._mid_due_at, self._trades_due_at, self._past_due_at)

    def _renew(self, places: tuple[int, ...], now: Ns) -> Ns:
        """Ask the statistics at these places anew; return when the first of the answers may end."""
        row, due_at = self._row, NEVER
        for place in places:
            statistic = self._statistics[place]
            row[place] = statistic.get(now)
            due_at = min(due_at, statistic.due_at(now))
        return due_at

    def _at(self, now: Ns) -> Ns:
        # Two feeds' stamps can be handled out of order by some microseconds: time never goes back.
        if now < self._now:
            return self._now
        self._now = now
        return now
