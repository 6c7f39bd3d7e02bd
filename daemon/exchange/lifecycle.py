"""The lives of markets: listed, open, closed, determined, settled; and what a tape does to their books.

Open and close are clocks (`advance`); results come from whoever knows them (`determine`, `settle`).
"""

from __future__ import annotations

import heapq

import msgspec

from daemon.core.events import Level
from daemon.core.markets import Fees, MarketResult, MarketSpec
from daemon.core.units import Money, Ns, Price, PriceBand, Qty, Side
from daemon.exchange.execution import Execution, Telling
from daemon.exchange.facts import (
    BookReplaced,
    CloseMoved,
    Determined,
    Disputed,
    EventFeesChanged,
    Fact,
    GridChanged,
    LevelChanged,
    MarketActivated,
    MarketClosed,
    MarketCreated,
    MarketDeactivated,
    MarketOpened,
    PaidOut,
    PauseChanged,
    Settled,
    StrikeSet,
    TickerTold,
    Traded,
    UpdateReason,
)
from daemon.exchange.market import Market
from daemon.exchange.matching import Order
from daemon.exchange.pauses import SHARDS, Pause, Pauses
from daemon.exchange.shadow import ShadowBook

EXPIRIES_MIN = 1024
"""So many noted expiries are never looked through for those that no longer matter."""


class Lifecycle:
    """The markets, and what time, their operator and a tape's recording do to them."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self.markets: dict[str, Market] = execution.markets
        self.pauses = Pauses()
        self._dues: list[tuple[Ns, int, str]] = []
        """A heap of (open or close, turn, ticker): each market whose clock still has something to say has one
        entry, or more once its close was moved; what is not due when its entry comes up is put back."""
        self._watched_total = 0
        self._expiries: list[tuple[Ns, str, str]] = []
        """A heap of (expires_at, account, order_id); stale entries are skipped."""
        self._expiries_max = EXPIRIES_MIN

    # --- the operator ------------------------------------------------------------------------

    def list_market(self, spec: MarketSpec, now: Ns, *, is_shadow: bool = False) -> list[Fact]:
        """List a market; one that is listed already is left as it is, and nothing is told.

        With `is_shadow` its book is a tape's (see `shadow`). The status is the caller's; `advance` opens it.
        """
        if spec.ticker in self.markets:
            return []
        self.markets[spec.ticker] = Market(spec, now, is_shadow=is_shadow)
        self._watch(spec.ticker)
        return [MarketCreated(spec, now), *self.advance(now)]

    def _watch(self, ticker: str) -> None:
        """Take note of when the clock has something to say of a market next. In one instant, first come."""
        spec = self.markets[ticker].spec
        if spec.status in {"initialized", "active", "inactive"}:
            self._watched_total += 1
            due_at = spec.open_at if spec.status == "initialized" else spec.close_at
            heapq.heappush(self._dues, (due_at, self._watched_total, ticker))

    def set_strike(self, ticker: str, strike: Money, strike_type: str | None, now: Ns) -> list[Fact]:
        """Make a market's strike known."""
        self.markets[ticker].change(now, strike=strike, strike_type=strike_type)
        return [StrikeSet(ticker, strike, strike_type, now)]

    def move_close(self, ticker: str, close_at: Ns, now: Ns) -> list[Fact]:
        """Change a market's close time; one that is closed, without a result, opens again by it."""
        market = self.markets[ticker]
        market.change(now, close_at=close_at)
        moved = CloseMoved(ticker, close_at, now)
        if market.status != "closed" or close_at <= now:
            self._watch(ticker)
            return [moved]
        market.change(now, status="active")
        self._watch(ticker)
        return [moved, MarketActivated(ticker, now)]

    def change_grid(self, ticker: str, bands: tuple[PriceBand, ...], now: Ns) -> list[Fact]:
        """Change a market's tick table; resting orders stay where they are."""
        self.markets[ticker].change(now, bands=bands)
        return [GridChanged(ticker, bands, now)]

    def deactivate(self, ticker: str, now: Ns) -> list[Fact]:
        """Suspend an open market."""
        market = self.markets[ticker]
        assert market.status == "active", f"{ticker} is {market.status}"
        market.change(now, status="inactive")
        return [MarketDeactivated(ticker, now)]

    def activate(self, ticker: str, now: Ns) -> list[Fact]:
        """Let a suspended market trade again; its resting orders are cancelled."""
        market = self.markets[ticker]
        assert market.status == "inactive", f"{ticker} is {market.status}"
        facts = self._cancel_resting(market, "HaltCancel", now)
        market.change(now, status="active")
        return [*facts, MarketActivated(ticker, now)]

    def determine(
        self,
        ticker: str,
        result: MarketResult,
        settlement_price: Price,
        now: Ns,
        *,
        expiration_value: str = "",
    ) -> list[Fact]:
        """Give a closed market its result; again changes nothing."""
        market = self.markets[ticker]
        if market.result is not None:
            return []
        assert market.status == "closed", f"{ticker} is {market.status}"
        market.determine(result, settlement_price, expiration_value, now)
        market.change(now, status="determined")
        return [Determined(ticker, result, settlement_price, now)]

    def dispute(self, ticker: str, now: Ns) -> list[Fact]:
        """Put a result in doubt: nothing is paid until it is amended."""
        market = self.markets[ticker]
        assert market.status in {"determined", "amended"}, f"{ticker} is {market.status}"
        market.change(now, status="disputed")
        return [Disputed(ticker, now)]

    def amend_result(
        self,
        ticker: str,
        result: MarketResult,
        settlement_price: Price,
        now: Ns,
        *,
        expiration_value: str = "",
    ) -> list[Fact]:
        """Give a market another result, or confirm a disputed one, before it is settled."""
        market = self.markets[ticker]
        assert market.status in {"determined", "disputed", "amended"}, f"{ticker} is {market.status}"
        market.determine(result, settlement_price, expiration_value, now)
        market.change(now, status="amended")
        return [Determined(ticker, result, settlement_price, now)]

    def settle(self, ticker: str, now: Ns, *, is_told_again: bool = False) -> list[Fact]:
        """Pay the positions of a determined market out; again pays nothing.

        With `is_told_again` the message of a settlement that was made is told once more, as the venue may.
        """
        market = self.markets[ticker]
        if market.settled_at is not None:
            return [Settled(ticker, now)] if is_told_again else []
        assert market.result is not None, f"{ticker} has no result"
        assert market.status in {"determined", "amended"}, f"{ticker} is {market.status}"
        assert market.settlement_price is not None
        told: list[Fact] = []
        for account in self._execution.accounts.values():
            holding = account.holdings.get(ticker)
            if holding is None or not (holding.qty or holding.pairs):
                continue
            qty, cost = holding.qty, holding.cost
            yes_qty, no_qty = holding.yes_qty, holding.no_qty
            payout = account.apply_settlement(ticker, market.settlement_price, now)
            if account.is_house:
                del account.holdings[ticker]
                continue
            paid = PaidOut(
                account.name,
                ticker,
                market.spec.event_ticker,
                market.spec.exchange_index,
                market.result,
                market.settlement_price,
                yes_qty,
                cost if qty > 0 else 0,
                no_qty,
                cost if qty < 0 else 0,
                payout,
                holding.fees,
                now,
            )
            account.settlements.append(paid)
            telling = Telling()
            telling.cash(account, market.spec.exchange_index, now)
            told += [paid, holding.told(account.name, ticker, now), *telling.facts()]
        market.open_interest = 0
        market.settled_at = now
        market.change(now, status="finalized")
        return [*told, Settled(ticker, now)]

    def change_event_fees(self, event_ticker: str, fees: Fees | None, now: Ns) -> list[Fact]:
        """Let an event have a fee rule of its own in place of its series'; None lifts it."""
        for market in self.markets.values():
            if market.spec.event_ticker != event_ticker:
                continue
            series_fees = market.series_fees or market.spec.fees
            market.series_fees = None if fees is None else series_fees
            market.change(now, fees=fees or series_fees)
            for account in self._execution.accounts.values():
                account.reserve_again(market.ticker, market.spec.exchange_index, market.spec.fees)
        if fees is None:
            return [EventFeesChanged(event_ticker, None, None, now)]
        return [EventFeesChanged(event_ticker, fees.fee_type, fees.multiplier_ppm, now)]

    # --- pauses ------------------------------------------------------------------------------

    def pause(
        self,
        now: Ns,
        *,
        exchange_index: int | None = None,
        is_trading_only: bool = True,
        resumes_at: Ns | None = None,
    ) -> list[Fact]:
        """Pause trading, or all of the exchange, on a shard or (None) on all of them."""
        changes: list[PauseChanged] = []
        for shard in SHARDS if exchange_index is None else (exchange_index,):
            held = self.pauses.of(shard)
            pause = msgspec.structs.replace(
                held,
                is_exchange_paused=held.is_exchange_paused or not is_trading_only,
                is_trading_paused=held.is_trading_paused or is_trading_only,
                resumes_at=resumes_at,
            )
            changed = self.pauses.set(shard, pause, now)
            if changed is not None:
                changes.append(changed)
        return self._halt(changes, now) if changes else []

    def resume(self, now: Ns, *, exchange_index: int | None = None) -> list[Fact]:
        """End every pause of a shard or (None) of all of them."""
        shards = SHARDS if exchange_index is None else (exchange_index,)
        return [changed for shard in shards if (changed := self.pauses.set(shard, Pause(), now)) is not None]

    def schedule_maintenance(self, start_at: Ns, end_at: Ns, now: Ns) -> list[Fact]:
        """Announce a window in which the exchange is paused. Raises ValueError for one that isn't ahead."""
        return [self.pauses.schedule(start_at, end_at, now), *self.advance(now)]

    def _halt(self, changed: list[PauseChanged], now: Ns) -> list[Fact]:
        """Return the pauses, and the cancels of what asked to go when its shard is paused."""
        paused = {
            pause.exchange_index for pause in changed if pause.is_exchange_paused or pause.is_trading_paused
        }
        facts: list[Fact] = [*changed]
        for market in self.markets.values():
            if market.spec.exchange_index in paused:
                facts += self._cancel_resting(market, "HaltCancel", now, only_on_pause=True)
        return facts

    # --- the clock ---------------------------------------------------------------------------

    def advance(self, now: Ns) -> list[Fact]:
        """Let happen what the clock alone brings about: maintenance, opens, expiries, closes."""
        changed = self.pauses.advance(now)
        facts: list[Fact] = self._halt(changed, now) if changed else []
        if self._expiries and self._expiries[0][0] <= now:
            facts += self._expire(now)
        while self._dues and self._dues[0][0] <= now:
            ticker = heapq.heappop(self._dues)[2]
            market = self.markets.get(ticker)
            if market is None:
                continue  # forgotten: its close was moved to before this entry
            if market.status == "initialized" and market.spec.open_at <= now:
                market.change(market.spec.open_at, status="active")
                facts.append(MarketOpened(ticker, market.spec.open_at))
            if market.status in {"active", "inactive"} and market.spec.close_at <= now:
                facts += self._close(market, now)
            self._watch(ticker)  # what is over is left out
        return facts

    def _expire_later(self, order: Order) -> None:
        """Take note of an order's expiry, if it has one."""
        if order.expires_at is None:
            return
        heapq.heappush(self._expiries, (order.expires_at, order.account, order.order_id))
        if len(self._expiries) > self._expiries_max:
            # Orders that ended early leave entries that may be years ahead.
            self._expiries = [entry for entry in self._expiries if self._is_due_then(*entry)]
            heapq.heapify(self._expiries)
            self._expiries_max = max(EXPIRIES_MIN, 2 * len(self._expiries))

    def _is_due_then(self, expires_at: Ns, account: str, order_id: str) -> bool:
        order = self._execution.accounts[account].orders.get(order_id)
        return order is not None and order.status == "resting" and order.expires_at == expires_at

    def _expire(self, now: Ns) -> list[Fact]:
        facts: list[Fact] = []
        while self._expiries and self._expiries[0][0] <= now:
            expires_at, name, order_id = heapq.heappop(self._expiries)
            if not self._is_due_then(expires_at, name, order_id):
                continue
            order = self._execution.accounts[name].orders[order_id]
            telling = Telling()
            market = self.markets[order.ticker]
            self._execution.cancel(market, order, order.remaining, "ExpiryCancel", telling, now)
            facts += telling.facts()
        return facts

    def _close(self, market: Market, now: Ns) -> list[Fact]:
        market.change(now, status="closed")
        facts = self._cancel_resting(market, "CloseCancel", now)
        if not market.book.is_shadow:
            # The venue sends the book empty after the close. A tape's book ends as it was recorded.
            facts.append(BookReplaced(market.ticker, (), (), now))
        return [*facts, MarketClosed(market.ticker, now)]

    def _cancel_resting(
        self, market: Market, reason: UpdateReason, now: Ns, *, only_on_pause: bool = False
    ) -> list[Fact]:
        telling = Telling()
        for order in market.book.orders():
            if only_on_pause and not order.cancel_on_pause:
                continue
            self._execution.cancel(market, order, order.remaining, reason, telling, now)
        return telling.facts()

    # --- a tape ------------------------------------------------------------------------------

    def _shadow(self, ticker: str) -> tuple[Market, ShadowBook]:
        market = self.markets[ticker]
        assert isinstance(market.book, ShadowBook), f"{ticker} is no tape's market"
        return market, market.book

    def _trades(self, market: Market) -> bool:
        """Whether our orders may trade: the recording goes on while we are paused."""
        return self.pauses.is_trading_active(market.spec.exchange_index)

    def apply_snapshot(
        self, ticker: str, yes: tuple[Level, ...], no: tuple[Level, ...], now: Ns
    ) -> list[Fact]:
        """Take in a recorded snapshot (own price scales); our orders that it reaches are filled."""
        market, book = self._shadow(ticker)
        book.apply_snapshot(yes, no)
        facts: list[Fact] = [BookReplaced(ticker, book.levels("yes"), book.levels("no"), now)]
        telling = Telling()
        if self._trades(market):
            self._execution.reach(market, telling, now)
        return facts + telling.facts()

    def apply_delta(self, ticker: str, side: Side, price: Price, delta: Qty, now: Ns) -> list[Fact]:
        """Take in a recorded change of a level (own price scale); our orders that it reaches are filled."""
        market, book = self._shadow(ticker)
        shown = book.apply_delta(side, price, delta)
        facts: list[Fact] = [LevelChanged(ticker, side, price, shown, now, None, None)] if shown else []
        if delta > 0 and book.has_orders and self._trades(market):
            telling = Telling()
            self._execution.reach(market, telling, now)
            facts += telling.facts()
        return facts

    def apply_print(
        self, ticker: str, trade_id: str, price: Price, qty: Qty, taker_side: Side, now: Ns
    ) -> list[Fact]:
        """Take in a recorded trade (YES price); our orders that it reaches are filled."""
        market, book = self._shadow(ticker)
        telling = Telling()
        for order, filled, _ in book.printed(price, qty, taker_side) if self._trades(market) else ():
            self._execution.fill_printed(market, order, filled, telling, now)
        market.traded(price, qty)
        return [*telling.facts(), Traded(ticker, trade_id, price, qty, taker_side, now)]

    def apply_ticker(self, told: TickerTold) -> list[Fact]:
        """Take in a recorded summary: last price, volume and open interest of the market are its own."""
        market, _ = self._shadow(told.ticker)
        market.last = told.last
        market.volume, market.open_interest = told.volume, told.open_interest
        return [told]
