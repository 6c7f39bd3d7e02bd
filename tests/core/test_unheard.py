"""What lists told first: a stream that tells it is fine, one that is well and silent is found out."""

from __future__ import annotations

from daemon.core.findings import Drift
from daemon.core.unheard import HEARD_WITHIN, Unheard

KEY = ("fill", "t", "o")
DRIFT = Drift("fill_missed", "M t", None, 100)


def waiting(at: int = 0) -> Unheard:
    """One word waited for since `at`, on a stream that was well then."""
    subject = Unheard()
    subject.overdue(is_well=True, now=at)
    subject.expect(KEY, DRIFT, at)
    return subject


def test_a_word_that_comes_in_time_is_no_finding() -> None:
    """The list was only faster."""
    subject = waiting()
    subject.hear(KEY)
    assert [] == subject.overdue(is_well=True, now=2 * HEARD_WITHIN)


def test_a_word_that_does_not_come_is_found_once() -> None:
    """At the end of its time, not before."""
    subject = waiting()
    assert [] == subject.overdue(is_well=True, now=HEARD_WITHIN - 1)
    assert [DRIFT] == subject.overdue(is_well=True, now=HEARD_WITHIN)
    assert [] == subject.overdue(is_well=True, now=2 * HEARD_WITHIN)


def test_what_is_told_again_waits_no_longer_for_it() -> None:
    """A list is read every second or two: the first reading counts."""
    subject = waiting()
    subject.expect(KEY, DRIFT, HEARD_WITHIN - 1)
    assert [DRIFT] == subject.overdue(is_well=True, now=HEARD_WITHIN)


def test_nothing_is_held_against_a_stream_that_is_not_well() -> None:
    """It gets its time from when it is well again."""
    subject = waiting()
    assert [] == subject.overdue(is_well=False, now=HEARD_WITHIN)
    well_at = 3 * HEARD_WITHIN
    assert [] == subject.overdue(is_well=True, now=well_at)
    assert [] == subject.overdue(is_well=True, now=well_at + HEARD_WITHIN - 1)
    assert [DRIFT] == subject.overdue(is_well=True, now=well_at + HEARD_WITHIN)


def test_after_a_doubt_nothing_is_waited_for() -> None:
    """What was lost with a connection was to be expected; how much it was is told."""
    subject = waiting()
    assert (1, 0) == (subject.forget(), len(subject))
    assert [] == subject.overdue(is_well=True, now=9 * HEARD_WITHIN)
