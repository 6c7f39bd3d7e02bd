"""The tally of `why`: it adds up, in words that a person understands, and in bounded memory."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder
from daemon.core.decisions import Decision
from daemon.core.engine import Engine
from daemon.core.explaining import Reason
from daemon.core.strategy import MarketView, Target
from daemon.core.units import MILLISECOND, SECOND, Ns
from daemon.shell.journal import read_journal
from daemon.shell.retold import listen, retell
from daemon.shell.why import KINDS_MAX, NOT_ASKED, OTHERS, StrategyChain, WhyTally
from tests.core.worlds import CONFIG, LIMITS, NOW, TICKER, Scripted, trading
from tests.shell.golden_session import GOLDEN, golden_engine

BUY = Target("bid", 4_000, 1_000, "rest", "because")


def tally_of(engine: Engine, *instants: Ns, tally: WhyTally | None = None) -> StrategyChain:
    """The one strategy's chain after decisions at these instants."""
    tally = tally or WhyTally()
    listen(engine, tally)
    for now in instants:
        engine.decide(now)
        tally.decided(now, ())
        engine.state.touch_all()
    (chain,) = tally.chains
    return chain


def words_of(chain: StrategyChain, stage: str) -> list[str]:
    return [reason.text for reason in chain.reasons if reason.stage == stage]


def test_the_golden_session_adds_up() -> None:
    """Every look ends at one stage, and the orders are those that were recorded."""
    tally, file = WhyTally(), read_journal(GOLDEN)
    retell(golden_engine(), file, tally)
    (chain,) = tally.chains
    assert chain.looks == sum(chain.stopped.values())
    records = [record for batch in file for record in batch]
    made = {
        "placed": sum(isinstance(one, PlaceOrder) for one in records),
        "amended": sum(isinstance(one, AmendOrder) and one.purpose != "keep" for one in records),
        "cancelled": sum(isinstance(one, CancelOrder) for one in records),
    }
    assert made == {key: chain.made[key] for key in made}
    for stage in (NOT_ASKED, "size"):
        assert chain.stopped[stage] == sum(one.count for one in chain.reasons if one.stage == stage)


@given(st.data())
def test_ranges_that_touch_count_every_look_once(given_: st.DataObject) -> None:
    """However the time is cut, the parts add up to the whole."""
    cut = given_.draw(st.integers(NOW, NOW + 5 * SECOND))
    instants = [NOW + number * 500 * MILLISECOND for number in range(10)]
    whole = tally_of(trading(Scripted()), *instants)
    parts = [WhyTally(until=cut), WhyTally(since=cut + 1)]
    for part in parts:
        engine = trading(Scripted())
        listen(engine, part)
        for now in instants:
            engine.decide(now)
            part.decided(now, ())
            engine.state.touch_all()
    assert whole.looks == sum(chain.looks for part in parts for chain in part.chains)


def test_a_stale_book_is_told_with_its_age() -> None:
    """740 ms after its last change, where 500 are allowed."""
    engine = trading(Scripted(500 * MILLISECOND))
    chain = tally_of(engine, NOW + 740 * MILLISECOND)
    assert {NOT_ASKED: 1} == chain.stopped
    assert ["book stale 740 ms"] == words_of(chain, NOT_ASKED)


def test_a_halt_is_told_with_its_reason() -> None:
    """A person wants to know whose word it was."""
    engine = trading(Scripted())
    engine.handle(e.HaltRequested("a loss", NOW))
    assert ["halted: a loss"] == words_of(tally_of(engine, NOW), NOT_ASKED)


def test_a_strategy_that_is_off_is_told_with_the_reason() -> None:
    """And with who did it."""
    engine = trading(Scripted())
    engine.handle(e.StrategySwitched("scripted", False, "too bold", NOW))
    assert ["switched off (cli): too bold"] == words_of(tally_of(engine, NOW), NOT_ASKED)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (e.BookLost(TICKER, "a gap", NOW), "book lost: a gap"),
        (e.MarketStatusChanged(TICKER, "closed", NOW), "market not open: closed"),
    ],
)
def test_what_the_market_lacks_is_told(event: e.Event, words: str) -> None:
    """In its own words, not by the name of the refusal alone."""
    engine = trading(Scripted())
    engine.handle(event)
    assert [words] == words_of(tally_of(engine, NOW), NOT_ASKED)


def test_what_risk_refuses_is_one_kind_whatever_its_figures() -> None:
    """Counted, the last one in full; and nothing is said to have been placed."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    limits = msgspec.structs.replace(LIMITS, order_qty_max=500)
    engine = trading(strategy, msgspec.structs.replace(CONFIG, limits=limits))
    chain = tally_of(engine, NOW, NOW + MILLISECOND)
    assert {"refused": 2} == chain.made
    assert ["qty_out_of_range: 10 of 5 contracts"] == words_of(chain, "refused")


def test_what_rests_as_wanted_is_no_refusal() -> None:
    """The first look places, the next ones find it there."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    chain = tally_of(trading(strategy), NOW, NOW + MILLISECOND, NOW + 2 * MILLISECOND)
    assert {"trades": 3} == chain.stopped
    assert {"placed": 1, "rests as wanted": 2} == chain.made


def test_the_nearest_miss_is_kept() -> None:
    """The look whose edge lacked least to its cost."""

    class Near(Scripted):
        """Comes nearer and goes away again."""

        def explain(self, view: MarketView) -> Reason:
            """Return an edge by the clock."""
            lacking = abs((view.now - NOW) // MILLISECOND - 2) + 1
            return Reason("edge", f"edge {4 - lacking}c below cost 4c", 0.04 - lacking / 100, 0.04)

    chain = tally_of(trading(Near()), *(NOW + number * MILLISECOND for number in range(5)))
    assert chain.near_miss is not None
    assert (NOW + 2 * MILLISECOND, TICKER, 0.03) == (
        chain.near_miss.at, chain.near_miss.ticker, chain.near_miss.edge
    )  # fmt: skip
    assert [("edge", 5)] == [(one.stage, one.count) for one in chain.reasons]


def test_only_what_was_asked_for_is_counted() -> None:
    """Another market, another strategy: nothing."""
    for tally in (WhyTally(ticker="KXOTHER"), WhyTally(strategy="other")):
        engine = trading(Scripted())
        listen(engine, tally)
        engine.decide(NOW)
        assert () == tally.chains


@given(st.integers(KINDS_MAX + 1, 3 * KINDS_MAX))
def test_memory_is_bounded_however_many_reasons_there_are(count: int) -> None:
    """What comes after so many kinds is counted together; none is lost."""
    tally = WhyTally()
    for number in range(count):
        letters = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        tally.noted(Decision(number, TICKER, "scripted", "idle", f"because of {letters}", None))
        tally.decided(number, ())
    (chain,) = tally.chains
    assert len(chain.reasons) <= KINDS_MAX + 1
    assert count == sum(reason.count for reason in chain.reasons)
    assert OTHERS in [reason.text for reason in chain.reasons]
