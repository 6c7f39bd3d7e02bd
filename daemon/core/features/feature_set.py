"""The set of features that one market keeps up to date.

Rules: time is told and never goes back; unknown is None; the loss of the book ends all windows of the
book, and they warm up again from nothing; those of trades live by the trade stream's own continuity.
"""

from __future__ import annotations

from array import array
from functools import cache
from math import nan
from typing import TypeAlias, get_args

import msgspec

from daemon.core.book import Book
from daemon.core.events import CandleBackfilled, DailyBarRead, TradePrinted, TradesBackfilled
from daemon.core.features.catalogue import feature_of
from daemon.core.features.event_inputs import EventInputs
from daemon.core.features.inputs import MarketInputs, Reference
from daemon.core.features.reference import ReferenceFeatures
from daemon.core.features.statistic import Changes, Feature, Reading, Statistic, WindowSum
from daemon.core.features.totals import DUE, FIRST, TotalLog
from daemon.core.features.windows import NEVER
from daemon.core.markets import MarketSpec
from daemon.core.scorer import FeatureSchema
from daemon.core.units import Ns, Qty, Side


class _Plan(msgspec.Struct, frozen=True):
    """Where in a schema's row stands what changes with what: the same for all markets.

    Readings with their places, and statistics by (place, number among the market's own).
    """

    of_quote: tuple[tuple[int, Reading], ...]
    of_top: tuple[tuple[int, Reading], ...]
    of_book: tuple[tuple[int, Reading], ...]
    of_spot: tuple[tuple[int, Reading], ...]
    of_past: tuple[tuple[int, Reading], ...]
    always: tuple[tuple[int, Reading], ...]
    of_mid: tuple[tuple[int, int], ...]
    of_trades: tuple[tuple[int, int], ...]
    always_own: tuple[tuple[int, int], ...]


@cache
def _plan_of(schema: FeatureSchema) -> _Plan:
    readings: dict[Changes, list[tuple[int, Reading]]] = {changes: [] for changes in get_args(Changes)}
    own: dict[Changes, list[tuple[int, int]]] = {changes: [] for changes in get_args(Changes)}
    count = 0
    for place, name in enumerate(schema.names):
        definition, feature = feature_of(name)
        if issubclass(feature, Reading):
            readings[feature.changes].append((place, feature(definition)))
        elif not _is_sum(feature):
            own[feature.changes].append((place, count))
            count += 1
    kinds: tuple[Changes, ...] = ("quote", "top", "book", "spot", "past", "always")
    quote, top, book, spot, past, always = (tuple(readings[one]) for one in kinds)
    mid, trades, always_own = (tuple(own[one]) for one in ("mid", "trades", "always"))
    return _Plan(quote, top, book, spot, past, always, mid, trades, always_own)


def _is_sum(feature: type[Feature]) -> bool:
    """Whether it is a sum that every row asks: its log is read for it, without an object of its own."""
    return issubclass(feature, WindowSum) and feature.changes == "always"


_Sums: TypeAlias = tuple[tuple[int, int, int, int], ...]
"""Place in the row, number of the log, place of the window there, unit."""


@cache
def _shared(sums: _Sums) -> _Sums:
    """Return the first one that is equal: all markets of a schema have it in common."""
    return sums


class FeatureSet:
    """The features of one market, in a schema's order."""

    __slots__ = (
        "_add_mid", "_due_at", "_flow", "_inputs", "_is_book_stale", "_is_quote_stale", "_is_top_stale",
        "_logs", "_messages", "_mid_due_at", "_now", "_past", "_past_due_at", "_plan", "_removed", "_row",
        "_spot_revision", "_statistics", "_sums", "_trades_due_at", "schema",
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
        # Of a market's own are few objects: with thousands of markets each one more is a wait.
        self._plan = _plan_of(schema)
        self._statistics, self._sums, self._logs = self._build()
        self._row = array("d", [nan] * len(schema.names))
        """The last answers, NaN for what is unknown: floats of their own lie all over the memory."""
        # A change behind the best levels leaves what is made of them alone as it was, and so on.
        self._is_quote_stale = self._is_top_stale = self._is_book_stale = True
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
        self._flow, self._messages = inputs.flow.counting(), inputs.messages.counting()
        self._removed = inputs.removed.counting()
        mids = (inputs.mids, inputs.minutes, inputs.hours, inputs.ranges)
        self._add_mid = tuple(stream.add for stream in mids if stream.is_read)
        self._now: Ns = 0

    def _build(self) -> tuple[tuple[Statistic, ...], _Sums, tuple[TotalLog, ...]]:
        """Build this market's own statistics; return them, and where the sums are that every row asks."""
        own: list[Statistic] = []
        sums, logs = [], list[TotalLog]()
        for place, name in enumerate(self.schema.names):
            definition, feature = feature_of(name)
            if not issubclass(feature, Statistic):
                continue
            statistic = feature(self._inputs, definition)
            if isinstance(statistic, WindowSum) and _is_sum(feature):
                window = statistic.window
                if window.log not in logs:
                    logs.append(window.log)
                sums.append((place, logs.index(window.log), window.place, statistic.unit))
            else:
                own.append(statistic)
        return tuple(own), _shared(tuple(sums)), tuple(logs)

    def on_spec(self, spec: MarketSpec) -> None:
        """Take the market's listing as it is now (strike, close time)."""
        self._inputs.spec = spec
        self._spot_revision = -1
        if self._inputs.member is not None:
            self._inputs.member.relist(spec)

    def on_book(  # noqa: C901 - with every delta: calls would cost as much as what they do
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
            self._is_quote_stale = self._is_top_stale = True
            self._mid_due_at = self._due_at = 0
            if inputs.book is not None:
                inputs.end()
            return
        top = inputs.top
        bid, ask, double_mid = top.bid, top.ask, top.double_mid
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
            if top.bid is not bid or top.ask is not ask:
                self._is_quote_stale = True
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
        self._is_quote_stale = self._is_top_stale = True
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
        return [None if value != value else value for value in self.values(now)]  # NaN

    def values(self, now: Ns) -> array[float]:  # noqa: C901 - with every decision, as above
        """Return the features in schema order; NaN is unknown or warming up. Shape: (features,)."""
        if now < self._now:
            now = self._now
        else:
            self._now = now
        inputs, row, plan = self._inputs, self._row, self._plan
        spot = inputs.reference.in_force(now)
        if spot is not inputs.spot or spot.revision != self._spot_revision:
            self._renew_spot(spot, now)
        if self._is_book_stale:
            self._is_book_stale = False
            for place, reading in plan.of_book:
                row[place] = nan if (value := reading.get(inputs, now)) is None else value
            if self._is_top_stale:
                self._is_top_stale = False
                for place, reading in plan.of_top:
                    row[place] = nan if (value := reading.get(inputs, now)) is None else value
                if self._is_quote_stale:
                    self._is_quote_stale = False
                    for place, reading in plan.of_quote:
                        row[place] = nan if (value := reading.get(inputs, now)) is None else value
        if now >= self._due_at:
            self._renew_due(now)
        logs = self._logs
        for place, number, window, unit in self._sums:  # `WindowSum.get`, without objects and calls
            log = logs[number]
            buffer = log.buffer
            if now >= buffer[window + DUE]:
                log.look(window, now)
            first = buffer[window + FIRST]
            row[place] = (buffer[-1] - buffer[first - 1]) / unit if first else nan
        for place, reading in plan.always:
            row[place] = nan if (value := reading.get(inputs, now)) is None else value
        for place, number in plan.always_own:
            row[place] = nan if (value := self._statistics[number].get(now)) is None else value
        return row[:]

    def _renew_spot(self, spot: ReferenceFeatures, now: Ns) -> None:
        """Ask anew what hangs on the reference price now; what hangs on its past is due."""
        inputs, row = self._inputs, self._row
        inputs.spot, self._spot_revision = spot, spot.revision
        self._past_due_at = self._due_at = 0
        for place, reading in self._plan.of_spot:
            row[place] = nan if (value := reading.get(inputs, now)) is None else value

    def _renew_due(self, now: Ns) -> None:
        """Ask anew what may have ended by the time alone, or by news; find out when the next is due."""
        plan = self._plan
        if now >= self._mid_due_at:
            self._mid_due_at = self._renew(plan.of_mid, now)
        if now >= self._trades_due_at:
            self._trades_due_at = self._renew(plan.of_trades, now)
        if now >= self._past_due_at:
            spot = self._inputs.spot
            past = spot.past(now)
            self._past_due_at = spot.past_due_at
            if past is not self._past:
                self._past = past
                for place, reading in plan.of_past:
                    self._row[place] = nan if (value := reading.get(self._inputs, now)) is None else value
        self._due_at = min(self._mid_due_at, self._trades_due_at, self._past_due_at)

    def _renew(self, places: tuple[tuple[int, int], ...], now: Ns) -> Ns:
        """Ask the statistics at these places anew; return when the first of the answers may end."""
        row, due_at = self._row, NEVER
        for place, number in places:
            statistic = self._statistics[number]
            row[place] = nan if (value := statistic.get(now)) is None else value
            due_at = min(due_at, statistic.due_at(now))
        return due_at

    def _at(self, now: Ns) -> Ns:
        # Two feeds' stamps can be handled out of order by some microseconds: time never goes back.
        if now < self._now:
            return self._now
        self._now = now
        return now
