"""One order against the limits: its own terms, the market around it, what it adds up to, and the pace.

Each group yields its refusals one after the other, the gravest first; the gate takes the first that holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from daemon.core.fees import trade_fee
from daemon.core.limits import Limits
from daemon.core.orders import ProposePlace
from daemon.core.risk.grounds import AccountRisk, Entry, MarketRisk, Weight, exposure, stake_cost
from daemon.core.risk.refusals import Refused
from daemon.core.units import DAY, PRICE_ONE, Money, Ns

REDUCING_PART = 5
"""A fifth of the message budget is kept for orders that only give up a part of a position."""


def check_order(proposal: Entry, market: MarketRisk, limits: Limits, now: Ns) -> Iterator[Refused]:
    """Yield what speaks against the order's own terms."""
    target, book = proposal.target, market.book
    if not market.grid.contains(target.price):
        yield Refused("off_grid", None, f"{target.price / 100:g} cents is between two prices")
    if not 1 <= target.qty <= limits.order_qty_max:
        yield Refused("qty_out_of_range", limits.order_qty_max, target.qty)
    notional = stake_cost((target.side, target.price, target.qty))
    if limits.order_notional_max is not None and notional > limits.order_notional_max:
        yield Refused("order_notional_limit", limits.order_notional_max, notional)
    # A fat finger is measured from the far side of the book, where a sane price never goes beyond.
    reference = book.ask if target.side == "bid" else book.bid
    if reference is None:
        reference = book.bid if target.side == "bid" else book.ask
    away = None if reference is None else abs(target.price - reference)
    if away is None or away > limits.price_away_max:
        yield Refused("price_too_far", limits.price_away_max, away)
    if limits.fair_away_max is not None and market.score is not None:
        away = abs(target.price - round(market.score * PRICE_ONE))
        if away > limits.fair_away_max:
            yield Refused("fair_value_too_far", limits.fair_away_max, away)
    for order in market.open_orders:
        if order.side != target.side and (
            order.price <= target.price if target.side == "bid" else order.price >= target.price
        ):
            yield Refused("self_cross", None, f"{order.client_order_id} at {order.price / 100:g} cents")
            break
    if isinstance(proposal, ProposePlace):
        yield from _check_repetition(proposal, market, limits, now)


def _check_repetition(
    proposal: ProposePlace, market: MarketRisk, limits: Limits, now: Ns
) -> Iterator[Refused]:
    target = proposal.target
    # There may be hundreds, and few are at this price.
    side, price = target.side, target.price
    same = [one for one in market.recent_orders if one[1].price == price and one[1].side == side]
    if limits.repeated_fills_max is not None:
        repeats = len([1 for _, order in same if order.booked > 0 or order.filled > 0])
        if repeats >= limits.repeated_fills_max:
            yield Refused("repeated_execution", limits.repeated_fills_max, repeats)
    if limits.duplicate_window is not None:
        for placed_at, order in reversed(same):
            if now - placed_at >= limits.duplicate_window:
                break
            if (order.qty, order.style) == (target.qty, target.style):
                yield Refused("duplicate_order", None, f"{order.client_order_id} is the same")
                break


def check_market(market: MarketRisk, limits: Limits, now: Ns) -> Iterator[Refused]:
    """Yield what speaks against the market as a place to enter."""
    spec, book = market.spec, market.book
    if limits.volume_day_min is not None and now - spec.open_at >= DAY:
        volume = spec.volume_day
        if volume is None or volume < limits.volume_day_min:
            yield Refused("volume_too_low", limits.volume_day_min, volume)
    if limits.spread_max is not None:
        bid, ask = book.bid, book.ask
        spread = (PRICE_ONE if ask is None else ask) - (bid or 0)
        if spread > limits.spread_max:
            yield Refused("spread_too_wide", limits.spread_max, spread)
    if limits.depth_min is not None:
        depth = min(book.bid_size or 0, book.ask_size or 0)
        if depth < limits.depth_min:
            yield Refused("depth_too_thin", limits.depth_min, depth)


def check_exposure(
    weight: Weight, market: MarketRisk, account: AccountRisk, limits: Limits
) -> Iterator[Refused]:
    """Yield what speaks against the positions and the losses that the order could lead to."""
    reaches = (
        Refused("position_limit", limits.position_qty_max, weight.reach),
        Refused("event_position_limit", limits.event_qty_max, account.event_reach + weight.reach),
        Refused("series_position_limit", limits.series_qty_max, account.series_reach + weight.reach),
        Refused(
            "settlement_position_limit", limits.settlement_qty_max, account.settlement_reach + weight.reach
        ),
        Refused("total_position_limit", limits.total_qty_max, account.total_reach + weight.reach),
    )
    event_loss = weight.event_loss(market, account)
    losses = (
        Refused("market_loss_limit", limits.market_loss_max, weight.results.loss),
        Refused("event_loss_limit", limits.event_loss_max, event_loss),
        Refused("total_loss_limit", limits.total_loss_max, event_loss + account.loss_elsewhere),
        Refused("exposure_limit", limits.exposure_max, account.exposure_elsewhere + weight.exposure(market)),
    )
    for refused in (*reaches, *losses):
        assert isinstance(refused.value, int), "these are all amounts"
        if refused.limit is not None and refused.value > refused.limit:
            yield refused


def check_strategy(weight: Weight, account: AccountRisk) -> Iterator[Refused]:
    """Yield what speaks against the order by its strategy's own limits.

    An order may close what another strategy holds, and enter a position of its own by that: it is not lifted.
    """
    strategy = account.strategy
    if strategy is None or weight.gives_up_own(strategy.held):
        return
    if strategy.capital is not None:
        staked = strategy.staked_elsewhere + exposure(strategy.share, weight.strategy_stakes)
        if staked > strategy.capital:
            yield Refused("strategy_capital", strategy.capital, staked)
    if strategy.daily_loss_max is not None and strategy.loss_today >= strategy.daily_loss_max:
        yield Refused("strategy_daily_loss", strategy.daily_loss_max, strategy.loss_today)


def check_losses(account: AccountRisk, limits: Limits) -> Iterator[Refused]:
    """Yield what speaks against entering anything after what was lost."""
    losses = (
        Refused("daily_loss_limit", limits.daily_loss_max, -account.pnl_today),
        Refused("drawdown_limit", limits.drawdown_max, account.drawdown),
        Refused("losing_streak", limits.losing_streak_max, account.losing_streak),
    )
    for refused in losses:
        assert isinstance(refused.value, int), "these are all amounts"
        if refused.limit is not None and refused.value >= refused.limit:
            yield refused


def check_cash(
    proposal: Entry, weight: Weight, market: MarketRisk, account: AccountRisk, limits: Limits
) -> Iterator[Refused]:
    """Yield what speaks against the cash that the order may take."""
    needed = cash_needed(proposal, weight, market)
    if needed > account.cash_free:
        yield Refused("cash_short", account.cash_free, needed)
    elif limits.cash_reserve and needed > account.cash_free - limits.cash_reserve:
        yield Refused("cash_reserve", account.cash_free - limits.cash_reserve, needed)


def cash_needed(proposal: Entry, weight: Weight, market: MarketRisk) -> Money:
    """Return the cash that the order may take beyond what it takes already, its taker fee included."""
    target = proposal.target
    side, price, qty = weight.added
    releasing = max(0, -weight.held if side == "bid" else weight.held)
    opening = max(0, qty - releasing)
    cost = max(0, stake_cost((side, price, opening)) - weight.own_cost)
    return cost + trade_fee(market.spec.fees, target.price, target.qty, is_taker=target.style == "take")


def check_pace(
    proposal: Entry, weight: Weight, market: MarketRisk, account: AccountRisk, limits: Limits
) -> Iterator[Refused]:
    """Yield what speaks against one more request, or one more open order."""
    if account.orders_last_minute >= limits.orders_per_minute_max:
        yield Refused("order_rate_limit", limits.orders_per_minute_max, account.orders_last_minute)
    budget = limits.requests_per_minute_max
    if budget is not None:
        # Whatever else goes out, and cancels always do, the way out of a position keeps its share.
        share = budget // REDUCING_PART
        is_kept = weight.purpose == "reduce" and account.reducing_last_minute < share
        room = budget if weight.purpose == "reduce" else budget - share
        if account.requests_last_minute >= room and not is_kept:
            yield Refused("message_budget", room, account.requests_last_minute)
    if not isinstance(proposal, ProposePlace):
        return  # an amended order is open already
    if limits.market_orders_max is not None and len(market.open_orders) >= limits.market_orders_max:
        yield Refused("market_orders_limit", limits.market_orders_max, len(market.open_orders))
    if limits.open_orders_max is not None and account.open_orders >= limits.open_orders_max:
        yield Refused("open_orders_limit", limits.open_orders_max, account.open_orders)
