"""The sandbox's one world: exchange, kept state, public past and fan-out, joined; and its clock.

Everything that happens goes through `tell`: kept first (committed), then told to the sessions, then written
to their sockets. So a reply, sent after `tell`, never precedes what a killed process would forget.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import deque
from collections.abc import Callable
from time import time_ns

import structlog

from daemon.core.units import MINUTE, Money, Ns
from daemon.exchange import facts
from daemon.exchange.exchange import Exchange
from daemon.exchange.market import Market
from daemon.sandbox.catalog import Catalog
from daemon.sandbox.chronicle import Chronicle
from daemon.sandbox.clock import SandboxClock
from daemon.sandbox.flow import Flow, History, MakeFlow, PastMarket, Resumed, SpotPrinted, Telling
from daemon.sandbox.maintenance import schedule_weekly
from daemon.sandbox.read_side import ReadSide
from daemon.sandbox.resuming import is_over, resume_accounts
from daemon.sandbox.sockets import Socket
from daemon.sandbox.state import Store
from daemon.sandbox.stream.hub import Hub

ACCOUNT = "client"
SPOTS_MAX = 1000

log = structlog.get_logger()


class IdSource:
    """Makes ids that look like the venue's and follow from a seed, the life's number and a count."""

    def __init__(self, seed: int, life: int) -> None:
        self._prefix = f"{seed}:{life}:".encode()
        self._count = 0

    def __call__(self) -> str:
        """Return the next id."""
        self._count += 1
        digest = hashlib.blake2b(self._prefix + b"%d" % self._count, digest_size=16).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


class Venue:
    """See the module's head.

    Args:
        store: the opened state.
        make_flow: makes the source of flow from what an earlier life left.
        seed: of ids and of the flow.
        cash: what the client account holds on a first start, by shard.
        speed: of the clock of simulated traders: times the wall's, or None to stand until it is moved. A
            tape has a time of its own.
    """

    def __init__(
        self,
        store: Store,
        make_flow: MakeFlow,
        *,
        seed: int,
        cash: dict[int, Money],
        speed: float | None = 1.0,
    ) -> None:
        self.store = store
        kept = store.load()
        started_at = time_ns()
        unsettled = [record for record in kept.markets if record.settled_at is None]
        self.flow: Flow = make_flow(
            Resumed(started_at, seed, kept.spot, tuple(record.spec for record in unsettled))
        )
        is_tape = self.flow.mode == "tape"
        if is_tape:
            store.clear()
        self.user_id = kept.user_id or str(uuid.uuid4())
        store.set_user_id(self.user_id)
        self.exchange = Exchange(IdSource(seed, kept.life))
        self.account = resume_accounts(
            store, self.exchange, None if is_tape else kept, ACCOUNT, cash, started_at
        )
        self.reads = ReadSide(self.exchange, ACCOUNT)
        self.speed = self.flow.speed if is_tape else speed
        """Sandbox seconds per second; None: in lockstep with a tape's followers, or moved by hand."""
        self.has_weekly_maintenance = False
        """Whether it is closed on Thursdays as the real one is."""
        self.clock = SandboxClock(self.flow.start_at, speed=None if is_tape else speed)
        self.chronicle = Chronicle()
        self.catalog = Catalog()
        self.spots: deque[SpotPrinted] = deque(maxlen=SPOTS_MAX)
        self.hub = Hub(self.exchange, self.user_id, is_tape=is_tape)
        self.flush: Callable[[], None] = lambda: None
        """Writes the outboxes to the sockets; set by the WebSocket server."""
        self.on_spot: Callable[[SpotPrinted], None] = lambda _: None
        """Set by the reference feed."""
        self.on_socket: Callable[[Socket, str], None] = lambda _socket, _stream: None
        """Told every new connection and its stream, "kalshi" or "kraken"; set by the faults."""
        self._forgot_at: Ns = self.clock.now()
        self._begin(self.flow.history())

    def _begin(self, history: History) -> None:
        now = self.clock.now()
        for past in history.markets:
            if past.spec.ticker not in self.exchange.markets:
                self.exchange.markets[past.spec.ticker] = _ended(past)
        self.chronicle.seed(history)
        if history.archive is not None:
            self.catalog.describe(history.archive.listing)
        for spot in history.spot:
            self.spots.append(spot)
        # What an earlier life left has its clock run on first: markets close, orders expire.
        left = self.exchange.advance(now)
        self.tell([*left, *self.flow.advance(self.exchange, now), *self.exchange.advance(now)])

    def tell(self, tellings: list[Telling]) -> None:
        """Keep, tell and send what happened."""
        self.keep(tellings)
        self.publish(tellings)

    def keep(self, tellings: list[Telling]) -> None:
        """Keep what happened, for the next life and for what REST shows of the past."""
        if tellings:
            self.store.save(tellings, self.exchange)
            self.reads.observe(tellings, self.clock.now())
            self._remember(tellings, self.clock.now())

    def publish(self, tellings: list[Telling]) -> None:
        """Tell the sessions what was kept, and send it."""
        self.hub.set_time(self.clock.now())
        if tellings:
            self.hub.publish(tellings)
        self.hub.tell_tickers()
        self.flush()

    def _remember(self, tellings: list[Telling], now: Ns) -> None:
        markets = self.exchange.markets
        quoted: dict[str, None] = {}
        for fact in tellings:
            match fact:
                case facts.LevelChanged():
                    quoted[fact.ticker] = None
                case facts.Traded():
                    self.chronicle.observe_trade(fact, markets[fact.ticker])
                case facts.EventFeesChanged():
                    self.chronicle.observe_fees(fact)
                case SpotPrinted():
                    self.spots.append(fact)
                    self.on_spot(fact)
                case facts.BookReplaced():
                    if markets[fact.ticker].is_open(now):
                        quoted[fact.ticker] = None
                case facts.MarketClosed():
                    quoted.pop(fact.ticker, None)
                    self.chronicle.finish(markets[fact.ticker])
                case _:
                    pass
        for ticker in quoted:
            if markets[ticker].is_open(now):
                self.chronicle.observe_quotes(markets[ticker], now)

    def roll(self) -> None:
        """Finish candles whose minute is over, and keep the last spot price: once a second will do."""
        now = self.clock.now()
        if self.has_weekly_maintenance and (planned := schedule_weekly(self.exchange, now)):
            self.tell([*planned])
        for market in self.exchange.markets.values():
            if market.is_open(now):
                self.chronicle.roll(market, now)
        if self.spots:
            self.store.save_spot(self.spots[-1].price)
        if now - self._forgot_at >= MINUTE:
            self._forgot_at = now
            self._forget(now)

    def _forget(self, now: Ns) -> None:
        """Drop the markets that a restart would not take over either: days of them would fill the memory."""
        over = [market for market in self.exchange.markets.values() if is_over(market.settled_at, now)]
        for market in over:
            del self.exchange.markets[market.ticker]
        if over:
            tickers = [market.ticker for market in over]
            self.chronicle.forget(tickers)
            self.store.forget_markets(tickers)
            self.hub.forget(over)


def _ended(past: PastMarket) -> Market:
    market = Market(past.spec, past.spec.open_at)
    market.determine(past.result, past.settlement_price, past.expiration_value, past.determined_at)
    market.change(past.settled_at, status="finalized")
    market.volume, market.settled_at = past.volume, past.settled_at
    return market
