"""The deciding half of the core: `handle(event)`, `decide(now) -> commands`, `wake_at()`.

One decision: apply the whole drained batch (that is `handle`, per event), then decide once. For every
market that changed, each strategy says what it wants, `orders.plan` finds the difference to what rests,
`risk` approves or refuses it, and what is approved is recorded in flight *before* the command leaves this
function: the next check already counts it.

Deterministic: the same events and the same `now`s give the same commands and the same order ids.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from daemon.core import events as e
from daemon.core.breaker import Breaker
from daemon.core.commands import AmendOrder, CancelAll, Command, PlaceOrder, ProbeVenue, Reconcile
from daemon.core.engine_config import EngineConfig
from daemon.core.exposure import cash_free, loss_elsewhere, marked_equity
from daemon.core.issuing import Issuer, base36
from daemon.core.market import Market
from daemon.core.orders import Proposal, ProposeCancel, plan
from daemon.core.own_orders import ADOPTED
from daemon.core.risk import AccountRisk, Approved, MarketRisk, Refusal, Risk, vouch_market
from daemon.core.scorer import FeatureSchema, Scorer
from daemon.core.state import State
from daemon.core.strategy import FeatureRow, MarketView, Strategy, Wanted
from daemon.core.units import DAY, MINUTE, SECOND, Money, Ns

__all__ = ["Decision", "Engine", "EngineConfig", "Phase", "Slot"]

DECISIONS_KEPT = 200
Phase: TypeAlias = Literal["starting", "trading", "halted", "stopping", "stopped"]


class Slot(msgspec.Struct, frozen=True):
    """One strategy with the series that it trades."""

    strategy: Strategy
    series: frozenset[str]


class Decision(msgspec.Struct, frozen=True):
    """What was decided for one market and strategy, and why: for people, and for `why`."""

    at: Ns
    ticker: str
    strategy: str
    outcome: Literal["place", "amend", "cancel", "refused", "idle"]
    reason: str
    score: float | None


class Engine:
    """The core: state, strategies, model and limits, joined. Knows no clock and does no I/O."""

    def __init__(
        self, config: EngineConfig, slots: Sequence[Slot], scorer: Scorer | None, schema: FeatureSchema
    ) -> None:
        self.config = config
        self.slots = tuple(slots)
        self.scorer = scorer
        self.schema = schema
        required = () if scorer is None else scorer.required
        self._places = {name: place for place, name in enumerate(schema.names)}
        self._required = tuple((name, place) for name, place in self._places.items() if name in required)
        self._required_places = tuple(place for _, place in self._required)
        self.state = State(
            schema,
            f"{config.order_id_prefix}-",
            private_feed=config.private_feed,
            reference=config.reference,
            audit_differences_max=config.audit_differences_max,
            is_backfilled=config.is_backfilled,
        )
        self.risk = Risk(config.limits)
        self.breaker = Breaker(config.failures_max)
        self.decisions: deque[Decision] = deque(maxlen=DECISIONS_KEPT)
        self.refusals: Counter[str] = Counter()
        self.scores: dict[str, float | None] = {}
        """The last score per watched market."""
        self.noted_total = 0
        """How many decisions were ever kept in `decisions`."""
        self.decisions_total = 0
        self.orders_total = 0
        self.phase: Phase = "starting"
        self.equity_at_start: Money | None = None
        self._swept_at: Ns | None = None
        self._asked_at: Ns | None = None
        self._is_cancel_all_due = False
        self._probed_at: Ns = 0
        self._issuer = Issuer(
            self.state, f"{config.order_id_prefix}-{base36(config.epoch)}-", config.order_ttl
        )
        self._day = -1
        self._equity_at_day_start: Money = 0
        self._last_reasons: dict[tuple[str, str], str] = {}

    # --- events --------------------------------------------------------------------------------

    def handle(self, event: e.Event) -> None:
        """Take in one fact; never decides."""
        if type(event) is e.BookDeltaReceived:
            self.state.apply_delta(event)  # the most frequent by far takes the short way
            return
        self.state.apply(event)
        if isinstance(event, e.VenueFailed):
            if self.breaker.fail(event.received_at):
                self._is_cancel_all_due = True
        elif isinstance(event, e.VenueAnswered):
            self.breaker.answer(is_probe=event.request == "probe")

    def wake_at(self) -> Ns | None:
        """Return when to decide next if nothing happens; None once stopped."""
        if self.phase == "stopped":
            return None
        return 0 if self._swept_at is None else self._swept_at + self.config.heartbeat

    # --- decisions -----------------------------------------------------------------------------

    def decide(self, now: Ns) -> list[Command]:
        """Decide once for everything that changed since the last time, and for the clock."""
        state = self.state
        if self._swept_at is None or now - self._swept_at >= self.config.heartbeat:
            self._swept_at = now
            state.forget_unwatched()
            self._forget_gone()
            state.touched.update(dict.fromkeys(state.markets))
        touched, state.touched = state.touched, {}
        self._new_day(now)
        self.phase = self._next_phase()
        commands = self._keep_house(now)
        if self.phase != "stopped":
            for ticker in touched:
                market = state.markets.get(ticker)
                if market is not None:
                    market.open_by_clock(now)
                    self._decide_market(market, now, commands)
        return commands

    def _forget_gone(self) -> None:
        """Markets come and go for as long as we live: what is kept for people of those that went goes too."""
        markets = self.state.markets
        if len(self.scores) > len(markets):
            self.scores = {ticker: score for ticker, score in self.scores.items() if ticker in markets}
        if len(self._last_reasons) > len(markets) * len(self.slots):
            reasons = self._last_reasons.items()
            self._last_reasons = {key: reason for key, reason in reasons if key[0] in markets}

    def _next_phase(self) -> Phase:
        state = self.state
        if state.stop_reason is not None:
            is_clear = not state.orders and state.account.is_reconciled and not state.is_reading_due
            return "stopped" if is_clear or self.phase == "stopped" else "stopping"
        if state.halt_reason is not None:
            return "halted"
        return "trading" if state.account.is_reconciled else "starting"

    def _new_day(self, now: Ns) -> None:
        """Note the equity with which this life, and each UTC day, begins."""
        if not self.state.account.is_reconciled:
            return
        day = now // DAY
        if day != self._day:
            equity = marked_equity(self.state)
            if equity is not None:
                self._day, self._equity_at_day_start = day, equity
                if self.equity_at_start is None:
                    self.equity_at_start = equity

    def _keep_house(self, now: Ns) -> list[Command]:
        """Return what the account needs whatever the markets do: cancel-all, probe, reconcile."""
        commands: list[Command] = []
        state = self.state
        if self._is_cancel_all_due:
            self._is_cancel_all_due = False
            state.is_reading_due = True
            commands.append(CancelAll("breaker opened", now))
        is_asking = self.breaker.state == "open" or state.exchange.is_supposed(now)
        if is_asking and now - self._probed_at >= self.config.probe_every:
            self._probed_at = now
            commands.append(ProbeVenue(now))
        if self.phase == "stopped":
            return commands
        is_doubtful = not state.account.is_reconciled
        for order in tuple(state.orders.values()):
            is_doubtful = is_doubtful or order.state == "unknown" or not order.is_open
            # Nobody else would take these out: their strategy is a previous life's, or their market is gone.
            is_orphan = order.strategy == ADOPTED or order.ticker not in state.markets
            if is_orphan and order.state == "resting" and not self._is_exchange_paused(order.ticker, now):
                wish = ProposeCancel(order.ticker, order.strategy, order.client_order_id, "adopted")
                commands.append(self._issuer.issue(self.risk.approve_cancel(wish), None, now))
        since = None if self._asked_at is None else now - self._asked_at
        if (
            since is None
            or (state.is_reading_due and since >= SECOND // 4)
            or (is_doubtful and since >= SECOND)
            or since >= self.config.reconcile_every
        ):
            reason = "due" if state.account.is_reconciled else "not reconciled"
            self._asked_at = now
            state.is_reading_due = False
            commands.append(Reconcile(reason, now))
        return commands

    def _decide_market(self, market: Market, now: Ns, commands: list[Command]) -> None:
        ticker = market.spec.ticker
        state = self.state
        orders = [order for order in state.orders.values() if order.ticker == ticker and order.is_open]
        stop: Refusal | None = self._stop_reason() or state.vouch(market, self.config.limits, now)
        is_held = state.exchange.is_paused_somewhere and self._is_exchange_paused(ticker, now)
        if is_held:
            stop = "exchange_paused"
        view: MarketView | None = None
        for slot in self.slots:
            name = slot.strategy.name
            if market.spec.series_ticker not in slot.series:
                continue
            reason = stop or vouch_market(
                market.spec, market.book, slot.strategy.book_changed_max, self.config.limits, now
            )
            mine = [order for order in orders if order.strategy == name] if orders else orders
            if reason is not None:
                wanted = Wanted((), reason)
                # A book that stands still on a connection that is well makes no resting order wrong: it
                # is no ground for new ones, and those that rest stay. On an exchange pause the venue
                # would refuse the cancels too: they wait until it is over.
                if not mine or reason == "book_unchanged" or is_held:
                    self._note(now, ticker, name, "refused", reason, None)
                    continue
            else:
                if view is None:
                    view = self._view(market, now)
                wanted = slot.strategy.wants(view)
                self.decisions_total += 1
            proposals = plan(ticker, name, wanted.targets, mine, wanted.reason)
            if not proposals:
                self._note(now, ticker, name, "idle", wanted.reason, self.scores.get(ticker))
            for proposal in proposals:
                self._carry_out(proposal, market, now, commands)

    def _is_exchange_paused(self, ticker: str, now: Ns) -> bool:
        market = self.state.markets.get(ticker)
        shard = None if market is None else market.spec.exchange_index
        return self.state.exchange.pause(shard, now) == "exchange_paused"

    def _stop_reason(self) -> Refusal | None:
        state = self.state
        if state.stop_reason is not None:
            return "stopping"
        if state.halt_reason is not None:
            return "halted"
        if not state.account.is_reconciled:
            return "not_reconciled"
        return "breaker_open" if self.breaker.state == "open" else None

    def _view(self, market: Market, now: Ns) -> MarketView:
        """Score the market and return what its strategies may read."""
        row = market.features.row(now)
        scorer, score = self.scorer, None
        missing: tuple[str, ...] = ()
        if scorer is not None:
            for place in self._required_places:
                if row[place] is None:
                    missing = tuple([name for name, place in self._required if row[place] is None])
                    break
            else:
                score = scorer.score(row)
        ticker = market.spec.ticker
        self.scores[ticker] = score
        equity = self.state.ledger.equity
        assert equity is not None, "a view is made only of a reconciled account"
        # By place: names cost as much again, for every market and tick.
        return MarketView(
            now,
            market.spec,
            market.grid,
            market.book,
            FeatureRow(self._places, row),
            score,
            missing,
            self.state.ledger.position_qty(ticker),
            equity,
        )

    # --- from proposal to command --------------------------------------------------------------

    def _carry_out(self, proposal: Proposal, market: Market, now: Ns, commands: list[Command]) -> None:
        ticker = market.spec.ticker
        verdict: Approved | Refusal
        if isinstance(proposal, ProposeCancel):
            verdict = self.risk.approve_cancel(proposal)
        else:
            verdict = self.risk.approve(
                proposal, self._market_risk(proposal, market, now), self._account_risk(ticker, now), now
            )
        score = self.scores.get(ticker)
        if not isinstance(verdict, Approved):
            self.refusals[verdict] += 1
            self._note(now, ticker, proposal.strategy, "refused", verdict, score)
            return
        command = self._issuer.issue(verdict, self._book_changed_max(proposal.strategy), now)
        commands.append(command)
        reason = command.reason
        outcome: Literal["place", "amend", "cancel"] = (
            "place"
            if isinstance(command, PlaceOrder)
            else "amend"
            if isinstance(command, AmendOrder)
            else "cancel"
        )
        self.orders_total += outcome == "place"
        self._note(now, ticker, proposal.strategy, outcome, reason, score)

    def _book_changed_max(self, strategy: str) -> Ns | None:
        return next(
            (slot.strategy.book_changed_max for slot in self.slots if slot.strategy.name == strategy), None
        )

    # --- what risk asks about ------------------------------------------------------------------

    def _market_risk(self, proposal: Proposal, market: Market, now: Ns) -> MarketRisk:
        ticker = market.spec.ticker
        return MarketRisk(
            spec=market.spec,
            grid=market.grid,
            book=market.book,
            position=self.state.ledger.positions.get(ticker),
            open_orders=self.state.open_orders(ticker),
            book_changed_max=self._book_changed_max(proposal.strategy),
            feed=market.feed,
            refusal=self.state.refusal(market, self.config.limits, now),
        )

    def _account_risk(self, ticker: str, now: Ns) -> AccountRisk:
        state = self.state
        equity, stop = marked_equity(self.state), self._stop_reason()
        return AccountRisk(
            refusal=None if stop == "breaker_open" else stop,  # the gate judges the breaker itself
            breaker=self.breaker.state,
            is_trial_out=any(order.state == "placing" for order in state.orders.values()),
            private_feed=state.connections.private,
            cash_free=cash_free(state),
            loss_elsewhere=loss_elsewhere(state, ticker),
            pnl_today=0 if equity is None else equity - self._equity_at_day_start,
            orders_last_minute=self._issuer.placed_since(now - MINUTE),
        )

    def vouch(self, command: PlaceOrder | AmendOrder, now: Ns) -> Refusal | None:
        """Return why this order must not leave at this instant; the queue asks at the moment of sending."""
        market = self.state.markets.get(command.ticker)
        if market is None:
            return "market_not_open"
        for order in self.state.orders.values():
            # Another one became so while this one waited in the queue.
            if order.state == "unknown" and order.ticker == command.ticker:
                return "order_unknown"
        return (
            self._stop_reason()
            or self.state.vouch(market, self.config.limits, now)
            or vouch_market(market.spec, market.book, command.book_changed_max, self.config.limits, now)
        )

    # --- what people ask about -----------------------------------------------------------------

    def pnl(self) -> Money | None:
        """Return marked profit and loss since this life began; None before the account is reconciled."""
        equity = marked_equity(self.state)
        return None if equity is None or self.equity_at_start is None else equity - self.equity_at_start

    def _note(
        self,
        now: Ns,
        ticker: str,
        strategy: str,
        outcome: Literal["place", "amend", "cancel", "refused", "idle"],
        reason: str,
        score: float | None,
    ) -> None:
        """Keep a decision for people; one that repeats the last of its market and strategy is not kept."""
        key = (ticker, strategy)
        if outcome in ("idle", "refused") and self._last_reasons.get(key) == reason:
            return
        self._last_reasons[key] = reason if outcome in ("idle", "refused") else ""
        self.noted_total += 1
        self.decisions.append(Decision(now, ticker, strategy, outcome, reason, score))
