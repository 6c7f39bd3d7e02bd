"""Admin calls on markets: listed, quoted, traded with, moved through their lives."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from daemon.core.commands import TimeInForce
from daemon.core.markets import Fees, FeeType, MarketResult, MarketSpec
from daemon.core.units import (
    MILLISECOND,
    MONEY_ONE,
    PRICE_ONE,
    BookSide,
    Ns,
    Price,
    PriceBand,
    PriceGrid,
    Qty,
    format_qty,
    parse_decimal,
)
from daemon.exchange.facts import Fact
from daemon.exchange.market import Market
from daemon.exchange.requests import NewOrder, Refused
from daemon.exchange.tick_tables import LINEAR_CENT, TAPERED_DECI_CENT
from daemon.sandbox.admin.call import MS_MAX, Body, Call, CallRefused, money_in, price_in, qty_in
from daemon.sandbox.catalog import SeriesListing
from daemon.sandbox.venue import Venue

QUOTER: Final = "sim:operator quotes"
TRADER: Final = "sim:operator trades"
"""Two accounts of the house, so that what the operator sends can meet what the operator quotes."""

GRIDS: Final[dict[str, tuple[PriceBand, ...]]] = {
    "linear_cent": LINEAR_CENT,
    "tapered_deci_cent": TAPERED_DECI_CENT,
    "deci_cent": (PriceBand(0, PRICE_ONE, 10),),
}
MULTIPLIER_PPM_MAX: Final = 1_000 * MONEY_ONE
GridName = Literal["linear_cent", "tapered_deci_cent", "deci_cent"]

_Ticker = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9.\-]+$")]
_Count = Annotated[str, Meta(description='contracts as text: "10.00"')]
_PriceText = Annotated[str, Meta(description='dollars of YES as text: "0.4500"')]


class MakeSeries(Body, frozen=True):
    """A series: shown from its first market on."""

    ticker: _Ticker
    title: str
    category: str = "Crypto"
    frequency: str = "custom"
    tags: tuple[str, ...] = ()


class MakeMarkets(Body, frozen=True):
    """Markets of one event, which exists from its first market on, and so does its series."""

    series_ticker: _Ticker = "KXTEST"
    event_ticker: _Ticker | None = None
    ticker: Annotated[_Ticker | None, Meta(description="for one market; several are numbered")] = None
    count: Annotated[int, Meta(ge=1, le=10_000)] = 1
    title: str = "A market of the operator's"
    opens_in_ms: Annotated[int, Meta(ge=-MS_MAX, le=MS_MAX)] = 0
    closes_in_ms: Annotated[int, Meta(ge=1, le=MS_MAX)] = 3_600_000
    strike: Annotated[str | None, Meta(description='dollars as text: "85000.00"')] = None
    strike_type: str | None = None
    grid: GridName = "linear_cent"
    fee_type: FeeType = "quadratic"
    fee_multiplier: str = "1"
    exchange_index: Annotated[int, Meta(ge=0, le=3)] = 2


class QuoteBook(Body, frozen=True):
    """The operator's quotes in a market, in place of the earlier ones."""

    ticker: _Ticker
    bids: Annotated[tuple[tuple[str, str], ...], Meta(description='[["0.4500", "10.00"], …]')] = ()
    asks: Annotated[tuple[tuple[str, str], ...], Meta(description='[["0.5500", "10.00"], …]')] = ()


class SendOrder(Body, frozen=True):
    """An order of the operator's."""

    ticker: _Ticker
    side: BookSide
    price: _PriceText
    count: _Count
    time_in_force: TimeInForce = "immediate_or_cancel"


class OneMarket(Body, frozen=True):
    """A market."""

    ticker: _Ticker


class MoveClose(Body, frozen=True):
    """When a market closes, from now: 0 at once."""

    ticker: _Ticker
    in_ms: Annotated[int, Meta(ge=0, le=MS_MAX)] = 0


class ChangeGrid(Body, frozen=True):
    """A market's new tick table."""

    ticker: _Ticker
    grid: GridName


class SetStrike(Body, frozen=True):
    """A market's strike."""

    ticker: _Ticker
    strike: Annotated[str, Meta(description='dollars as text: "85000.00"')]
    strike_type: str | None = "greater_or_equal"


class ChangeFees(Body, frozen=True):
    """An event's own fee rule; no `fee_type` lifts it."""

    event_ticker: _Ticker
    fee_type: FeeType | None = None
    multiplier: str = "1"


class Resolve(Body, frozen=True):
    """A market's result. `value` is what one YES pays, for "scalar"."""

    ticker: _Ticker
    result: MarketResult
    value: _PriceText | None = None
    expiration_value: str = ""


class Settle(Body, frozen=True):
    """Settlement; `again` tells a settlement that was made once more, and pays nothing."""

    ticker: _Ticker
    again: bool = False


class MarketCalls:
    """See the module's head."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._exchange = venue.exchange
        for name in (QUOTER, TRADER):
            self._exchange.open_account(name, {}, is_house=True)

    def calls(self) -> list[Call]:
        """Return the calls."""
        return [
            Call("POST", "/series", "describe a series", MakeSeries, self.make_series),
            Call("POST", "/markets", "make markets, and with them event and series", MakeMarkets, self.make),
            Call("POST", "/book", "quote a book: the operator's orders there are replaced", QuoteBook,
                 self.quote),
            Call("POST", "/orders", "send an order of the operator's", SendOrder, self.send),
            Call("POST", "/markets/deactivate", "suspend a market", OneMarket, self.deactivate),
            Call("POST", "/markets/activate", "let it trade again; its resting orders are cancelled",
                 OneMarket, self.activate),
            Call("POST", "/markets/close", "move a market's close; a closed one opens again by it",
                 MoveClose, self.move_close),
            Call("POST", "/markets/grid", "change a market's tick table", ChangeGrid, self.change_grid),
            Call("POST", "/markets/strike", "make a market's strike known", SetStrike, self.set_strike),
            Call("POST", "/markets/determine", "give a closed market its result", Resolve, self.determine),
            Call("POST", "/markets/dispute", "put a result in doubt", OneMarket, self.dispute),
            Call("POST", "/markets/amend", "change or confirm a result that is not settled", Resolve,
                 self.amend),
            Call("POST", "/markets/settle", "pay a determined market out", Settle, self.settle),
            Call("POST", "/events/fees", "change an event's fees", ChangeFees, self.change_fees),
        ]  # fmt: skip

    # --- making ------------------------------------------------------------------------------

    async def make_series(self, body: MakeSeries) -> dict[str, object]:
        """POST /series."""
        self._venue.catalog.describe(
            SeriesListing(body.ticker, body.title, body.category, body.tags, body.frequency)
        )
        return {"series_ticker": body.ticker}

    async def make(self, body: MakeMarkets) -> dict[str, object]:
        """POST /markets."""
        now = self._venue.clock.now()
        event = body.event_ticker or f"{body.series_ticker}-OPERATOR"
        if body.ticker is not None and body.count > 1:
            raise CallRefused(400, "ticker: names one market; leave it out for a count above 1")
        if body.opens_in_ms >= body.closes_in_ms:
            raise CallRefused(400, "closes_in_ms: a market closes after it opens")
        known = sum(market.spec.event_ticker == event for market in self._exchange.markets.values())
        tickers = [body.ticker] if body.ticker else [f"{event}-M{known + n}" for n in range(body.count)]
        for ticker in tickers:
            if ticker in self._exchange.markets:
                raise CallRefused(409, f"{ticker} exists")
        strike = None if body.strike is None else money_in(body.strike, "strike")
        fees = Fees(body.fee_type, _ppm(body.fee_multiplier, "fee_multiplier"))
        facts: list[Fact] = []
        for ticker in tickers:
            spec = MarketSpec(
                ticker, event, body.series_ticker, body.title, "initialized",
                now + body.opens_in_ms * MILLISECOND, now + body.closes_in_ms * MILLISECOND,
                strike, body.strike_type, GRIDS[body.grid], fees, body.exchange_index,
            )  # fmt: skip
            facts += self._exchange.list_market(spec, now)
        self._venue.tell([*facts])
        return {"event_ticker": event, "tickers": tickers}

    # --- the operator's orders ---------------------------------------------------------------

    async def quote(self, body: QuoteBook) -> dict[str, object]:
        """POST /book."""
        market = self._market(body.ticker)
        wanted: list[tuple[BookSide, Price, Qty]] = []
        sides: tuple[tuple[BookSide, str, tuple[tuple[str, str], ...]], ...] = (
            ("bid", "bids", body.bids), ("ask", "asks", body.asks),
        )  # fmt: skip
        for side, field, levels in sides:
            for price, count in levels:
                wanted.append((side, self._on_grid(market, price, field), qty_in(count, field)))
        now = self._venue.clock.now()
        self._check_open(market, now)
        facts: list[Fact] = []
        resting = self._exchange.accounts[QUOTER].resting.get(body.ticker, {})
        for order_id in list(resting):
            facts += self._exchange.cancel(QUOTER, order_id, now)[1]
        filled = 0
        for side, price_, qty in wanted:
            outcome, told = self._exchange.place(NewOrder(QUOTER, body.ticker, side, price_, qty), now)
            facts += told
            filled += 0 if isinstance(outcome, Refused) else outcome.filled
        self._venue.tell([*facts])
        return {"quoted": len(wanted), "filled": format_qty(filled)}

    async def send(self, body: SendOrder) -> dict[str, object]:
        """POST /orders."""
        market = self._market(body.ticker)
        price, qty = self._on_grid(market, body.price, "price"), qty_in(body.count, "count")
        now = self._venue.clock.now()
        order = NewOrder(TRADER, body.ticker, body.side, price, qty, time_in_force=body.time_in_force)
        outcome, facts = self._exchange.place(order, now)
        if isinstance(outcome, Refused):
            raise CallRefused(409, f"{outcome.code}: {outcome.details or body.ticker}")
        self._venue.tell([*facts])
        return {"filled": format_qty(outcome.filled), "resting": format_qty(outcome.remaining)}

    # --- lives -------------------------------------------------------------------------------

    async def deactivate(self, body: OneMarket) -> dict[str, object]:
        """POST /markets/deactivate."""
        now = self._venue.clock.now()
        self._in_status(body.ticker, "active")
        return self._told(body.ticker, self._exchange.deactivate(body.ticker, now))

    async def activate(self, body: OneMarket) -> dict[str, object]:
        """POST /markets/activate."""
        self._in_status(body.ticker, "inactive")
        return self._told(body.ticker, self._exchange.activate(body.ticker, self._venue.clock.now()))

    async def move_close(self, body: MoveClose) -> dict[str, object]:
        """POST /markets/close."""
        self._in_status(body.ticker, "initialized", "active", "inactive", "closed")
        now = self._venue.clock.now()
        facts = self._exchange.move_close(body.ticker, now + body.in_ms * MILLISECOND, now)
        return self._told(body.ticker, [*facts, *self._exchange.advance(now)])

    async def change_grid(self, body: ChangeGrid) -> dict[str, object]:
        """POST /markets/grid."""
        self._market(body.ticker)
        now = self._venue.clock.now()
        return self._told(body.ticker, self._exchange.change_grid(body.ticker, GRIDS[body.grid], now))

    async def set_strike(self, body: SetStrike) -> dict[str, object]:
        """POST /markets/strike."""
        self._market(body.ticker)
        strike, now = money_in(body.strike, "strike"), self._venue.clock.now()
        return self._told(body.ticker, self._exchange.set_strike(body.ticker, strike, body.strike_type, now))

    async def determine(self, body: Resolve) -> dict[str, object]:
        """POST /markets/determine."""
        self._in_status(body.ticker, "closed")
        value, now = _value(body), self._venue.clock.now()
        facts = self._exchange.determine(
            body.ticker, body.result, value, now, expiration_value=body.expiration_value
        )
        return self._told(body.ticker, facts)

    async def dispute(self, body: OneMarket) -> dict[str, object]:
        """POST /markets/dispute."""
        self._in_status(body.ticker, "determined", "amended")
        return self._told(body.ticker, self._exchange.dispute(body.ticker, self._venue.clock.now()))

    async def amend(self, body: Resolve) -> dict[str, object]:
        """POST /markets/amend."""
        self._in_status(body.ticker, "determined", "disputed", "amended")
        value, now = _value(body), self._venue.clock.now()
        facts = self._exchange.amend_result(
            body.ticker, body.result, value, now, expiration_value=body.expiration_value
        )
        return self._told(body.ticker, facts)

    async def settle(self, body: Settle) -> dict[str, object]:
        """POST /markets/settle."""
        allowed = ("determined", "amended", "finalized") if body.again else ("determined", "amended")
        self._in_status(body.ticker, *allowed)
        now = self._venue.clock.now()
        return self._told(body.ticker, self._exchange.settle(body.ticker, now, is_told_again=body.again))

    async def change_fees(self, body: ChangeFees) -> dict[str, object]:
        """POST /events/fees."""
        markets = self._exchange.markets.values()
        if not any(market.spec.event_ticker == body.event_ticker for market in markets):
            raise CallRefused(404, f"event_ticker: no market of {body.event_ticker}")
        fees = None if body.fee_type is None else Fees(body.fee_type, _ppm(body.multiplier, "multiplier"))
        now = self._venue.clock.now()
        self._venue.tell([*self._exchange.change_event_fees(body.event_ticker, fees, now)])
        return {"event_ticker": body.event_ticker}

    # --- checks ------------------------------------------------------------------------------

    def _market(self, ticker: str) -> Market:
        market = self._exchange.markets.get(ticker)
        if market is None:
            raise CallRefused(404, f"ticker: no market {ticker}")
        if market.book.is_shadow:
            raise CallRefused(409, f"{ticker} is a tape's: it goes as it was recorded")
        return market

    def _in_status(self, ticker: str, *allowed: str) -> None:
        status = self._market(ticker).status
        if status not in allowed:
            raise CallRefused(409, f"{ticker} is {status}, not {' or '.join(allowed)}")

    def _check_open(self, market: Market, now: Ns) -> None:
        if not market.is_open(now):
            raise CallRefused(409, f"{market.ticker} is {market.status}: it can't be quoted")
        shard = market.spec.exchange_index
        if not self._exchange.pauses.is_trading_active(shard):
            raise CallRefused(409, f"{market.ticker}: trading is paused on shard {shard}")

    def _on_grid(self, market: Market, text: str, field: str) -> Price:
        price = price_in(text, field)
        if not PriceGrid(market.spec.bands).contains(price):
            raise CallRefused(400, f"{field}: {text} is not on the grid of {market.ticker}")
        return price

    def _told(self, ticker: str, facts: list[Fact]) -> dict[str, object]:
        self._venue.tell([*facts])
        return {"ticker": ticker, "status": self._exchange.markets[ticker].status}


def _ppm(text: str, field: str) -> int:
    try:
        ppm = parse_decimal(text, 6)
    except ValueError as error:
        raise CallRefused(400, f'{field}: {error}; write it as text, such as "0.5"') from error
    if not 0 <= ppm <= MULTIPLIER_PPM_MAX:
        raise CallRefused(400, f"{field}: {text} is not within 0 to {MULTIPLIER_PPM_MAX // MONEY_ONE}")
    return ppm


def _value(body: Resolve) -> Price:
    if body.result == "scalar":
        if body.value is None:
            raise CallRefused(400, "value: a scalar result needs it")
        return price_in(body.value, "value")
    if body.value is not None:
        raise CallRefused(400, f"value: a result {body.result} has its own")
    return PRICE_ONE if body.result == "yes" else 0
