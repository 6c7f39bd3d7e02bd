"""Ledger: cash and positions conserve, every fill is booked once, settlement pays once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daemon.core.events import AccountReconciled, OrderFilled, PositionSnapshot
from daemon.core.findings import Drift
from daemon.core.ledger import (
    FILLS_KEPT,
    PAID_MAX,
    SPREAD_TRUSTED,
    START_OVERLAP,
    Ledger,
    Paid,
    Position,
)
from daemon.core.units import MONEY_ONE, PRICE_ONE, BookSide

CASH = 10_000 * MONEY_ONE
TICKERS = st.sampled_from(["A", "B"])
PRICES = st.integers(1, PRICE_ONE - 1)
RESULTS = st.sampled_from([0, 3_333, PRICE_ONE])
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
    """Two markets on two shards; any trades, repeats, payouts, corrections, late fills, and readings.

    The twin keeps nothing but what was told, and adds it all up anew after every step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ledger = funded()
        self.ledger.shards = {"A": 0, "B": 2}
        self.fills: list[OrderFilled] = []
        self.results: dict[str, int] = {}
        self.asked_at = 0

    @rule(ticker=TICKERS, side=SIDES, price=PRICES, qty=st.integers(1, 300), fee=st.integers(0, 99))
    def trade(self, ticker: str, side: BookSide, price: int, qty: int, fee: int) -> None:
        """A fill; in a market that is paid out it comes late, and was in the payout."""
        self.fills.append(fill(str(len(self.fills)), side, price, qty, fee, ticker))
        assert self.ledger.apply_fill(self.fills[-1])

    @precondition(lambda self: self.fills)
    @rule(index=st.integers(0, 100))
    def tell_again(self, index: int) -> None:
        assert not self.ledger.apply_fill(self.fills[index % len(self.fills)])

    @rule(ticker=TICKERS, price=RESULTS)
    def settle(self, ticker: str, price: int) -> None:
        """The venue may say it twice; the result is the first one's."""
        self.ledger.settle(ticker, self.results.setdefault(ticker, price))

    @rule(ticker=TICKERS, price=RESULTS)
    def correct(self, ticker: str, price: int) -> None:
        if ticker in self.results:
            self.results[ticker] = price
        self.ledger.correct(ticker, price)

    @rule()
    def read(self) -> None:
        """The lists agree with the twin: adopting them changes nothing."""
        held = tuple(
            PositionSnapshot(ticker, one.qty, one.cost, one.realized, one.fees)
            for ticker, one in sorted(self.ledger.positions.items())
        )
        cash = self.twin_cash(("A", "B"))
        parts = ((0, CASH + self.twin_cash(("A",), 0)), (2, self.twin_cash(("B",), 0)))
        event = AccountReconciled(0, 0, cash, held, (), (), cash_by_shard=parts)
        assert self.ledger.drifts(event) == []
        self.ledger.adopt(event)

    def twin_cash(self, tickers: tuple[str, ...], start: int = CASH) -> int:
        """Cash from everything that was told: what trades paid, or what they made against the result."""
        for ticker in tickers:
            ours = [one for one in self.fills if one.ticker == ticker]
            signed = [(one.qty if one.side == "bid" else -one.qty, one.price) for one in ours]
            start -= sum(one.fee for one in ours)
            worth = self.results.get(ticker)
            if worth is None:
                start -= sum(qty * price for qty, price in signed)
                start -= PRICE_ONE * max(0, -sum(qty for qty, _ in signed))
            else:
                start += sum(qty * (worth - price) for qty, price in signed)
        return start

    @invariant()
    def cash_and_positions_are_the_twins(self) -> None:
        assert self.ledger.cash == self.twin_cash(("A", "B"))
        for ticker in ("A", "B"):
            signed = [
                one.qty if one.side == "bid" else -one.qty for one in self.fills if one.ticker == ticker
            ]
            expected = 0 if ticker in self.results else sum(signed)
            assert self.ledger.position_qty(ticker) == expected

    @invariant()
    def equity_is_conserved(self) -> None:
        fees = sum(one.fee for one in self.fills)
        assert self.ledger.equity == CASH + self.ledger.realized - fees
        assert self.ledger.fees == fees

    @invariant()
    def the_parts_of_the_cash_make_up_its_whole(self) -> None:
        parts = [self.ledger.cash_of(shard) for shard in (0, 2)]
        assert parts in (
            [self.ledger.cash] * 2,  # not told yet
            [CASH + self.twin_cash(("A",), 0), self.twin_cash(("B",), 0)],
        )

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


# --- what is remembered, and for how long --------------------------------------------------------


def sent(trade_id: str, at: int, order_id: str = "o") -> OrderFilled:
    """A fill that happened at an instant."""
    return OrderFilled(trade_id, order_id, None, "M", "bid", 4_000, 100, 0, True, at, at)


def test_a_fill_that_comes_after_the_payout_was_in_it() -> None:
    """The market paid for the whole position; what we thought flat stays flat."""
    ledger = funded()
    ledger.apply_fill(fill("1", "bid", 4_000, 500))
    ledger.settle("M", PRICE_ONE)
    ledger.apply_fill(fill("2", "bid", 3_000, 100))
    assert (0, CASH + 3_000_000 + 700_000) == (ledger.position_qty("M"), ledger.cash)
    assert Paid(PRICE_ONE, 600, 6_000_000, 0) == ledger.paid["M"]


def test_fills_of_before_the_first_reading_are_no_news() -> None:
    """They are in its positions, whoever tells them later."""
    ledger = Ledger()
    at = FILLS_KEPT
    ledger.adopt(AccountReconciled(at, at, CASH, (), (), ()))
    old, new = sent("1", at - START_OVERLAP - 1), sent("2", at - START_OVERLAP, "p")
    assert [True, False] == [ledger.has_booked(one) for one in (old, new)]
    assert [False, True] == [ledger.apply_fill(one) for one in (old, new)]
    assert 100 == ledger.position_qty("M")


def test_fills_are_forgotten_when_nobody_can_tell_them_as_news() -> None:
    """Those of orders that are over, an hour later; told again after that they are not booked again."""
    ledger = funded()
    for number in range(100):
        ledger.apply_fill(sent(str(number), number, f"o{number}"))
    later = 2 * FILLS_KEPT
    ledger.forget_fills(later, ["o7"])
    assert ["o7"] == list(ledger._fills)
    assert not any(ledger.apply_fill(sent(str(number), number, f"o{number}")) for number in range(100))
    assert ledger.apply_fill(sent("more", later - 9 * FILLS_KEPT, "o7")), "its order is open: it may be old"
    booked = [ledger.booked_of(order_id) for order_id in ("o1", "o7")]
    assert ([0, 200], 101) == (booked, ledger.fills_total)


def test_nothing_is_forgotten_before_its_time() -> None:
    """Lists go back some minutes."""
    ledger = funded()
    ledger.apply_fill(sent("1", 0))
    ledger.forget_fills(FILLS_KEPT, [])
    assert ledger.has_booked(sent("1", 0))


def test_payouts_do_not_pile_up() -> None:
    """Markets end every quarter of an hour for as long as we live."""
    ledger = funded()
    for number in range(PAID_MAX + 1):
        ledger.settle(str(number), 0)
    assert (PAID_MAX, None) == (len(ledger.paid), ledger.correct("0", PRICE_ONE))


def test_cash_that_moves_on_a_shard_that_we_do_not_know_makes_the_parts_unknown() -> None:
    """Then every order may use all of it, until the next reading tells; the whole is right at all times."""
    ledger = Ledger()
    event = AccountReconciled(0, 0, CASH, (), (), (), cash_by_shard=((0, CASH - 5), (2, 5)))
    ledger.adopt(event)
    assert [CASH - 5, 5, 0] == [ledger.cash_of(shard) for shard in (0, 2, 3)]
    ledger.apply_fill(fill("1", "bid", 4_000, 100))
    assert [CASH - 400_000] * 2 == [ledger.cash_of(shard) for shard in (0, 2)]


def test_a_transfer_between_shards_is_told_and_changes_no_sum() -> None:
    """Parts that don't make up the whole were read at another moment, and are not taken."""
    ledger = Ledger()
    parts = (((0, CASH),), ((0, CASH - 5), (2, 5)), ((0, CASH - 5), (2, 5)), ((0, 1),))
    first, *others = [AccountReconciled(0, 0, CASH, (), (), (), cash_by_shard=part) for part in parts]
    ledger.adopt(first)
    assert [True, False, False] == [ledger.adopt_shards(event) for event in others]
    assert 5 == ledger.cash_of(2)


@pytest.mark.parametrize(
    ("qty", "paid", "bid", "ask", "expected"),
    [
        (100, 8_000, 3_000, 4_000, 3_500),  # ten cents apart: the mid
        (100, 8_000, 100, 9_900, 8_000),  # one quote is gone: no loss that the book doesn't show
        (100, 8_000, 1_000, 4_000, 3_500),  # nobody gives more than 40: that is a loss, surely
        (100, 8_000, None, 100, 50),  # nobody bids, all offer
        (100, 2_000, 1_000, 9_000, 2_000),
        (100, 8_000, None, None, 8_000),
        (-100, 2_000, 6_000, 9_000, 6_500),  # NO, bought at 80
        (-100, 2_000, 100, 9_900, 2_000),
        (-100, 2_000, 9_900, None, 9_950),
    ],
)
def test_a_position_is_worth_what_its_book_proves(
    qty: int, paid: int, bid: int | None, ask: int | None, expected: int
) -> None:
    """Expected is the YES price at which it is marked."""
    position = Position()
    position.trade(qty, paid)
    assert position.marked(bid, ask) == position.value(expected)


@given(
    qty=st.integers(-500, 500).filter(bool),
    paid=st.integers(1, 9_999),
    prices=st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)).map(sorted),
)
def test_a_mark_lies_within_the_spread_and_wider_ones_claim_less(
    qty: int, paid: int, prices: list[int]
) -> None:
    """Never beyond the best prices, nor further from the cost than the mid is."""
    position, (bid, ask) = Position(), prices
    position.trade(qty, paid)
    marked, mid = position.marked(bid, ask), position.value((bid + ask) // 2)
    ends = sorted((position.value(bid), position.value(ask)))
    assert ends[0] <= marked <= ends[1]
    assert abs(marked - position.cost) <= abs(mid - position.cost)
    assert marked == mid or ask - bid > SPREAD_TRUSTED
