"""Our shadow account on the live books: fed by the events that the core is fed, filled by our worst case.

The books are what was streamed, with `daemon.exchange.shadow`'s queue rule on top: an arriving order takes
the depth that is shown, a resting one waits behind everything that was there, and what cancelled ahead of it
is assumed to have stood behind. Nothing here reaches anybody, so the public book never shows our orders.

- A book that was lost is unknown until its next snapshot: no order is taken on it, cancels are.
- Orders that rested when a life ended are ended: nobody watched the books while we were away.
- Cash is one purse: what a shard's order needs is moved there from the other shards, free of charge. The
  venue asks for a transfer; whoever goes live keeps cash where it is needed.
- Results and payouts are the venue's: `MarketDetermined` and `MarketSettled`, whoever told them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import msgspec

from daemon.core import events as e
from daemon.core.book import Ladder
from daemon.core.connections import FIRST_FEED
from daemon.core.markets import MarketSpec
from daemon.core.units import DAY, HOUR, MINUTE, Money, Ns, Qty
from daemon.exchange.accounts import Account
from daemon.exchange.cash_facts import CashChanged
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Fact, OrderState
from daemon.exchange.market import Market
from daemon.exchange.pauses import SHARDS, Pause
from daemon.exchange.requests import Amendment, NewOrder, Refused
from daemon.exchange.shadow import ShadowBook
from daemon.shell.shadow.store import KeptAccount

ACCOUNT = "shadow"
CASH_SHARD = 0
"""Where a new account's cash lies until an order needs it elsewhere."""
ORDERS_KEPT: Ns = HOUR
"""How long an ended order stays in the lists: our own doubts are over long before."""
FILLS_KEPT: Ns = 2 * DAY
UNKNOWN_BOOK = Refused("market_inactive", "shadow: the market's book is not known at this moment")
_Request = TypeVar("_Request", NewOrder, Amendment)


class ShadowExchange:
    """See the module's head. Time is told and never goes back: what is told late counts as of now."""

    def __init__(self, new_id: Callable[[], str], kept: KeptAccount | None, cash: Money, now: Ns) -> None:
        """Open the account.

        Args:
            new_id: makes order and trade ids, never the same in another life.
            kept: what the last life left; None for a new account.
            cash: what a new account starts with.
            now: our clock.
        """
        self._exchange = Exchange(new_id)
        self._now = now
        self._routes: dict[str, e.Feed] = {}
        self._paid: dict[str, None] = {}
        """Markets that were paid out before we knew at what."""
        self._dropped: dict[str, None] = {}
        self._forgot_at = now
        self.counts: Counter[str] = Counter()
        """What the books' stream told that could not be used, by name."""
        if kept is None:
            self._exchange.open_account(ACCOUNT, {CASH_SHARD: cash})
        else:
            self._adopt(kept)

    @property
    def account(self) -> Account:
        """The account."""
        return self._exchange.accounts[ACCOUNT]

    @property
    def exchange(self) -> Exchange:
        """The exchange that it is on, to read from."""
        return self._exchange

    def _adopt(self, kept: KeptAccount) -> None:
        account = Account(ACCOUNT)
        account.cash = dict(kept.cash)
        account.fills, account.settlements = list(kept.fills), list(kept.settlements)
        self._exchange.adopt([account], kept.markets, kept.orders, kept.positions)
        self._exchange.order_groups.adopt(kept.groups)
        for market in self._exchange.markets.values():
            market.book = ShadowBook(market.ticker)
        # Unless it is listed again, it is kept only as long as something is held there.
        self._dropped = dict.fromkeys(self._exchange.markets)

    # --- the stream ----------------------------------------------------------------------------

    def apply(self, event: e.Event) -> list[Fact]:  # noqa: C901 - one flat table of facts
        """Take in one event, as the core did; return what it did to the account, and to the books."""
        match event:
            case e.BookDeltaReceived():
                market = self._book_of(event.ticker)
                if market is None:
                    return []
                now = self._at(event.received_at)
                return self._exchange.apply_delta(event.ticker, event.side, event.price, event.delta, now)
            case e.BookSnapshotReceived():
                return self._snapshot(event)
            case e.TradePrinted():
                if self._book_of(event.ticker) is None:
                    return []
                now = self._at(event.received_at)
                return self._exchange.apply_print(
                    event.ticker, event.trade_id, event.price, event.qty, event.taker_side, now
                )
            case e.BookLost():
                self._lose(event.ticker)
            case e.MarketRouted():
                self._routes[event.ticker] = event.feed
                self._lose(event.ticker)
            case e.FeedDropped():
                for ticker in self._exchange.markets:
                    if self._routes.get(ticker, FIRST_FEED) == event.feed:
                        self._lose(ticker)
            case e.MarketListed():
                return self._list(event.spec, self._at(event.received_at))
            case e.MarketStatusChanged() | e.MarketCloseMoved() | e.MarketGridChanged() | e.MarketStrikeSet():
                return self._change(event, self._at(event.received_at))
            case e.MarketDetermined():
                return self._determine(event, self._at(event.received_at))
            case e.MarketSettled():
                return self._settle(event.ticker, self._at(event.received_at))
            case e.MarketDropped():
                self._dropped[event.ticker] = None
                self._lose(event.ticker)
            case e.ExchangeStatusTold():
                return self._pause(event, self._at(event.received_at))
            case _:
                pass  # nothing of the books, the markets or the exchange
        return []

    def advance(self, now: Ns) -> list[Fact]:
        """Let happen what the clock alone brings about: opens, expiries, closes."""
        facts = self._exchange.advance(self._at(now))
        if self._now - self._forgot_at >= MINUTE:
            self._forgot_at = self._now
            self._forget()
        return facts

    def _at(self, at: Ns) -> Ns:
        self._now = max(self._now, at)
        return self._now

    def _book_of(self, ticker: str) -> Market | None:
        """Return a market whose book is known; None for others."""
        market = self._exchange.markets.get(ticker)
        known = market is not None and isinstance(market.book, ShadowBook) and market.book.has_snapshot
        return market if known else None

    def _lose(self, ticker: str) -> None:
        market = self._exchange.markets.get(ticker)
        if market is not None and isinstance(market.book, ShadowBook):
            market.book.has_snapshot = False

    def _snapshot(self, event: e.BookSnapshotReceived) -> list[Fact]:
        if event.ticker not in self._exchange.markets:
            self.counts["unlisted_snapshots"] += 1
            return []
        if not all(Ladder().replace(levels) for levels in (event.yes, event.no)):
            # The core takes it for no book either, and it is asked for again.
            self.counts["impossible_snapshots"] += 1
            self._lose(event.ticker)
            return []
        return self._exchange.apply_snapshot(event.ticker, event.yes, event.no, self._at(event.received_at))

    # --- markets -------------------------------------------------------------------------------

    def _list(self, spec: MarketSpec, now: Ns) -> list[Fact]:
        exchange, market = self._exchange, self._exchange.markets.get(spec.ticker)
        self._dropped.pop(spec.ticker, None)
        if market is None:
            # What is listed with an end behind it is told its result next.
            status = spec.status if spec.status in ("initialized", "active", "inactive") else "closed"
            return exchange.list_market(msgspec.structs.replace(spec, status=status), now, is_shadow=True)
        old = market.spec
        facts: list[Fact] = []
        if spec.close_at != old.close_at:
            facts += exchange.move_close(spec.ticker, spec.close_at, now)
        if spec.bands != old.bands:
            facts += exchange.change_grid(spec.ticker, spec.bands, now)
        # Fees and names; where it is in its life is told below, and by its own events.
        market.change(now, **{**_fields(spec), "status": market.status, "bands": spec.bands})
        return facts + self._set_status(market, spec.status, now)

    def _change(
        self,
        event: e.MarketStatusChanged | e.MarketCloseMoved | e.MarketGridChanged | e.MarketStrikeSet,
        now: Ns,
    ) -> list[Fact]:
        exchange, market = self._exchange, self._exchange.markets.get(event.ticker)
        if market is None:
            return []
        match event:
            case e.MarketStatusChanged():
                return self._set_status(market, event.status, now)
            case e.MarketCloseMoved():
                return exchange.move_close(event.ticker, event.close_at, now)
            case e.MarketGridChanged():
                return exchange.change_grid(event.ticker, event.bands, now)
            case e.MarketStrikeSet():
                return exchange.set_strike(event.ticker, event.strike, market.spec.strike_type, now)

    def _set_status(self, market: Market, status: str, now: Ns) -> list[Fact]:
        """Follow the venue's word, as far as it leads forward; results come by events of their own."""
        ticker, was = market.ticker, market.status
        if status == "inactive" and was == "active":
            return self._exchange.deactivate(ticker, now)
        if status == "active" and was == "inactive":
            return self._exchange.activate(ticker, now)
        if status == "active" and was == "initialized":
            market.change(now, status="active")
            return self._exchange.move_close(ticker, market.spec.close_at, now)
        if status == "closed":
            return self._close(market, now)
        if status == "disputed" and was in ("determined", "amended"):
            return self._exchange.dispute(ticker, now)
        return []

    def _close(self, market: Market, now: Ns) -> list[Fact]:
        if market.status not in ("initialized", "active", "inactive"):
            return []
        facts = self._exchange.move_close(market.ticker, min(market.spec.close_at, now), now)
        facts += self._exchange.advance(now)
        if market.spec.status != "closed":
            market.change(now, status="closed")  # one that never opened
        return facts

    def _determine(self, event: e.MarketDetermined, now: Ns) -> list[Fact]:
        exchange, market = self._exchange, self._exchange.markets.get(event.ticker)
        if market is None:
            return []
        ticker, result, price = event.ticker, event.result, event.settlement_price
        facts = self._close(market, now)
        if market.settled_at is not None:
            self.counts["results_changed_after_payout"] += market.settlement_price != price
        elif market.result is None:
            facts += exchange.determine(ticker, result, price, now)
        elif market.settlement_price != price or market.status == "disputed":
            facts += exchange.amend_result(ticker, result, price, now)
        if ticker in self._paid:
            del self._paid[ticker]
            facts += self._settle(ticker, now)
        return facts

    def _settle(self, ticker: str, now: Ns) -> list[Fact]:
        market = self._exchange.markets.get(ticker)
        if market is None:
            return []
        if market.status not in ("determined", "amended", "finalized"):
            self._paid[ticker] = None
            return []
        return self._exchange.settle(ticker, now)

    def _pause(self, event: e.ExchangeStatusTold, now: Ns) -> list[Fact]:
        """Pause and resume each shard as the venue says of it, or of all."""
        told = {one.exchange_index: (one.is_active, one.is_trading) for one in event.shards}
        facts: list[Fact] = []
        for shard in dict.fromkeys((*SHARDS, *told)):
            is_active, is_trading = told.get(shard, (True, True))
            wanted = Pause(not (event.is_active and is_active), not (event.is_trading and is_trading))
            held = self._exchange.pauses.of(shard)
            if (held.is_exchange_paused, held.is_trading_paused) == (
                wanted.is_exchange_paused,
                wanted.is_trading_paused,
            ):
                continue
            facts += self._exchange.resume(now, exchange_index=shard)
            if wanted.is_exchange_paused or wanted.is_trading_paused:
                facts += self._exchange.pause(
                    now, exchange_index=shard, is_trading_only=not wanted.is_exchange_paused
                )
        return facts

    # --- what the account asks for ---------------------------------------------------------------

    def place(self, request: NewOrder, now: Ns) -> tuple[OrderState | Refused, list[Fact]]:
        """Take an order as the exchange would on the book as it is; a book that isn't known takes none."""
        return self._ask(self._exchange.place, request, self._at(now))

    def amend(self, request: Amendment, now: Ns) -> tuple[OrderState | Refused, list[Fact]]:
        """Change a resting order's terms, as `place`."""
        return self._ask(self._exchange.amend, request, self._at(now))

    def _ask(
        self,
        call: Callable[[_Request, Ns], tuple[OrderState | Refused, list[Fact]]],
        request: _Request,
        now: Ns,
    ) -> tuple[OrderState | Refused, list[Fact]]:
        facts = self._exchange.advance(now)
        market = self._exchange.markets.get(request.ticker)
        if market is not None and market.is_open(now) and self._book_of(request.ticker) is None:
            return UNKNOWN_BOOK, facts
        facts += self._gather_cash(market, now)
        found, told = call(request, now)
        return found, facts + told

    def cancel(self, order_id: str, now: Ns) -> tuple[Qty | Refused, list[Fact]]:
        """Take a resting order out, whatever is known of its book."""
        facts = self._exchange.advance(self._at(now))
        found, told = self._exchange.cancel(ACCOUNT, order_id, self._now)
        return found, facts + told

    def _gather_cash(self, market: Market | None, now: Ns) -> list[Fact]:
        """Move what no order reserves to the shard of a market."""
        account, facts = self.account, list[Fact]()
        if market is None:
            return facts
        shard = market.spec.exchange_index
        for other in [other for other in account.cash if other != shard]:
            free = account.available(other)
            if free > 0:
                account.deposit(other, -free)
                account.deposit(shard, free)
                facts.append(CashChanged(ACCOUNT, other, account.cash[other], now))
        if facts:
            facts.append(CashChanged(ACCOUNT, shard, account.cash[shard], now))
        return facts

    # --- what is over ----------------------------------------------------------------------------

    def _forget(self) -> None:
        """Drop what nobody asks for any more: weeks of quarter-hour markets would fill the memory."""
        account, markets = self.account, self._exchange.markets
        for ticker in [*self._dropped]:
            holding, market = account.holdings.get(ticker), markets.get(ticker)
            is_held = holding is not None and (holding.qty or holding.pairs)
            if is_held or account.resting.get(ticker):
                continue
            if market is not None:
                del markets[ticker]
            self._routes.pop(ticker, None)
            account.holdings.pop(ticker, None)
            del self._dropped[ticker]
        ended = [
            order
            for order in account.orders.values()
            if order.status != "resting" and order.updated_at < self._now - ORDERS_KEPT
        ]
        for order in ended:
            del account.orders[order.order_id]
            account.client_order_ids.pop(order.client_order_id, None)
        account.fills = [fill for fill in account.fills if fill.at >= self._now - FILLS_KEPT]


def _fields(spec: MarketSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in spec.__struct_fields__}
