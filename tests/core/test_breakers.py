"""Breakers: what opens them, what they stop, and how each kind closes again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.breakers import (
    ACCOUNT,
    RULES,
    UNTRIED_MAX,
    Breaker,
    BreakerName,
    Breakers,
    Keys,
    rules_of,
)
from daemon.core.units import MILLISECOND, SECOND, Ns

COOL: Ns = 30 * SECOND
ACK_MAX: Ns = 2 * SECOND
MINE = Keys("M1", "E1", "s1")
SAME_EVENT = Keys("M2", "E1", "s1")
SAME_STRATEGY = Keys("M3", "E2", "s1")
OTHER = Keys("M4", "E4", "s4")


def breakers(failures_max: int = 3, rejects_max: int = 5) -> Breakers:
    """All closed."""
    return Breakers(rules_of(failures_max, rejects_max, COOL), ACK_MAX)


def rejected(code: str = "insufficient_balance", details: str = "", at: Ns = 1) -> e.OrderRejected:
    """The venue says no to a new order."""
    return e.OrderRejected("place", "c", code, details, at)


def accepted(at: Ns = 1) -> e.OrderAccepted:
    """The venue says yes to a new order."""
    return e.OrderAccepted("place", "c", "o", 0, 100, at, at)


def dropped(reason: str = "book_unsynced", at: Ns = 1) -> e.OrderDropped:
    """Our queue gives a new order up."""
    return e.OrderDropped("place", "c", reason, at)


def stops(subject: Breakers, keys: Keys, *, is_reducing: bool = False) -> BreakerName | None:
    """The rule that keeps an order from leaving, while no other is out."""
    found = subject.against(keys, is_reducing=is_reducing, trials=())
    return None if found is None else found.rule.name


# --- one breaker -----------------------------------------------------------------------------------


def test_it_opens_at_the_third_failure_in_a_row() -> None:
    """And counts one opening, however many follow."""
    breaker = Breaker(RULES["failures"])
    assert [breaker.fail(at, "timeout") for at in range(5)] == [False, False, True, False, False]
    assert (breaker.state, breaker.opened_at, breaker.why) == ("open", 2, "timeout")


def test_an_answer_ends_the_row() -> None:
    """Failures that are apart are no pattern."""
    breaker = Breaker(RULES["failures"])
    for at in range(10):
        breaker.fail(at, "timeout")
        breaker.fail(at, "timeout")
        breaker.succeed(at)
    assert breaker.state == "closed"


def test_an_open_breaker_that_waits_for_a_probe_listens_to_probes_only() -> None:
    """A late answer to an old request proves nothing; a probe half-closes; an answer closes."""
    breaker = Breaker(rules_of(1, 5, COOL)["failures"])
    breaker.fail(1, "timeout")
    breaker.succeed(2)
    breaker.cool(1_000 * SECOND)
    assert breaker.state == "open"
    breaker.probe()
    breaker.probe()
    assert breaker.state == "half_open"
    breaker.succeed(3)
    assert breaker.state == "closed"


def test_a_failure_opens_what_is_half_open() -> None:
    """One is enough then."""
    breaker = Breaker(RULES["failures"])
    for at in range(3):
        breaker.fail(at, "timeout")
    breaker.probe()
    assert breaker.fail(4, "timeout")
    assert breaker.state == "open"


def test_a_share_counts_the_last_outcomes_within_its_window() -> None:
    """Five of twenty 429s within a minute; older ones don't count."""
    rule = RULES["rate_limited"]
    assert (rule.threshold, rule.of, rule.window) == (5, 20, 60 * SECOND)
    breaker = Breaker(rule)
    for number in range(4):
        assert not breaker.fail(number, "429")
        breaker.succeed(number)
    assert breaker.fail(5, "429")
    old = Breaker(rule)
    for at in range(4):
        old.fail(at, "429")
    assert not old.fail(61 * SECOND, "429")


def test_a_cool_down_half_opens_and_a_success_closes() -> None:
    """Not a moment earlier; what nobody tries for long closes too."""
    breaker = Breaker(rules_of(3, 1, COOL)["rejects_market"])
    breaker.fail(0, "no")
    breaker.cool(COOL - 1)
    assert breaker.state == "open"
    breaker.cool(COOL)
    assert breaker.state == "half_open"
    breaker.cool(UNTRIED_MAX * COOL - 1)
    assert breaker.state == "half_open"
    breaker.cool(UNTRIED_MAX * COOL)
    assert breaker.state == "closed"


@given(st.lists(st.sampled_from(["fail", "succeed", "probe", "cool"])))
def test_only_a_person_closes_what_needs_one(words: list[str]) -> None:
    """Whatever happens, in whatever order: once open it stays open."""
    breaker = Breaker(RULES["daily_loss"])
    was_open = False
    for at, word in enumerate(words):
        match word:
            case "fail":
                breaker.fail(at, "loss")
            case "succeed" if was_open:
                breaker.succeed(at)
            case "cool":
                breaker.cool(at * 1_000 * SECOND)
            case _:
                pass
        was_open = was_open or breaker.state == "open"
        assert breaker.state == ("open" if was_open else "closed")


# --- by events -------------------------------------------------------------------------------------


def test_failures_stop_the_account_even_what_reduces_and_ask_for_cancel_all() -> None:
    """The venue doesn't answer: nothing new may be on its way."""
    subject = breakers()
    for at in range(3):
        subject.observe(e.VenueFailed("place", "HTTP 503", at), None, None)
    assert (stops(subject, MINE), stops(subject, OTHER, is_reducing=True)) == ("failures", "failures")
    assert (subject.worst, subject.is_answered, subject.is_cancel_all_due) == ("open", False, True)
    subject.observe(e.VenueAnswered("probe", 4), None, None)
    assert (subject.worst, subject.is_answered) == ("half_open", True)
    subject.observe(e.VenueAnswered("place", 5), None, None)
    assert (subject.worst, stops(subject, MINE)) == ("closed", None)
    assert subject.opened_total == {"failures": 1}


def test_half_open_lets_one_new_order_of_its_scope_out() -> None:
    """A second one waits for the first one's answer; elsewhere nothing is stopped."""
    subject = breakers(rejects_max=1)
    subject.observe(rejected(), MINE, None)
    assert stops(subject, MINE) == "rejects_market"
    subject.cool(COOL + 1, is_clock_skewed=False)
    assert stops(subject, MINE) is None
    trial = subject.against(MINE, is_reducing=False, trials=(MINE,))
    assert trial is not None
    assert (trial.rule.name, trial.key, trial.state) == ("rejects_market", "M1", "half_open")
    assert subject.against(MINE, is_reducing=False, trials=(OTHER,)) is None
    assert subject.against(OTHER, is_reducing=False, trials=(MINE,)) is None
    subject.observe(accepted(), MINE, None)
    assert subject.against(MINE, is_reducing=False, trials=(MINE,)) is None


def test_rejections_in_a_row_stop_a_market_then_its_event_then_the_strategy() -> None:
    """Each at its own threshold, and none for a neighbour before."""
    subject = breakers(rejects_max=2)
    for _ in range(2):
        subject.observe(rejected(), MINE, None)
    assert [stops(subject, keys) for keys in (MINE, SAME_EVENT, SAME_STRATEGY)] == [
        "rejects_market",
        None,
        None,
    ]
    for _ in range(2):
        subject.observe(rejected(), SAME_EVENT, None)
    assert stops(subject, Keys("M9", "E1", "s9")) == "rejects_event"
    assert stops(subject, SAME_STRATEGY) is None
    for _ in range(2):
        subject.observe(rejected(), SAME_STRATEGY, None)
    assert stops(subject, Keys("M8", "E8", "s1")) == "rejects_strategy"
    assert (stops(subject, OTHER), subject.worst) == (None, "closed")
    assert stops(subject, MINE, is_reducing=True) is None


@pytest.mark.parametrize(
    ("event", "is_counted"),
    [
        (rejected("insufficient_balance"), True),
        (rejected("invalid_order", "bad price"), True),
        (rejected("invalid_order", "post only cross"), False),
        (rejected("trading_is_paused"), False),
        (rejected("order_already_exists"), False),
        (e.OrderRejected("cancel", "c", "not_found", "", 1), False),
    ],
)
def test_a_rejection_that_was_to_be_expected_is_no_pattern(event: e.OrderRejected, is_counted: bool) -> None:
    """The price moved, the exchange pauses, the order had arrived, a cancel raced."""
    subject = breakers(rejects_max=1)
    subject.observe(event, MINE, None)
    assert (stops(subject, MINE) is not None) == is_counted


def test_a_share_of_429_lets_only_reducing_orders_out() -> None:
    """The budget is for what matters."""
    subject = breakers(failures_max=100)
    for at in range(5):
        subject.observe(e.VenueFailed("place", "HTTP 429: too_many_requests", at), None, None)
    assert (stops(subject, MINE), stops(subject, MINE, is_reducing=True)) == ("rate_limited", None)
    assert not subject.is_cancel_all_due
    subject.cool(COOL + 4, is_clock_skewed=False)
    subject.observe(e.VenueAnswered("cancel", COOL + 5), None, None)
    assert stops(subject, MINE) is None


def test_slow_answers_open_and_one_slow_answer_of_twenty_does_not() -> None:
    """The 95th percentile, not the worst."""
    slow, fast = ACK_MAX + 1, 50 * MILLISECOND
    subject = breakers()
    subject.observe(accepted(slow), MINE, 0)
    for _ in range(20):
        subject.observe(accepted(fast), MINE, 0)
    subject.observe(accepted(slow), MINE, 0)
    assert stops(subject, MINE) is None
    subject.observe(rejected(at=slow), MINE, 0)
    assert (stops(subject, MINE), stops(subject, MINE, is_reducing=True)) == ("ack_latency", None)


def test_a_strategy_whose_orders_are_stale_before_they_leave_stops() -> None:
    """Half of the last twenty; drops for other reasons say nothing of it."""
    subject = breakers()
    for at in range(20):
        subject.observe(dropped("superseded", at), MINE, None)
        subject.observe(dropped("halted", at), MINE, None)
    for at in range(9):
        subject.observe(dropped(at=at), MINE, None)
    assert stops(subject, MINE) is None
    subject.observe(dropped(), MINE, None)
    assert (stops(subject, MINE), stops(subject, OTHER)) == ("stale_sends", None)


def test_a_skewed_clock_holds_it_open_until_it_is_well() -> None:
    """The cool-down begins to matter when the clock is right again."""
    subject = breakers()
    subject.cool(1, is_clock_skewed=True)
    subject.cool(10 * COOL, is_clock_skewed=True)
    assert stops(subject, MINE, is_reducing=True) == "clock_skew"
    assert subject.opened_total == {"clock_skew": 1}
    subject.cool(9 * COOL, is_clock_skewed=False)
    assert subject.worst == "half_open"
    subject.observe(accepted(), MINE, None)
    assert subject.worst == "closed"


@pytest.mark.parametrize("name", ["finding", "out_of_step", "daily_loss", "drawdown"])
def test_what_needs_a_person_is_told_once_and_closed_by_a_resume(name: BreakerName) -> None:
    """The engine halts by it; it asks for cancel-all; nothing but a resume closes it."""
    subject = breakers()
    assert subject.rules[name].heals == "person"
    key = "s1" if subject.rules[name].scope == "strategy" else ACCOUNT
    subject.fail(name, key, 1, "because")
    subject.fail(name, key, 2, "because")
    (opened,) = subject.take_tripped()
    assert (opened.rule.name, opened.key, opened.why) == (name, key, "because")
    assert (subject.take_tripped(), subject.is_cancel_all_due) == ([], True)
    subject.cool(1_000 * COOL, is_clock_skewed=False)
    assert stops(subject, MINE, is_reducing=True) == name
    subject.observe(e.ResumeRequested("looked at it", 3), None, None)
    assert stops(subject, MINE) is None


def test_what_counts_nothing_is_forgotten() -> None:
    """Markets come and go for as long as we live."""
    subject = breakers()
    for number in range(50):
        subject.observe(accepted(), Keys(f"M{number}", f"E{number}", "s1"), 0)
    subject.cool(1, is_clock_skewed=False)
    assert subject._breakers == {}


def test_people_are_told_which_and_why() -> None:
    """By rule, scope and key, and the worst state of each rule for the metrics."""
    subject = breakers(rejects_max=1)
    subject.observe(rejected(), MINE, None)
    words = [opened.words for opened in subject.not_closed()]
    assert (
        words[0] == "rejects_market of the market M1: rejections in a row, the last one insufficient_balance"
    )
    states = subject.worst_by_rule()
    assert list(states) == list(RULES)
    assert (states["rejects_market"], states["rejects_event"]) == ("open", "closed")
