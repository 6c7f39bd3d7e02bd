"""A session told again: the listener hears everything, and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import Command, Decided, PlaceOrder
from daemon.core.decisions import Decision
from daemon.core.engine import Engine
from daemon.core.orders import Proposal
from daemon.core.records import frame
from daemon.core.risk import AccountRisk, MarketRisk
from daemon.core.strategy import MarketView, Strategy, Target, Wanted
from daemon.core.units import SECOND, Ns
from daemon.shell.journal import JournalHeader, Record, read_journal
from daemon.shell.replay import replay
from daemon.shell.retold import TOLD_EVERY, retell, session_of, sessions_in
from tests.core.test_config_change import engine as with_tables
from tests.core.worlds import LIMITS, NOW, T0, TICKER, Scripted, engine, reconciled, snapshot, spec
from tests.shell.golden_session import GOLDEN, golden_engine, session_in

BUY = Target("bid", 4_000, 1_000, "rest", "because")
HEADER = JournalHeader(kalshid_version="1", instance="i", epoch=7, engine=msgspec.Raw(b"\x80"))


class Ear:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.heard: list[str] = []

    def attach(self, engine: Engine) -> None:
        """Take the engine."""
        self.engine = engine

    def asked(self, strategy: Strategy, view: MarketView, wanted: Wanted) -> None:
        """Note who was asked."""
        self.heard.append(f"asked {strategy.name} {view.spec.ticker} {len(wanted.targets)}")

    def judged(
        self, proposal: Proposal, _market: MarketRisk, _account: AccountRisk, _now: Ns, verdict: str
    ) -> None:
        """Note the verdict."""
        self.heard.append(f"judged {type(proposal).__name__} {verdict or 'passed'}")

    def noted(self, decision: Decision) -> None:
        """Note the decision."""
        self.heard.append(f"{decision.outcome} {decision.reason}")

    def decided(self, now: Ns, _commands: Sequence[Command]) -> None:
        """Note the end of one."""
        self.heard.append(f"decided {(now - T0) // SECOND}")


def scripted() -> Scripted:
    strategy = Scripted()
    strategy.targets = (BUY,)
    return strategy


def recorded() -> list[list[Record]]:
    """The batches of a short life, as its engine decided it."""
    subject = engine(scripted())
    lives: list[tuple[Ns, list[e.Event]]] = [
        (T0, [e.MarketListed(spec(), T0), e.FeedConnected("kalshi", T0), snapshot()]),
        (T0 + 3 * SECOND, [reconciled(T0 + 3 * SECOND)]),
        (NOW, [reconciled(NOW), snapshot(NOW)]),
        (NOW + SECOND, [snapshot(NOW + SECOND)]),
    ]
    batches: list[list[Record]] = []
    for now, events in lives:
        for event in events:
            subject.handle(event)
        batches.append([*events, Decided(now), *subject.decide(now)])
    return batches


def journal(path: Path, batches: list[list[Record]], torn: bytes = b"") -> Path:
    """Write batches as a journal."""
    path.parent.mkdir(exist_ok=True)
    parts = [frame(msgspec.msgpack.encode(HEADER)), *(frame(msgspec.msgpack.encode(one)) for one in batches)]
    path.write_bytes(b"".join(parts) + torn)
    return path


def test_listening_changes_no_command() -> None:
    """The golden session gives the recorded commands while everything is heard."""
    file, ear = read_journal(GOLDEN), Ear()
    told, expected = retell(golden_engine(), file, ear), replay(golden_engine(), file)
    assert (expected.events, expected.decisions, 0) == (told.events, told.decisions, told.different)
    assert expected.decisions == sum(one.startswith("decided ") for one in ear.heard)
    placed = sum(isinstance(record, PlaceOrder) for batch in file for record in batch)
    assert placed == sum(one.startswith("place ") for one in ear.heard)


def test_what_happens_is_heard_in_its_order() -> None:
    """Asked, judged, noted, decided; what repeats itself is heard each time."""
    ear = Ear()
    retell(engine(scripted()), recorded(), ear)
    at = ear.heard.index("decided 10")
    assert [
        f"asked scripted {TICKER} 1", "judged ProposePlace passed", "place because", "decided 10",
        f"asked scripted {TICKER} 1", "idle scripted", "decided 11",
    ] == ear.heard[at - 3 :]  # fmt: skip
    assert 2 == ear.heard.count("refused not_reconciled")
    assert ear.engine is not None


def test_it_ends_where_the_range_ends() -> None:
    """Nothing later is decided."""
    ear = Ear()
    told = retell(engine(scripted()), recorded(), ear, until=T0 + 3 * SECOND)
    assert 2 == told.decisions
    assert "decided 3" == ear.heard[-1]


def test_another_core_is_noticed() -> None:
    """A strategy that wants something else gives other commands than recorded."""
    batches = recorded()
    assert 1 <= retell(engine(Scripted()), batches, Ear()).different
    without = [[one for one in batch if not isinstance(one, Command)] for batch in batches]
    assert 1 <= retell(engine(scripted()), without, Ear()).different


def test_a_listeners_error_is_its_own() -> None:
    """It is raised, and not taken for the strategy's: that would tell another story than what happened."""

    class Deaf(Ear):
        """Fails at the first answer."""

        def asked(self, strategy: Strategy, _view: MarketView, _wanted: Wanted) -> None:
            """Never return."""
            raise LookupError(strategy.name)

    with pytest.raises(LookupError, match="scripted"):
        retell(engine(scripted()), recorded(), Deaf())


def test_progress_is_told_now_and_then() -> None:
    """With the instant that is reached, for whoever waits."""
    said: list[Ns] = []
    instants = [T0 + number for number in range(2 * TOLD_EVERY)]
    batches: list[list[Record]] = [[Decided(now)] for now in instants]
    retell(engine(Scripted()), batches, Ear(), on_progress=lambda now, _events: said.append(now))
    assert [instants[TOLD_EVERY - 1], instants[-1]] == said


def test_a_session_spans_its_decisions(tmp_path: Path) -> None:
    """From the first to the last, also where a crash, or a daemon that writes, left a torn tail."""
    path = journal(tmp_path / "7.journal", recorded(), b"\x99\x00\x00\x00torn")
    session = session_of(path)
    assert ("i", T0, NOW + SECOND) == (session.instance, session.first_at, session.last_at)
    inside, outside = (T0 + SECOND, None), (NOW + 2 * SECOND, None)
    assert session.overlaps(*inside)
    assert session.overlaps(None, T0)
    assert not session.overlaps(*outside)
    assert not session.overlaps(None, T0 - 1)


def test_a_session_without_a_decision_spans_nothing(tmp_path: Path) -> None:
    """It is in no range."""
    session = session_of(journal(tmp_path / "7.journal", [[e.FeedConnected("kalshi", T0)]]))
    assert (None, None) == (session.first_at, session.last_at)
    assert not session.overlaps(None, None)


def test_the_newest_session_comes_first(tmp_path: Path) -> None:
    """By the number of its start."""
    for epoch in (9, 10):
        journal(tmp_path / f"{epoch}.journal", recorded())
    session_in(tmp_path)
    assert ["9", "10"] == [session.path.stem for session in sessions_in(tmp_path)][:0:-1]


def test_a_strategy_that_a_reload_brought_is_heard_too() -> None:
    """A configuration that changes in the middle of the session changes nothing for the listener."""
    ear, subject = Ear(), with_tables("alpha")
    change = e.ConfigChanged("f" * 64, LIMITS, ("alpha", "beta"), "beta:500", NOW)
    retell(subject, [[Decided(NOW)], [change, snapshot(NOW + SECOND), Decided(NOW + SECOND)]], ear)
    assert f"asked beta {TICKER} 1" in ear.heard
    assert f"asked alpha {TICKER} 1" == ear.heard[0]
