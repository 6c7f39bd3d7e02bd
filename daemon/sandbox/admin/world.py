"""Admin calls on the venue as a whole: its clock, pauses, the client's account, faults, load, state."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from daemon.core.units import MILLISECOND, format_money
from daemon.sandbox.admin.call import MS_MAX, Body, Call, CallRefused, NoBody, money_in
from daemon.sandbox.bodies import PRICE_TEXT
from daemon.sandbox.faults.desk import FaultDesk
from daemon.sandbox.faults.registry import FAULTS, SEAM_OPTIONS, BadRule, Rule
from daemon.sandbox.flow import STEP
from daemon.sandbox.flows.still import StillFlow
from daemon.sandbox.limits import Buckets, Tier
from daemon.sandbox.load import Loads
from daemon.sandbox.pump import Pump
from daemon.sandbox.reference.server import ReferenceFeed
from daemon.sandbox.stream.subscription import StreamLimits
from daemon.sandbox.stream.ws import WsApi
from daemon.sandbox.venue import Venue

TIERS: Final = {
    tier.name: tier
    for tier in (
        Tier("basic", 200, 100, 1),
        Tier("advanced", 300, 300),
        Tier("expert", 600, 600),
        Tier("premier", 1200, 1200),
        Tier("paragon", 2400, 2400),
        Tier("prime", 4800, 4800),
        Tier("prestige", 12_000, 9_600),
        Tier("unlimited", 10_000_000, 10_000_000),
    )
}
"""Source: protocol sheet 5.3; "unlimited" is the sandbox's own, for measuring."""
TierName = Literal["basic", "advanced", "expert", "premier", "paragon", "prime", "prestige", "unlimited"]

_Shard = Annotated[
    Annotated[int, Meta(ge=0, le=3)] | None, Meta(description="the shard; none is all of them")
]


class Advance(Body, frozen=True):
    """How far the clock moves, and in which steps: what falls due happens at the end of its step."""

    ms: Annotated[int, Meta(ge=1, le=7 * 86_400_000)]
    step_ms: Annotated[int, Meta(ge=1, le=60_000)] = STEP // MILLISECOND


class PauseExchange(Body, frozen=True):
    """A pause of trading (cancels are let through) or of all of the exchange."""

    what: Literal["trading", "exchange"] = "trading"
    exchange_index: _Shard = None
    resumes_in_ms: Annotated[
        Annotated[int, Meta(ge=1, le=MS_MAX)] | None,
        Meta(description="the end as announced; resume ends it"),
    ] = None


class Resume(Body, frozen=True):
    """The end of every pause."""

    exchange_index: _Shard = None


class Maintenance(Body, frozen=True):
    """A window in which the exchange is paused, from now."""

    in_ms: Annotated[int, Meta(ge=0, le=MS_MAX)] = 0
    for_ms: Annotated[int, Meta(ge=1, le=MS_MAX)] = 7_200_000


class Deposit(Body, frozen=True):
    """Cash from outside."""

    dollars: Annotated[str, Meta(description='dollars as text: "100.00"')]
    exchange_index: Annotated[int, Meta(ge=0, le=3)] = 2


class SetTier(Body, frozen=True):
    """The client's usage tier."""

    tier: TierName


class SetReadLag(Body, frozen=True):
    """How far portfolio reads are behind."""

    ms: Annotated[int, Meta(ge=0, le=60_000)]


class SetSpot(Body, frozen=True):
    """What the underlying costs from the next second on, in the world that stands still."""

    price: Annotated[str, Meta(description='dollars as text: "85000.00"')]


class SetReference(Body, frozen=True):
    """How the reference venue's trading system stands."""

    system: Literal["online", "maintenance", "cancel_only", "post_only"]


class ClearFaults(Body, frozen=True):
    """One fault, or all."""

    id: int | None = None


class LimitStreams(Body, frozen=True):
    """Limits of WebSocket subscriptions (error codes 26 and 27); none is no limit."""

    markets_per_subscription: Annotated[int, Meta(ge=1)] | None = None
    commands_per_s: Annotated[int, Meta(ge=1)] | None = None


class StartLoad(Body, frozen=True):
    """A stream of book messages in the markets of an event, or in those named."""

    event_ticker: str | None = None
    tickers: tuple[str, ...] = ()
    per_s: Annotated[int, Meta(ge=1, le=200_000)] = 1000
    seconds: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    seed: Annotated[int, Meta(ge=0)] = 1


class WorldCalls:
    """See the module's head."""

    def __init__(
        self,
        venue: Venue,
        pump: Pump,
        buckets: Buckets,
        faults: FaultDesk,
        loads: Loads,
        ws: WsApi,
        reference: ReferenceFeed,
    ) -> None:
        self._venue = venue
        self._pump = pump
        self._buckets = buckets
        self._faults = faults
        self._loads = loads
        self._ws = ws
        self._reference = reference

    def calls(self) -> list[Call]:
        """Return the calls."""
        return [
            Call("GET", "/state", "show clock, markets, account, pauses, faults, load, connections", NoBody,
                 self.state),
            Call("POST", "/clock/advance",
                 "move a clock that stands (--speed manual); answered when all up to then was told",
                 Advance, self.advance),
            Call("POST", "/exchange/pause", "pause trading or the exchange", PauseExchange, self.pause),
            Call("POST", "/exchange/resume", "end every pause", Resume, self.resume),
            Call("POST", "/exchange/maintenance", "schedule maintenance", Maintenance, self.maintain),
            Call("POST", "/account/deposit", "give the client's account cash", Deposit, self.deposit),
            Call("POST", "/account/tier", "set the client's rate limits", SetTier, self.set_tier),
            Call("POST", "/read_lag", "let portfolio reads be behind", SetReadLag, self.set_read_lag),
            Call("POST", "/stream/limits", "limit WebSocket subscriptions", LimitStreams, self.limit_streams),
            Call("POST", "/spot", "set the price of the underlying (--world still)", SetSpot, self.set_spot),
            Call("POST", "/reference/system", "let the reference venue's system stand so", SetReference,
                 self.set_reference),
            Call("GET", "/faults", "list faults with their counts, and every kind there is", NoBody,
                 self.list_faults),
            Call("POST", "/faults", "inject a fault", Rule, self.inject),  # type: ignore[arg-type]
            Call("POST", "/faults/clear", "end one fault, or all", ClearFaults, self.clear),
            Call("GET", "/load", "show the load, and the last number of every subscription", NoBody,
                 self.load),
            Call("POST", "/load/start", "start a stream of book messages", StartLoad, self.start_load),
            Call("POST", "/load/stop", "end it", NoBody, self.stop_load),
        ]  # fmt: skip

    # --- the clock and the exchange ----------------------------------------------------------

    async def advance(self, body: Advance) -> dict[str, object]:
        """POST /clock/advance."""
        if not self._pump.is_by_hand:
            raise CallRefused(409, "this clock runs by itself; start the sandbox with --speed manual")
        try:
            await self._pump.advance(body.ms * MILLISECOND, body.step_ms * MILLISECOND)
        except TimeoutError as error:
            raise CallRefused(409, "a follower of the clock channel does not answer") from error
        return {}

    async def pause(self, body: PauseExchange) -> dict[str, object]:
        """POST /exchange/pause."""
        now = self._venue.clock.now()
        resumes_at = None if body.resumes_in_ms is None else now + body.resumes_in_ms * MILLISECOND
        facts = self._venue.exchange.pause(
            now,
            exchange_index=body.exchange_index,
            is_trading_only=body.what == "trading",
            resumes_at=resumes_at,
        )
        self._venue.tell([*facts])
        return {"changed": len(facts)}

    async def resume(self, body: Resume) -> dict[str, object]:
        """POST /exchange/resume."""
        facts = self._venue.exchange.resume(self._venue.clock.now(), exchange_index=body.exchange_index)
        self._venue.tell([*facts])
        return {"changed": len(facts)}

    async def maintain(self, body: Maintenance) -> dict[str, object]:
        """POST /exchange/maintenance."""
        now = self._venue.clock.now()
        start_at = now + body.in_ms * MILLISECOND
        end_at = start_at + body.for_ms * MILLISECOND
        self._venue.tell([*self._venue.exchange.schedule_maintenance(start_at, end_at, now)])
        return {"start_ms": start_at // MILLISECOND, "end_ms": end_at // MILLISECOND}

    # --- the account -------------------------------------------------------------------------

    async def deposit(self, body: Deposit) -> dict[str, object]:
        """POST /account/deposit."""
        amount = money_in(body.dollars, "dollars")
        account, shard = self._venue.account, body.exchange_index
        facts = self._venue.exchange.treasury.deposit(account.name, shard, amount, self._venue.clock.now())
        self._venue.tell([*facts])
        return {"exchange_index": shard, "cash": format_money(account.cash[shard])}

    async def set_tier(self, body: SetTier) -> dict[str, object]:
        """POST /account/tier."""
        self._buckets.set_tier(TIERS[body.tier])
        return {"tier": body.tier}

    async def set_read_lag(self, body: SetReadLag) -> dict[str, object]:
        """POST /read_lag."""
        self._venue.reads.lag = body.ms * MILLISECOND
        return {"ms": body.ms}

    async def limit_streams(self, body: LimitStreams) -> dict[str, object]:
        """POST /stream/limits."""
        limits = StreamLimits(body.markets_per_subscription, body.commands_per_s)
        self._venue.hub.limits = limits
        return {"limits": limits}

    async def set_spot(self, body: SetSpot) -> dict[str, object]:
        """POST /spot."""
        if not isinstance(self._venue.flow, StillFlow):
            raise CallRefused(409, "the price has a life of its own; start the sandbox with --world still")
        self._venue.flow.price = money_in(body.price, "price")
        return {"price": body.price}

    async def set_reference(self, body: SetReference) -> dict[str, object]:
        """POST /reference/system."""
        self._reference.set_system(body.system)
        return {"system": body.system}

    # --- faults ------------------------------------------------------------------------------

    async def list_faults(self, _body: NoBody) -> dict[str, object]:
        """GET /faults."""
        kinds = {
            kind: {
                "seam": fault.seam,
                "does": fault.does,
                "options": [*SEAM_OPTIONS[fault.seam], *fault.options],
            }
            for kind, fault in FAULTS.items()
        }
        return {"faults": self._faults.counts(), "kinds": kinds}

    async def inject(self, rule: Rule) -> dict[str, object]:
        """POST /faults."""
        try:
            return {"id": self._faults.inject(rule)}
        except BadRule as error:
            raise CallRefused(400, str(error)) from error

    async def clear(self, body: ClearFaults) -> dict[str, object]:
        """POST /faults/clear."""
        if body.id is not None and all(body.id != counted.id for counted in self._faults.counts()):
            raise CallRefused(404, f"id: no fault {body.id}")
        return {"ended": self._faults.clear(body.id)}

    # --- load --------------------------------------------------------------------------------

    async def start_load(self, body: StartLoad) -> dict[str, object]:
        """POST /load/start."""
        if self._loads.is_running:
            raise CallRefused(409, "a load runs; POST /load/stop ends it")
        markets = self._venue.exchange.markets
        if bool(body.tickers) == (body.event_ticker is not None):
            raise CallRefused(400, "tickers: name them, or an event_ticker, not both")
        tickers = list(body.tickers) or [
            ticker for ticker, market in markets.items() if market.spec.event_ticker == body.event_ticker
        ]
        unknown = [ticker for ticker in tickers if ticker not in markets]
        if unknown or not tickers:
            raise CallRefused(404, f"no market {unknown[0] if unknown else body.event_ticker}")
        self._loads.start(tickers, body.per_s, body.seconds, body.seed)
        return {"markets": len(tickers), "messages": round(body.per_s * body.seconds)}

    async def stop_load(self, _body: NoBody) -> dict[str, object]:
        """POST /load/stop."""
        await self._loads.stop()
        return {"load": self._loads.report}

    async def load(self, _body: NoBody) -> dict[str, object]:
        """GET /load."""
        return {"load": self._loads.report, "subscriptions": self._ws.subscriptions()}

    # --- state -------------------------------------------------------------------------------

    async def state(self, _body: NoBody) -> dict[str, object]:
        """GET /state."""
        venue, exchange = self._venue, self._venue.exchange
        return {
            "mode": venue.flow.mode,
            "speed": "manual" if self._pump.is_by_hand else venue.speed,
            "connections": self._ws.count,
            "cash": {str(shard): format_money(cash) for shard, cash in venue.account.cash.items()},
            "resting_orders": sum(len(orders) for orders in venue.account.resting.values()),
            "pauses": {str(shard): exchange.pauses.of(shard) for shard in range(4)},
            "read_lag_ms": venue.reads.lag // MILLISECOND,
            "faults": [counted for counted in self._faults.counts() if counted.is_live],
            "load": self._loads.report,
            "markets": {
                ticker: {
                    "status": market.status,
                    "close_ms": market.spec.close_at // MILLISECOND,
                    "bid": None if market.book.bid is None else PRICE_TEXT[market.book.bid],
                    "ask": None if market.book.ask is None else PRICE_TEXT[market.book.ask],
                }
                for ticker, market in exchange.markets.items()
            },
        }
