"""A strategy's own limits: what it has at stake, worst case first, and what it has lost since midnight."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.commands import PlaceOrder
from daemon.core.engine import Engine
from daemon.core.strategy import Target
from daemon.core.units import DAY, MONEY_ONE, PRICE_ONE, SECOND, BookSide
from tests.core.test_asking import OTHER, Named, accepted, orders, trading
from tests.core.worlds import NOW, TICKER, snapshot

BUY = Target("bid", 4_000, 1_000, "rest", "because")
TAKE = Target("bid", 4_200, 1_000, "take", "edge")


def filled(
    subject: Engine, order: PlaceOrder, qty: int, price: int, fee: int = 0, side: BookSide = "bid"
) -> None:
    """The venue fills a part of an order."""
    subject.handle(
        e.OrderFilled(
            f"t-{order.client_order_id}-{qty}",
            f"id-{order.client_order_id}",
            order.client_order_id,
            order.ticker,
            side,
            price,
            qty,
            fee,
            True,
            NOW,
            None,
        )
    )


def test_capital_counts_what_rests_and_is_in_flight() -> None:
    """10 contracts at 40 cents in each of two markets: the second one is beyond 7 dollars."""
    alpha = Named("alpha", BUY)
    subject = trading(alpha, capital=7 * MONEY_ONE)
    (placed,) = [one for one in orders(subject.decide(NOW)) if isinstance(one, PlaceOrder)]
    assert TICKER == placed.ticker
    assert {"strategy_capital": 1} == subject.refusals
    assert "strategy_capital: 8 of 7 dollars" == subject.decisions.last[-1].reason
    assert 4 * MONEY_ONE == subject.gathering.strategies.staked("alpha")


def test_capital_counts_positions_at_cost_and_one_strategys_own_only() -> None:
    """What is held stays at stake; another strategy's is another's."""
    alpha, beta = Named("alpha", BUY), Named("beta", BUY)
    subject = trading(alpha, beta)
    placed = accepted(subject, subject.decide(NOW))
    for one in placed:
        if one.strategy == "alpha":
            filled(subject, one, 1_000, 4_000)
    record = subject.gathering.strategies
    assert (8 * MONEY_ONE, 4 * MONEY_ONE) == (record.staked("alpha"), record.staked("alpha", TICKER))
    assert 8 * MONEY_ONE == record.staked("beta")


def test_capital_is_asked_again_at_the_moment_of_sending() -> None:
    """What was within it when it was decided may not be when it leaves."""
    alpha = Named("alpha", BUY)
    subject = trading(alpha, capital=8 * MONEY_ONE)
    (one, other) = accepted(subject, subject.decide(NOW))
    assert subject.vouch(other, NOW) is None
    # An order that was given up trades after all: more is held than was ever planned.
    subject.state.attribution.apply_fill(
        e.OrderFilled("x", "x", None, OTHER, "bid", 4_000, 100, 0, True, NOW, None),
        "alpha",
        may_be_ours=False,
    )
    assert "strategy_capital" == subject.vouch(one, NOW)


def test_the_daily_loss_is_marked_and_counts_fees() -> None:
    """Bought at 42, worth 41 by the mid, and a fee: 10 cents and the fee lost."""
    alpha = Named("alpha", TAKE)
    subject = trading(alpha, daily_loss_max=MONEY_ONE)
    (one, _) = [one for one in subject.decide(NOW) if isinstance(one, PlaceOrder)]
    filled(subject, one, 1_000, 4_200, fee=20_000)
    assert 120_000 == subject.gathering.strategies.loss_today("alpha")
    assert -120_000 == subject.gathering.strategies.pnl("alpha")


def test_a_strategy_that_has_lost_enough_today_enters_no_more() -> None:
    """And goes on leaving; at midnight UTC it begins anew; others are not stopped."""
    alpha, beta = Named("alpha", TAKE), Named("beta", TAKE)
    subject = trading(alpha, beta, daily_loss_max=100_000)
    placed = accepted(subject, subject.decide(NOW))
    for one in placed:
        filled(subject, one, 1_000, 4_200 if one.strategy == "alpha" else 4_100)
    subject.handle(snapshot(NOW + SECOND))
    again = [one for one in subject.decide(NOW + SECOND) if isinstance(one, PlaceOrder)]
    assert ["beta"] == [one.strategy for one in again if one.ticker == TICKER]
    assert "strategy_daily_loss" in subject.refusals
    for one in again:
        subject.handle(e.OrderDropped("place", one.client_order_id, "deadline_passed", NOW + SECOND))
    alpha.targets = (Target("ask", 4_000, 500, "take", "out"),)
    beta.targets = ()
    subject.handle(snapshot(NOW + 2 * SECOND))
    (out,) = [
        one
        for one in subject.decide(NOW + 2 * SECOND)
        if isinstance(one, PlaceOrder) and one.ticker == TICKER
    ]
    assert ("alpha", "ask", "reduce") == (out.strategy, out.side, out.purpose)
    subject.gathering.strategies.look(NOW + DAY)
    assert 0 == subject.gathering.strategies.loss_today("alpha")


def test_a_determined_market_is_worth_what_it_pays() -> None:
    """Before it is paid out, and after."""
    alpha = Named("alpha", TAKE)
    subject = trading(alpha)
    (one, _) = [one for one in subject.decide(NOW) if isinstance(one, PlaceOrder)]
    filled(subject, one, 1_000, 4_200)
    subject.handle(e.MarketDetermined(TICKER, "yes", PRICE_ONE, NOW + 1))
    assert 5_800_000 == subject.gathering.strategies.pnl("alpha")
    subject.handle(e.MarketSettled(TICKER, NOW + 2))
    assert 5_800_000 == subject.gathering.strategies.pnl("alpha")


def test_a_strategy_without_limits_is_not_looked_at() -> None:
    """Nor is an exit, which is no strategy's."""
    record = trading(Named("alpha")).gathering.strategies
    assert (None, None) == (record.of_market("alpha", TICKER), record.of_market("exit", TICKER))


def test_its_own_limits_look_at_its_own_share() -> None:
    """Over its limits it may sell its own; what another one holds would be a position of its own."""
    alpha, beta = Named("alpha", TAKE), Named("beta", TAKE)
    subject = trading(alpha, beta, daily_loss_max=1)
    wanted = [one for one in subject.decide(NOW) if isinstance(one, PlaceOrder)]
    (lost,) = [one for one in wanted if (one.strategy, one.ticker) == ("beta", TICKER)]
    subject.handle(e.OrderDropped("place", lost.client_order_id, "deadline_passed", NOW))
    wanted.remove(lost)
    for one in accepted(subject, [*wanted]):
        filled(subject, one, 1_000, 4_200)
    alpha.targets, beta.targets = (), (Target("ask", 4_000, 1_000, "take", "out"),)
    for ticker in (TICKER, OTHER):
        subject.handle(snapshot(NOW + SECOND, ticker))
    placed = [one for one in subject.decide(NOW + SECOND) if isinstance(one, PlaceOrder)]
    assert [("beta", OTHER, "reduce")] == [(one.strategy, one.ticker, one.purpose) for one in placed]
    assert 1 == subject.refusals["strategy_daily_loss"]
