"""Halting: latched once, lifted by a person, and what a resume acknowledges."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.breakers import RULES, Breakers
from daemon.core.commands import LatchHalt, LiftHalt
from daemon.core.findings import Drift
from daemon.core.halting import Halting
from daemon.core.state import State
from daemon.core.units import MONEY_ONE, SECOND
from tests.core.worlds import NOW, SCHEMA

LIMIT = 300 * MONEY_ONE


def halting() -> tuple[Halting, State, Breakers]:
    """Nothing is halted."""
    state, breakers = State(SCHEMA, "kd-"), Breakers(RULES, 2 * SECOND)
    return Halting(state, breakers), state, breakers


def resume(subject: Halting, state: State, breakers: Breakers) -> None:
    """A person resumes."""
    event = e.ResumeRequested("looked at it", NOW)
    state.apply(event)
    breakers.observe(event, None, None)
    subject.resume(event)


def test_a_halt_is_latched_once_and_a_resume_lifts_it() -> None:
    """With who and why."""
    subject, state, breakers = halting()
    assert subject.commands(NOW) == []
    state.apply(e.HaltRequested("looks wrong", NOW, "page"))
    assert subject.commands(NOW) == [LatchHalt("looks wrong", "page", NOW)]
    state.apply(e.HaltRequested("again", NOW, "cli"))
    assert (subject.commands(NOW + 1), state.halt_reason) == ([], "looks wrong")
    resume(subject, state, breakers)
    assert subject.commands(NOW + 2) == [LiftHalt("looked at it", "cli", NOW + 2)]
    assert subject.commands(NOW + 3) == []


def test_a_halt_from_the_disk_is_not_latched_again_and_lifted_all_the_same() -> None:
    """It is there already."""
    subject, state, breakers = halting()
    state.apply(e.HaltRequested("the day before", NOW, "latch"))
    assert subject.commands(NOW) == []
    resume(subject, state, breakers)
    assert [type(one) for one in subject.commands(NOW)] == [LiftHalt]


def test_a_halt_and_a_resume_within_one_batch_leave_the_disk_as_it_was() -> None:
    """Nothing was decided in between."""
    subject, state, breakers = halting()
    state.apply(e.HaltRequested("oops", NOW))
    resume(subject, state, breakers)
    assert subject.commands(NOW) == []


def test_other_words_within_one_batch_replace_those_on_the_disk() -> None:
    """A resume and a new halt: the disk must say why it is halted now."""
    subject, state, breakers = halting()
    state.apply(e.HaltRequested("one", NOW))
    subject.commands(NOW)
    resume(subject, state, breakers)
    state.apply(e.HaltRequested("two", NOW))
    assert subject.commands(NOW) == [LatchHalt("two", "guard", NOW)]


def test_a_loss_halts_and_the_same_loss_does_not_halt_again_after_a_resume() -> None:
    """Only when it has grown by another limit's worth."""
    subject, state, breakers = halting()
    subject.watch_loss("daily_loss", LIMIT - 1, LIMIT, NOW)
    assert subject.commands(NOW) == []
    subject.watch_loss("daily_loss", LIMIT + 5 * MONEY_ONE, LIMIT, NOW)
    (latch,) = subject.commands(NOW)
    assert isinstance(latch, LatchHalt)
    assert latch.by == "breaker daily_loss"
    assert "a loss of $305.000000, the limit is $300.000000" in latch.reason
    resume(subject, state, breakers)
    subject.watch_loss("daily_loss", LIMIT + 5 * MONEY_ONE, LIMIT, NOW)
    assert [type(one) for one in subject.commands(NOW)] == [LiftHalt]
    subject.watch_loss("daily_loss", 2 * LIMIT + 5 * MONEY_ONE - 1, LIMIT, NOW)
    assert subject.commands(NOW) == []
    subject.watch_loss("daily_loss", 2 * LIMIT + 5 * MONEY_ONE, LIMIT, NOW)
    assert [type(one) for one in subject.commands(NOW)] == [LatchHalt]


def test_an_acknowledged_loss_that_is_made_good_counts_anew() -> None:
    """Another day begins at 0, and so does a new peak."""
    subject, state, breakers = halting()
    subject.watch_loss("drawdown", LIMIT, LIMIT, NOW)
    subject.commands(NOW)
    resume(subject, state, breakers)
    subject.commands(NOW)
    for loss in (LIMIT, 0, LIMIT):
        assert state.halt_reason is None
        subject.watch_loss("drawdown", loss, LIMIT, NOW)
        subject.commands(NOW)
    assert state.halt_by == "breaker drawdown"


def test_a_loss_that_is_not_known_at_the_resume_is_acknowledged_when_it_is() -> None:
    """The account was in doubt just then."""
    subject, state, breakers = halting()
    subject.watch_loss("daily_loss", LIMIT, LIMIT, NOW)
    subject.commands(NOW)
    resume(subject, state, breakers)
    subject.commands(NOW)
    subject.watch_loss("daily_loss", LIMIT, LIMIT, NOW + 1)
    assert (subject.commands(NOW + 1), state.halt_reason) == ([], None)


def test_a_finding_halts_where_its_rule_says_so_and_once() -> None:
    """A deposit does not; a position that nobody else could have changed does."""
    subject, state, _ = halting()
    state.account.log.add(Drift("cash_drift", "cash", 1, 2), "up", NOW)
    subject.watch_findings(NOW)
    assert subject.commands(NOW) == []
    state.account.log.add(Drift("position_drift", "M", 100, 200), "own", NOW)
    subject.watch_findings(NOW)
    subject.watch_findings(NOW)
    (latch,) = subject.commands(NOW)
    assert isinstance(latch, LatchHalt)
    assert latch.reason == "finding of the account: position_drift M: believed 100, told 200"


@given(st.lists(st.sampled_from(["halt", "guard", "resume", "decide"]), max_size=30))
def test_the_disk_says_after_each_decision_what_we_believe(words: list[str]) -> None:
    """Latched while halted, and only then, whatever happens between two decisions."""
    subject, state, breakers = halting()
    on_disk: str | None = None
    for number, word in enumerate([*words, "decide"]):
        match word:
            case "halt":
                state.apply(e.HaltRequested(f"halt {number}", NOW))
            case "guard":
                breakers.fail("out_of_step", "s", NOW, f"breach {number}")
            case "resume":
                resume(subject, state, breakers)
            case _:
                for command in subject.commands(NOW):
                    on_disk = command.reason if isinstance(command, LatchHalt) else None
                assert on_disk == state.halt_reason
