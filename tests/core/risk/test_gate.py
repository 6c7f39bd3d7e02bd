"""The gate: every refusal and its border, who passes, and no output exceeds a limit."""

from __future__ import annotations

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.ledger import Position
from daemon.core.orders import ProposeAmend, ProposeCancel, ProposePlace
from daemon.core.risk import Approved, Refusal, Refused, worst_loss
from daemon.core.risk.checks import cash_needed
from daemon.core.risk.grounds import Weight
from daemon.core.risk.refusals import RULES
from daemon.core.strategy import Target
from daemon.core.units import MONEY_ONE, BookSide
from tests.core.risk.cases import CASES, account, buy, judge, market, place, resting
from tests.core.worlds import CASH, LIMITS, TICKER

REFUSALS: tuple[Refusal, ...] = typing.get_args(Refusal)


@pytest.mark.parametrize(("refusal", "bad", "good"), CASES)
def test_a_refusal_and_its_border(
    refusal: Refusal, bad: dict[str, typing.Any], good: dict[str, typing.Any]
) -> None:
    """Each limit refuses by its name past its border, and approves on it."""
    refused = judge(**bad)
    assert isinstance(refused, Refused)
    assert refused.name == refusal
    assert refused.text.startswith(refusal)
    assert judge(**good) == Approved(good.get("proposal", place()))


def test_every_refusal_has_a_case() -> None:
    """A new refusal needs its case here."""
    assert sorted({case[0] for case in CASES}) == sorted(REFUSALS)


@pytest.mark.parametrize("bad", [case[1] for case in CASES])
def test_cancels_always_pass(bad: dict[str, typing.Any]) -> None:
    """Whatever the weather, what reduces risk goes out."""
    wish = ProposeCancel(TICKER, "s", "a", "why")
    assert judge(**{**bad, "proposal": wish}) == Approved(wish, "reduce")


def test_what_reduces_passes_exactly_where_the_table_says_so() -> None:
    """Each refusal is met by an order that gives up a part of the position: lifted ones let it through."""
    held = Position(2_000, 900 * MONEY_ONE)
    for refusal, bad, _good in CASES:
        if refusal in ("position_limit", "market_loss_limit", "order_notional_limit", "cash_reserve"):
            continue  # of these what reduces is never a case: it leads to no position, loss or cost
        if "proposal" in bad or refusal in ("self_cross", "cash_short", "duplicate_order"):
            continue  # about the order's own terms: below
        m = msgspec.structs.replace(bad.get("m", market()), position=held)
        wish = ProposePlace(TICKER, "s", Target("ask", 4_100, 1_000, "rest", "out"))
        verdict = judge(**{**bad, "m": m, "proposal": wish})
        if RULES[refusal].is_lifted or refusal == "repeated_execution":
            assert verdict == Approved(wish, "reduce"), refusal
        else:
            assert isinstance(verdict, Refused), refusal
            assert verdict.name == refusal


def test_the_way_out_needs_neither_free_cash_nor_a_free_place() -> None:
    """All cash is in the position, and the strategies have used up their pace: it can be left nevertheless.

    What it fetches pays its fee. That runaways end is seen to by the budget of requests.
    """
    wish = ProposePlace(TICKER, "s", Target("ask", 4_000, 1_000, "take", "out"))
    held = market(position=Position(1_000, 40 * MONEY_ONE))
    full = account(cash_free=-1, orders_last_minute=10_000, open_orders=10_000)
    tight = msgspec.structs.replace(LIMITS, open_orders_max=1, requests_per_minute_max=300)
    assert judge(wish, held, full, limits=tight) == Approved(wish, "reduce")
    spent = msgspec.structs.replace(full, requests_last_minute=300, reducing_last_minute=60)
    assert judge(wish, held, spent, limits=tight) == Refused("message_budget", 300, 300)


def test_the_way_out_keeps_a_fifth_of_the_budget_of_requests() -> None:
    """Strategies that thrash use up the rest, and cancels more than that; an exit leaves all the same."""
    wish = ProposePlace(TICKER, "s", Target("ask", 4_000, 1_000, "take", "out"))
    held = market(position=Position(1_000, 40 * MONEY_ONE))
    tight = msgspec.structs.replace(LIMITS, requests_per_minute_max=300)
    for requests, reducing, expected in ((10_000, 59, None), (10_000, 60, 300), (299, 299, None)):
        verdict = judge(
            wish, held, account(requests_last_minute=requests, reducing_last_minute=reducing), limits=tight
        )
        refused = None if expected is None else Refused("message_budget", expected, requests)
        assert verdict == (refused or Approved(wish, "reduce")), (requests, reducing)
    assert isinstance(judge(a=account(requests_last_minute=239), limits=tight), Approved)
    assert judge(a=account(requests_last_minute=240), limits=tight) == Refused("message_budget", 240, 240)


def test_the_way_out_of_a_loss_is_open() -> None:
    """An order that only gives up a part of the position is not refused for losses; one contract more is."""
    wish = ProposePlace(TICKER, "s", Target("ask", 4_000, 1_000, "take", "out"))
    held = market(position=Position(1_000, 900 * MONEY_ONE))
    worst = account(pnl_today=-1_000 * MONEY_ONE, loss_elsewhere=900 * MONEY_ONE)
    assert judge(wish, held, worst) == Approved(wish, "reduce")
    more = ProposePlace(TICKER, "s", Target("ask", 4_000, 1_001, "take", "out and through"))
    refused = judge(more, held, worst)
    assert isinstance(refused, Refused)
    assert refused.name == "market_loss_limit"


@pytest.mark.parametrize(
    ("resting_qty", "wanted", "expected"), [(400, 600, "reduce"), (400, 601, "enter"), (1_000, 1, "enter")]
)
def test_what_rests_on_the_same_side_counts_before_an_order_reduces(
    resting_qty: int, wanted: int, expected: str
) -> None:
    """Two orders that each reduce would reverse the position together: the second one enters."""
    held = market(position=Position(1_000, MONEY_ONE), open_orders=(resting("ask", 4_300, resting_qty),))
    wish = ProposePlace(TICKER, "s", Target("ask", 4_100, wanted, "rest", "out"))
    assert judge(wish, held) == Approved(wish, expected)  # type: ignore[arg-type]


def test_a_refusal_says_limit_and_value_in_the_units_of_people() -> None:
    """For the log and for `why`: what was held against what."""
    refused = judge(m=market(position=Position(19_050, 1_000_000)))
    assert refused == Refused("position_limit", 20_000, 20_050)
    assert isinstance(refused, Refused)
    assert refused.text == "position_limit: 200.5 of 200 contracts"


def test_an_amend_counts_the_worse_of_both_terms_until_it_is_answered() -> None:
    """Either the old or the new terms may trade, never both: price and count are taken at their worst."""
    order = resting("bid", 4_300, 10_000)
    wish = ProposeAmend(TICKER, "s", order.client_order_id, buy(4_100, 5_000))
    held = market(open_orders=(order,), position=Position(100, 57_000_000))
    assert judge(wish, held) == Approved(wish)
    dear = market(open_orders=(order,), position=Position(100, 57_000_001))
    assert judge(wish, dear) == Refused("market_loss_limit", LIMITS.market_loss_max, 100_000_001)


def test_an_amend_needs_only_the_cash_that_the_order_does_not_hold_already() -> None:
    """What it takes already is off the free cash: it is not asked for twice."""
    order = resting("bid", 4_000, 1_000)
    wish = ProposeAmend(TICKER, "s", order.client_order_id, buy(4_100, 1_000))
    m = market(open_orders=(order,))
    assert judge(wish, m, account(cash_free=100_000)) == Approved(wish)
    assert judge(wish, m, account(cash_free=99_999)) == Refused("cash_short", 99_999, 100_000)


SIDES: st.SearchStrategy[BookSide] = st.sampled_from(["bid", "ask"])


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
        wish = ProposePlace(TICKER, "s", target)
        assert reducing or cash_needed(wish, Weight(wish, m), m) <= cash
        assert not any(
            o.side != side and (o.price <= target.price) == (side == "bid")
            for o in mine
            if o.price != target.price
        )
