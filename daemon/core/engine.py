"""The deciding half of the core: `handle(event)`, `decide(now) -> commands`, `wake_at()`.

One decision: apply the whole drained batch (that is `handle`, per event), then decide once. For every
market that changed, each strategy says what it wants, `orders.plan` finds the difference to what rests,
`risk` approves or refuses it, and what is approved is recorded in flight *before* the command leaves this
function: the next check already counts it.

Deterministic: the same events and the same `now`s give the same commands and the same order ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from daemon.core import events as e
from daemon.core.asking import Asking, Scored, Slot, strategy_limits
from daemon.core.breakers import Breakers, rules_of
from daemon.core.commands import AmendOrder, Command, PlaceOrder, ProbeOrder
from daemon.core.config_change import ConfigChanges, Termed
from daemon.core.decisions import Decision, Decisions, Outcome
from daemon.core.engine_config import EngineConfig
from daemon.core.exits import EXIT, Leaving
from daemon.core.flatten import FLATTEN, Flattening
from daemon.core.gathering import Gathering
from daemon.core.guards import Guards
from daemon.core.housekeeping import Housekeeping
from daemon.core.issuing import Issuer, base36
from daemon.core.market import Market
from daemon.core.models import Model, ScorerSource, models_of
from daemon.core.netting import netted
from daemon.core.orders import Proposal, ProposeCancel, ProposePlace, ProposeWithdraw
from daemon.core.risk import Approved, Refusal, Refused, Risk, vouch_market
from daemon.core.scorer import FeatureSchema, Scorer
from daemon.core.second_line import SecondLine
from daemon.core.sending import Sending
from daemon.core.standing import Standing
from daemon.core.state import State
from daemon.core.strategy import Wanted
from daemon.core.sweep import Sweep
from daemon.core.units import Ns
from daemon.core.upkeep import Upkeep

__all__ = ["Decision", "Engine", "EngineConfig", "Phase", "Slot"]

_LEFT_ALONE: tuple[Refusal, ...] = ("book_unchanged", "exchange_paused")
"""What takes out nothing that rests."""
_AWAITED: tuple[Refusal, ...] = ("not_reconciled", "not_backfilled")
Phase: TypeAlias = Literal["starting", "trading", "halted", "stopping", "stopped"]


class Engine:
    """The core: state, strategies, model and limits, joined. Knows no clock and does no I/O."""

    _unchanged_since: Ns | None = None
    """The last decision, as long as nothing has been told since."""
    _calm_until: Ns = 0
    """Until then nothing is due by the clock, unless something else than a level of a book is told."""

    def __init__(
        self,
        config: EngineConfig,
        slots: Sequence[Slot],
        scorer: Scorer | Mapping[str, Model] | None,
        schema: FeatureSchema,
        source: ScorerSource | None = None,
    ) -> None:
        """Build.

        Args:
            config: the limits and intervals.
            slots: the strategies.
            scorer: the default model, or all models by slot.
            schema: the columns that every market's row begins with.
            source: where swapped models come from; None where nothing is ever swapped.
        """
        self.config = config
        self.models = models_of(
            scorer,
            (*schema.names, *(name for slot in slots for name in slot.strategy.features)),
            readers={slot.strategy.name: slot.model for slot in slots},
            source=source, expires_at=config.model_expires_at, drift=config.drift,
        )  # fmt: skip
        self.schema = self.models.schema
        self.state = State(
            self.schema,
            f"{config.order_id_prefix}-",
            private_feed=config.private_feed,
            reference=config.reference,
            audit_differences_max=config.audit_differences_max,
            is_backfilled=config.is_backfilled,
            releases=config.releases,
        )
        self.risk = Risk(config.limits)
        self.breakers = Breakers(
            rules_of(config.failures_max, config.rejects_max, config.cool_down), config.ack_max
        )
        self.decisions = Decisions()
        self.refusals: Counter[str] = Counter()
        self.scores = self.models.default.scores
        """The default model's last score per watched market."""
        self.decisions_total = self.orders_total = 0
        self.phase: Phase = "starting"
        self._sweep = Sweep(config.heartbeat)
        id_prefix = f"{config.order_id_prefix}-{base36(config.epoch)}-"
        self._issuer = Issuer(self.state, id_prefix, config.order_ttl, config.order_expiry)
        self.gathering = Gathering(
            self.state, config.limits, self.breakers, self._issuer, self.models,
            is_grouped=config.order_group_limit > 0, strategy_limits=strategy_limits(slots),
        )  # fmt: skip
        house = Housekeeping(config, self.state, self.breakers, self.risk, self._issuer)
        self._second_line = SecondLine(config, self.state, self.breakers, self.risk, self._issuer)
        self._sending = Sending(self.state, config.limits, self.breakers, self.risk, self.gathering)
        self._asking = Asking(self.state, self.models)
        self._guards = Guards(self.state, self.breakers, config.limits, id_prefix)
        self._upkeep = Upkeep(
            self.state, self.breakers, self.gathering, self._guards, house, self._second_line, config
        )
        self._standing = Standing(self.state, self.breakers, self._sending, slots, config.limits)
        self._flattening = Flattening(config.limits)
        parts = (self.risk, self._sending, self._guards, self._second_line, self._flattening)
        termed = Termed(self.breakers, self._issuer, house, self._second_line)
        self.changes = ConfigChanges(self.state, self.models, self.gathering, self._standing, parts, termed)
        assert all(slot.strategy.name != FLATTEN for slot in slots), f"no strategy is named {FLATTEN}"

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The strategies."""
        return self._standing.slots

    # --- events --------------------------------------------------------------------------------

    def handle(self, event: e.Event) -> None:
        """Take in one fact; never decides."""
        self._unchanged_since = None
        if type(event) is e.BookDeltaReceived:
            self.state.apply_delta(event)  # the most frequent by far takes the short way
            return
        self._calm_until = 0
        if type(event) is e.ConfigChanged:
            self.config = self.changes.apply(event, self.config)
        self.models.apply(event)
        self._upkeep.apply(event)

    def wake_at(self) -> Ns | None:
        """Return when to decide next if nothing happens; None once stopped."""
        if self.phase == "stopped":
            return None
        return 0 if self._asking.has_switched else self._sweep.wake_at()

    # --- decisions -----------------------------------------------------------------------------

    def decide(self, now: Ns) -> list[Command]:
        """Decide once for everything that changed since the last time, and for the clock."""
        state = self.state
        is_calm = now < self._calm_until and not self.breakers.is_cancel_all_due
        upkeep = None if is_calm else self._look_up(now)
        touched, state.touched = state.touched, {}
        self._asking.has_switched = False
        commands = upkeep.begin(now) if upkeep else []
        was = self.phase
        if upkeep or state.stop_reason is not None:
            self.phase = self._next_phase()
        if upkeep:
            commands += upkeep.probe(now)
        if self.phase != "stopped":
            if upkeep:
                self._keep_up(upkeep, commands, now)
            for ticker in touched:
                market = state.markets.get(ticker)
                if market is not None:
                    market.open_by_clock(now)
                    self._decide_market(market, now, commands)
                    market.decided_at = now
            if state.flatten is not None and state.stop_reason is None:
                for ticker in state.ledger.positions:
                    self._flatten(ticker, now, commands)
            if upkeep:
                commands += upkeep.end(now)
        elif was != "stopped" and not self.leaves_orders:
            commands += self._second_line.end(now)
        if commands:
            self._standing.forget()
        self._unchanged_since = now
        return commands

    def _look_up(self, now: Ns) -> Upkeep | None:
        """Mark the markets whose turn it is by the clock; return what is looked after now, if it is."""
        if self._sweep.is_due(now):
            self._touch_by_clock(now)
        is_due = self._upkeep.is_due(now)
        self._calm_until = min(self._sweep.due_at, self._upkeep.due_at)
        return self._upkeep if is_due else None

    def _touch_by_clock(self, now: Ns) -> None:
        """Mark the markets whose turn it is by the clock."""
        state = self.state
        if self._sweep.beats(now):
            self._standing.forget()
            state.forget_unwatched()
            state.review(self.config.limits, now)
            self._forget_gone()
            state.touch_engaged()
        if due := self._sweep.take(state.markets, now):
            state.touch_due(due, self._sweep.spared_since(now))

    def _keep_up(self, upkeep: Upkeep, commands: list[Command], now: Ns) -> None:
        commands += upkeep.keep(now)
        if commands or upkeep.is_of_news:
            self._standing.forget()

    def _forget_gone(self) -> None:
        """Markets come and go for as long as we live: what is kept for people of those that went goes too."""
        markets = self.state.markets
        self.models.forget_gone(markets)
        self._asking.forget_gone(markets)
        self.gathering.exits.forget_gone(markets)
        # Of what is held where we don't watch it is said once that it can't be closed, and not anew.
        held = {ticker: None for ticker, one in self.state.ledger.positions.items() if one.qty}
        self.decisions.forget_gone({**markets, **held}, len(markets) * len(self.slots))

    def _next_phase(self) -> Phase:
        state = self.state
        if state.stop_reason is not None:
            if self.leaves_orders:
                is_done = all(order.state == "resting" for order in state.orders.values())
            else:
                is_done = not state.orders
            is_clear = is_done and state.account.is_reconciled and not state.is_reading_due
            return "stopped" if is_clear or self.phase == "stopped" else "stopping"
        if state.halt_reason is not None:
            return "halted"
        return "trading" if state.account.is_reconciled else "starting"

    def _decide_market(self, market: Market, now: Ns, commands: list[Command]) -> None:
        ticker = market.spec.ticker
        state = self.state
        if state.stop_reason is not None and self.leaves_orders:
            return
        stop, slots = self._standing.stop(market, now)
        seen: dict[str, Scored] = {}
        asked: list[tuple[str, Wanted]] = []
        position = state.ledger.positions.get(ticker)
        leaving = None if stop or position is None else self.gathering.exits.look(market, position)
        for slot in slots:
            name = slot.strategy.name
            spec, book, changed_max = market.spec, market.book, slot.strategy.book_changed_max
            reason = (
                stop
                or (self._asking.refusal(name) if state.switches.off else None)
                or vouch_market(spec, book, changed_max, self.config.limits, now, slot.close_guard)
            )
            if reason is not None:
                wanted = Wanted((), reason)
                # A book that stands still on a connection that is well makes no resting order wrong: it
                # is no ground for new ones, and those that rest stay. On an exchange pause the venue
                # would refuse the cancels too: they wait until it is over.
                if reason in _LEFT_ALONE or not state.live_orders(ticker, name):
                    self._refuse(slot, market, reason, seen, now)
                    continue
            elif leaving is not None:
                wanted = Wanted((), leaving.reason)
            else:
                wanted = self._asking.wants(slot, market, seen, self.refusals, now)
                self.decisions_total += 1
            asked.append((name, wanted))
        if len(asked) > 1:
            wishes = netted([wanted for _, wanted in asked])
            asked = [(name, wish) for (name, _), wish in zip(asked, wishes, strict=True)]
        for name, wanted in asked:
            proposals = self._standing.plan(ticker, name, wanted)
            if not proposals and not self.decisions.is_said(ticker, name, wanted.reason):
                self._note(now, ticker, name, "idle", wanted.reason, self._score(name, ticker))
            for proposal in proposals:
                self._carry_out(proposal, market, now, commands)
        if leaving is not None:
            self._leave(market, leaving, now, commands)

    def _refuse(self, slot: Slot, market: Market, reason: Refusal, seen: dict[str, Scored], now: Ns) -> None:
        """Note why a strategy isn't asked; what waits for readings alone is scored all the same.

        Nothing is sent by it. But people see scores at once, and what is slow the first time is over when
        the account is believed.
        """
        score, spec, limits = None, market.spec, self.config.limits
        if reason in _AWAITED and self.state.vouch_feeds(market, limits, now) is None:
            changed_max, guard = slot.strategy.book_changed_max, slot.close_guard
            if vouch_market(spec, market.book, changed_max, limits, now, guard) is None:
                score = self._asking.score(slot.model, market, seen, now).score
        self._note(now, spec.ticker, slot.strategy.name, "refused", reason, score)

    def _leave(self, market: Market, leaving: Leaving, now: Ns, commands: list[Command]) -> None:
        """Give a position up by one order at a time.

        What rests goes first, and what has traded is booked: the exit gives up no more than is held.
        """
        ticker = market.spec.ticker
        if leaving.target is None or self.state.open_orders(ticker):
            return
        if self.gathering.exits.is_turn(ticker, now):
            self._carry_out(ProposePlace(ticker, EXIT, leaving.target), market, now, commands)

    @property
    def leaves_orders(self) -> bool:
        """Whether we stop, and what rests is to stay. A halt takes it out all the same."""
        state = self.state
        return state.stop_reason is not None and state.halt_reason is None and not self.config.cancels_on_exit

    def _flatten(self, ticker: str, now: Ns, commands: list[Command]) -> None:
        """Close the position in one market as far as a person's wish goes, or say why not."""
        state = self.state
        market, qty, wish = state.markets.get(ticker), state.ledger.position_qty(ticker), state.flatten
        if not qty or wish is None:
            return
        if market is None:
            self._note(now, ticker, FLATTEN, "refused", "not_watched", None)
        elif state.open_orders(ticker):
            # What rests has just been cancelled, for we are halted: its end comes first.
            self._note(now, ticker, FLATTEN, "idle", "orders_open", None)
        else:
            target = self._flattening.target(wish, market.book, market.grid, qty, now)
            if isinstance(target, str):
                self._note(now, ticker, FLATTEN, "refused", target, None)
            else:
                self._carry_out(ProposePlace(ticker, FLATTEN, target), market, now, commands)

    # --- from proposal to command --------------------------------------------------------------

    def _carry_out(
        self, proposal: Proposal | ProposeWithdraw, market: Market, now: Ns, commands: list[Command]
    ) -> None:
        if isinstance(proposal, ProposeWithdraw):
            commands.append(self._issuer.withdraw(proposal, now))
            return
        ticker, strategy = market.spec.ticker, proposal.strategy
        verdict: Approved | Refused
        if isinstance(proposal, ProposeCancel):
            if not self.state.orders[proposal.client_order_id].may_ask_out(now):
                self._note(now, ticker, strategy, "idle", "cancel_refused", self._score(strategy, ticker))
                return
            verdict = self.risk.approve_cancel(proposal)
        else:
            self.gathering.mark(now)
            self.gathering.forget_untraded(ticker, now)
            verdict = self.risk.approve(
                proposal,
                self.gathering.of_market(
                    market, self._standing.book_changed_max(strategy), now,
                    close_guard=self._standing.close_guard(strategy),
                    score=self.models.probability(strategy, ticker), strategy=strategy,
                ),
                self.gathering.of_account(
                    market, strategy, self._sending.stop_reason(strategy), now,
                    is_flattening=self._sending.is_flattening(strategy),
                ),
                now,
            )  # fmt: skip
        score = self._score(strategy, ticker)
        if not isinstance(verdict, Approved):
            self.refusals[verdict.name] += 1
            self._note(now, ticker, proposal.strategy, "refused", verdict.text, score)
            return
        command = self._issuer.issue(verdict, self._standing.book_changed_max(proposal.strategy), now)
        commands.append(command)
        reason = command.reason
        outcome: Outcome = (
            "place"
            if isinstance(command, PlaceOrder)
            else "amend"
            if isinstance(command, AmendOrder)
            else "cancel"
        )
        if isinstance(command, PlaceOrder):
            self.orders_total += 1
            self.gathering.strategies.orders[strategy] += 1
            self._guards.intents.ask(command.client_order_id, strategy)
        self._note(now, ticker, proposal.strategy, outcome, reason, score)

    def vouch(self, command: PlaceOrder | AmendOrder | ProbeOrder, now: Ns) -> Refusal | None:
        """Return why this order must not leave at this instant; the queue asks at the moment of sending."""
        if isinstance(command, ProbeOrder):
            return self._upkeep.vouch_probe(command, now)
        score = self.models.probability(command.strategy, command.ticker)
        if (refusal := self._asking.refusal(command.strategy)) is not None:
            return refusal
        is_as_decided = command.decided_at == self._unchanged_since
        guard = self._standing.close_guard(command.strategy)
        return self._sending.vouch(command, guard, score, now, is_as_decided=is_as_decided)

    def _score(self, strategy: str, ticker: str) -> float | None:
        return self.models.score_of(strategy, ticker)

    def _note(
        self, now: Ns, ticker: str, strategy: str, outcome: Outcome, reason: str, score: float | None
    ) -> None:
        self.decisions.note(Decision(now, ticker, strategy, outcome, reason, score))
