"""Breaker: three failures in a row open it; only the venue's answer to a probe half-closes it."""

from __future__ import annotations

from daemon.core.breaker import Breaker


def test_three_failures_in_a_row_open_it_once() -> None:
    """The third failure opens; later ones don't open it again."""
    breaker = Breaker(3)
    assert [breaker.fail(at) for at in range(5)] == [False, False, True, False, False]
    assert breaker.state == "open"
    assert breaker.opened_at == 2
    assert breaker.opened_total == 1


def test_an_answer_between_failures_starts_the_count_again() -> None:
    """Three in a row, not three in all. A rejection is an answer."""
    breaker = Breaker(3)
    for _ in range(5):
        breaker.fail(1)
        breaker.fail(2)
        breaker.answer(is_probe=False)
    assert breaker.state == "closed"


def test_an_open_breaker_listens_to_probes_only() -> None:
    """A late answer to an old request says nothing about now."""
    breaker = Breaker(1)
    breaker.fail(1)
    breaker.answer(is_probe=False)
    assert breaker.state == "open"
    breaker.answer(is_probe=True)
    assert breaker.state == "half_open"


def test_half_open_closes_on_an_answer_and_reopens_on_a_failure() -> None:
    """One trial decides."""
    breaker = Breaker(1)
    breaker.fail(1)
    breaker.answer(is_probe=True)
    assert breaker.fail(2)
    assert breaker.state == "open"
    breaker.answer(is_probe=True)
    breaker.answer(is_probe=True)
    assert breaker.state == "half_open"
    breaker.answer(is_probe=False)
    assert breaker.state == "closed"
