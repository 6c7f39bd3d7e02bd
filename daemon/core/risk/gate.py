"""The one gate, and the only maker of an `Approved`.

A proposal becomes a command only through `Risk.approve`, which returns either an `Approved` or what refuses
it. Nothing else constructs one (a test reads the whole tree for it). Two kinds of checks:

* vouching: is what the decision rests on to be trusted (connection, lag, clocks, book, market)? It is
  asked at the decision and again by the queue at the moment of sending.
* the limits: would the order, added to everything that may still trade, break one? Worst case first: a
  binary market ends YES or NO, and every open order is taken to fill where that hurts.

An order that only gives up a part of the position, whatever else of ours trades, passes where the table of
refusals says so: the way out of a loss is never closed. Giving up one leg of a hedge is such an order too,
and the event's worst case may then be above its limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import msgspec

from daemon.core.commands import Purpose
from daemon.core.limits import Limits
from daemon.core.orders import Order, Proposal, ProposeAmend, ProposeCancel
from daemon.core.risk.checks import (
    check_cash,
    check_exposure,
    check_losses,
    check_market,
    check_order,
    check_pace,
    check_strategy,
)
from daemon.core.risk.grounds import AccountRisk, Entry, MarketRisk, Weight, stake_cost
from daemon.core.risk.refusals import RULES, Refusal, Refused
from daemon.core.risk.vouching import vouch_market
from daemon.core.units import Ns

OF_STRATEGIES: tuple[Refusal, ...] = ("strategy_capital", "strategy_daily_loss")
"""Lifted by the strategy's own share, not by the account's position: their check has asked."""


class Approved(msgspec.Struct, frozen=True):
    """A proposal that passed. Only this module makes one; only one of these becomes a command."""

    proposal: Proposal
    purpose: Purpose = "enter"


class Risk:
    """The gate. Holds the limits and nothing else: everything it judges is given to it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def approve(
        self, proposal: Proposal, market: MarketRisk, account: AccountRisk, now: Ns
    ) -> Approved | Refused:
        """Return the proposal as `Approved`, or the first reason against it. Cancels always pass."""
        if isinstance(proposal, ProposeCancel):
            return self.approve_cancel(proposal)
        weight = Weight(proposal, market)
        for refused in self.objections(proposal, weight, market, account, now):
            is_lifted = RULES[refused.name].is_lifted and refused.name not in OF_STRATEGIES
            if weight.purpose == "enter" or not is_lifted:
                return refused
        return Approved(proposal, weight.purpose)

    @staticmethod
    def approve_cancel(proposal: ProposeCancel) -> Approved:
        """Return the cancel as `Approved`: taking an order out only reduces risk, whatever the weather."""
        return Approved(proposal, "reduce")

    @staticmethod
    def approve_keeping(proposal: ProposeAmend, order: Order) -> Approved:
        """Return an amend as `Approved` that only moves an order's expiry: its terms were approved with it.

        Such an amend adds nothing to what may trade, so no limit is asked again.
        """
        target = proposal.target
        terms = (order.client_order_id, order.side, order.price, order.remaining)
        assert terms == (proposal.client_order_id, target.side, target.price, target.qty), "it changes terms"
        return Approved(proposal, "keep")

    def objection_at_sending(
        self, proposal: Entry, market: MarketRisk, account: AccountRisk, client_order_id: str, now: Ns
    ) -> Refused | None:
        """Return which limit an order that enters would break if it left now; None when it breaks none.

        `client_order_id` is its own: it is among the open orders, and counts once. All is asked but the pace,
        in which it is counted already.
        """
        limits = self.limits
        if not isinstance(proposal, ProposeAmend):
            others = [order for order in market.open_orders if order.client_order_id != client_order_id]
            own = sum(stake_cost(o.stake) for o in market.open_orders if o.client_order_id == client_order_id)
            market = msgspec.structs.replace(market, open_orders=tuple(others), recent_orders=())
            account = msgspec.structs.replace(account, cash_free=account.cash_free + own)
        weight = Weight(proposal, market)
        found = chain(
            check_order(proposal, market, limits, now),
            check_market(market, limits, now),
            check_exposure(weight, market, account, limits),
            check_losses(account, limits),
            check_strategy(weight, account),
            check_cash(proposal, weight, market, account, limits),
        )
        return next(found, None)

    def objections(
        self, proposal: Entry, weight: Weight, market: MarketRisk, account: AccountRisk, now: Ns
    ) -> Iterator[Refused]:
        """Yield everything that speaks against a proposal, the gravest first."""
        limits = self.limits
        name = account.refusal or self._vouch(market, account, now)
        if name is not None:
            yield Refused(name)
        opened = account.breaker_of_reducing if weight.purpose == "reduce" else account.breaker
        if opened is not None:
            yield Refused("breaker_open", value=opened.words)
        if market.entry_refusal is not None:
            yield Refused(market.entry_refusal, value=market.entry_words)
        yield from chain(
            check_order(proposal, market, limits, now),
            check_market(market, limits, now),
            check_exposure(weight, market, account, limits),
            check_losses(account, limits),
            check_strategy(weight, account),
            check_cash(proposal, weight, market, account, limits),
            check_pace(proposal, weight, market, account, limits),
        )

    def _vouch(self, market: MarketRisk, account: AccountRisk, now: Ns) -> Refusal | None:
        if any(order.state == "unknown" for order in market.open_orders):
            return "order_unknown"
        return (
            market.refusal
            or account.private_feed.vouch(self.limits, now)
            or market.feed.vouch(self.limits, now)
            or vouch_market(
                market.spec, market.book, market.book_changed_max, self.limits, now, market.close_guard
            )
        )
