"""Attribution: each fill is its strategy's, and the shares are the account's, exactly."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daemon.core import events as e
from daemon.core.attribution import NO_STRATEGIES, NOBODY, Attribution, AwaitedTold, flow
from daemon.core.exits import EXIT
from daemon.core.flatten import FLATTEN
from daemon.core.ledger import Ledger, Position
from daemon.core.orders import Order
from daemon.core.own_orders import ADOPTED
from daemon.core.state import State
from daemon.core.units import PRICE_ONE, SECOND, BookSide, Money, Price, Qty
from tests.core.worlds import CASH, SCHEMA, T0, TICKER, reconciled, spec

TICKERS = ("M-1", "M-2")
OWNERS = ("alpha", "beta")


class Books:
    """A ledger and its shares, told the same fills as the beliefs tell them."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.ledger.adopt(reconciled(T0))
        self.shares = Attribution(self.ledger)
        self.trades = 0

    def fill(
        self,
        strategy: str | None,
        side: BookSide = "bid",
        price: Price = 4_000,
        qty: Qty = 1_000,
        fee: Money = 0,
        ticker: str = TICKER,
        order_id: str = "o",
        may_be_ours: bool = False,
    ) -> None:
        """Book one fill."""
        self.trades += 1
        fill = e.OrderFilled(
            f"t{self.trades}", order_id, None, ticker, side, price, qty, fee, True, T0 + self.trades, None
        )
        assert self.ledger.apply_fill(fill)
        self.shares.apply_fill(fill, strategy, may_be_ours=may_be_ours)

    def settle(self, price: Price, ticker: str = TICKER) -> None:
        """Pay a market out."""
        self.ledger.settle(ticker, price)
        self.shares.settle(ticker, price)

    def read(self, *positions: e.PositionSnapshot) -> None:
        """Adopt the venue's lists."""
        self.ledger.adopt(reconciled(T0 + self.trades, CASH, tuple(positions)))
        self.shares.agree()

    def qty(self, owner: str) -> Qty:
        """What an owner holds."""
        return self.shares.qty(owner, TICKER)


def test_a_fill_is_its_strategys() -> None:
    """Contracts, cost and fee; the other strategy has nothing of it."""
    books = Books()
    books.fill("alpha", "bid", 4_000, 1_000, fee=70)
    share = books.shares.share("alpha", TICKER)
    assert share is not None
    assert (1_000, 4_000_000, 70) == (share.qty, share.cost, share.fees)
    assert (0, None) == (books.qty("beta"), books.shares.share("beta", TICKER))


def test_two_strategies_on_two_sides_keep_their_own() -> None:
    """The venue nets them to a dollar a pair; each still has what it traded, and its own result."""
    books = Books()
    books.fill("alpha", "bid", 4_000, 1_000)
    books.fill("beta", "ask", 4_500, 1_000)
    assert (1_000, -1_000, 0) == (books.qty("alpha"), books.qty("beta"), books.ledger.position_qty(TICKER))
    books.settle(PRICE_ONE)
    results = books.shares.results
    assert (6_000_000, -5_500_000) == (results["alpha"].realized, results["beta"].realized)
    assert books.ledger.realized == results["alpha"].realized + results["beta"].realized


def test_an_exit_closes_what_the_strategies_hold() -> None:
    """At its price, with its fee shared: nobody goes on believing in contracts that are sold."""
    books = Books()
    books.fill("alpha", "bid", 4_000, 600)
    books.fill("beta", "bid", 4_000, 400)
    books.fill("exit", "ask", 3_000, 1_000, fee=100)
    assert (0, 0, 0) == (books.qty("alpha"), books.qty("beta"), books.qty(NOBODY))
    results = books.shares.results
    assert (-600_000, 60) == (results["alpha"].realized, results["alpha"].fees)
    assert (-400_000, 40) == (results["beta"].realized, results["beta"].fees)


def test_what_a_person_bought_is_sold_before_what_a_strategy_holds() -> None:
    """Nobody's share goes first."""
    books = Books()
    books.fill("alpha", "bid", 4_000, 500)
    books.fill(None, "bid", 4_000, 300)
    books.fill(None, "ask", 4_000, 400)
    assert (400, 0) == (books.qty("alpha"), books.qty(NOBODY))


def test_positions_of_a_life_before_are_nobodys() -> None:
    """The first lists say what is held, and not by whom."""
    books = Books()
    books.read(e.PositionSnapshot(TICKER, 700, 2_800_000, 5, 9))
    assert (0, 700) == (books.qty("alpha"), books.qty(NOBODY))


def another_life(books: Books, held: Qty, *awaited: AwaitedTold) -> Books:
    """A life after one, that finds so much at 50 cents on average, and whose orders were open at the end."""
    again = Books()
    again.shares.recover(books.shares.told((TICKER,)), awaited)
    again.read(e.PositionSnapshot(TICKER, held, abs(held) * 5_000, 0, 0))
    return again


def test_what_an_order_traded_between_two_lives_is_its_strategys() -> None:
    """As much as was open, on its side; what is more a person bought, and what was nobody's stays so."""
    books = Books()
    books.fill("alpha", "bid", 4_000, 500)
    books.fill(None, "bid", 4_000, 100)
    open_bid: AwaitedTold = (TICKER, "alpha", "bid", 200)
    found = {
        held: (again.qty("alpha"), again.qty(NOBODY))
        for held in (500, 600, 700, 800, 1_000)
        if (again := another_life(books, held, open_bid))
    }
    assert {500: (500, 0), 600: (500, 100), 700: (600, 100), 800: (700, 100), 1_000: (700, 300)} == found
    share = another_life(books, 800, open_bid).shares.share("alpha", TICKER)
    assert share is not None
    assert (700, 500 * 4_000 + 200 * 5_000) == (share.qty, share.cost)


def test_an_order_that_closed_between_two_lives_has_closed() -> None:
    """First what its strategy held, then beyond to the other side; another one's share is not touched."""
    books = Books()
    books.fill("alpha", "bid", 4_000, 300)
    books.fill("beta", "bid", 4_000, 1_000)
    open_ask: AwaitedTold = (TICKER, "alpha", "ask", 500)
    for sold, left in ((0, 300), (200, 100), (300, 0), (500, -200)):
        again = another_life(books, 1_300 - sold, open_ask)
        assert (left, 1_000, 0) == (again.qty("alpha"), again.qty("beta"), again.qty(NOBODY))
    assert {} == again.shares.results


def test_what_the_lists_lack_is_taken_from_whoever_held_it() -> None:
    """At cost: what it was sold for nobody said."""
    books = Books()
    books.fill("alpha", "bid", 4_000, 1_000)
    books.read(e.PositionSnapshot(TICKER, 250, 1_000_000, 0, 0))
    share = books.shares.share("alpha", TICKER)
    assert share is not None
    assert (250, 1_000_000, 0) == (share.qty, share.cost, share.realized)


def test_a_payout_that_only_the_cash_told_is_still_its_strategys() -> None:
    """The list is without the market, then its result comes: who held it has earned it."""
    books = Books()
    books.fill("alpha", "bid", 4_000, 1_000)
    books.read()
    assert 0 == books.qty("alpha")
    books.settle(PRICE_ONE)
    assert 6_000_000 == books.shares.results["alpha"].realized


def test_a_gap_in_the_list_takes_nothing_away() -> None:
    """Back in the next list, it is the strategy's as before."""
    books = Books()
    books.fill("alpha", "bid", 4_000, 1_000)
    books.read()
    books.read(e.PositionSnapshot(TICKER, 1_000, 4_000_000, 0, 0))
    assert (1_000, 0) == (books.qty("alpha"), books.qty(NOBODY))


def test_a_fill_that_outruns_its_orders_answer_is_claimed_by_it() -> None:
    """It waits with nobody until the answer names the order."""
    books = Books()
    books.fill(None, qty=500, fee=7, order_id="o-1", may_be_ours=True)
    assert (0, 500) == (books.qty("alpha"), books.qty(NOBODY))
    books.shares.claim("o-1", "alpha")
    books.shares.claim("o-1", "alpha")
    assert (500, 0) == (books.qty("alpha"), books.qty(NOBODY))
    assert (7, 1) == (books.shares.results["alpha"].fees, books.shares.results["alpha"].fills)


def test_a_fill_after_its_orders_end_is_still_its_strategys() -> None:
    """By either id; and one that comes after the payout was in it."""
    books = Books()
    books.shares.remember("c-1", "o-1", "alpha")
    books.settle(PRICE_ONE)
    books.fill(None, qty=100, order_id="o-1")
    assert (0, 600_000) == (books.qty("alpha"), books.shares.results["alpha"].realized)


def test_a_corrected_payout_is_each_holders() -> None:
    """Scaled by what each was paid for."""
    books = Books()
    books.fill("alpha", "bid", 4_000, 100)
    books.settle(PRICE_ONE)
    books.ledger.correct(TICKER, 0)
    books.shares.correct(TICKER, PRICE_ONE, 0)
    assert -400_000 == books.shares.results["alpha"].realized


def test_open_shares_are_listed_while_they_are_open() -> None:
    """What is flat is not marked again and again."""
    books = Books()
    books.fill("alpha", "bid")
    assert [TICKER] == [ticker for ticker, _ in books.shares.open_of("alpha")]
    books.fill("alpha", "ask")
    assert [] == list(books.shares.open_of("alpha"))


def test_the_names_that_are_no_strategys_are_those_that_order() -> None:
    """Adopted orders, exits and flattens are each named where they are made."""
    assert (ADOPTED, EXIT, FLATTEN) == NO_STRATEGIES


def test_the_beliefs_tell_it_all() -> None:
    """Fills, a payout, its correction and the lists, as events: the shares follow the ledger."""
    state = State(SCHEMA, "kd-")
    order = Order(
        client_order_id="kd-1", ticker=TICKER, side="bid", price=4_000, qty=500, style="rest",
        strategy="alpha", at=T0,
    )  # fmt: skip
    state.apply(e.MarketListed(spec(), T0))
    for at in (T0, T0 + 3 * SECOND):
        state.apply(reconciled(at))
    state.orders["kd-1"] = order
    fill = e.OrderFilled("t", "o-1", None, TICKER, "bid", 4_000, 500, 9, False, T0 + 4 * SECOND, None)
    found = []
    for event in (
        fill,
        e.OrderAccepted("place", "kd-1", "o-1", 500, 0, T0 + 4 * SECOND, None),
        reconciled(T0 + 9 * SECOND, CASH - 2_000_009, (e.PositionSnapshot(TICKER, 500, 2_000_000, 0, 9),)),
        e.MarketDetermined(TICKER, "yes", PRICE_ONE, T0 + 20 * SECOND),
        e.MarketSettled(TICKER, T0 + 21 * SECOND),
        e.SettlementCorrected(TICKER, 0, T0 + 22 * SECOND),
    ):
        state.apply(event)
        shares, position = state.attribution.shares_in(TICKER), state.ledger.positions[TICKER]
        assert flow(position) == sum(flow(share) for share in shares.values())
        found.append((state.attribution.qty("alpha", TICKER), state.attribution.qty(NOBODY, TICKER)))
    assert [(0, 500), (500, 0), (500, 0), (500, 0), (0, 0), (0, 0)] == found
    assert -2_000_000 == state.attribution.results["alpha"].realized


class Attributed(RuleBasedStateMachine):
    """Anything that can happen to the ledger, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Books()
        self.orders: list[str] = []
        self.is_plain = True
        """Whether every fill so far was a strategy's, and no list has changed anything."""

    @rule(
        owner=st.sampled_from(OWNERS), ticker=st.sampled_from(TICKERS),
        side=st.sampled_from(("bid", "ask")), price=st.integers(1, 9_999), qty=st.integers(1, 5_000),
        fee=st.integers(0, 5_000),
    )  # fmt: skip
    def trade(self, owner: str, ticker: str, side: BookSide, price: int, qty: int, fee: int) -> None:
        """A strategy's order trades."""
        self.books.fill(owner, side, price, qty, fee, ticker)

    @rule(
        owner=st.sampled_from((None, *NO_STRATEGIES)), ticker=st.sampled_from(TICKERS),
        side=st.sampled_from(("bid", "ask")), price=st.integers(1, 9_999), qty=st.integers(1, 5_000),
        fee=st.integers(0, 5_000), may_be_ours=st.booleans(),
    )  # fmt: skip
    def trade_for_nobody(
        self,
        owner: str | None,
        ticker: str,
        side: BookSide,
        price: int,
        qty: int,
        fee: int,
        may_be_ours: bool,
    ) -> None:
        """A person, an exit, or an order of which nobody knows yet whose it is."""
        self.is_plain = False
        order_id = f"o-{len(self.orders)}"
        self.orders.append(order_id)
        self.books.fill(owner, side, price, qty, fee, ticker, order_id, may_be_ours)

    @precondition(lambda self: self.orders)
    @rule(owner=st.sampled_from((*OWNERS, ADOPTED)), which=st.integers(0, 10))
    def claim(self, owner: str, which: int) -> None:
        """An answer tells whose an order was."""
        self.books.shares.claim(self.orders[which % len(self.orders)], owner)

    @rule(ticker=st.sampled_from(TICKERS), price=st.integers(0, PRICE_ONE))
    def settle(self, ticker: str, price: int) -> None:
        """A market is paid out, maybe twice."""
        self.books.settle(price, ticker)

    @rule(ticker=st.sampled_from(TICKERS), price=st.integers(0, PRICE_ONE))
    def correct(self, ticker: str, price: int) -> None:
        """A payout is corrected."""
        paid = self.books.ledger.paid.get(ticker)
        if paid is not None:
            self.books.ledger.correct(ticker, price)
            self.books.shares.correct(ticker, paid.price, price)

    @rule(
        listed=st.dictionaries(
            st.sampled_from(TICKERS), st.tuples(st.integers(-5_000, 5_000), st.integers(0, 9_999))
        )
    )
    def adopt(self, listed: dict[str, tuple[int, int]]) -> None:
        """The venue's lists say something else."""
        self.is_plain = False
        told = [
            e.PositionSnapshot(ticker, qty, abs(qty) * price, price, 3)
            for ticker, (qty, price) in listed.items()
            if qty
        ]
        self.books.read(*told)

    @rule(sold=st.dictionaries(st.sampled_from(TICKERS), st.integers(-5_000, 5_000)))
    def restart(self, sold: dict[str, int]) -> None:
        """Another life is told the shares; a person may have traded meanwhile. Nobody holds more."""
        before = self.books.shares.told()
        held = {ticker: self.books.ledger.position_qty(ticker) + sold.get(ticker, 0) for ticker in TICKERS}
        self.books, self.is_plain = Books(), False
        self.books.shares.recover(before)
        self.books.read(
            *(e.PositionSnapshot(name, qty, abs(qty) * 5_000, 0, 0) for name, qty in held.items() if qty)
        )
        told = self.books.shares.told()
        after = {(ticker, owner): qty for ticker, owner, qty, _ in told if owner != NOBODY}
        for ticker, owner, qty, _ in before:
            if owner == NOBODY:
                continue
            left = after.get((ticker, owner), 0)
            assert 0 <= left <= qty or qty <= left <= 0
            if not sold.get(ticker) and held[ticker] and NOBODY not in self.books.shares.shares_in(ticker):
                assert left == qty
        assert set(after) <= {(ticker, owner) for ticker, owner, _, _ in before}

    @rule()
    def read_unchanged(self) -> None:
        """The venue's lists agree: nothing moves."""
        before = {ticker: dict(_amounts(self.books, ticker)) for ticker in TICKERS}
        self.books.shares.agree()
        assert before == {ticker: dict(_amounts(self.books, ticker)) for ticker in TICKERS}

    @invariant()
    def the_shares_are_the_account(self) -> None:
        """Contracts, those that are gone, fees and flow, per market."""
        for ticker in TICKERS:
            position = self.books.ledger.positions.get(ticker, Position())
            whole = (position.qty, position.gone_qty, position.fees, flow(position))
            assert whole == tuple(map(sum, zip(*_amounts(self.books, ticker).values(), strict=True))) or (
                not self.books.shares.shares_in(ticker) and not position.qty
            )

    @invariant()
    def nothing_is_nobodys_that_a_strategy_traded(self) -> None:
        """As long as only strategies trade, nobody has nothing."""
        for ticker in TICKERS if self.is_plain else ():
            assert (0, 0, 0, 0) == _amounts(self.books, ticker).get(NOBODY, (0, 0, 0, 0))

    @invariant()
    def the_results_are_the_shares(self) -> None:
        """What a strategy has earned and paid is the sum over its markets."""
        for owner in OWNERS:
            shares = [share for ticker in TICKERS if (share := self.books.shares.share(owner, ticker))]
            result = self.books.shares.results.get(owner)
            found = (0, 0) if result is None else (result.realized, result.fees)
            assert (sum(s.realized for s in shares), sum(s.fees for s in shares)) == found

    @invariant()
    def what_is_open_is_listed(self) -> None:
        """Every share with something in it, and no other one."""
        for owner in OWNERS:
            held = {t for t in TICKERS if (s := self.books.shares.share(owner, t)) and (s.qty or s.gone_qty)}
            assert held == {ticker for ticker, _ in self.books.shares.open_of(owner)}


def _amounts(books: Books, ticker: str) -> dict[str, tuple[int, int, int, int]]:
    return {
        owner: (share.qty, share.gone_qty, share.fees, flow(share))
        for owner, share in books.shares.shares_in(ticker).items()
    }


TestAttributed = Attributed.TestCase
TestAttributed.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
