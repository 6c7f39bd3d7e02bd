"""Fan-out: facts become frames, each body encoded once, for whoever subscribed.

The ticker channel is conflated: a market's summary is sent when its top of book changed or it traded, at
most ten times a second (protocol sheet 11, row 12); a tape's own summaries are sent as recorded.
"""

from __future__ import annotations

from functools import lru_cache

from daemon.core.units import MICROSECOND, MILLISECOND, Money, Ns, Qty
from daemon.exchange import facts
from daemon.exchange.exchange import Exchange
from daemon.exchange.shadow import ShadowBook
from daemon.sandbox import frames
from daemon.sandbox.bodies import time_text
from daemon.sandbox.flow import SequenceJumped, Telling
from daemon.sandbox.subscriptions import CHANNELS, ClientSession, Ladders, Subscription

TICKER_GAP: Ns = 100 * MILLISECOND


@lru_cache(maxsize=256)
def _time(at: Ns) -> str:
    return time_text(at // MICROSECOND * MICROSECOND)


class Hub:
    """All client sessions, and what each is to be told.

    Args:
        exchange: whose books snapshots and summaries show.
        user_id: the client account's, which private messages carry.
        is_tape: whether unknown books are to be waited for instead of being shown empty.
    """

    def __init__(self, exchange: Exchange, user_id: str, *, is_tape: bool) -> None:
        self._exchange = exchange
        self._user_id = user_id
        self._is_tape = is_tape
        self._sessions: dict[ClientSession, None] = {}
        self._listeners: dict[str, list[Subscription]] = {channel: [] for channel in CHANNELS}
        self._now: Ns = 0
        self._suspect: dict[str, None] = {}
        """A tape's markets whose book is in doubt since a jump of the recorded sequence."""
        self._touched: dict[str, Qty | None] = {}
        """Markets whose summary may have changed, and the size of their last trade."""
        self._summaries: dict[str, facts.TickerTold] = {}

    # --- sessions ----------------------------------------------------------------------------

    def open_session(self, account: str) -> ClientSession:
        """Return a new session."""
        session = ClientSession(
            account,
            book=self._ladders,
            ticker=self._ticker_body,
            now_ms=lambda: self._now // MILLISECOND,
            on_change=self._index,
        )
        self._sessions[session] = None
        return session

    def close_session(self, session: ClientSession) -> None:
        """Forget a session."""
        self._sessions.pop(session, None)
        self._index()

    @property
    def has_book_listener(self) -> bool:
        """Whether anyone follows an order book."""
        return bool(self._listeners["orderbook_delta"])

    def _index(self) -> None:
        for listeners in self._listeners.values():
            listeners.clear()
        for session in self._sessions:
            for subscription in session.subscriptions.values():
                self._listeners[subscription.channel].append(subscription)

    def _ladders(self, ticker: str) -> Ladders | None:
        market = self._exchange.markets.get(ticker)
        if market is None:
            return None if self._is_tape else ((), ())
        book = market.book
        if isinstance(book, ShadowBook) and (not book.has_snapshot or ticker in self._suspect):
            return None
        return book.levels("yes"), book.levels("no")

    def _ticker_body(self, ticker: str) -> bytes | None:
        market = self._exchange.markets.get(ticker)
        if market is None:
            return None
        told = self._summaries.get(ticker)
        last_qty = told.last_qty if told is not None else None
        return frames.ticker_body(frames.ticker_of(market, last_qty, self._now), market.dollar_volume)

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
                    self._touched.setdefault(fact.ticker, None)
                    self._tell_delta(fact, tail)
                case facts.Traded():
                    self._touched[fact.ticker] = fact.qty
                    self._tell("trade", "trade", fact.ticker, frames.trade_body(fact))
                case facts.BookReplaced():
                    self._touched.setdefault(fact.ticker, None)
                    self._suspect.pop(fact.ticker, None)
                    self._tell_snapshot(fact)
                case facts.TickerTold():
                    self._summaries[fact.ticker] = fact
                    volume = self._exchange.markets[fact.ticker].dollar_volume
                    self._tell("ticker", "ticker", fact.ticker, frames.ticker_body(fact, volume))
                case facts.OrderChanged(order=order):
                    body = frames.user_order_body(order, self._user_id)
                    self._tell("user_orders", "user_order", order.ticker, body, order.account)
                case facts.Filled():
                    self._tell("fill", "fill", fact.ticker, frames.fill_body(fact), fact.account)
                case facts.PositionChanged():
                    body = frames.position_body(fact, self._user_id)
                    self._tell("market_positions", "market_position", fact.ticker, body, fact.account)
                case SequenceJumped():
                    self._jump(fact.skipped)
                case _:
                    self._tell_lifecycle(fact)

    def _tell_lifecycle(self, fact: Telling) -> None:
        if isinstance(fact, facts.MarketFact):
            body = frames.lifecycle_body(fact)
            if body is not None:
                self._tell("market_lifecycle_v2", "market_lifecycle_v2", "", body)

    def _tell_delta(self, fact: facts.LevelChanged, tail: bytes) -> None:
        bodies: dict[tuple[bool, bool], bytes] = {}
        ticker, is_no = fact.ticker, fact.side == "no"
        for subscription in self._listeners["orderbook_delta"]:
            if not subscription.wants(ticker):
                continue
            is_own = fact.account is not None and fact.account == subscription.session.account
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
        for subscription in self._listeners["orderbook_delta"]:
            if subscription.wants(fact.ticker):
                asked = subscription.awaited.pop(fact.ticker, [0])
                body = frames.snapshot_body(
                    fact.ticker, fact.yes, fact.no, is_yes_price=subscription.is_yes_price
                )
                # One recorded snapshot is one message, however many asked: it answers the last.
                told = subscription.message(
                    "orderbook_snapshot", body, self._now // MILLISECOND, asked[-1] or None
                )
                subscription.session.outbox.append(told)

    def _tell(self, channel: str, kind: str, ticker: str, body: bytes, account: str | None = None) -> None:
        for subscription in self._listeners[channel]:
            if subscription.wants(ticker) and account in {None, subscription.session.account}:
                told = subscription.message(kind, body, self._now // MILLISECOND)
                subscription.session.outbox.append(told)

    def _jump(self, skipped: int) -> None:
        for subscription in self._listeners["orderbook_delta"]:
            # A step back in the recording was a new count there; ours can't go below its own start.
            subscription.seq = max(0, subscription.seq + skipped)
        # What a gap swallowed may have changed any of the books.
        self._suspect.update(dict.fromkeys(self._exchange.markets))

    # --- summaries ---------------------------------------------------------------------------

    def tell_tickers(self) -> None:
        """Send the summaries that are due."""
        later: dict[str, Qty | None] = {}
        for ticker, qty in self._touched.items():
            market = self._exchange.markets.get(ticker)
            if market is None or market.book.is_shadow:
                continue
            last = self._summaries.get(ticker)
            if last is not None and self._now - last.at < TICKER_GAP:
                later[ticker] = qty
                continue
            last_qty = qty if qty is not None or last is None else last.last_qty
            told = frames.ticker_of(market, last_qty, self._now)
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
