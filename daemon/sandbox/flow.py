"""Where the sandbox's market comes from: the protocol of a *flow*, and what a flow tells besides facts.

Two flows exist: simulated traders, and recorded tapes. The server owns one `Exchange` and one flow:

    flow = make_flow(resumed)                    once
    flow.history()                               once, before the port opens
    flow.advance(exchange, flow.start_at)        once, before the port opens: lists the markets known by then
    flow.advance(exchange, now)                  every step of sandbox time, at most STEP apart, then
    exchange.advance(now)                        the server itself: what the clock alone brings about

Rules for a flow:
- All it does it does through the exchange (`list_market`, `place`, `cancel`, `determine`, `settle`; a tape:
  `apply_snapshot`, `apply_delta`, `apply_print`, `apply_ticker`), and it returns the facts of those calls,
  in order, among its own tellings. Its accounts are named "sim:..." and are opened with
  `exchange.open_account(name, {}, is_house=True)`: no collateral check, no private facts, nothing kept.
- It may call `exchange.advance(t)` in between, where a close has to fall between two of its acts. Calls
  are idempotent; times never go back.
- It settles every market that it lists, and those of its kind that `Resumed.markets` names (an account may
  hold them), unless the outcome is unknown: such a market stays closed, as an operator's own does.
- It may hold no clock of its own and no randomness but a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import msgspec

from daemon.core.markets import MarketResult, MarketSpec
from daemon.core.units import MILLISECOND, Money, Ns, Price, Qty
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Fact, Traded
from daemon.exchange.market import Market
from daemon.sandbox.catalog import SeriesListing

STEP: Ns = 50 * MILLISECOND
"""The longest step of sandbox time between two calls of `advance`, and the clock channel's beat."""


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What a flow's own tellings share."""


class SpotPrinted(_Told, frozen=True):
    """A trade of the underlying on its own venue: `symbol` such as "BTC/USD", Money per unit."""

    symbol: str
    price: Money
    qty_e8: int
    """Size in 1e-8 units of the underlying."""
    is_buy: bool
    trade_id: int
    at: Ns


class IndexPrinted(_Told, frozen=True):
    """A value of the index that this flow settles its markets on, such as "BRTI": one for each whole second.

    A flow that tells none has them made from its spot trades.
    """

    index_id: str
    value: Money
    at: Ns


class SequenceJumped(_Told, frozen=True):
    """The recorded stream's next sequence number isn't the last one plus one: `skipped` more than that.

    Told just before the message that carries the odd number. `skipped` is negative for a step back,
    -1 for a repeat. Every order-book subscription's counter is moved by as much, so that a recorded gap
    stays one for whoever subscribed to whatever, and is never renumbered away.
    """

    skipped: int
    at: Ns


class ConnectionCut(_Told, frozen=True):
    """A recorded session ended: all client connections are closed, the clock goes on at `resume_at`.

    None: there is no other session; `Ended` follows. Each session is a run of its own: before this is
    told, the flow has emptied (`apply_snapshot` with no levels) or closed the session's markets.
    """

    reason: str
    resume_at: Ns | None
    at: Ns


class Ended(_Told, frozen=True):
    """The flow has nothing more to give: sandbox time stands still from here on."""

    at: Ns


Telling: TypeAlias = Fact | SpotPrinted | IndexPrinted | SequenceJumped | ConnectionCut | Ended


class Ohlc(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """First, highest, lowest and last price of a period."""

    open: Price
    high: Price
    low: Price
    close: Price


class Candle(msgspec.Struct, frozen=True, array_like=True):
    """One minute of a market: quotes (0 for no bid and 1 $ for no ask, as the venue writes them) and trades.

    `price` is None in a minute without trades; `turnover` is price times count, summed over its trades.
    """

    ended_at: Ns
    bid: Ohlc
    ask: Ohlc
    price: Ohlc | None
    volume: Qty
    open_interest: Qty
    turnover: Money = 0


class PastMarket(msgspec.Struct, frozen=True):
    """A market that was settled before the flow began."""

    spec: MarketSpec
    result: MarketResult
    settlement_price: Price
    expiration_value: str
    volume: Qty
    determined_at: Ns
    settled_at: Ns


class Archive(Protocol):
    """A past that is drawn when it is asked for: settled markets that the exchange itself never had."""

    @property
    def listing(self) -> SeriesListing:
        """Return what their series is."""

    def markets(self, now: Ns) -> dict[str, Market]:
        """Return those that are told of at an instant, by ticker, oldest first."""

    def trades_of(self, ticker: str) -> list[Traded] | None:
        """Return a market's trades, oldest first; None where it is none of them."""

    def candles(self, ticker: str, start_at: Ns, end_at: Ns, period: Ns) -> list[Candle]:
        """Return the candles of one of them that end within [start_at, end_at], oldest first."""

    def latest_before(self, ticker: str, at: Ns) -> Candle | None:
        """Return its last minute that ended before an instant; None if there is none."""

    def last_price_before(self, ticker: str, at: Ns) -> Price | None:
        """Return the last price of its minutes that ended before an instant; None if none."""


class History(msgspec.Struct, frozen=True):
    """The past that REST serves: oldest first within every list; `archive` is drawn when it is asked for."""

    candles: dict[str, tuple[Candle, ...]]
    trades: tuple[Traded, ...]
    markets: tuple[PastMarket, ...]
    spot: tuple[SpotPrinted, ...]
    archive: Archive | None = None


class Resumed(msgspec.Struct, frozen=True):
    """What an earlier life of the sandbox left for the flow: nothing of it on a first start.

    `now` is the wall clock at the start, `markets` those that were not settled, `spot` the last price.
    """

    now: Ns
    seed: int
    spot: Money | None
    markets: tuple[MarketSpec, ...]


class Flow(Protocol):
    """A source of everything that the client doesn't do itself."""

    @property
    def mode(self) -> str:
        """Return "traders" or "tape": an account outlives a restart only with traders."""

    @property
    def speed(self) -> float | None:
        """Return seconds of sandbox time per second of wall time; None: as fast as possible, in lockstep."""

    @property
    def start_at(self) -> Ns:
        """Return the sandbox time at which it begins: `Resumed.now`, or a tape's own."""

    def history(self) -> History:
        """Return the past up to `start_at`."""

    def advance(self, exchange: Exchange, now: Ns) -> list[Telling]:
        """Let happen what happens up to `now`, on the exchange, and return what to publish, in order."""


MakeFlow: TypeAlias = Callable[[Resumed], Flow]
