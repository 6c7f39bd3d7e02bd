"""Engine: decisions from events, in flight before they leave, deterministic, and safe when stopped."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.commands import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    Command,
    PlaceOrder,
    ProbeOrder,
    ProbeVenue,
    Reconcile,
)
from daemon.core.engine import Engine
from daemon.core.issuing import base36
from daemon.core.strategy import Target
from daemon.core.units import MINUTE, MONEY_ONE, SECOND
from tests.core.worlds import (
    CASH,
    CONFIG,
    NOW,
    T0,
    TICKER,
    Scripted,
    engine,
    reconciled,
    snapshot,
    spec,
    trading,
)

BUY = Target("bid", 4_000, 1_000, "rest", "because")
TAKE = Target("bid", 4_200, 1_000, "take", "edge")


def orders(commands: list[Command]) -> list[Command]:
    """The commands that concern orders."""
    return [c for c in commands if not isinstance(c, Reconcile | ProbeVenue)]


def accept(subject: Engine, command: Command, at: int = NOW) -> None:
    """Let the venue accept an order."""
    assert isinstance(command, PlaceOrder)
    subject.handle(e.OrderAccepted("place", command.client_order_id, "id-1", 0, command.qty, at, at))


def test_nothing_is_sent_before_the_account_is_reconciled() -> None:
    """Trading is disabled by default: the first command asks for the account."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = engine(strategy)
    assert subject.decide(T0) == [Reconcile("not reconciled", T0)]
    subject.handle(reconciled(T0))
    assert orders(subject.decide(T0 + 1)) == []
    assert subject.phase == "starting"


def test_a_target_becomes_one_order() -> None:
    """With a deterministic id, a time-to-live, and the shard; and it isn't asked for twice."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = trading(strategy)
    (placed,) = orders(subject.decide(NOW))
    assert placed == PlaceOrder(
        client_order_id=f"kd-{base36(CONFIG.epoch)}-1",
        ticker=TICKER,
        side="bid",
        price=4_000,
        qty=1_000,
        time_in_force="good_till_canceled",
        post_only=True,
        exchange_index=2,
        strategy="scripted",
        reason="because",
        decided_at=NOW,
        deadline=NOW + SECOND,
        book_changed_max=None,
    )
    assert subject.state.orders[placed.client_order_id].state == "placing"
    subject.handle(snapshot(NOW + 1))
    assert orders(subject.decide(NOW + 1)) == []


def test_a_taker_is_immediate_or_cancel() -> None:
    """A taker never rests by accident."""
    strategy = Scripted()
    strategy.targets = (TAKE,)
    (placed,) = orders(trading(strategy).decide(NOW))
    assert isinstance(placed, PlaceOrder)
    assert (placed.time_in_force, placed.post_only) == ("immediate_or_cancel", False)


def test_a_moved_target_amends_and_a_dropped_one_cancels() -> None:
    """The plan follows the targets."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = trading(strategy)
    (placed,) = orders(subject.decide(NOW))
    accept(subject, placed)
    strategy.targets = (Target("bid", 4_100, 1_000, "rest", "moved"),)
    (amended,) = orders(subject.decide(NOW + 1))
    assert isinstance(amended, AmendOrder)
    assert (amended.order_id, amended.price, amended.qty) == ("id-1", 4_100, 1_000)
    subject.handle(e.OrderAccepted("amend", amended.client_order_id, "id-1", 0, 1_000, NOW, NOW))
    strategy.targets = ()
    (cancelled,) = orders(subject.decide(NOW + 2))
    assert isinstance(cancelled, CancelOrder)


def test_a_book_that_is_lost_takes_the_orders_out() -> None:
    """Nothing rests on a book that isn't vouched for."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = trading(strategy)
    (placed,) = orders(subject.decide(NOW))
    accept(subject, placed)
    subject.handle(e.BookLost(TICKER, "gap", NOW))
    (cancelled,) = orders(subject.decide(NOW + 1))
    assert isinstance(cancelled, CancelOrder)
    assert cancelled.reason == "book_unsynced"


def test_a_book_that_stands_still_is_no_ground_for_orders_nor_against_those_that_rest() -> None:
    """The strategy's limit on the time since the last change: nothing new, nothing taken out."""
    strategy = Scripted(book_changed_max=SECOND // 2)
    strategy.targets = (BUY,)
    subject = trading(strategy)
    (placed,) = orders(subject.decide(NOW))
    accept(subject, placed)
    strategy.targets = (Target("ask", 4_400, 1_000, "rest", "other"),)
    assert orders(subject.decide(NOW + SECOND)) == []
    assert subject.decisions.last[-1].reason == "book_unchanged"
    subject.handle(snapshot(NOW + SECOND))
    assert [type(c) for c in orders(subject.decide(NOW + SECOND))] == [CancelOrder, PlaceOrder]


def test_the_queue_can_ask_again_at_the_moment_of_sending() -> None:
    """What was fine at the decision may not be when the bytes leave."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = trading(strategy)
    (placed,) = orders(subject.decide(NOW))
    assert isinstance(placed, PlaceOrder)
    assert subject.vouch(placed, NOW) is None
    assert subject.vouch(placed, NOW + 16 * SECOND) == "feed_silent"
    subject.handle(e.HaltRequested("person", NOW))
    assert subject.vouch(placed, NOW) == "halted"


def test_an_unknown_order_stops_its_market_and_asks_for_the_account() -> None:
    """Nothing new on a market whose truth isn't known."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = trading(strategy)
    (placed,) = orders(subject.decide(NOW))
    assert isinstance(placed, PlaceOrder)
    subject.handle(e.OrderUnknown("place", placed.client_order_id, "timeout", NOW))
    strategy.targets = (BUY, Target("ask", 4_400, 1_000, "rest", "other side"))
    commands = subject.decide(NOW + SECOND)
    assert [ProbeOrder] == [type(c) for c in orders(commands)]
    assert [(TICKER,)] == [c.doubtful for c in commands if isinstance(c, Reconcile)]
    assert subject.refusals["order_unknown"] == 1


def test_three_failures_empty_our_group_and_probe_until_answered() -> None:
    """The breaker opens, closes half, and closes; what is in our group, of whatever fate, is taken out."""
    strategy = Scripted()
    subject = trading(strategy)
    subject.handle(e.OrderGroupTold(2, "g-1", False, NOW))
    subject.decide(NOW)
    for _ in range(3):
        subject.handle(e.VenueFailed("place", "timeout", NOW))
    commands = subject.decide(NOW + 1)
    assert commands[:2] == [CancelAll(2, "g-1", "breaker opened", NOW + 1), ProbeVenue(NOW + 1)]
    strategy.targets = (BUY,)
    assert orders(subject.decide(NOW + SECOND)) == []
    subject.handle(e.VenueAnswered("probe", NOW + SECOND))
    subject.handle(snapshot(NOW + SECOND))
    (trial,) = orders(subject.decide(NOW + SECOND))
    assert isinstance(trial, PlaceOrder)
    assert subject.breakers.worst == "half_open"
    subject.handle(e.VenueAnswered("place", NOW + SECOND))
    assert subject.breakers.worst == "closed"


def test_stopping_cancels_confirms_and_reconciles() -> None:
    """Stop deciding, take everything out, wait for the answers, agree with the venue, end."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = trading(strategy)
    (placed,) = orders(subject.decide(NOW))
    accept(subject, placed)
    subject.handle(e.StopRequested("sigterm", NOW + 1))
    (cancelled,) = orders(subject.decide(NOW + 1))
    assert isinstance(cancelled, CancelOrder)
    assert subject.phase == "stopping"
    subject.handle(
        e.OrderAccepted("cancel", cancelled.client_order_id, "id-1", None, 0, NOW + 2, NOW, reduced_by=1_000)
    )
    subject.decide(NOW + 2)
    assert subject.phase == "stopped"
    assert subject.wake_at() is None


def test_an_order_of_a_previous_life_is_cancelled() -> None:
    """Found in the list, ours by its prefix, wanted by nobody."""
    subject = engine(Scripted())
    listed = e.OrderSnapshot("id-9", "kd-old-1", "UNWATCHED", "bid", 4_000, 0, 500)
    subject.handle(reconciled(T0, orders=(listed,)))
    (cancelled,) = orders(subject.decide(T0))
    assert isinstance(cancelled, CancelOrder)
    assert (cancelled.order_id, cancelled.ticker) == ("id-9", "UNWATCHED")


def test_open_and_close_are_clocks() -> None:
    """No event tells them."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = trading(strategy)
    market = subject.state.markets[TICKER]
    subject.handle(snapshot(market.spec.close_at))
    assert orders(subject.decide(market.spec.close_at)) == []
    assert market.spec.status == "closed"


def test_it_wakes_up_by_itself() -> None:
    """The clock decides too: once a heartbeat, for every market."""
    strategy = Scripted()
    subject = trading(strategy)
    subject.decide(NOW)
    asked = len(strategy.views)
    assert subject.wake_at() == NOW + SECOND
    subject.decide(NOW + SECOND // 2)
    assert len(strategy.views) == asked
    subject.decide(NOW + SECOND)
    assert len(strategy.views) == asked + 1


def test_the_order_rate_is_bounded() -> None:
    """Twenty a minute here, whatever the strategy wants."""
    strategy = Scripted()
    strategy.targets = (TAKE,)
    subject = trading(strategy)
    sent = 0
    for step in range(40):
        at = NOW + step * SECOND
        subject.handle(snapshot(at))
        for command in orders(subject.decide(at)):
            assert isinstance(command, PlaceOrder)
            sent += 1
            subject.handle(e.OrderAccepted("place", command.client_order_id, f"id-{step}", 0, 0, at, at))
    assert sent == 20
    subject.handle(snapshot(NOW + MINUTE))
    assert len(orders(subject.decide(NOW + MINUTE))) == 1


def test_profit_is_marked_from_the_first_agreed_reading() -> None:
    """Equity at the start is what the venue said."""
    subject = trading(Scripted())
    assert subject.gathering.pnl() is None
    subject.decide(NOW)
    subject.handle(e.OrderFilled("t", "o", None, TICKER, "bid", 4_000, 1_000, 0, True, NOW, None))
    assert subject.state.ledger.cash == CASH - 4 * MONEY_ONE
    assert subject.gathering.pnl() == MONEY_ONE // 10


def test_the_same_events_give_the_same_commands() -> None:
    """Deterministic: two engines, one stream, equal commands and ids."""
    found = []
    for _ in range(2):
        strategy = Scripted()
        strategy.targets = (BUY, Target("ask", 4_300, 700, "rest", "sell"))
        subject = trading(strategy)
        commands = subject.decide(NOW)
        for index, command in enumerate(orders(commands)):
            assert isinstance(command, PlaceOrder)
            subject.handle(
                e.OrderAccepted("place", command.client_order_id, str(index), 0, command.qty, NOW, NOW)
            )
        strategy.targets = ()
        found.append([*commands, *subject.decide(NOW + 5)])
    assert found[0] == found[1]
    assert len(orders(found[0])) == 4


def test_what_is_kept_of_markets_that_went_goes_too() -> None:
    """Markets roll for as long as the daemon lives: its last scores and reasons must not pile up."""
    subject = trading(Scripted())
    subject.decide(NOW)
    for number in range(5):
        rolled = f"KXBTC15M-{number}"
        at = NOW + (2 * number + 1) * SECOND
        subject.handle(e.MarketListed(spec(rolled), at))
        subject.handle(snapshot(at, rolled))
        subject.decide(at)
        assert rolled in subject.scores
        subject.handle(e.MarketDropped(rolled, at + 1))
        subject.decide(at + SECOND)
        assert list(subject.scores) == [TICKER]
        assert {ticker for reasons in subject.decisions._reasons.values() for ticker in reasons} == {TICKER}
