"""Asking: each strategy has its own view; one that raises is off, and nobody else notices."""

from __future__ import annotations

import asyncio
from math import nan
from typing import Any

import pytest

from daemon.core import events as e
from daemon.core.asking import RAISED, Slot, strategy_limits
from daemon.core.commands import CancelOrder, Command, PlaceOrder, ProbeVenue, Reconcile
from daemon.core.engine import Engine
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.strategy_record import StrategyLimits
from daemon.core.switches import SwitchedOff
from daemon.core.units import MONEY_ONE, SECOND
from tests.core.worlds import CASH, CONFIG, NOW, SCHEMA, T0, TICKER, Scripted, reconciled, snapshot, spec

OTHER = "KXBTC15M-26SEP251530-45"
BUY = Target("bid", 4_000, 1_000, "rest", "because")
SELL = Target("ask", 4_300, 1_000, "rest", "because")


class Named(Scripted):
    """A scripted strategy under another name, that raises, or answers what it likes, when told to."""

    def __init__(self, name: str, *targets: Target) -> None:
        super().__init__()
        self.name = name
        self.targets = targets
        self.error: BaseException | None = None
        self.answer: Any = None

    def wants(self, view: MarketView) -> Wanted:
        """Return the scripted targets, or raise."""
        if self.error is not None:
            raise self.error
        return super().wants(view) if self.answer is None else self.answer


def trading(*strategies: Named, capital: int | None = None, daily_loss_max: int | None = None) -> Engine:
    """An engine with several strategies and two markets, reconciled at NOW."""
    slots = [
        Slot(one, frozenset({"KXBTC15M"}), capital=capital, daily_loss_max=daily_loss_max)
        for one in strategies
    ]
    subject = Engine(CONFIG, slots, None, SCHEMA)
    for event in (
        e.MarketListed(spec(), T0),
        e.MarketListed(spec(OTHER), T0),
        e.FeedConnected("kalshi", T0),
        snapshot(),
        snapshot(ticker=OTHER),
        reconciled(T0 + 3 * SECOND, CASH),
        reconciled(T0 + 10 * SECOND, CASH),
        e.BookDeltaReceived(TICKER, "yes", 3_900, 100, NOW, NOW),
        e.BookDeltaReceived(OTHER, "yes", 3_900, 100, NOW, NOW),
    ):
        subject.handle(event)
    return subject


def orders(commands: list[Command]) -> list[Command]:
    """The commands that concern orders."""
    return [command for command in commands if not isinstance(command, Reconcile | ProbeVenue)]


def accepted(subject: Engine, commands: list[Command]) -> list[PlaceOrder]:
    """Let the venue accept all that is placed."""
    placed = [command for command in commands if isinstance(command, PlaceOrder)]
    for one in placed:
        name = f"id-{one.client_order_id}"
        subject.handle(e.OrderAccepted("place", one.client_order_id, name, 0, one.qty, NOW, NOW))
    return placed


def test_a_view_has_the_strategys_own_share() -> None:
    """The account's position is everybody's, `own_position` is what its own orders traded."""
    alpha, beta = Named("alpha", BUY), Named("beta", SELL)
    subject = trading(alpha, beta, capital=70 * MONEY_ONE)
    placed = {command.strategy: command for command in accepted(subject, subject.decide(NOW))}
    fill = e.OrderFilled(
        "t", f"id-{placed['alpha'].client_order_id}", placed["alpha"].client_order_id,
        placed["alpha"].ticker, "bid", 4_000, 300, 0, False, NOW, None,
    )  # fmt: skip
    subject.handle(fill)
    subject.decide(NOW + 1)
    last = {one.name: one.views[-1] for one in (alpha, beta)}
    assert (300, 300) == (last["alpha"].position, last["alpha"].own_position)
    assert (300, 0) == (last["beta"].position, last["beta"].own_position)
    assert 70 * MONEY_ONE == last["beta"].capital
    assert [OTHER] == [peer.spec.ticker for peer in alpha.views[0].peers.of_event()]


def test_one_that_raises_is_off_and_its_orders_go() -> None:
    """In every market, and at once; the others' orders stay and the others are asked on."""
    alpha, beta = Named("alpha", BUY), Named("beta", SELL)
    subject = trading(alpha, beta)
    assert 4 == len(accepted(subject, subject.decide(NOW)))
    alpha.error = KeyError("mid")
    subject.handle(snapshot(NOW + 1))
    first = orders(subject.decide(NOW + 1))
    assert 0 == subject.wake_at()
    rest = orders(subject.decide(NOW + 2))
    assert [(CancelOrder, TICKER), (CancelOrder, OTHER)] == [
        (type(command), getattr(command, "ticker", None)) for command in (*first, *rest)
    ]
    assert {"alpha": SwitchedOff("KeyError: 'mid'", "raised", NOW + 1)} == subject.state.switches.off
    asked = len(beta.views)
    subject.handle(snapshot(NOW + 3))
    assert [] == orders(subject.decide(NOW + 3))
    assert len(beta.views) == asked + 1
    assert 2 == sum(order.strategy == "beta" for order in subject.state.orders.values())


def test_what_a_replay_compares_has_no_words_of_the_error() -> None:
    """An error's text may name an address in memory, which is another one in every run."""
    alpha = Named("alpha", BUY)
    subject = trading(alpha)
    accepted(subject, subject.decide(NOW))
    alpha.error = ValueError(f"{object()!r}")
    subject.handle(snapshot(NOW + 1))
    (cancelled, *_) = orders(subject.decide(NOW + 1))
    assert isinstance(cancelled, CancelOrder)
    assert "the strategy raised" == cancelled.reason


def test_a_switch_is_an_event_and_so_is_the_way_back() -> None:
    """Off: nothing rests, nothing leaves, not even what waits in the queue. On: it trades again."""
    alpha = Named("alpha", BUY)
    subject = trading(alpha)
    (one, _) = accepted(subject, subject.decide(NOW))
    subject.handle(e.StrategySwitched("alpha", False, "I don't trust it", NOW))
    assert "strategy_off" == subject.vouch(one, NOW + 1)
    cancelled = orders(subject.decide(NOW + 1))
    assert [CancelOrder, CancelOrder] == [type(command) for command in cancelled]
    assert "strategy_off" == subject.decisions.last[-1].reason
    for command in cancelled:
        assert isinstance(command, CancelOrder)
        subject.handle(
            e.OrderAccepted("cancel", command.client_order_id, command.order_id, None, 0, NOW, NOW, 1_000)
        )
    assert [] == orders(subject.decide(NOW + 2))
    subject.handle(e.StrategySwitched("alpha", True, "mended", NOW + 3))
    assert [PlaceOrder, PlaceOrder] == [type(command) for command in orders(subject.decide(NOW + 3))]


def test_two_strategies_that_would_trade_with_each_other_do_not() -> None:
    """What meets is netted before it is planned: nothing is sent, and nothing is refused."""
    alpha = Named("alpha", Target("bid", 4_200, 1_000, "take", "edge"))
    beta = Named("beta", Target("ask", 4_000, 1_000, "take", "edge"))
    subject = trading(alpha, beta)
    assert [] == orders(subject.decide(NOW))
    assert 0 == subject.refusals.total()


def test_a_slot_trades_its_series_and_its_categories() -> None:
    """Either is enough; a market of neither, or of no known category, is not the strategy's."""
    slot = Slot(Named("alpha"), frozenset({"KXBTC15M"}), categories=frozenset({"Economics"}))
    economics = spec("KXCPI-26OCT-T0.3", series_ticker="KXCPI", category="Economics")
    crypto = spec("KXETH-26OCT-T1", series_ticker="KXETH", category="Crypto")
    unknown = spec("KXETH-26OCT-T1", series_ticker="KXETH")
    assert [True, True, False, False] == [slot.trades(one) for one in (spec(), economics, crypto, unknown)]


def test_the_limits_of_strategies_are_read_from_their_slots() -> None:
    """By name."""
    slot = Slot(Named("alpha"), frozenset({"X"}), capital=5, daily_loss_max=7)
    assert {"alpha": StrategyLimits(5, 7)} == strategy_limits([slot])


class Mute(Exception):
    """An error that can't even say what it is."""

    def __str__(self) -> str:
        """Raise."""
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (asyncio.CancelledError("never mind"), "CancelledError: never mind"),
        (GeneratorExit(), "GeneratorExit: "),
        (RecursionError("deep"), "RecursionError: deep"),
        (Mute(), "Mute"),
    ],
)
def test_whatever_it_raises_the_daemon_goes_on(error: BaseException, words: str) -> None:
    """A file that wants to end the process is off, like one that divides by zero; the other one trades on."""
    alpha, beta = Named("alpha", BUY), Named("beta", SELL)
    subject = trading(alpha, beta)
    alpha.error = error
    placed = accepted(subject, subject.decide(NOW))
    assert {"alpha": SwitchedOff(words, "raised", NOW)} == subject.state.switches.off
    assert ["beta", "beta"] == [one.strategy for one in placed]


def test_a_persons_interrupt_is_no_strategys_error() -> None:
    """Ctrl-C in the middle of a call is heard."""
    alpha = Named("alpha", BUY)
    subject = trading(alpha)
    alpha.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        subject.decide(NOW)
    assert {} == subject.state.switches.off


def told(**changes: Any) -> Wanted:
    """An answer with one target, of which something is changed."""
    terms = {"side": "bid", "price": 4_000, "qty": 1_000, "style": "rest", "reason": "because", **changes}
    return Wanted((Target(**terms),), "because")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((BUY,), "TypeError: wants(view) returned (Target("),
        (Wanted([BUY], "because"), "TypeError: Wanted takes a tuple of targets"),  # type: ignore[arg-type]
        (Wanted((BUY,), None), "TypeError: Wanted takes a tuple of targets"),  # type: ignore[arg-type]
        (Wanted((None,), "because"), "TypeError: None among the targets"),  # type: ignore[arg-type]
        (Wanted((BUY,) * 101, "because"), "TypeError: 101 targets in one market; 100 are allowed"),
        (told(price=None), "TypeError: price, qty and slack must be whole numbers"),
        (told(price=nan), "TypeError: price, qty and slack must be whole numbers"),
        (told(price=40.0), "TypeError: price, qty and slack must be whole numbers"),
        (told(qty=10.5), "TypeError: price, qty and slack must be whole numbers"),
        (told(qty=True), "TypeError: price, qty and slack must be whole numbers"),
        (told(slack="far"), "TypeError: price, qty and slack must be whole numbers"),
        (told(side="yes"), 'TypeError: side is "bid" or "ask"'),
        (told(style="market"), 'TypeError: side is "bid" or "ask", style "rest" or "take"'),
        (told(reason=4), "TypeError: a target's reason must be words"),
    ],
)
def test_an_answer_that_is_none_switches_it_off(answer: object, words: str) -> None:
    """The reason is named, nothing is sent of it, and the other one trades on, in the same market."""
    alpha, beta = Named("alpha", BUY), Named("beta", SELL)
    subject = trading(alpha, beta)
    alpha.answer = answer
    placed = accepted(subject, subject.decide(NOW))
    off = subject.state.switches.off["alpha"]
    assert (words, "raised") == (off.reason[: len(words)], off.by)
    assert ["beta", "beta"] == [one.strategy for one in placed]


def test_nothing_is_no_answer() -> None:
    """A file that forgot its return is off, with words that say so."""
    alpha = Named("alpha")
    subject = trading(alpha)
    alpha.wants = lambda _view: None  # type: ignore[method-assign,assignment,return-value]
    assert [] == orders(subject.decide(NOW))
    off = subject.state.switches.off["alpha"].reason
    assert "TypeError: wants(view) returned None, and not a Wanted" == off


@pytest.mark.parametrize(
    ("terms", "refusal"),
    [
        ({"qty": 0}, "qty_out_of_range"),
        ({"qty": -1_000}, "qty_out_of_range"),
        ({"qty": 10**30}, "qty_out_of_range"),
        ({"price": 4_001}, "off_grid"),
        ({"price": 0}, "off_grid"),
        ({"price": -4_000}, "off_grid"),
        ({"price": 10**9}, "off_grid"),
    ],
)
def test_an_amount_that_cannot_be_is_refused_by_name(terms: dict[str, Any], refusal: str) -> None:
    """Nothing is sent, nobody is switched off, and the limit says which it was."""
    alpha = Named("alpha")
    subject = trading(alpha)
    alpha.answer = told(**terms)
    assert [] == orders(subject.decide(NOW))
    assert {} == subject.state.switches.off
    assert 2 == subject.refusals[refusal]


def test_what_only_equals_a_sound_answer_is_made_one_or_refused() -> None:
    """True and 4000.0 equal whole numbers: a repeated answer is the sound one, whatever it is made of."""
    alpha = Named("alpha", BUY)
    subject = trading(alpha)
    asked = [(slot, subject.state.markets[TICKER]) for slot in subject.slots]
    accepted(subject, subject.decide(NOW))
    ((slot, market),) = asked
    alpha.answer = Wanted((Target("bid", 4_000.0, 1_000, "rest", "because"),), "floats")  # type: ignore[arg-type]
    heard = subject._asking.wants(slot, market, {}, subject.refusals, NOW)
    assert (int, "floats") == (type(heard.targets[0].price), heard.reason)
    alpha.answer = Wanted((Target("bid", 4_100.0, 1_000, "rest", "because"),), "floats")  # type: ignore[arg-type]
    assert Wanted((), RAISED) == subject._asking.wants(slot, market, {}, subject.refusals, NOW)
