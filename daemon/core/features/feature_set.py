"""The set of features that one market keeps up to date.

Rules: time is told and never goes back; unknown is None; the loss of the book ends all windows of the
book, and they warm up again from nothing; those of trades live by the trade stream's own continuity.
"""

from __future__ import annotations

from daemon.core.book import Book
from daemon.core.events import CandleBackfilled, TradePrinted, TradesBackfilled
from daemon.core.features.catalogue import statistic_of
from daemon.core.features.inputs import MarketInputs, Reference
from daemon.core.features.statistic import Statistic
from daemon.core.markets import MarketSpec
from daemon.core.scorer import FeatureSchema
from daemon.core.units import Ns


class FeatureSet:
    """The features of one market, in a schema's order."""

    def __init__(self, schema: FeatureSchema, spec: MarketSpec, reference: Reference) -> None:
        """Build cold.

        Raises:
            ValueError: the schema names a feature that doesn't exist.
        """
        self.schema = schema
        self._inputs = MarketInputs(spec, reference)
        found = [statistic_of(name) for name in schema.names]
        statistics = [statistic(self._inputs, definition) for definition, statistic in found]
        self._get = [statistic.get for statistic in statistics]
        # Hooks are looked up once: a change of the book must not call what nobody defined.
        self._on_begin = [s.on_begin for s in statistics if type(s).on_begin is not Statistic.on_begin]
        self._on_end = [s.on_end for s in statistics if type(s).on_end is not Statistic.on_end]
        self._on_top = [s.on_top for s in statistics if type(s).on_top is not Statistic.on_top]
        self._on_mid = [s.on_mid for s in statistics if type(s).on_mid is not Statistic.on_mid]
        self._now: Ns = 0

    def on_spec(self, spec: MarketSpec) -> None:
        """Take the market's listing as it is now (strike, close time)."""
        self._inputs.spec = spec

    def on_book(self, book: Book, now: Ns) -> None:
        """Take the book after every applied snapshot, delta or loss.

        The book is read again by `row`, so the same object must be kept up to date and every change
        of it be told here.
        """
        now = self._at(now)
        inputs = self._inputs
        top = inputs.top
        if not book.is_synced:
            if inputs.book is not None:
                self._end()
            return
        is_new = inputs.book is None
        inputs.book = book
        double_mid = top.double_mid
        has_changed = top.update(book)
        if is_new:
            inputs.trades.begin(now)  # a market's two subscriptions are made together
            for on_begin in self._on_begin:
                on_begin(now)
        elif has_changed:
            for on_top in self._on_top:
                on_top(now)
        if is_new or top.double_mid != double_mid:
            inputs.minutes.add(now, top.double_mid)
            for on_mid in self._on_mid:
                on_mid(now)

    def on_trade(self, trade: TradePrinted) -> None:
        """Take a public trade; one that is known already counts once."""
        self._inputs.trades.on_trade(self._at(trade.received_at), trade)

    def on_trades_backfilled(self, event: TradesBackfilled) -> None:
        """Take an interval of trades from REST: it fills the holes of the stream that it covers."""
        now = self._at(event.received_at)
        self._inputs.trades.fill(event.since, event.until, event.trades, now)

    def on_stream_begun(self, at: Ns) -> None:
        """The connection is up: trades are observed from here on."""
        self._inputs.trades.begin(self._at(at))

    def on_stream_ended(self, whole_until: Ns) -> None:
        """The connection is gone: trades after `whole_until` may be missing. Tell of the book apart."""
        self._inputs.trades.end(whole_until)

    def on_trades_lost(self, at: Ns, whole_until: Ns) -> None:
        """Trades between the two instants are missing; the connection's next trade proves that it goes on."""
        self._inputs.trades.interrupt(self._at(at), whole_until)

    def on_trades_resumed(self) -> None:
        """The connection brought a trade of some market: its stream flows again."""
        self._inputs.trades.resume()

    def on_candle(self, candle: CandleBackfilled) -> None:
        """Take a candle of the past, in any order, before or after the book's snapshot.

        Finished one-minute candles that end on a whole minute count; others are ignored. They serve
        the mid's momentum over a minute and more, and its realised volatility.
        """
        self._inputs.minutes.on_candle(candle)

    def row(self, now: Ns) -> list[float | None]:
        """Return the features in schema order; None is unknown or warming up."""
        now = self._at(now)
        self._inputs.spot = self._inputs.reference.in_force(now)
        return [get(now) for get in self._get]

    def _at(self, now: Ns) -> Ns:
        # Two feeds' stamps can be handled out of order by some microseconds: time never goes back.
        if now < self._now:
            return self._now
        self._now = now
        return now

    def _end(self) -> None:
        inputs = self._inputs
        inputs.book = None
        inputs.top.forget()
        inputs.minutes.end()
        for on_end in self._on_end:
            on_end()
