"""A small flow for the sandbox's own tests: one open market with a book, one settled, trades on request."""

from __future__ import annotations

from collections.abc import Callable

from daemon.core.markets import Fees, MarketSpec
from daemon.core.units import HOUR, MINUTE, MONEY_ONE, SECOND, Ns
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Fact, Traded
from daemon.exchange.requests import NewOrder
from daemon.exchange.tick_tables import TAPERED_DECI_CENT
from daemon.sandbox.flow import Candle, History, Ohlc, PastMarket, Resumed, SpotPrinted, Telling

OPEN = "KXBTC15M-26SEP251515-15"
SETTLED = "KXBTC15M-26SEP251500-00"
MAKER = "sim:maker"


def spec_of(ticker: str, open_at: Ns, close_at: Ns) -> MarketSpec:
    """Return a quarter-hour market."""
    return MarketSpec(
        ticker,
        ticker.rpartition("-")[0],
        "KXBTC15M",
        "BTC price up in next 15 mins?",
        "initialized",
        open_at,
        close_at,
        83_950_620_000,
        "greater_or_equal",
        TAPERED_DECI_CENT,
        Fees("quadratic", MONEY_ONE),
        2,
    )


class ScriptedFlow:
    """Lists one market with bids at 0.40 and asks at 0.60, and then does what tests put into `acts`."""

    mode = "traders"
    speed: float | None = 1.0

    def __init__(self, resumed: Resumed) -> None:
        self.resumed = resumed
        self.start_at = resumed.now
        self.spec = spec_of(OPEN, resumed.now - MINUTE, resumed.now + HOUR)
        self.acts: list[Callable[[Exchange, Ns], list[Fact]]] = []
        self._is_begun = False

    def history(self) -> History:
        """Return a candle, a trade and a settled market."""
        now = self.resumed.now
        past = spec_of(SETTLED, now - HOUR, now - 45 * MINUTE)
        end = now // MINUTE * MINUTE
        flat = Ohlc(4000, 4100, 3900, 4000)
        candle = Candle(end, flat, Ohlc(6000, 6100, 5900, 6000), flat, 500, 0, 500 * 4000)
        return History(
            {OPEN: (candle,)},
            (Traded(OPEN, "past-trade", 4000, 500, "yes", now - SECOND),),
            (
                PastMarket(
                    past,
                    "yes",
                    10_000,
                    "83,950.62",
                    12_300,
                    past.close_at + SECOND,
                    past.close_at + 2 * SECOND,
                ),
            ),
            (SpotPrinted("BTC/USD", 84_000 * MONEY_ONE, 1_000_000, True, 1, now - SECOND),),
        )

    def advance(self, exchange: Exchange, now: Ns) -> list[Telling]:
        """Begin, or act."""
        told: list[Telling] = []
        if not self._is_begun:
            self._is_begun = True
            exchange.open_account(MAKER, {}, is_house=True)
            told += exchange.list_market(self.spec, now)
            for level in range(3):
                for side, price in (("bid", 4000 - 100 * level), ("ask", 6000 + 100 * level)):
                    order = NewOrder(MAKER, OPEN, side, price, 10_000)  # type: ignore[arg-type]
                    told += exchange.place(order, now)[1]
        for act in self.acts:
            told += act(exchange, now)
        self.acts.clear()
        return told
