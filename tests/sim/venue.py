"""The exchange of the simulation: the sandbox's own REST calls, stream frames and matching, without a socket.

Requests are carried to the sandbox's own calls as they would come off the wire, answers are taken as they
would go onto it; only the signature is not asked for. Other traders are seeded noise that quotes, takes,
and meets our orders; markets close, are determined and paid out, pause and go on again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from aiohttp import web
from yarl import URL

from daemon.core.markets import Fees, MarketSpec
from daemon.core.units import HOUR, MINUTE, MONEY_ONE, SECOND, BookSide, Money, Ns, PriceBand
from daemon.exchange.accounts import Account
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Fact
from daemon.exchange.matching import Order
from daemon.exchange.requests import NewOrder, Refused
from daemon.sandbox.auth import SIGNER, Signer, is_public
from daemon.sandbox.bodies import ApiError, nested_error, too_many_requests
from daemon.sandbox.flow import History, Resumed, Telling
from daemon.sandbox.limits import ADVANCED, COST_DEFAULT, COST_GET_ORDER, Buckets
from daemon.sandbox.rest.account import AccountApi
from daemon.sandbox.rest.exchange import ExchangeApi
from daemon.sandbox.rest.groups import GroupApi
from daemon.sandbox.rest.markets import MarketApi
from daemon.sandbox.rest.orders import OrderApi
from daemon.sandbox.rest.portfolio import PortfolioApi
from daemon.sandbox.rest.series import SeriesApi
from daemon.sandbox.state import Kept
from daemon.sandbox.venue import ACCOUNT, Venue

T0: Ns = 1_790_366_100 * SECOND
SHARD = 2
CASH: Money = 2_000 * MONEY_ONE
OTHERS = "sim:others"
OTHERS_RESTING_MAX = 24
_SIGNER = Signer("sim-key", ACCOUNT, ("read", "write"), None)
_PART = re.compile(r"\{(\w+)\}")


class _NoStore:
    """A state directory that keeps nothing."""

    def load(self) -> Kept:
        return Kept(
            life=1, user_id="sim-user", cash=None, spot=None, markets=(), orders=(), positions=(), fills=(),
            settlements=(), client_order_ids={}, subaccounts=(), netting={}, groups=(), transfers=(),
            deposits=(), allocations=(), pauses=(), windows=(),
        )  # fmt: skip

    def clear(self) -> None:
        """Nothing is there."""

    def set_user_id(self, user_id: str) -> None:
        """It is known."""

    def set_cash(self, account: Account) -> None:
        """It is in the account."""

    def save(self, tellings: Iterable[Telling], exchange: Exchange) -> None:
        """Nothing is kept."""

    def save_spot(self, price: Money) -> None:
        """Nothing is kept."""


class _NoFlow:
    """A flow of nothing that begins at T0: the world itself moves everything."""

    mode = "traders"
    speed = None
    start_at = T0

    def history(self) -> History:
        return History({}, (), (), ())

    def advance(self, _exchange: Exchange, _now: Ns) -> list[Telling]:
        return []


class _Request(dict[Any, Any]):
    """What the sandbox's calls read of a request."""

    def __init__(self, method: str, url: URL, match: dict[str, str], body: bytes) -> None:
        super().__init__()
        self.method, self.path, self.raw_path = method, url.path, url.raw_path
        self.query, self.match_info = url.query, match
        self.content_type = "application/json"
        self._body = body
        self[SIGNER] = _SIGNER

    async def read(self) -> bytes:
        return self._body


def spec_of(ticker: str, close_at: Ns, strike: int, event: str) -> MarketSpec:
    """Return a market that is open from T0 on."""
    return MarketSpec(
        ticker, event, "KXSIM", "Simulated", "active", T0 - MINUTE, close_at, strike * MONEY_ONE,
        "greater_or_equal", (PriceBand(0, 10_000, 100),), Fees("quadratic", 1_000_000), SHARD,
    )  # fmt: skip


class SimVenue:
    """The exchange, told the time.

    Args:
        now: the virtual clock.
        seed: of ids and of what others do.
        on_change: called after everything that may have changed our orders, cash or positions.
    """

    def __init__(self, now: Callable[[], Ns], seed: int, on_change: Callable[[], None]) -> None:
        self._now = now
        self._rng = random.Random(f"others-{seed}")
        self._on_change = on_change
        store: Any = _NoStore()
        self.venue = Venue(store, _flow, seed=seed, cash={SHARD: CASH}, speed=None)
        self.exchange = self.venue.exchange
        self.exchange.open_account(OTHERS, {}, is_house=True)
        self.account = self.venue.account
        self.buckets = Buckets(ADVANCED)
        self._routes = list(self._compiled())
        self._mids: dict[str, int] = {}
        self._over: set[str] = set()
        self._made = 0
        for number, (event, closes_in) in enumerate(
            (("KXSIM-A", HOUR), ("KXSIM-A", HOUR), ("KXSIM-B", self._rng.randint(12, 40) * SECOND))
        ):
            self.list_market(event, T0 + closes_in, 84_000 + 500 * number)

    # --- the wire ------------------------------------------------------------------------------

    def _compiled(self) -> Iterable[tuple[str, re.Pattern[str], Callable[..., Any]]]:
        apis: tuple[Any, ...] = (
            ExchangeApi(self.venue), SeriesApi(self.venue), MarketApi(self.venue), PortfolioApi(self.venue),
            AccountApi(self.venue, self.buckets), GroupApi(self.venue, self.buckets),
            OrderApi(self.venue, self.buckets),
        )  # fmt: skip
        for api in apis:
            for route in api.routes():
                if ":" not in route.path:
                    pattern = re.compile(_PART.sub(r"(?P<\1>[^/]+)", route.path) + "$")
                    yield route.method, pattern, route.handler

    def serve(self, method: str, url: URL, body: bytes | None) -> tuple[int, bytes]:
        """Answer one request at this instant: status and body."""
        self.venue.clock.set(self._now())
        try:
            found = self._answer(method, url, body or b"")
        except ApiError as error:
            answer = error.status, error.body
        else:
            answer = found.status, bytes(found.body) if isinstance(found.body, bytes) else b""
        self._on_change()
        return answer

    def _answer(self, method: str, url: URL, body: bytes) -> web.Response:
        match, call = self._route(method, url.path)
        if method == "GET" and not is_public(url.path):
            cost = COST_GET_ORDER if "/portfolio/orders/" in url.path else COST_DEFAULT
            if not self.buckets.take_read(cost, self._now()):
                raise too_many_requests()
        request = _Request(method, url, match.groupdict(), body)
        # The sandbox's calls wait for nothing but the body, which is here: one step ends them.
        coroutine = call(request)
        try:
            coroutine.send(None)
        except StopIteration as ended:
            found = ended.value
            assert isinstance(found, web.Response), f"{method} {url.path} answered {found!r}"
            return found
        coroutine.close()
        raise AssertionError(f"{method} {url.path} waits for something")

    def _route(self, method: str, path: str) -> tuple[re.Match[str], Callable[..., Any]]:
        for wanted, pattern, call in self._routes:
            if wanted == method and (match := pattern.match(path)) is not None:
                return match, call
        raise nested_error(404, "not_found")

    def tell(self, facts: list[Fact]) -> None:
        """Publish what happened."""
        if facts:
            self.venue.tell([*facts])
            self._on_change()

    # --- markets -------------------------------------------------------------------------------

    def list_market(self, event: str, close_at: Ns, strike: int) -> None:
        """List a market and quote it."""
        self._made += 1
        ticker = f"{event}-{self._made}"
        self.venue.clock.set(self._now())
        self.tell(self.exchange.list_market(spec_of(ticker, close_at, strike, event), self._now()))
        self.tell(self.exchange.advance(self._now()))
        self._mids[ticker] = self._rng.randint(30, 70)
        for _ in range(8):
            self._quote(ticker)

    def pass_time(self) -> None:
        """Let happen what falls due: closes, results, payouts, expiries."""
        now = self._now()
        self.venue.clock.set(now)
        self.tell(self.exchange.advance(now))
        for ticker, market in self.exchange.markets.items():
            if market.status == "closed" and now > market.spec.close_at + 2 * SECOND:
                yes = self._rng.random() < 0.5
                self.tell(self.exchange.determine(ticker, "yes" if yes else "no", 10_000 * yes, now))
            elif market.status == "determined" and now > market.spec.close_at + 6 * SECOND:
                self.tell(self.exchange.settle(ticker, now))
        open_count = sum(market.is_open(now) for market in self.exchange.markets.values())
        if open_count < 3:
            closes_at = now + self._rng.randint(15, 60) * SECOND
            self.list_market(f"KXSIM-{'BCDEFGHIJKLMNOPQRSTUVWXYZ'[self._made % 25]}", closes_at, 85_000)

    def suspend(self, rng: random.Random) -> None:
        """Suspend a market, let one trade again, or pause the shard's trading for a while."""
        now = self._now()
        self.venue.clock.set(now)
        market = rng.choice(list(self.exchange.markets.values()))
        if market.status == "active" and market.is_open(now) and rng.random() < 0.6:
            self.tell(self.exchange.deactivate(market.ticker, now))
        elif self.exchange.pauses.is_trading_active(SHARD):
            self.tell(self.exchange.pause(now, exchange_index=SHARD, is_trading_only=rng.random() < 0.7))

    def go_on(self) -> None:
        """End every suspension and every pause."""
        now = self._now()
        self.venue.clock.set(now)
        self.tell(self.exchange.resume(now))
        for market in list(self.exchange.markets.values()):
            if market.status == "inactive":
                self.tell(self.exchange.activate(market.ticker, now))

    # --- other traders -------------------------------------------------------------------------

    def trade(self) -> None:
        """Let others do one thing: quote, take, or give up an old order."""
        now, rng = self._now(), self._rng
        tickers = [ticker for ticker, market in self.exchange.markets.items() if market.is_open(now)]
        if not tickers:
            return
        ticker = rng.choice(tickers)
        self.venue.clock.set(now)
        if rng.random() < 0.3:
            self._mids[ticker] = min(90, max(10, self._mids[ticker] + rng.choice((-2, -1, 1, 2))))
        if rng.random() < 0.35:
            side: BookSide = rng.choice(("bid", "ask"))
            price = 100 * (self._mids[ticker] + (4 if side == "bid" else -4))
            self._place(ticker, side, price, rng.choice((50, 100, 300, 1_200)), is_take=True)
        else:
            self._quote(ticker)

    def _quote(self, ticker: str) -> None:
        rng, now = self._rng, self._now()
        house = self.exchange.accounts[OTHERS]
        resting: dict[str, Order] = house.resting.get(ticker, {})
        if len(resting) >= OTHERS_RESTING_MAX // 2:
            self.tell(self.exchange.cancel(OTHERS, next(iter(resting)), now)[1])
        side: BookSide = rng.choice(("bid", "ask"))
        away = rng.randint(2, 6)
        price = 100 * (self._mids[ticker] + (-away if side == "bid" else away))
        self._place(ticker, side, price, rng.choice((500, 1_000, 2_500)), is_take=False)

    def _place(self, ticker: str, side: BookSide, price: int, qty: int, *, is_take: bool) -> None:
        tif: Any = "immediate_or_cancel" if is_take else "good_till_canceled"
        outcome, facts = self.exchange.place(
            NewOrder(OTHERS, ticker, side, min(9_900, max(100, price)), qty, tif), self._now()
        )
        if not isinstance(outcome, Refused):
            self.tell(facts)

    # --- the truth -----------------------------------------------------------------------------

    @property
    def cash(self) -> Money:
        """What the client's account holds."""
        return sum(self.account.cash.values())

    def order(self, client_order_id: str) -> Order | None:
        """Return the client's order of this id; None if it never arrived."""
        order_id = self.account.client_order_ids.get(client_order_id)
        return None if order_id is None else self.account.orders[order_id]

    def resting(self) -> list[Order]:
        """Return the client's resting orders."""
        return [order for orders in self.account.resting.values() for order in orders.values()]


def _flow(_resumed: Resumed) -> Any:
    return _NoFlow()


def decoded(body: bytes | None) -> dict[str, Any]:
    """Return a request's body as an object; empty without one."""
    return msgspec.json.decode(body, type=dict[str, Any]) if body else {}
