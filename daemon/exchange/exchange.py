"""The venue as one pure class: markets, accounts, orders. No clock, no randomness: told both.

Every call returns its outcome and the list of facts that it brought about, in the venue's order (see
`facts`). `now` never goes back. `new_id` makes ids (the sandbox gives one that counts).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from daemon.core.units import Money, Ns, Qty
from daemon.exchange.accounts import Account
from daemon.exchange.execution import Execution, Telling
from daemon.exchange.facts import Fact, MaintenanceScheduled, OrderState, PauseChanged, PositionChanged
from daemon.exchange.lifecycle import Lifecycle
from daemon.exchange.market import Market, MarketRecord
from daemon.exchange.matching import Order, Plan, Trade
from daemon.exchange.order_groups import OrderGroups
from daemon.exchange.pauses import Pause
from daemon.exchange.requests import Amendment, NewOrder, Refused
from daemon.exchange.treasury import Treasury

CANCEL_ALL_REACH: Ns = 0
"""How long after a cancel-all new orders may not come to rest: the venue says up to a minute (sheet 4.6).

The mildest that it allows is chosen; `Exchange.cancel_all_reach` switches it.
"""

FOK_FAILURE: Final = "fill or kill insufficient volume"
"""The details of `invalid_order` for a FOK that can't be filled (sheet 11, row 8)."""


class Exchange(Lifecycle):
    """All of the venue but the wire.

    Markets' lives and pauses are in `Lifecycle`, orders' here; `order_groups` and `treasury` hold the rest
    of what an account may do.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        super().__init__(Execution(new_id))
        self._new_id = new_id
        self.order_groups = OrderGroups(self._execution, self.pauses, new_id)
        self.treasury = Treasury(self._execution, self.pauses, new_id)
        self.cancel_all_reach: Ns = CANCEL_ALL_REACH

    # --- accounts ----------------------------------------------------------------------------

    @property
    def accounts(self) -> dict[str, Account]:
        """The accounts, by name."""
        return self._execution.accounts

    @property
    def fees_total(self) -> Money:
        """All fees ever charged."""
        return self._execution.fees_total

    def open_account(self, name: str, deposits: dict[int, Money], *, is_house: bool = False) -> Account:
        """Open an account with cash by shard; the same one again is left as it is."""
        found = self.accounts.get(name)
        if found is None:
            found = self.accounts[name] = Account(name, is_house=is_house)
            for exchange_index, amount in deposits.items():
                found.deposit(exchange_index, amount)
        return found

    def adopt(
        self,
        accounts: Iterable[Account],
        markets: Iterable[MarketRecord],
        orders: Iterable[OrderState],
        positions: Iterable[PositionChanged],
        pauses: Iterable[PauseChanged] = (),
        windows: Iterable[MaintenanceScheduled] = (),
    ) -> None:
        """Take over what a state directory kept, before anything else happens here.

        The accounts' cash, fills and settlements are their own already; their resting orders go back into
        the books in the order in which they queued. Groups and transfers are adopted where they are kept.
        """
        self.accounts.update((account.name, account) for account in accounts)
        for record in markets:
            self.markets[record.spec.ticker] = Market.from_record(record)
            self._watch(record.spec.ticker)
        for told in positions:
            holding = self.accounts[told.account].holding(told.ticker, told.exchange_index)
            holding.qty, holding.cost, holding.realized = told.qty, told.cost, told.realized
            holding.fees, holding.volume, holding.traded = told.fees, told.volume, told.traded
            holding.pairs, holding.updated_at = told.pairs, told.at
        resting: list[Order] = []
        for state in sorted(orders, key=lambda state: state.created_at):
            order = Order.from_state(state)
            self._keep(self.accounts[order.account], order)
            if order.status == "resting":
                resting.append(order)
        for order in sorted(resting, key=lambda order: order.queued_at or order.created_at):
            self._execution.rest(self.markets[order.ticker], order, Telling(), order.updated_at)
        for told_pause in pauses:
            pause = Pause(told_pause.is_exchange_paused, told_pause.is_trading_paused, told_pause.resumes_at)
            self.pauses.set(told_pause.exchange_index, pause, told_pause.at)
        for window in windows:
            self.pauses.schedule(window.start_at, window.end_at, window.at)

    def _keep(self, account: Account, order: Order) -> None:
        account.orders[order.order_id] = order
        if order.client_order_id and not account.is_house:
            account.client_order_ids[order.client_order_id] = order.order_id
        if order.status == "resting":
            self._expire_later(order)

    # --- orders ------------------------------------------------------------------------------

    def place(self, request: NewOrder, now: Ns) -> tuple[OrderState | Refused, list[Fact]]:
        """Accept an order, match it, and rest what is left if it may; or refuse it."""
        market = self.markets.get(request.ticker)
        if market is None:
            return Refused("market_not_found"), []
        account = self.accounts[request.account]
        refusal = self.pauses.refusal(market.spec.exchange_index) or self._refusal(
            request, market, account, now
        )
        if refusal is not None:
            return refusal, []
        qty = request.qty
        if request.reduce_only:
            held = account.qty(request.ticker)
            qty = min(qty, max(0, -held if request.side == "bid" else held))
            if not qty:
                return Refused("invalid_order", "reduce_only order would not reduce a position"), []
        order = Order(
            self._new_id(),
            account.name,
            request.client_order_id,
            request.ticker,
            market.spec.exchange_index,
            request.side,
            request.price,
            qty,
            request.time_in_force,
            request.self_trade_prevention,
            now,
        )
        order.post_only = request.post_only
        order.cancel_on_pause = request.cancel_on_pause
        order.expires_at = request.expires_at
        order.order_group_id = request.order_group_id
        plan = market.book.plan(order.side, order.price, qty, account.name, request.self_trade_prevention)
        if request.post_only and market.book.crosses(order.side, order.price):
            return Refused("invalid_order", "post only cross"), []
        # A FOK that meets an own order is handled as IOC, whichever of the two gives way (sheet 7.3).
        if (
            request.time_in_force == "fill_or_kill"
            and not plan.meets_itself
            and self._fillable(order, plan, now) < qty
        ):
            return Refused("invalid_order", FOK_FAILURE), []
        if not account.affords(order, plan.filled, market.spec.fees):
            return Refused("insufficient_balance"), []
        telling = Telling()
        self._keep(account, order)
        self._arrive(market, account, order, telling, now)
        return order.state(), telling.facts()

    def _refusal(self, request: NewOrder, market: Market, account: Account, now: Ns) -> Refused | None:
        if not market.is_open(now):
            return Refused("market_inactive")
        if request.qty < 1:
            return Refused("invalid_order_size")
        if not market.grid.contains(request.price):
            return Refused("invalid_price")
        if request.client_order_id and request.client_order_id in account.client_order_ids:
            return Refused("order_already_exists")
        if request.order_group_id is not None:
            group = self.order_groups.find(account.name, request.order_group_id)
            if group is None or group.exchange_index != market.spec.exchange_index:
                return Refused("order_group_not_found")
            if group.is_triggered:
                return Refused("exceeded_order_group_risk_limit")
        if request.expires_at is not None:
            if request.time_in_force != "good_till_canceled":
                details = f"Cannot specify both {request.time_in_force} and expiration_ts"
                return Refused("invalid_order", details)
            if request.expires_at <= now:
                return Refused("invalid_order", "Expiration timestamp must be in the future")
        if request.reduce_only and request.time_in_force == "good_till_canceled":
            return Refused("invalid_order", "reduce_only can only be used with IoC or FoK orders")
        return None

    def _fillable(self, order: Order, plan: Plan, now: Ns) -> Qty:
        """Return how much of a plan the groups of both sides allow."""
        left: dict[str, Qty] = {}
        filled = 0
        for step in plan.steps:
            if not isinstance(step, Trade):
                continue
            sides = (order.order_group_id, None if step.maker is None else step.maker.order_group_id)
            group_ids = [group_id for group_id in sides if group_id is not None]
            for group_id in group_ids:
                if group_id not in left:
                    left[group_id] = self._execution.groups[group_id].allowance(now)
            qty = min([step.qty, *(left[group_id] for group_id in group_ids)])
            for group_id in group_ids:
                left[group_id] -= qty
            filled += qty
        return filled

    def _arrive(self, market: Market, account: Account, order: Order, telling: Telling, now: Ns) -> None:
        """Match an order and rest, cancel or close what is left of it."""
        execution = self._execution
        filled_before = order.filled
        is_stopped = execution.take(market, order, telling, now)
        if order.filled > filled_before and order.reason is None:
            order.reason = "Trade"
        if not order.remaining:
            order.status = "executed"
            if account.is_house:
                account.orders.pop(order.order_id, None)
        elif is_stopped or order.time_in_force != "good_till_canceled":
            execution.drop(order, order.reason if is_stopped else None, now)
        elif now < account.cancels_until:
            execution.drop(order, "Decrease", now)
        else:
            execution.rest(market, order, telling, now)
        telling.order(account, order, now)

    def find(self, account: str, order_id: str) -> Order | None:
        """Return an account's order; None if it has no such one."""
        return self.accounts[account].orders.get(order_id)

    def _resting(
        self, account: str, order_id: str, now: Ns, *, is_cancel: bool
    ) -> tuple[Market, Order] | Refused:
        """Return a resting order and its market, or why it can't be changed."""
        order = self.find(account, order_id)
        if order is not None and self._is_past_close(order.ticker, now):
            # Whatever became of the order: after the close this is said of every operation (sheet 7.5).
            return self.pauses.refusal(order.exchange_index, is_cancel=is_cancel) or Refused(
                "market_inactive"
            )
        if order is None or order.status != "resting":
            return Refused("not_found")
        market = self.markets[order.ticker]
        refusal = self.pauses.refusal(market.spec.exchange_index, is_cancel=is_cancel)
        if refusal is not None:
            return refusal
        if not (is_cancel or market.is_open(now)):
            return Refused("market_inactive")
        return market, order

    def _is_past_close(self, ticker: str, now: Ns) -> bool:
        """Whether a market's close has passed; False for one that is long over and forgotten."""
        market = self.markets.get(ticker)
        return market is not None and now >= market.spec.close_at

    def cancel(self, account: str, order_id: str, now: Ns) -> tuple[Qty | Refused, list[Fact]]:
        """Take a resting order out; the outcome is what was resting."""
        found = self._resting(account, order_id, now, is_cancel=True)
        if isinstance(found, Refused):
            return found, []
        market, order = found
        qty = order.remaining
        telling = Telling()
        self._execution.cancel(market, order, qty, "Decrease", telling, now)
        return qty, telling.facts()

    def cancel_all(self, account: str, now: Ns) -> tuple[int, list[Fact]]:
        """Take all of an account's resting orders out, as far as they can be; the outcome is their number."""
        self.accounts[account].cancels_until = now + self.cancel_all_reach
        facts: list[Fact] = []
        count = 0
        resting = [order_id for orders in self.accounts[account].resting.values() for order_id in orders]
        for order_id in resting:
            found, told = self.cancel(account, order_id, now)
            count += not isinstance(found, Refused)
            facts += told
        return count, facts

    def decrease(
        self, account: str, order_id: str, qty: Qty, now: Ns, *, is_target: bool
    ) -> tuple[OrderState | Refused, list[Fact]]:
        """Shrink a resting order by `qty`, or to it, in place: its queue place stays."""
        # It is a cancel of a part, so a pause of trading lets it through; a suspended market doesn't.
        found = self._resting(account, order_id, now, is_cancel=True)
        if isinstance(found, Refused):
            return found, []
        market, order = found
        if not market.is_open(now):
            return Refused("market_inactive"), []
        by = order.remaining - qty if is_target else qty
        if qty < 0 or by < 0 or (by == 0 and not is_target):
            return Refused("invalid_order_size"), []
        telling = Telling()
        if by:
            self._execution.cancel(market, order, min(by, order.remaining), "Decrease", telling, now)
        return order.state(), telling.facts()

    def amend(self, request: Amendment, now: Ns) -> tuple[OrderState | Refused, list[Fact]]:
        """Change a resting order's terms; it may trade.

        It keeps its queue place for a smaller count or another expiry only; a new price or a larger
        count sends it to the back of its level.
        """
        found = self._resting(request.account, request.order_id, now, is_cancel=False)
        if isinstance(found, Refused):
            return found, []
        market, order = found
        refusal = self._amend_refusal(request, market, order, now)
        if refusal is not None:
            return refusal, []
        account = self.accounts[order.account]
        telling = Telling()
        remaining = request.qty - order.filled
        is_in_place = request.price == order.price and remaining <= order.remaining
        if not is_in_place:
            trial = Order.from_state(order.state())
            trial.price, trial.remaining = request.price, remaining
            plan = market.book.plan(
                order.side, request.price, remaining, account.name, order.self_trade_prevention
            )
            if not account.affords(trial, plan.filled, market.spec.fees, instead_of=order):
                return Refused("insufficient_balance"), []
        self._rename(account, order, request)
        order.initial = request.qty + order.canceled
        order.reason = "Amend"
        order.updated_at = now
        if is_in_place:
            self._shrink_in_place(market, order, remaining, telling, now)
        else:
            self._execution.lift(market, order, telling, now)
            order.price, order.remaining, order.queued_at = request.price, remaining, now
            if order.post_only and market.book.crosses(order.side, order.price):
                self._execution.drop(order, "PostOnlyCrossCancel", now)
                telling.order(account, order, now)
            else:
                self._arrive(market, account, order, telling, now)
        return order.state(), telling.facts()

    def _amend_refusal(self, request: Amendment, market: Market, order: Order, now: Ns) -> Refused | None:
        used = self.accounts[order.account].client_order_ids
        if request.ticker != order.ticker:
            return Refused("order_ticker_mismatch")
        if request.side != order.side:
            return Refused("order_side_mismatch")
        if request.client_order_id and request.client_order_id != order.client_order_id:
            return Refused("order_id_and_client_order_id_mismatch")
        if request.updated_client_order_id and used.get(request.updated_client_order_id) not in {
            None,
            order.order_id,
        }:
            return Refused("order_already_exists")
        if request.qty <= order.filled:
            return Refused("invalid_order", "invalid amend quantity for order")
        # An order that an older grid let in may stay where it is, in its place.
        is_in_place = request.price == order.price and request.qty - order.filled <= order.remaining
        if not is_in_place and not market.grid.contains(request.price):
            return Refused("invalid_price")
        if request.expires_at and request.expires_at <= now:
            return Refused("invalid_order", "Expiration timestamp must be in the future")
        return None

    def _rename(self, account: Account, order: Order, request: Amendment) -> None:
        if request.updated_client_order_id:
            order.client_order_id = request.updated_client_order_id
            account.client_order_ids[order.client_order_id] = order.order_id
        if request.expires_at is not None:
            order.expires_at = request.expires_at or None
            self._expire_later(order)

    def _shrink_in_place(
        self, market: Market, order: Order, remaining: Qty, telling: Telling, now: Ns
    ) -> None:
        account = self.accounts[order.account]
        by = order.remaining - remaining
        if by:
            # An amended total is a new total: nothing of it was cancelled.
            self._execution.shrink(market, order, by, telling, now)
        telling.order(account, order, now)
