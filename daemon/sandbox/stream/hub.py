"""Fan-out: facts become frames, each body encoded once, for whoever subscribed.

The ticker channel is conflated: a market's summary is sent when its top of book changed or it traded, at
most ten times a second (protocol sheet 11, row 12); a tape's own summaries are sent as recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from daemon.core.units import MICROSECOND, MILLISECOND, Money, Ns, Qty
from daemon.exchange import facts
from daemon.exchange.exchange import Exchange
from daemon.exchange.market import Market
from daemon.exchange.shadow import ShadowBook
from daemon.sandbox.bodies import time_text
from daemon.sandbox.flow import IndexPrinted, SequenceJumped, SpotPrinted, Telling
from daemon.sandbox.market_bodies import market_id
from daemon.sandbox.stream import frames, lifecycle_frames
from daemon.sandbox.stream.commands import CHANNELS, Command
from daemon.sandbox.stream.index_feed import IndexFeed
from daemon.sandbox.stream.subscription import Ladders, StreamLimits, Subscription
from daemon.sandbox.stream.subscriptions import ClientSession

TICKER_GAP: Final[Ns] = 100 * MILLISECOND
"""Between two summaries of a market (sheet 11, row 12)."""
UNKNOWN_BOOK: Final[Ladders] = ((), ())
"""What is told of an unknown market's book: it is empty, and the subscription is kept (sheet 11, row 4)."""


@lru_cache(maxsize=256)
def _time(at: Ns) -> str:
    return time_text(at // MICROSECOND * MICROSECOND)


class Hub:
    """All client sessions, and what each is to be told.

    Args:
        exchange: whose books snapshots and summaries show.
        user_id: the client account's, which private messages carry.
        is_tape: whether unknown books are to be waited for instead of being shown empty.

    It is what sessions see of the venue (`VenueView`).
    """

    def __init__(self, exchange: Exchange, user_id: str, *, is_tape: bool) -> None:
        self._exchange = exchange
        self._user_id = user_id
        self._is_tape = is_tape
        self._sessions: dict[ClientSession, None] = {}
        self._listeners: dict[str, list[Subscription]] = {channel: [] for channel in CHANNELS}
        self._book_listeners: dict[str, list[Subscription]] = {}
        """Of each market, as far as it was asked for since the last change."""
        self._now: Ns = 0
        self.limits = StreamLimits()
        self.command_fault: Callable[[Command], int | None] | None = None
        self._index_feed = IndexFeed()
        self._events = {market.spec.event_ticker: None for market in exchange.markets.values()}
        self._tickers_by_id: dict[str, str] = {}
        self._ids_known = 0
        self._suspect: dict[str, None] = {}
        """A tape's markets whose book is in doubt since a jump of the recorded sequence."""
        self._touched: dict[str, None] = {}
        """Markets whose summary may have changed."""
        self._last_qtys: dict[str, Qty | None] = {}
        """The size of each market's last trade: what its summary shows, and the market doesn't keep."""
        self._summaries: dict[str, facts.TickerTold] = {}

    # --- sessions ----------------------------------------------------------------------------

    def open_session(self, account: str) -> ClientSession:
        """Return a new session."""
        session = ClientSession(account, self)
        self._sessions[session] = None
        return session

    def close_session(self, session: ClientSession) -> None:
        """Forget a session."""
        self._sessions.pop(session, None)
        self.changed()

    @property
    def has_book_listener(self) -> bool:
        """Whether anyone follows an order book."""
        return bool(self._listeners["orderbook_delta"])

    def fail_channel(self, channel: str, code: int = 10) -> int:
        """End a channel's subscriptions of every session with a terminal error: a fault. Return how many."""
        failing = list(self._listeners[channel])
        for subscription in failing:
            subscription.session.fail(subscription.sid, code)
        return len(failing)

    # --- what sessions see -------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """The sandbox's clock in ms."""
        return self._now // MILLISECOND

    @property
    def index_ids(self) -> tuple[str, ...]:
        """All indices."""
        return self._index_feed.index_ids

    def changed(self) -> None:
        """Take note of who listens to what."""
        self._book_listeners.clear()
        for listeners in self._listeners.values():
            listeners.clear()
        for session in self._sessions:
            for subscription in session.subscriptions.values():
                self._listeners[subscription.channel].append(subscription)

    def ladders(self, ticker: str) -> Ladders | None:
        """Return a market's levels, empty ones of an unknown market; None while a tape hasn't told them."""
        market = self._exchange.markets.get(ticker)
        if market is None:
            return None if self._is_tape else UNKNOWN_BOOK
        book = market.book
        if isinstance(book, ShadowBook) and (not book.has_snapshot or ticker in self._suspect):
            return None
        return book.levels("yes"), book.levels("no")

    def summary(self, ticker: str) -> bytes | None:
        """Return a market's current ticker body; None for an unknown market."""
        market = self._exchange.markets.get(ticker)
        if market is None:
            return None
        told = frames.ticker_of(market, self._last_qtys.get(ticker), self._now)
        return frames.ticker_body(told, market.dollar_volume)

    def open_tickers(self) -> list[str]:
        """Return the markets that trade."""
        return [ticker for ticker, market in self._exchange.markets.items() if market.is_open(self._now)]

    def ticker_of(self, market_id_: str) -> str:
        """Return the ticker of a market id; of an unknown one the id itself, which no market has."""
        if self._ids_known != len(self._exchange.markets):
            # Once for each change of the list: a command may name thousands of ids that no market has.
            self._ids_known = len(self._exchange.markets)
            self._tickers_by_id = {market_id(ticker): ticker for ticker in self._exchange.markets}
        return self._tickers_by_id.get(market_id_, market_id_)

    # --- facts -------------------------------------------------------------------------------

    def set_time(self, now: Ns) -> None:
        """Tell the sandbox's time: what is sent from here on is stamped with it."""
        self._now = now

    def publish(self, tellings: list[Telling]) -> None:
        """Put every fact into the outboxes of those who are to know it."""
        tail = b',"sending_ts_ms":%d}\n' % (self._now // MILLISECOND)
        for fact in tellings:
            match fact:
                case facts.LevelChanged():
                    self._touched[fact.ticker] = None
                    self._tell_delta(fact, tail)
                case facts.Traded():
                    self._touched[fact.ticker] = None
                    self._last_qtys[fact.ticker] = fact.qty
                    self._tell("trade", "trade", fact.ticker, frames.trade_body(fact))
                case facts.BookReplaced():
                    self._touched[fact.ticker] = None
                    self._suspect.pop(fact.ticker, None)
                    self._tell_snapshot(fact)
                case facts.TickerTold():
                    self._summaries[fact.ticker] = fact
                    self._last_qtys[fact.ticker] = fact.last_qty
                    volume = self._exchange.markets[fact.ticker].dollar_volume
                    self._tell("ticker", "ticker", fact.ticker, frames.ticker_body(fact, volume))
                case SequenceJumped():
                    self._jump(fact.skipped)
                case SpotPrinted():
                    self._tell_index(self._index_feed.print(fact.symbol, fact.price, fact.at, self._now))
                case IndexPrinted():
                    self._tell_index(self._index_feed.value(fact.index_id, fact.value, fact.at, self._now))
                case facts.MarketCreated():
                    self._tell_event(fact)
                    self._tell_lifecycle(fact)
                case _:
                    self._tell_account(fact)
                    self._tell_lifecycle(fact)

    def _tell_account(self, fact: Telling) -> None:
        """Tell what happened to an account's orders, groups, money and positions."""
        match fact:
            case facts.OrderChanged(order=order):
                body = frames.user_order_body(order, self._user_id)
                self._tell("user_orders", "user_order", order.ticker, body, order.account)
            case facts.OrderGroupChanged():
                body = frames.order_group_body(fact)
                self._tell("order_group_updates", "order_group_updates", "", body, fact.account)
            case facts.Filled():
                self._tell("fill", "fill", fact.ticker, frames.fill_body(fact), fact.account)
            case facts.PositionChanged():
                body = frames.position_body(fact, self._user_id)
                self._tell("market_positions", "market_position", fact.ticker, body, fact.account)
            case _:
                pass

    def _tell_index(self, bodies: list[tuple[str, bytes]], channel: str = "cfbenchmarks_value") -> None:
        for index_id, body in bodies:
            self._tell(channel, channel, index_id, body)

    def _tell_event(self, fact: facts.MarketCreated) -> None:
        """Tell of a market's event, if this is its first market."""
        spec = fact.spec
        if spec.event_ticker not in self._events:
            self._events[spec.event_ticker] = None
            if not lifecycle_frames.is_combo(spec.ticker):
                body = lifecycle_frames.event_lifecycle_body(spec)
                self._tell("market_lifecycle_v2", "event_lifecycle", "", body)

    def _tell_lifecycle(self, fact: Telling) -> None:
        channel = "market_lifecycle_v2"
        if isinstance(fact, facts.EventFeesChanged):
            self._tell(channel, "event_fee_update", "", lifecycle_frames.event_fee_body(fact))
        if not isinstance(fact, facts.MarketFact):
            return
        ticker = fact.spec.ticker if isinstance(fact, facts.MarketCreated) else fact.ticker
        if lifecycle_frames.is_combo(ticker):
            return
        told = lifecycle_frames.lifecycle_body(fact)
        if told is not None:
            self._tell(channel, channel, "", told)

    def _tell_delta(self, fact: facts.LevelChanged, tail: bytes) -> None:
        bodies: dict[tuple[bool, bool], bytes] = {}
        ticker, is_no = fact.ticker, fact.side == "no"
        for subscription in self._listening(ticker):
            is_own = fact.account is not None and frames.sees(subscription.session.account, fact.account)
            key = (subscription.is_yes_price and is_no, is_own)
            body = bodies.get(key)
            if body is None:
                body = frames.delta_body(fact, _time(fact.at), is_yes_price=key[0], is_own=is_own)
                bodies[key] = body
            subscription.seq += 1
            subscription.session.outbox.append(
                b'{"type":"orderbook_delta","sid":%d,"seq":%d,"msg":%b%b'
                % (subscription.sid, subscription.seq, body, tail)
            )

    def _tell_snapshot(self, fact: facts.BookReplaced) -> None:
        for subscription in self._listening(fact.ticker):
            asked = subscription.awaited.pop(fact.ticker, [0])
            body = frames.snapshot_body(
                fact.ticker, fact.yes, fact.no, is_yes_price=subscription.is_yes_price
            )
            # One recorded snapshot is one message, however many asked: it answers the last.
            told = subscription.message("orderbook_snapshot", body, self.now_ms, asked[-1] or None)
            subscription.session.outbox.append(told)

    def _listening(self, ticker: str) -> list[Subscription]:
        """Return the subscriptions that follow a market's book."""
        found = self._book_listeners.get(ticker)
        if found is None:
            found = [one for one in self._listeners["orderbook_delta"] if one.wants(ticker)]
            self._book_listeners[ticker] = found
        return found

    def _tell(self, channel: str, kind: str, name: str, body: bytes, account: str | None = None) -> None:
        """Tell whoever follows a market or an index; with an account, only those who may see it."""
        for subscription in self._listeners[channel]:
            if not subscription.wants(name):
                continue
            if account is None or frames.sees(subscription.session.account, account):
                subscription.session.outbox.append(subscription.message(kind, body, self.now_ms))

    def _jump(self, skipped: int) -> None:
        for subscription in self._listeners["orderbook_delta"]:
            # A step back in the recording was a new count there; ours can't go below its own start.
            subscription.seq = max(0, subscription.seq + skipped)
        # What a gap swallowed may have changed any of the books.
        self._suspect.update(dict.fromkeys(self._exchange.markets))

    def forget(self, markets: Iterable[Market]) -> None:
        """Drop what is known of markets that are long over; their tickers are unknown ones from here on."""
        for market in markets:
            ticker = market.ticker
            for known in (self._summaries, self._touched, self._suspect, self._book_listeners):
                known.pop(ticker, None)
            self._last_qtys.pop(ticker, None)
            self._events.pop(market.spec.event_ticker, None)

    # --- summaries ---------------------------------------------------------------------------

    def tell_tickers(self) -> None:
        """Send the summaries that are due: of markets, and the fast ones of indices."""
        if self._listeners["cfbenchmarks_value_5hz"]:
            self._tell_index(self._index_feed.fast(self._now), "cfbenchmarks_value_5hz")
        if not self._listeners["ticker"]:
            # Who comes later is shown the state of that moment: nothing is made for nobody.
            self._touched.clear()
            return
        later: dict[str, None] = {}
        for ticker in self._touched:
            market = self._exchange.markets.get(ticker)
            if market is None or market.book.is_shadow:
                continue
            last = self._summaries.get(ticker)
            if last is not None and self._now - last.at < TICKER_GAP:
                later[ticker] = None
                continue
            told = frames.ticker_of(market, self._last_qtys.get(ticker), self._now)
            if last is not None and _shows_the_same(last, told):
                continue
            self._summaries[ticker] = told
            volume: Money = market.dollar_volume
            self._tell("ticker", "ticker", ticker, frames.ticker_body(told, volume))
        self._touched = later


def _shows_the_same(one: facts.TickerTold, other: facts.TickerTold) -> bool:
    return (one.bid, one.ask, one.bid_size, one.ask_size, one.volume) == (
        other.bid,
        other.ask,
        other.bid_size,
        other.ask_size,
        other.volume,
    )
