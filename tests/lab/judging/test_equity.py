"""Daily equity: by hand from fills and settlements, and the ledger's money at the end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.events import OrderFilled
from daemon.core.units import DAY, HOUR, PRICE_ONE, BookSide, Ns, Price
from daemon.lab.judging.arrays import NotJudged
from daemon.lab.judging.equity import daily_equity, days_of, every_day, last_of_days, returns_of

START = 100_000_000


def fill(number: int, at: Ns, side: BookSide = "bid", price: Price = 4000, qty: int = 1000) -> OrderFilled:
    return OrderFilled(f"t{number}", "o", None, "M", side, price, qty, 17_000, True, at, None)


def test_a_day_has_its_last_value() -> None:
    """Of several values of a day the last counts; days without one keep what the account was worth."""
    days, worth = last_of_days([3, 3, 5], [1.0, 2.0, 4.0])
    assert ([3, 5], [2.0, 4.0]) == (days.tolist(), worth.tolist())
    days, worth = every_day(days, worth)
    assert ([3, 4, 5], [2.0, 2.0, 4.0]) == (days.tolist(), worth.tolist())
    with pytest.raises(NotJudged, match=r"days\[1\] is before"):
        last_of_days([4, 3], [1.0, 1.0])


def test_a_day_begins_at_its_zones_midnight() -> None:
    """Four in the morning UTC is still the day before in New York."""
    assert [10, 9] == [int(days_of([10 * DAY + 4 * HOUR], zone)[0]) for zone in (0, -5 * HOUR)]


def test_returns_are_shares() -> None:
    """With a start there is one per value; what has no share is refused."""
    assert [pytest.approx(0.1), pytest.approx(-0.5)] == returns_of([110, 55], start=100).tolist()
    assert [pytest.approx(-0.5)] == returns_of([110, 55]).tolist()
    with pytest.raises(NotJudged, match=r"worth is 0\.0"):
        returns_of([1.0, 0.0])


def test_equity_by_hand() -> None:
    """Ten YES at 40c, marked at 45c over a night, paid 1 $ on the third day: 6 $ less the fee."""
    days, worth = daily_equity(
        [fill(1, DAY + HOUR)], {"M": (3 * DAY + HOUR, PRICE_ONE)}, {("M", 1): 4500, ("M", 2): 4500}, START
    )
    assert [1, 2, 3] == days.tolist()
    held = START - 4_000_000 - 17_000 + 4_500_000
    assert [held, held, START + 6_000_000 - 17_000] == worth.tolist()


def test_selling_what_is_not_held_is_buying_no() -> None:
    """Ten NO at 1 - 0.40 cost 6 $, and pay nothing where YES settles."""
    _, worth = daily_equity([fill(1, DAY, "ask")], {"M": (DAY + 1, PRICE_ONE)}, {}, START)
    assert [START - 6_000_000 - 17_000] == worth.tolist()


def test_a_position_without_a_mark_is_refused() -> None:
    """What it was worth overnight is not known, and isn't guessed."""
    with pytest.raises(NotJudged, match="M is held over the end of day 1"):
        daily_equity([fill(1, DAY)], {"M": (2 * DAY, 0)}, {}, START)


def test_what_cannot_be_is_refused() -> None:
    """No fills at all, or one of a market that was paid out already."""
    with pytest.raises(NotJudged, match="fills: none"):
        daily_equity([], {}, {}, START)
    with pytest.raises(NotJudged, match="fill t1 of M comes after its settlement"):
        daily_equity([fill(1, DAY + 2)], {"M": (DAY + 1, 0)}, {}, START)


FILLS = st.lists(
    st.tuples(
        st.integers(1, 3 * 24), st.sampled_from(["bid", "ask"]), st.integers(1, 9999), st.integers(1, 5000)
    ),
    min_size=1,
    max_size=20,
)


@given(FILLS, st.sampled_from([0, PRICE_ONE, 3700]))
def test_money_is_conserved(fills: list[tuple[int, BookSide, int, int]], settled: Price) -> None:
    """In the end the account has its start, what signed contracts gained at the settlement, less all fees."""
    events = [fill(n, hour * HOUR, side, price, qty) for n, (hour, side, price, qty) in enumerate(fills)]
    marks = {("M", day): 5000 for day in range(6)}
    days, worth = daily_equity(events, {"M": (4 * DAY, settled)}, marks, START)
    signed = [(one.qty if one.side == "bid" else -one.qty, one.price) for one in events]
    gained = sum(qty * (settled - price) for qty, price in signed)
    assert START + gained - 17_000 * len(events) == int(worth[-1])
    assert (np.diff(days) == 1).all()
