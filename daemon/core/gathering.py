"""What the limits of one proposal are checked against, gathered from the beliefs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from daemon.core.breakers import Breakers
from daemon.core.exits import Exits
from daemon.core.exposure import beyond, cash_free, is_ladder, marked_equity
from daemon.core.issuing import Issuer
from daemon.core.market import Market
from daemon.core.marks import Marks
from daemon.core.models import Models
from daemon.core.risk import AccountRisk, Limits, MarketRisk, Refusal, vouch_entry
from daemon.core.state import State
from daemon.core.strategy_record import StrategyLimits, StrategyRecord
from daemon.core.track_record import TrackRecord
from daemon.core.units import Money, Ns


class Gathering:
    """Reads `State` for the gate; keeps the track record and the exits, which only it needs."""

    def __init__(
        self,
        state: State,
        limits: Limits,
        breakers: Breakers,
        issuer: Issuer,
        models: Models,
        *,
        is_grouped: bool = False,
        strategy_limits: Mapping[str, StrategyLimits] = MappingProxyType({}),
    ) -> None:
        """Build for one run.

        Args:
            state: the beliefs.
            limits: the limits.
            breakers: what stops a scope for a while.
            issuer: what makes the commands, and so knows the pace.
            models: what the strategies' scores come from.
            is_grouped: whether what we rest is in an order group, which must be known first.
            strategy_limits: the strategies' own, by name.
        """
        self._state = state
        self.limits = limits
        self._breakers = breakers
        self._issuer = issuer
        self.models = models
        self._is_grouped = is_grouped
        self.record = TrackRecord(state.ledger)
        self.marks = Marks()
        self.strategies = StrategyRecord(state, strategy_limits, self.marks)
        self.exits = Exits(limits)

    def look(self, now: Ns) -> None:
        """Bring the track record up to date: once per decision, before any market is looked at."""
        if not self._state.account.is_reconciled:
            self.record.forget_results()
            return
        self.record.look_for_results()
        self.strategies.look(now)
        if self.record.is_look_due(now):
            self.marks.look(self._state.ledger.positions, self._state.markets)
            self.exits.release(now)
            self.mark(now)

    def forget_untraded(self, ticker: str, now: Ns) -> None:
        """Forget orders that can't be repeated any more; asked in a decision, before an order is judged."""
        self._issuer.pace.forget_untraded(ticker, now, self.limits.duplicate_window or 0)

    def mark(self, now: Ns) -> None:
        """Mark the equity as of now, for the limits on losses; not while the account is not believed."""
        equity = self._traded_equity()
        if equity is not None and self._state.account.is_reconciled:
            self.record.tell_equity(equity, now)

    def _traded_equity(self) -> Money | None:
        """Return the equity as if the owner had moved no cash: a deposit makes no room for another loss."""
        equity = marked_equity(self._state, self.marks)
        return None if equity is None else equity - self._state.ledger.transferred

    @property
    def equity_at_start(self) -> Money | None:
        """The equity with which this run began; None before the account is reconciled."""
        return self.record.equity_at_start

    def pnl(self) -> Money | None:
        """Return marked profit and loss since this life began; None before the account is reconciled."""
        equity, start = self._traded_equity(), self.record.equity_at_start
        return None if equity is None or start is None else equity - start

    def pnl_today(self) -> Money:
        """Return marked profit and loss since midnight UTC as of the last look; 0 before the first one."""
        return 0 if self.record.equity is None else self.record.equity - self.record.equity_at_day_start

    def drawdown(self) -> Money:
        """Return the highest equity of this run less that of the last look; 0 before the first one.

        Asked at every decision: marking all positions anew for each tick would cost more than a feature.
        """
        return 0 if self.record.equity is None else self.record.drawdown(self.record.equity)

    def entry_refusal(self, market: Market, now: Ns, strategy: str = "") -> Refusal | None:
        """Return why a strategy may enter no position in a market though it may leave one; None when it may.

        Asked at the decision, and again at the moment of sending.
        """
        if self.exits.is_stopped_out(market.spec.ticker):
            return "stopped_out"
        if self._is_grouped and (closed := self._state.order_groups.refusal(market.spec.exchange_index)):
            return closed
        slot = self.models.slot_of(strategy)
        is_stale = slot.needs_reference and market.spot.is_known and market.spot.source(now) is None
        refusal = vouch_entry(self.limits, slot.expires_at, is_reference_stale=is_stale, now=now)
        if refusal is None and (refused := self.models.entry_refusal(strategy, market.spec.ticker, now)):
            return refused.name
        return refusal

    def of_market(
        self,
        market: Market,
        book_changed_max: Ns | None,
        now: Ns,
        *,
        close_guard: Ns | None = None,
        score: float | None = None,
        strategy: str = "",
    ) -> MarketRisk:
        """Return what a strategy's proposal for this market is checked against.

        `book_changed_max` and `close_guard` are the strategy's own limits; `score` is its model's P(YES).
        """
        ticker = market.spec.ticker
        entry_refusal = self.entry_refusal(market, now, strategy)
        words = self.models.words(strategy, ticker) if entry_refusal == "score_out_of_range" else None
        return MarketRisk(
            spec=market.spec,
            grid=market.grid,
            book=market.book,
            position=self._state.ledger.positions.get(ticker),
            open_orders=self._state.open_orders(ticker),
            book_changed_max=book_changed_max,
            feed=market.feed,
            refusal=self._state.refusal(market, self.limits, now),
            close_guard=close_guard,
            entry_refusal=entry_refusal,
            entry_words=words,
            is_ladder=is_ladder(market),
            score=score,
            recent_orders=self._issuer.pace.recent(ticker, now, self.limits.duplicate_window or 0),
        )

    def of_account(
        self, market: Market, strategy: str, stop: Refusal | None, now: Ns, *, is_flattening: bool = False
    ) -> AccountRisk:
        """Return what a strategy's proposal for a market is checked against across all of them.

        `stop` is what stops everything new now, None when nothing does; `is_flattening` says that the order
        is of a person's wish to be out.
        """
        state = self._state
        others = beyond(state, market)
        keys = state.keys_of(market.spec.ticker, strategy)
        trials = tuple(
            state.keys_of(order.ticker, order.strategy)
            for order in state.orders.values()
            if order.state in ("placing", "amending")
        )
        return AccountRisk(
            refusal=stop,
            breaker=self._breakers.against(keys, is_reducing=False, trials=trials),
            breaker_of_reducing=self._breakers.against(
                keys,
                is_reducing=True,
                trials=trials,
                is_flattening=is_flattening,
            ),
            private_feed=state.connections.private,
            cash_free=cash_free(state, market.spec.exchange_index),
            loss_elsewhere=others.other_events_loss,
            pnl_today=self.pnl_today(),
            orders_last_minute=self._issuer.pace.placed(now),
            event_markets=others.event_markets,
            event_realized=others.event_realized,
            event_reach=others.event_reach,
            series_reach=others.series_reach,
            settlement_reach=others.settlement_reach,
            total_reach=others.total_reach,
            exposure_elsewhere=others.exposure,
            open_orders=sum(not order.is_done for order in state.orders.values()),
            requests_last_minute=self._issuer.pace.requests(now),
            reducing_last_minute=self._issuer.pace.reducing(now),
            drawdown=self.drawdown(),
            losing_streak=self.record.losing_streak,
            strategy=self.strategies.of_market(strategy, market.spec.ticker),
        )
