"""The watch of one model: no alarm by chance, one soon after a change, and the same after a restart."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

import pytest

from daemon.core.drift_record import DriftConfig
from daemon.core.drift_watch import DriftWatch
from daemon.core.model_slot import Model
from daemon.core.scorer import FeatureSchema, Output
from daemon.core.stability import Bins
from daemon.core.units import MINUTE, Ns

TERMS = DriftConfig()
PLACES = {"mid": 0}


class Said:
    """A model that is never asked: the watch is told what it says."""

    name, version = "said", "1"
    schema = FeatureSchema(("mid",))
    required: frozenset[str] = frozenset()
    output: Output = "probability"

    def score(self, row: Sequence[float | None]) -> float:
        """Return one half."""
        del row
        return 0.5


class Lived(NamedTuple):
    """One event: what the model and the mid said at a few instants, and what it paid."""

    instants: tuple[tuple[float, float], ...]
    outcome: float


MODEL = Model(Said(), "sha", bins=(Bins("mid", (0.25, 0.5, 0.75), (0.25,) * 4),))


def watch(terms: DriftConfig = TERMS) -> DriftWatch:
    """A watch that knows nothing."""
    return DriftWatch(terms, "default", MODEL, PLACES)


def world(
    seed: int, count: int, *, ours: float, mids: float, lost_from: int | None = None
) -> Iterator[Lived]:
    """Events whose true probability both see with a noise; from `lost_from` on the model knows nothing."""
    rng = random.Random(seed)
    for number in range(count):
        truth = rng.uniform(0.05, 0.95)
        instants = []
        for _ in range(3):
            mid = min(0.99, max(0.01, truth + rng.gauss(0, mids)))
            p = min(0.99, max(0.01, truth + rng.gauss(0, ours)))
            if lost_from is not None and number >= lost_from:
                p = rng.uniform(0.05, 0.95)
            instants.append((p, mid))
        yield Lived(tuple(instants), float(rng.random() < truth))


def live(subject: DriftWatch, events: Iterator[Lived], first: int = 0) -> int | None:
    """Feed events; return at which one the alarm came, None if at none."""
    for number, event in enumerate(events, start=first):
        at: Ns = number * 15 * MINUTE
        for step, (p, mid) in enumerate(event.instants):
            subject.sample(f"E{number}-1", f"E{number}", p, mid, (mid,), at + step * MINUTE)
        subject.determine(f"E{number}-1", event.outcome, at + 15 * MINUTE)
        if subject.verdict == "alarm":
            return number
    return None


def test_a_model_that_stays_good_is_not_alarmed() -> None:
    """In none of 200 lives of two windows each; and few are ever warned."""
    alarms, warned = 0, 0
    for seed in range(200):
        subject = watch()
        alarms += live(subject, world(seed, 1_000, ours=0.02, mids=0.06)) is not None
        warned += subject.since is not None
    assert 0 == alarms
    assert warned <= 8


@pytest.mark.full
def test_a_model_as_good_as_the_mid_is_alarmed_at_the_level_of_the_interval() -> None:
    """Half of 5 % per window: in 200 lives of two windows about 10, and surely no more than 20."""
    alarms = sum(live(watch(), world(seed, 1_000, ours=0.05, mids=0.05)) is not None for seed in range(200))
    assert alarms <= 20


def test_a_model_that_loses_what_it_knew_is_alarmed_soon() -> None:
    """After 300 good outcomes: within 300 in each of 20 lives, half of them within 160."""
    delays = []
    for seed in range(20):
        found = live(watch(), world(seed, 700, ours=0.02, mids=0.06, lost_from=300))
        assert found is not None
        delays.append(found - 300)
    assert 0 <= min(delays)
    assert max(delays) <= 300
    assert median(delays) <= 160


def test_a_model_that_never_was_good_is_alarmed_by_the_interval() -> None:
    """Nothing changes, so ADWIN is silent: the first full window says it."""
    subject = watch()
    assert TERMS.events - 1 == live(subject, world(3, 500, ours=0.2, mids=0.02))
    (reason,) = subject.reasons
    assert reason.startswith("worse than the mid over 500 events")


def test_an_alarm_stays() -> None:
    """Whatever comes after it."""
    subject = watch()
    at = live(subject, world(3, 500, ours=0.2, mids=0.02))
    assert at is not None
    since = subject.since
    live(subject, world(4, 600, ours=0.0, mids=0.1), first=at + 1)
    assert ("alarm", since) == (subject.verdict, since)


def told_apart(subject: DriftWatch, number: int, p: float, mid: float, outcome: float) -> None:
    """One event of one instant."""
    live(subject, iter([Lived(((p, mid),), outcome)]), first=number)


def test_a_warning_ends_with_the_first_clean_window() -> None:
    """Reliability off by more than three errors over a block; the blocks that said so leave the window."""
    subject = watch(DriftConfig(events=100))
    rng = random.Random(5)
    for number in range(20):
        told_apart(subject, number, 0.8, 0.8, 0.0)
    assert "warn" == subject.verdict
    assert "reliability" in subject.reasons[0]
    warned_at = subject.since
    for number in range(20, 200):
        p = rng.uniform(0.05, 0.95)
        told_apart(subject, number, p, p, float(rng.random() < p))
        if subject.verdict == "steady":
            break
    assert "steady" == subject.verdict
    assert subject.since is not None
    assert warned_at is not None
    assert subject.since > warned_at


def test_a_feature_that_is_not_as_it_was_warns_after_a_full_window() -> None:
    """The index stands there with the feature's name; before the window is full there is none."""
    subject = watch(DriftConfig(events=50))
    for number in range(50):
        assert () == subject.psi
        told_apart(subject, number, 0.9, 0.9, float(number % 10 != 0))
    ((name, value),) = subject.psi
    assert "mid" == name
    assert value > 1
    assert ("warn", (f"mid has drifted: PSI {value:.2f}",)) == (subject.verdict, subject.reasons)


def test_an_event_is_one_outcome_however_many_markets() -> None:
    """It counts when the last of its markets is determined; one that was dropped is not waited for."""
    subject = watch()
    for ticker, p in (("A-1", 0.2), ("A-2", 0.4), ("A-3", 0.6)):
        for step in range(5):
            subject.sample(ticker, "A", p, 0.5, (0.5,), step)
    subject.determine("A-1", 1.0, 10)
    subject.determine("A-1", 1.0, 11)
    assert 0 == subject.events
    subject.determine("A-2", 0.0, 12)
    subject.forget_gone({"A-1": None, "A-2": None})
    assert 1 == subject.events
    figures = subject.figures
    assert (0.64 - 0.25 + 0.16 - 0.25) / 2 == pytest.approx(figures.excess)
    assert (0.8 * 0.6 + -0.4 * 0.2) / 2 == pytest.approx(figures.miss)
    assert (0.3, 0.5) == (pytest.approx(figures.expected), figures.paid)
    subject.determine("B-1", 1.0, 13)
    assert 1 == subject.events


@pytest.mark.parametrize("cut", [1, 37, 250, 333])
def test_a_restart_in_the_middle_changes_nothing(cut: int) -> None:
    """The same verdict at the same outcome, and the same record to the last bit."""
    events = list(world(7, 600, ours=0.02, mids=0.06, lost_from=200))
    whole, first, second = watch(), watch(), watch()
    expected = live(whole, iter(events))
    assert expected is not None
    found = live(first, iter(events[:cut]))
    second.recover(first.told())
    if found is None:
        found = live(second, iter(events[cut:]), first=cut)
    assert expected == found
    assert whole.told() == second.told()
