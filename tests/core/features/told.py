"""One market's features and the twin's history, told the same things. Shared by the feature tests."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import msgspec

from daemon.core.book import Book
from daemon.core.events import (
    BookDeltaReceived,
    BookSnapshotReceived,
    CandleBackfilled,
    DailyBarRead,
    Level,
    ReferenceCandleClosed,
    ReferencePriceReceived,
    TradePrinted,
    TradesBackfilled,
)
from daemon.core.features import CATALOGUE, FeatureSet, ReferenceFeatures, is_exact
from daemon.core.features.event_inputs import EventInputs
from daemon.core.markets import Fees, MarketSpec
from daemon.core.scorer import FeatureSchema
from daemon.core.units import DAY, MINUTE, MONEY_ONE, SECOND, Ns, PriceBand, Side
from tests.core.feature_twins import History, Top, twin_row
from tests.core.feature_twins.history import Peer

START: Ns = 1_790_000_100 * SECOND
STRIKE = 85_000 * MONEY_ONE
BEYOND = ("ofi_900s", "message_rate_900s", "trade_flow_900s", "volume_z_5s", "mean_deviation_1d")
"""Instances that the catalogue doesn't list: windows that are coarse, and that fill sooner."""
TWINNED = frozenset(twin_row(History(close_at=0, strike=None), START))
"""What the twins of one market's own history compute; events, releases and days are told elsewhere."""
SCHEMA = FeatureSchema(tuple(name for name in (*CATALOGUE, *BEYOND) if name in TWINNED))


def market(strike: int | None = STRIKE, close_at: Ns = START + 15 * MINUTE) -> MarketSpec:
    return MarketSpec(
        ticker="T",
        event_ticker="E",
        series_ticker="S",
        title="",
        status="active",
        open_at=START,
        close_at=close_at,
        strike=strike,
        strike_type="greater_or_equal",
        bands=(PriceBand(0, 10_000, 100),),
        fees=Fees("quadratic", 1_000_000),
        exchange_index=2,
        structure="exclusive",
    )


PEERS = {"LOW": Peer("below", STRIKE - 500 * MONEY_ONE), "HIGH": Peer("above", STRIKE + 500 * MONEY_ONE)}
"""The event's other markets: below it all, and above it all."""
RELEASES = (START + 30 * SECOND, START + 10 * MINUTE, START + 2 * DAY)


class TwoSources:
    """A source that is in force, and the settlement index beside it."""

    def __init__(self, price: ReferenceFeatures, index: ReferenceFeatures) -> None:
        self._price, self._index = price, index

    def in_force(self, now: Ns) -> ReferenceFeatures:  # noqa: ARG002 - there is one
        return self._price

    def index(self, now: Ns) -> ReferenceFeatures | None:  # noqa: ARG002
        return self._index


@dataclass
class Told:
    """One market's features and the twin's history, told the same things."""

    now: Ns = START
    strike: int | None = STRIKE
    book: Book = field(default_factory=lambda: Book("T"))
    reference: ReferenceFeatures = field(default_factory=ReferenceFeatures)
    index: ReferenceFeatures = field(default_factory=ReferenceFeatures)
    trade_ids: int = 0

    def __post_init__(self) -> None:
        spec = market(self.strike)
        self.history = History(
            close_at=spec.close_at, strike=self.strike, is_exclusive=True, releases=RELEASES
        )
        event = EventInputs()
        sources = TwoSources(self.reference, self.index)
        self.features = FeatureSet(SCHEMA, spec, sources, event, RELEASES)
        self.peers: dict[str, tuple[Book, FeatureSet]] = {}
        for ticker, peer in PEERS.items():
            other = msgspec.structs.replace(
                spec,
                ticker=ticker,
                strike=peer.number,
                strike_type="less" if peer.kind == "below" else "greater",
            )
            schema = FeatureSchema(("event_mid_sum",))
            self.peers[ticker] = Book(ticker), FeatureSet(schema, other, sources, event)
            self.history.peers[ticker] = replace(peer)

    def snapshot(self, yes: tuple[Level, ...], no: tuple[Level, ...]) -> None:
        self.book.apply_snapshot(BookSnapshotReceived("T", yes, no, self.now, None))
        self._tell_book()

    def delta(self, side: Side, price: int, delta: int) -> None:
        self.book.apply_delta(BookDeltaReceived("T", side, price, delta, self.now, None))
        self._tell_book(delta, side)

    def lose(self) -> None:
        self.book.lose("test")
        self._tell_book()

    def _tell_book(self, delta: int = 0, side: Side | None = None) -> None:
        self.features.on_book(self.book, self.now, delta, side)
        if not self.book.is_synced:
            if self.history.live():
                self.history.candles.clear()
            self.history.books.append(Top(self.now, None, None))
            return
        self.history.observe(self.now)
        bids = sorted(self.book.yes.sizes.items(), reverse=True)
        asks = sorted((10_000 - price, size) for price, size in self.book.no.sizes.items())
        self.history.books.append(Top(self.now, bids, asks, max(0, -delta)))

    def trade(self, qty: int, taker_side: Side) -> TradePrinted:
        """A trade that nobody saw before, over the stream."""
        self.trade_ids += 1
        trade = TradePrinted("T", str(self.trade_ids), 5_000 + qty, qty, taker_side, self.now, None)
        self.trade_again(trade)
        return trade

    def trade_again(self, trade: TradePrinted) -> None:
        """The same over the stream; its stamp is the instant at which it comes."""
        self.features.on_trade(trade)
        self.history.observe_trade(self.now)
        self.history.take_trade(self.now, trade.trade_id, signed(trade), trade.price)

    def missed_trade(self, qty: int, taker_side: Side, happened_at: Ns) -> TradePrinted:
        """A trade that the stream kept from us: only a backfill can tell it."""
        self.trade_ids += 1
        return TradePrinted("T", str(self.trade_ids), 5_000, qty, taker_side, self.now, happened_at)

    def backfill(self, since: Ns, until: Ns, trades: tuple[TradePrinted, ...]) -> None:
        """All trades of an interval, over REST."""
        self.features.on_trades_backfilled(TradesBackfilled("T", since, until, trades, self.now))
        self.history.fill(since, until)
        for trade in trades:
            happened_at = self.now if trade.sent_at is None else min(self.now, trade.sent_at)
            self.history.take_trade(happened_at, trade.trade_id, signed(trade), trade.price)

    def drop(self) -> None:
        """The connection is gone: book and trades with it."""
        self.lose()
        self.features.on_stream_ended(self.now - SECOND)
        self.history.stop_observing(self.now - SECOND)

    def connect(self) -> None:
        """The connection is up again."""
        self.features.on_stream_begun(self.now)
        self.history.observe(self.now)

    def lose_trades(self) -> None:
        """A gap in the trades."""
        self.features.on_trades_lost(self.now, self.now - 3 * SECOND)
        self.history.lose_trades(self.now, self.now - 3 * SECOND)

    def reference_candle(self, minutes_back: int, close: int, spread: int = 0) -> None:
        """A closed candle of the underlying that began whole minutes ago, and ranged over `spread`."""
        minute = self.now // MINUTE - minutes_back
        high, low = close + spread, close
        event = ReferenceCandleClosed(
            "x", "BTC/USD", MINUTE, minute * MINUTE, close, high, low, close, 0, self.now
        )
        self.reference.candles.on_candle(event)
        self.history.take_reference_candle(minute, close, high, low)

    def index_price(self, price: int | None) -> None:
        """The settlement index is told; None when it is lost."""
        if price is None:
            self.index.on_lost()
        else:
            self.index.on_price(ReferencePriceReceived("y", "BRTI", price, self.now, None))
        self.history.index_price = price

    def peer(self, ticker: str, bid: int, ask: int) -> None:
        """Another market of the event is quoted: 0 is no bid, 10,000 no ask."""
        book, features = self.peers[ticker]
        yes = ((bid, 100),) if bid else ()
        no = ((10_000 - ask, 100),) if ask < 10_000 else ()
        book.apply_snapshot(BookSnapshotReceived(ticker, yes, no, self.now, None))
        features.on_book(book, self.now)
        peer = self.history.peers[ticker]
        peer.is_synced = True
        peer.twice_mid = bid + ask if yes or no else None

    def lose_peer(self, ticker: str) -> None:
        """Another market's book is lost."""
        book, features = self.peers[ticker]
        book.lose("test")
        features.on_book(book, self.now)
        peer = self.history.peers[ticker]
        peer.is_synced, peer.twice_mid = False, None

    def bar(self, days_back: int, qty: int, price: int, yes_part: int) -> None:
        """A past day's bar: `qty` at one price, a part of it (in percent) bought by takers of YES."""
        day = self.now // DAY - days_back
        yes = qty * yes_part // 100
        paid = (yes * price, (qty - yes) * (10_000 - price))
        self.features.on_daily_bar(DailyBarRead("T", day, qty, qty * price, *paid, self.now))
        self.history.bars[day] = (qty, qty * price, *paid)

    def candle(self, ended_at: Ns, bid: int | None, ask: int | None, period: Ns = MINUTE) -> None:
        self.features.on_candle(CandleBackfilled("T", period, ended_at, bid, ask, 0, self.now))
        if ended_at % period == 0 and ended_at <= self.now:
            mid = None if bid is None or ask is None else bid + ask
            self.history.candles.append((period, ended_at, mid))

    def price(self, price: int) -> None:
        self.reference.on_price(ReferencePriceReceived("x", "BTC/USD", price, self.now, None))
        self.history.prices.append((self.now, price))

    def lose_reference(self) -> None:
        self.reference.on_lost()
        self.history.prices.clear()
        self.history.lose_reference_candles()

    def row(self) -> dict[str, float | None]:
        return dict(zip(SCHEMA.names, self.features.row(self.now), strict=True))

    def compare(self) -> None:
        """Exact for sums of integers, a 1e-9th for logarithms, and None exactly where the twin has None."""
        row, twin = self.row(), twin_row(self.history, self.now)
        for name in SCHEMA.names:
            expected, actual = twin[name], row[name]
            if is_exact(name) or expected is None or actual is None:
                assert (name, expected) == (name, actual)
            else:
                # Near zero a logarithm's and a sine's digits are those of the number that it is of.
                assert math.isclose(expected, actual, rel_tol=1e-9, abs_tol=1e-12), name


def signed(trade: TradePrinted) -> int:
    """The contracts that went to YES."""
    return trade.qty if trade.taker_side == "yes" else -trade.qty


def two_sided(told: Told) -> None:
    """Bid 0.40 x 10, ask 0.42 x 30."""
    told.snapshot(((4_000, 1_000),), ((5_800, 3_000),))
