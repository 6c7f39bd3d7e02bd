"""The checks, group by group: what each finds, and in which order."""

from __future__ import annotations

from daemon.core.ledger import Position
from daemon.core.orders import ProposePlace
from daemon.core.risk.checks import cash_needed, check_exposure, check_market, check_order, check_pace
from daemon.core.risk.grounds import Weight
from daemon.core.strategy import Target
from daemon.core.units import DAY, MONEY_ONE
from tests.core.risk.cases import (
    account,
    buy,
    deep,
    filled,
    market,
    place,
    placed,
    resting,
    traded,
    with_limits,
)
from tests.core.worlds import LIMITS, NOW, TICKER


def test_all_that_speaks_against_an_order_is_found() -> None:
    """The gate takes the first that holds: so a lifted one must not hide the next."""
    mine = (resting("ask", 3_000),)
    terms = place(buy(3_155, 20_000))
    limits = with_limits(order_notional_max=MONEY_ONE, fair_away_max=100)
    found = check_order(terms, market(open_orders=mine, score=0.5), limits, NOW)
    assert [refused.name for refused in found] == [
        "off_grid",
        "qty_out_of_range",
        "order_notional_limit",
        "price_too_far",
        "fair_value_too_far",
        "self_cross",
    ]


def test_without_any_price_there_is_no_collar_and_no_order() -> None:
    """An empty book knows no price to be near to."""
    found = list(check_order(place(), market(book=deep((), ())), LIMITS, NOW))
    assert [(refused.name, refused.value) for refused in found] == [("price_too_far", None)]


def test_without_a_score_the_fair_value_says_nothing() -> None:
    """No model, no collar of it."""
    assert list(check_order(place(), market(score=None), with_limits(fair_away_max=1), NOW)) == []


def test_another_price_count_or_style_is_no_duplicate_and_an_unfilled_order_no_repetition() -> None:
    """Only the same order again is the same."""
    limits = with_limits(duplicate_window=DAY, repeated_fills_max=1)
    for order in (resting("bid", 4_000), resting("ask", 4_100), resting("bid", 4_100, 999)):
        assert list(check_order(place(), market(recent_orders=placed(order, 1)), limits, NOW)) == []
    again = market(recent_orders=placed(filled(), 1))
    assert [refused.name for refused in check_order(place(), again, limits, NOW)] == ["repeated_execution"]


def test_a_market_is_judged_by_volume_spread_and_depth() -> None:
    """All three of one that is thin; none where no limit is set."""
    thin = traded(100)
    limits = with_limits(volume_day_min=101, spread_max=1, depth_min=10**9)
    assert [refused.name for refused in check_market(thin, limits, NOW)] == [
        "volume_too_low",
        "spread_too_wide",
        "depth_too_thin",
    ]
    assert list(check_market(thin, LIMITS, NOW)) == []


def test_a_hedge_lowers_the_events_loss_and_not_the_markets() -> None:
    """The event's limit counts what can be, each market's own only itself."""
    m, a = market(position=Position(1_000, 6_000_000)), account()
    weight = Weight(place(), m)
    limits = with_limits(market_loss_max=1, event_loss_max=1, total_loss_max=1)
    names = [refused.name for refused in check_exposure(weight, m, a, limits)]
    assert names == ["market_loss_limit", "event_loss_limit", "total_loss_limit"]
    a = account(event_realized=20 * MONEY_ONE)
    assert [refused.name for refused in check_exposure(weight, m, a, limits)] == ["market_loss_limit"]


def test_what_closes_needs_no_cash_but_its_fee() -> None:
    """Half of the order gives up what is held, the other half buys the other side."""
    m = market(position=Position(500, MONEY_ONE))
    wish = ProposePlace(TICKER, "s", Target("ask", 4_000, 1_000, "take", ""))
    fee = 168_000  # 0.07 x 10 x 0.4 x 0.6
    assert cash_needed(wish, Weight(wish, m), m) == 3_000_000 + fee


def test_the_pace_counts_orders_requests_and_what_is_open() -> None:
    """Each by its own limit."""
    limits = with_limits(
        orders_per_minute_max=1, requests_per_minute_max=1, market_orders_max=1, open_orders_max=1
    )
    busy = account(orders_last_minute=1, requests_last_minute=1, open_orders=1)
    wish, m = place(), market(open_orders=(resting(),))
    found = check_pace(wish, Weight(wish, m), m, busy, limits)
    assert [refused.name for refused in found] == [
        "order_rate_limit",
        "message_budget",
        "market_orders_limit",
        "open_orders_limit",
    ]
