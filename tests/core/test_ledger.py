"""Ledger: cash and positions conserve, every fill is booked once, settlement pays once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from daemon.core.events import AccountReconciled, OrderFilled, PositionSnapshot
from daemon.core.findings import Drift
from daemon.core.ledger import Ledger, Position
from daemon.core.units import MONEY_ONE, PRICE_ONE, BookSide

CASH = 10_000 * MONEY_ONE
TICKERS = st.sampled_from(["A", "B"])
PRICES = st.integers(1, PRICE_ONE - 1)
SIDES: st.SearchStrategy[BookSide] = st.sampled_from(["bid", "ask"])


def fill(
    trade_id: str, side: BookSide, price: int, qty: int, fee: int = 0, ticker: str = "M", order_id: str = "o"
) -> OrderFilled:
    """A fill, for tests."""
    return OrderFilled(trade_id, order_id, "c", ticker, side, price, qty, fee, True, 0, None)


def told(cash: int, positions: tuple[PositionSnapshot, ...] = ()) -> AccountReconciled:
    """A reading of the venue's lists, for tests."""
    return AccountReconciled(0, 0, cash, positions, (), ())


def funded() -> Ledger:
    """A ledger that has adopted an empty account."""
    ledger = Ledger()
    ledger.adopt(told(CASH))
    return ledger


def test_buying_and_selling_yes() -> None:
    """10 at 0.40, sold at 0.55: 1.50 dollars, fees off cash."""
    ledger = funded()
    ledger.apply_fill(fill("1", "bid", 4000, 1000, fee=17))
    assert ledger.cash == CASH - 4_000_000 - 17
    ledger.apply_fill(fill("2", "ask", 5500, 1000, fee=5))
    assert ledger.cash == CASH + 1_500_000 - 22
    assert ledger.position_qty("M") == 0
    assert ledger.realized == 1_500_000
    assert ledger.fees == 22


def test_selling_what_is_not_held_is_buying_no() -> None:
    """Selling 10 YES at 0.40 costs 6.00; if it settles NO, 10.00 comes back."""
    ledger = funded()
    ledger.apply_fill(fill("1", "ask", 4000, 1000))
    assert ledger.cash == CASH - 6_000_000
    assert ledger.position_qty("M") == -1000
    assert ledger.settle("M", 0) == 10_000_000
    assert ledger.cash == CASH + 4_000_000


def test_a_trade_through_zero_closes_and_opens() -> None:
    """Crossing zero costs only the opened part."""
    ledger = funded()
    ledger.apply_fill(fill("1", "bid", 3000, 500))
    ledger.apply_fill(fill("2", "ask", 7000, 800))
    position = ledger.positions["M"]
    assert (position.qty, position.cost, position.realized) == (-300, 300 * 3000, 500 * 4000)


def test_a_fill_is_booked_once() -> None:
    """The stream and the list tell the same fill; two orders may share a trade."""
    ledger = funded()
    assert ledger.apply_fill(fill("1", "bid", 4000, 100))
    assert not ledger.apply_fill(fill("1", "bid", 4000, 100))
    assert ledger.apply_fill(fill("1", "bid", 4000, 100, order_id="other"))
    assert ledger.position_qty("M") == 200


def test_settlement_pays_once() -> None:
    """The venue may say `settled` twice."""
    ledger = funded()
    ledger.apply_fill(fill("1", "bid", 4000, 100))
    assert ledger.settle("M", PRICE_ONE) == MONEY_ONE
    assert ledger.settle("M", PRICE_ONE) == 0
    assert ledger.settle("never heard of", PRICE_ONE) == 0


def test_drifts_name_what_differs() -> None:
    """Cash and every position, ours and theirs, in a stable order."""
    ledger = funded()
    ledger.apply_fill(fill("1", "bid", 4000, 100))
    seen = told(CASH, (PositionSnapshot("N", -5, 1, 0, 0),))
    assert ledger.drifts(seen) == [
        Drift("cash_drift", "cash", CASH - 400_000, CASH),
        Drift("position_drift", "M", 100, 0),
        Drift("position_drift", "N", 0, -5),
    ]


def test_adoption_takes_the_list_and_remembers_its_fills() -> None:
    """An adopted fill that the stream tells again is not booked."""
    ledger = funded()
    ledger.apply_fill(fill("1", "bid", 4000, 100))
    snapshot = PositionSnapshot("N", 7, 3, 0, 0)
    event = AccountReconciled(0, 0, 5, (snapshot,), (), (fill("9", "bid", 1, 7, ticker="N"),))
    ledger.adopt(event)
    assert ledger.cash == 5
    assert ledger.position_qty("M") == 0
    assert ledger.drifts(event) == []
    assert not ledger.apply_fill(fill("9", "bid", 1, 7, ticker="N"))


@given(st.lists(st.tuples(SIDES, PRICES, st.integers(1, 5000)), max_size=40), st.sampled_from([0, PRICE_ONE]))
def test_cash_positions_and_profit_conserve(trades: list[tuple[BookSide, int, int]], result: int) -> None:
    """After settlement, cash is the start plus what each trade made against the result: nothing leaks."""
    ledger = funded()
    expected = CASH
    for index, (side, price, qty) in enumerate(trades):
        ledger.apply_fill(fill(str(index), side, price, qty))
        expected += qty * (result - price) if side == "bid" else qty * (price - result)
    ledger.settle("M", result)
    assert ledger.cash == expected
    assert ledger.realized == expected - CASH


@pytest.mark.parametrize(("side", "earned"), [("bid", 3_000_000), ("ask", -3_000_000)])
def test_what_left_the_list_unexplained_is_earned_when_its_price_is_known(
    side: BookSide, earned: int
) -> None:
    """The list's cash has the payout in already: only the profit was missing, and comes once."""
    ledger = funded()
    price = 4_000
    ledger.apply_fill(fill("1", side, price, 500, 0))
    payout = 5_000_000 if side == "bid" else 0
    cash = (ledger.cash or 0) + payout
    ledger.adopt(told(cash))
    assert (cash, 0) == (ledger.cash, ledger.realized)
    assert [0, 0] == [ledger.settle("M", PRICE_ONE) for _ in range(2)]
    assert (cash, earned) == (ledger.cash, ledger.realized)


class LedgerMachine(RuleBasedStateMachine):
    """Two markets, any trades and settlements: equity at cost is what came in plus what was realised."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = funded()
        self.count = 0
        self.fees = 0

    @rule(
        ticker=st.sampled_from(["A", "B"]),
        side=SIDES,
        price=PRICES,
        qty=st.integers(1, 300),
        fee=st.integers(0, 99),
    )
    def trade(self, ticker: str, side: BookSide, price: int, qty: int, fee: int) -> None:
        self.count += 1
        self.fees += fee
        self.ledger.apply_fill(fill(str(self.count), side, price, qty, fee, ticker))

    @rule(ticker=TICKERS, price=st.sampled_from([0, 3333, PRICE_ONE]))
    def settle(self, ticker: str, price: int) -> None:
        self.ledger.settle(ticker, price)

    @invariant()
    def equity_is_conserved(self) -> None:
        assert self.ledger.equity == CASH + self.ledger.realized - self.fees

    @invariant()
    def cost_has_the_sign_of_money_and_a_flat_position_costs_nothing(self) -> None:
        for position in self.ledger.positions.values():
            assert position.cost >= 0
            assert position.qty != 0 or position.cost == 0


TestLedgerMachine = LedgerMachine.TestCase


def test_the_value_of_a_position() -> None:
    """A NO contract is worth 1 minus the YES price."""
    assert Position(qty=300).value(4000) == 1_200_000
    assert Position(qty=-300).value(4000) == 1_800_000
