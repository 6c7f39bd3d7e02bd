"""What is kept of decisions for people: each once, the last ones, of markets that are still there."""

from __future__ import annotations

from daemon.core.decisions import KEPT, Decision, Decisions, Outcome


def noted(subject: Decisions, ticker: str, outcome: Outcome, reason: str) -> int:
    """Note a decision; return how many are kept."""
    subject.note(Decision(1, ticker, "s", outcome, reason, None))
    return len(subject.last)


def test_what_stands_is_said_once_and_what_is_done_each_time() -> None:
    """A refusal that repeats itself is one line; an order, and the refusal after it, have their own."""
    subject = Decisions()
    assert 1 == noted(subject, "M", "refused", "halted")
    assert 1 == noted(subject, "M", "refused", "halted")
    assert 2 == noted(subject, "M", "place", "edge")
    assert 3 == noted(subject, "M", "place", "edge")
    assert 4 == noted(subject, "M", "refused", "halted")
    assert 4 == subject.noted_total


def test_a_refusal_whose_figures_change_is_the_same_one() -> None:
    """A limit that stays breached is told once; another limit anew."""
    subject = Decisions()
    assert 1 == noted(subject, "M", "refused", "position_limit: 310 of 300 contracts")
    assert 1 == noted(subject, "M", "refused", "position_limit: 320 of 300 contracts")
    assert 2 == noted(subject, "M", "refused", "cash_short: 3 of 2 dollars")


def test_only_the_last_are_kept_and_all_are_counted() -> None:
    """However long we live, what is kept stays small."""
    subject = Decisions()
    for number in range(KEPT + 5):
        noted(subject, "M", "place", str(number))
    assert (KEPT, KEPT + 5) == (len(subject.last), subject.noted_total)


def test_what_was_said_of_markets_that_went_is_forgotten() -> None:
    """A market that comes back is told anew."""
    subject = Decisions()
    noted(subject, "M", "idle", "quiet")
    subject.forget_gone((), 1)
    assert 1 == noted(subject, "M", "idle", "quiet")
    subject.forget_gone((), 0)
    assert 2 == noted(subject, "M", "idle", "quiet")
