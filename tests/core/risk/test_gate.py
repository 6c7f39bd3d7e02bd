"""Risk: every refusal has a case that triggers it and one that doesn't, and no output exceeds a limit."""

from __future__ import annotations

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.ledger import Position
from daemon.core.orders import Order, OrderState, Proposal, ProposeAmend, ProposeCancel, ProposePlace
from daemon.core.risk import (
    AccountRisk,
    Approved,
    FeedHealth,
    MarketRisk,
    Refusal,
    Risk,
    vouch_market,
    worst_loss,
)
from daemon.core.strategy import Target
from daemon.core.units import MILLISECOND, MONEY_ONE, PRICE_ONE, SECOND, BookSide, PriceGrid
from tests.core.worlds import CASH, LIMITS, NOW, TICKER, snapshot, spec

REFUSALS: tuple[Refusal, ...] = typing.get_args(Refusal)
MARKET_REFUSALS: tuple[Refusal, ...] = (
    "exchange_paused",
    "trading_paused",
    "maintenance",
    "schema_drift",
    "not_watched",
    "not_backfilled",
)
"""Those that the engine finds for a market before it asks the gate."""


def feed(**changes: object) -> FeedHealth:
    """A healthy connection."""
    health = FeedHealth()
    health.is_connected = True
    health.heard_at = NOW
    health.lag.observe(NOW, NOW)
    for name, value in changes.items():
        setattr(health, name, value)
    return health


def book(at: int = NOW) -> Book:
    """A synced book."""
    subject = Book(TICKER)
    subject.apply_snapshot(snapshot(at))
    return subject


def market(**changes: object) -> MarketRisk:
    """A tradable market without position or orders."""
    base = MarketRisk(
        spec=spec(),
        grid=PriceGrid(spec().bands),
        book=book(),
        position=None,
        open_orders=(),
        book_changed_max=None,
        feed=feed(),
        refusal=None,
    )
    return msgspec.structs.replace(base, **changes)


def account(**changes: object) -> AccountRisk:
    """An account that may trade."""
    base = AccountRisk(
        refusal=None,
        breaker="closed",
        is_trial_out=False,
        private_feed=feed(),
        cash_free=CASH,
        loss_elsewhere=0,
        pnl_today=0,
        orders_last_minute=0,
    )
    return msgspec.structs.replace(base, **changes)


def resting(
    side: BookSide = "ask", price: int = 4_100, qty: int = 1_000, state: OrderState = "resting"
) -> Order:
    """One of our orders."""
    return Order(
        client_order_id=f"{side}{price}", ticker=TICKER, side=side, price=price, qty=qty, style="rest",
        strategy="s", at=NOW, state=state, order_id="id",
    )  # fmt: skip


def buy(price: int = 4_100, qty: int = 1_000) -> Target:
    """A target to buy 10 contracts at 41 cents."""
    return Target("bid", price, qty, "rest", "because")


def place(target: Target | None = None) -> ProposePlace:
    """A wish to buy."""
    return ProposePlace(TICKER, "s", target or buy())


def judge(
    proposal: Proposal | None = None,
    m: MarketRisk | None = None,
    a: AccountRisk | None = None,
    now: int = NOW,
) -> Approved | Refusal:
    """What the gate says."""
    return Risk(LIMITS).approve(proposal or place(), m or market(), a or account(), NOW)


def late(lag: int) -> FeedHealth:
    """A connection whose last message came late."""
    health = feed()
    health.lag.observe(NOW + lag, NOW)
    return health


def skewed(offset: int) -> FeedHealth:
    """A connection whose clocks differ."""
    health = feed()
    health.lag.reset()
    health.lag.observe(NOW + offset, NOW)
    return health


def unsynced() -> Book:
    """A book that was lost."""
    subject = book()
    subject.lose("gap")
    return subject


CASES: list[tuple[Refusal, dict[str, typing.Any], dict[str, typing.Any]]] = [
    ("not_reconciled", {"a": account(refusal="not_reconciled")}, {}),
    ("halted", {"a": account(refusal="halted")}, {}),
    ("stopping", {"a": account(refusal="stopping")}, {}),
    ("breaker_open", {"a": account(breaker="open")}, {"a": account(breaker="half_open")}),
    (
        "breaker_open",
        {"a": account(breaker="half_open", is_trial_out=True)},
        {"a": account(is_trial_out=True)},
    ),
    ("feed_down", {"a": account(private_feed=feed(is_connected=False))}, {}),
    ("feed_down", {"m": market(feed=feed(is_connected=False))}, {}),
    ("feed_down", {"m": market(feed=FeedHealth())}, {}),
    (
        "feed_silent",
        {"m": market(feed=feed(heard_at=NOW - 15 * SECOND - 1))},
        {"m": market(feed=feed(heard_at=NOW - 15 * SECOND))},
    ),
    (
        "transport_lag",
        {"m": market(feed=late(501 * MILLISECOND))},
        {"m": market(feed=late(500 * MILLISECOND))},
    ),
    ("clock_skew", {"m": market(feed=skewed(-SECOND - 1))}, {"m": market(feed=skewed(-SECOND))}),
    *[
        # What triggers these, and what ends them, stands in test_engine_refusals.
        (refusal, {"m": market(refusal=refusal)}, {})
        for refusal in MARKET_REFUSALS
    ],
    ("book_unsynced", {"m": market(book=unsynced())}, {}),
    (
        "book_unchanged",
        {"m": market(book_changed_max=SECOND, book=book(NOW - SECOND - 1))},
        {"m": market(book_changed_max=SECOND, book=book(NOW - SECOND))},
    ),
    ("market_not_open", {"m": market(spec=spec(status="inactive"))}, {}),
    ("market_not_open", {"m": market(spec=spec(close_at=NOW))}, {}),
    (
        "close_too_near",
        {"m": market(spec=spec(close_at=NOW + 10 * SECOND - 1))},
        {"m": market(spec=spec(close_at=NOW + 10 * SECOND))},
    ),
    (
        "order_unknown",
        {"m": market(open_orders=(resting("bid", state="unknown"),))},
        {"m": market(open_orders=(resting("bid", state="placing"),))},
    ),
    ("off_grid", {"proposal": place(buy(4_150))}, {"proposal": place(buy(4_200))}),
    ("qty_out_of_range", {"proposal": place(buy(qty=10_001))}, {"proposal": place(buy(qty=10_000))}),
    ("qty_out_of_range", {"proposal": place(buy(qty=0))}, {"proposal": place(buy(qty=1))}),
    ("price_too_far", {"proposal": place(buy(3_100))}, {"proposal": place(buy(3_200))}),
    (
        "self_cross",
        {"m": market(open_orders=(resting("ask", 4_100),))},
        {"m": market(open_orders=(resting("ask", 4_200),))},
    ),
    (
        "position_limit",
        {"m": market(position=Position(19_001, 1_000_000))},
        {"m": market(position=Position(19_000, 1_000_000))},
    ),
    (
        "position_limit",
        {"m": market(position=Position(10_000, 1_000_000), open_orders=(resting("bid", 3_900, 9_001),))},
        {"m": market(position=Position(10_000, 1_000_000), open_orders=(resting("bid", 3_900, 9_000),))},
    ),
    (
        "market_loss_limit",
        {"m": market(position=Position(100, 95_900_001))},
        {"m": market(position=Position(100, 95_900_000))},
    ),
    (
        "total_loss_limit",
        {"a": account(loss_elsewhere=145_900_001)},
        {"a": account(loss_elsewhere=145_900_000)},
    ),
    (
        "daily_loss_limit",
        {"a": account(pnl_today=-50 * MONEY_ONE)},
        {"a": account(pnl_today=1 - 50 * MONEY_ONE)},
    ),
    ("cash_short", {"a": account(cash_free=4_099_999)}, {"a": account(cash_free=4_100_000)}),
    ("order_rate_limit", {"a": account(orders_last_minute=20)}, {"a": account(orders_last_minute=19)}),
]


@pytest.mark.parametrize(("refusal", "bad", "good"), CASES)
def test_a_refusal_and_its_border(
    refusal: Refusal, bad: dict[str, typing.Any], good: dict[str, typing.Any]
) -> None:
    """Each limit refuses by its name past its border, and approves on it."""
    assert judge(**bad) == refusal
    assert judge(**good) == Approved(good.get("proposal", place()))


def test_every_refusal_has_a_case() -> None:
    """A new refusal needs its case here."""
    assert sorted({case[0] for case in CASES}) == sorted(REFUSALS)


@pytest.mark.parametrize("bad", [case[1] for case in CASES])
def test_cancels_always_pass(bad: dict[str, typing.Any]) -> None:
    """Whatever the weather, what reduces risk goes out."""
    wish = ProposeCancel(TICKER, "s", "a", "why")
    assert judge(**{**bad, "proposal": wish}) == Approved(wish)


def test_the_way_out_of_a_loss_is_open() -> None:
    """An order that only gives up a part of the position is not refused for losses."""
    wish = ProposePlace(TICKER, "s", Target("ask", 4_000, 1_000, "take", "out"))
    held = market(position=Position(1_000, 900 * MONEY_ONE))
    worst = account(pnl_today=-1_000 * MONEY_ONE, loss_elsewhere=900 * MONEY_ONE)
    assert judge(wish, held, worst) == Approved(wish)
    more = ProposePlace(TICKER, "s", Target("ask", 4_000, 1_001, "take", "out and through"))
    assert judge(more, held, worst) == "market_loss_limit"


def test_an_amend_counts_both_terms_until_it_is_answered() -> None:
    """Either the old or the new terms may trade."""
    order = resting("bid", 4_000, 10_000)
    wish = ProposeAmend(TICKER, "s", order.client_order_id, buy(4_100, 10_000))
    assert judge(wish, market(open_orders=(order,))) == Approved(wish)
    dear = market(open_orders=(order,), position=Position(100, 19_000_001))
    assert judge(wish, dear) == "market_loss_limit"


SIDES: st.SearchStrategy[BookSide] = st.sampled_from(["bid", "ask"])


@given(
    st.integers(-200, 200),
    st.lists(st.tuples(SIDES, st.integers(1, 99), st.integers(0, 300)), max_size=5),
    st.integers(1, 99),
)
def test_worst_loss_is_the_worst_of_all_fills_and_results(
    held: int, orders: list[tuple[BookSide, int, int]], paid: int
) -> None:
    """Against brute force: every subset of the orders filled, both results."""
    position = Position()
    if held:
        position.trade(held, paid * 100)
    targets = [Target(side, cents * 100, qty, "rest", "") for side, cents, qty in orders]
    worst = 0
    for subset in range(1 << len(targets)):
        for result in (0, PRICE_ONE):
            trial = Position(position.qty, position.cost)
            cash = -trial.cost
            for index, target in enumerate(targets):
                if subset >> index & 1 and target.qty:
                    delta = target.qty if target.side == "bid" else -target.qty
                    cash += trial.trade(delta, target.price)
            worst = min(worst, cash + trial.value(result))
    assert worst_loss(position, [(target.side, target.price, target.qty) for target in targets]) == -worst


@given(
    SIDES,
    st.integers(1, 99),
    st.integers(-5, 25_000),
    st.integers(-20_000, 20_000),
    st.lists(st.tuples(SIDES, st.integers(1, 99), st.integers(1, 10_000)), max_size=4),
    st.integers(0, 200 * MONEY_ONE),
    st.integers(0, CASH),
)
def test_no_approval_exceeds_a_limit(
    side: BookSide,
    cents: int,
    qty: int,
    held: int,
    orders: list[tuple[BookSide, int, int]],
    elsewhere: int,
    cash: int,
) -> None:
    """Whatever is held, resting and free: an approved order keeps every limit in the worst case."""
    position = Position()
    if held:
        position.trade(held, 4_000)
    mine = tuple(resting(s, c * 100, q) for s, c, q in orders)
    target = Target(side, cents * 100, qty, "take", "any")
    m = market(position=position, open_orders=mine)
    verdict = judge(ProposePlace(TICKER, "s", target), m, account(loss_elsewhere=elsewhere, cash_free=cash))
    if isinstance(verdict, Approved):
        everything = [order.stake for order in mine]
        everything.append((side, cents * 100, qty))
        same = sum(q for s, _price, q in everything if s == side)
        reducing = same <= (-held if side == "bid" else held)
        assert 1 <= qty <= LIMITS.order_qty_max
        assert reducing or worst_loss(position, everything) <= LIMITS.market_loss_max
        assert reducing or worst_loss(position, everything) + elsewhere <= LIMITS.total_loss_max
        assert reducing or abs(held + (same if side == "bid" else -same)) <= LIMITS.position_qty_max
        assert Risk.cash_needed(target, m) <= cash
        assert not any(
            o.side != side and (o.price <= target.price) == (side == "bid")
            for o in mine
            if o.price != target.price
        )


def test_vouching_is_the_same_question_at_decision_and_at_sending() -> None:
    """The market half of it stands alone, for the queue."""
    assert vouch_market(spec(), book(), None, LIMITS, NOW) is None
    assert vouch_market(spec(), unsynced(), None, LIMITS, NOW) == "book_unsynced"
    delta = e.BookDeltaReceived(TICKER, "yes", 4_000, -40_001, NOW, NOW)
    broken = book()
    broken.apply_delta(delta)
    assert vouch_market(spec(), broken, None, LIMITS, NOW) == "book_unsynced"
