"""Profit and fees of a period: exact, whole, and split without a rest."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import DAY, HOUR
from daemon.report.facts import NOBODY, Decision, Facts, Fill, Payout
from daemon.report.mids import Mids
from daemon.report.period import Period
from daemon.report.results import Results, open_tickers, results, worths_of
from tests.report.days import DAY_0, NOON, PERIOD, M, N

NO_FACTS = Facts((), (), (), (), (), (), None, (), (), (), ())


def bought(at: int, price: int, sign: int = 1, qty: int = 100, ticker: str = M, strategy: str = "s") -> Fill:
    """A fill that cost a cent."""
    decision = None if strategy == NOBODY else Decision(at, price, strategy)
    return Fill(at, f"{at}", "o", ticker, sign, price, qty, 10_000, 10_000, True, decision)


def facts(
    *fills: Fill, payouts: tuple[Payout, ...] = (), mids: tuple[tuple[int, str, int], ...] = ()
) -> Facts:
    """What a store says of these."""
    return msgspec.structs.replace(NO_FACTS, fills=fills, payouts=payouts, mids=mids)


def of(found: Facts, period: Period = PERIOD) -> Results:
    """The results by the store alone, which knows nothing later; M and N are of one event."""
    until = [fill for fill in found.fills if fill.at < period.until]
    found = msgspec.structs.replace(found, fills=tuple(until))
    return results(found, period, worths_of(found, Mids([])), {M: "E", N: "E"})


def test_a_round_trip_earns_its_difference_less_both_fees() -> None:
    """Bought at 40c and sold at 45c with a cent each: three cents, and nothing is held."""
    total = of(facts(bought(NOON, 4_000), bought(NOON + 1, 4_500, -1))).total
    assert (30_000, 20_000, 20_000, 2, 200, 0) == (
        total.pnl, total.fees, total.fees_predicted, total.fills, total.traded_qty, total.held_qty
    )  # fmt: skip


def test_what_was_earned_before_is_not_earned_again() -> None:
    """Bought the day before at 40c, worth 50c at midnight and 55c at the end: five cents, no fee."""
    held = facts(bought(DAY_0 - HOUR, 4_000), mids=((DAY_0 - 1, M, 5_000), (NOON, M, 5_500)))
    assert (50_000, 0, 0, 100) == (
        (total := of(held).total).pnl, total.fees, total.fills, total.held_qty
    )  # fmt: skip
    assert [M] == open_tickers(held, DAY_0)


def test_a_payout_is_the_worth_from_then_on() -> None:
    """A short position that pays nothing; afterwards it is held no more, and later days earn nothing."""
    paid = facts(bought(NOON, 3_000, -1), payouts=(Payout(NOON + HOUR, M, 0),))
    total = of(paid).total
    assert (300_000 - 10_000, 0) == (total.pnl, total.held_qty)
    assert () == of(paid, Period("next", DAY_0 + DAY, DAY_0 + 2 * DAY)).by_market
    assert ([M], []) == (open_tickers(paid, NOON + HOUR), open_tickers(paid, NOON + HOUR + 1))


def test_an_unknown_worth_makes_the_result_unknown() -> None:
    """Never 0: of the market, its event, its strategy and the whole; another market's stays known."""
    found = of(facts(bought(NOON, 4_000), bought(NOON, 4_000, ticker=N), mids=((NOON, N, 4_500),)))
    assert [(N, 40_000), (M, None)] == [(one.name, one.pnl) for one in found.by_market]
    assert [("E", None)] == [(one.name, one.pnl) for one in found.by_event]
    assert (None, None) == (found.by_strategy[0].pnl, found.total.pnl)
    assert 20_000 == found.total.fees


def test_two_strategies_in_one_market_have_results_of_their_own() -> None:
    """One bought what the other sold: nothing is held together, and each has its own profit."""
    found = of(
        facts(bought(NOON, 4_000), bought(NOON, 4_400, -1, strategy="t"), mids=((NOON + 1, M, 4_200),))
    )
    assert [("s", 10_000, 100), ("t", 10_000, -100)] == [
        (one.name, one.pnl, one.held_qty) for one in found.by_strategy
    ]
    assert (20_000, 0) == (found.total.pnl, found.total.held_qty)


def test_a_market_whose_event_nobody_told_stands_for_itself() -> None:
    """No name is guessed from another one."""
    found = results(
        one := facts(bought(NOON, 1, ticker="X-1"), mids=((NOON, "X-1", 1),)), PERIOD,
        worths_of(one, Mids([])), {},
    )  # fmt: skip
    assert ["X-1"] == [event.name for event in found.by_event]


FILLS = st.lists(
    st.builds(
        bought, st.integers(DAY_0 - DAY, DAY_0 + 2 * DAY), st.integers(1, 9_999), st.sampled_from((1, -1)),
        st.integers(1, 900), st.sampled_from((M, N)), st.sampled_from(("s", "t", NOBODY)),
    ),
    max_size=20,
)  # fmt: skip
MIDS = st.lists(
    st.tuples(st.integers(DAY_0 - DAY, DAY_0 + 2 * DAY), st.sampled_from((M, N)), st.integers(1, 9_999)),
    max_size=10,
)


@given(FILLS, MIDS)
def test_days_add_up_to_the_whole_and_parts_to_the_sum(
    fills: list[Fill], mids: list[tuple[int, str, int]]
) -> None:
    """However it is cut: by days, markets, events or strategies, not a millionth of a dollar is lost."""
    first = ((DAY_0 - DAY - 1, M, 5_000), (DAY_0 - DAY - 1, N, 5_000))
    known = facts(*sorted(fills, key=lambda one: one.at), mids=(*first, *sorted(mids)))
    edges = [DAY_0 - DAY, DAY_0, DAY_0 + DAY, DAY_0 + 2 * DAY + 1]
    days = [of(known, Period("", *edge)).total for edge in pairwise(edges)]
    whole = of(known, Period("", edges[0], edges[-1]))
    assert whole.total.pnl == sum(day.pnl or 0 for day in days)
    assert whole.total.fees == sum(day.fees for day in days) == 10_000 * len(fills)
    for parts in (whole.by_market, whole.by_event, whole.by_strategy):
        assert whole.total.pnl == sum(part.pnl or 0 for part in parts)
        assert whole.total.held_qty == sum(part.held_qty for part in parts)
