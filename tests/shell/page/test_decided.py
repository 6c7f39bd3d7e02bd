"""What was decided: the acts in order, what stands now, and what nobody saw."""

from __future__ import annotations

from daemon.core.decisions import KEPT, Decision, Decisions, Outcome
from daemon.shell.page.decided import ACTS_KEPT, Decided


def decision(number: int, outcome: Outcome = "place", ticker: str = "A", strategy: str = "one") -> Decision:
    """The n-th decision; its reason is its own."""
    return Decision(number, ticker, strategy, outcome, f"reason {number}", None)


def test_acts_are_kept_and_idleness_only_stands() -> None:
    """What did nothing is said once per market and strategy, the last of it; what was done, in order."""
    noted, decided = Decisions(), Decided()
    for one in (decision(1), decision(2, "idle"), decision(3, "refused"), decision(4, "idle", strategy="b")):
        noted.note(one)
    decided.take(noted)
    decided.take(noted)
    assert [1, 3] == [one.at for one in decided.acts]
    assert [4, 3] == [one.at for one in decided.standing("A")]
    assert () == decided.standing("B")


def test_what_came_and_went_between_two_looks_is_counted() -> None:
    """The core keeps so many; what was pushed out before we looked is not passed over in silence."""
    noted, decided = Decisions(), Decided()
    for number in range(KEPT + 7):
        noted.note(decision(number))
    decided.take(noted)
    assert 7 == decided.missed
    assert ACTS_KEPT == len(decided.acts)
    assert KEPT + 6 == decided.acts[-1].at


def test_markets_that_are_not_shown_are_forgotten() -> None:
    """However many markets come and go, no more stands than is shown."""
    noted, decided = Decisions(), Decided()
    noted.note(decision(1, ticker="A"))
    noted.note(decision(2, ticker="B"))
    decided.take(noted)
    decided.forget({"B"})
    assert () == decided.standing("A")
    assert [2] == [one.at for one in decided.standing("B")]
