"""How each model stands: figures of what was lived, and what follows in words."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.model_slot import CHALLENGER, DEFAULT, FALLBACK, Model
from daemon.core.units import PRICE_ONE, SECOND
from daemon.shell.model_status import ModelsStatus, ModelStatus, drift_states, models_status
from tests.core.test_drift import OURS, STRUCTURAL, Said, alarm, lived, warn
from tests.core.worlds import NOW, TICKER, Scripted


def by_slot(status: ModelsStatus) -> dict[str, ModelStatus]:
    """The slots, as they come over the wire."""
    read = msgspec.json.decode(msgspec.json.encode(status), type=ModelsStatus)
    assert status == read
    return {one.slot: one for one in read.models}


def test_a_model_that_has_lived_has_figures() -> None:
    """Of the events that ended; a slot that is empty is not told of."""
    timed = msgspec.structs.replace(OURS, trained_until=NOW - SECOND, expires_at=NOW + SECOND)
    subject = lived({DEFAULT: timed})
    subject.decide(NOW)
    subject.handle(e.MarketDetermined(TICKER, "yes", PRICE_ONE, NOW))
    status = models_status(subject.models, NOW)
    (one,) = by_slot(status).values()
    assert ("said/1", NOW - SECOND, NOW + SECOND) == (one.model, one.trained_until, one.expires_at)
    assert (1, 0, 1) == (one.scores, one.scores_out_of_range, one.outcomes)
    assert (pytest.approx(0.52**2), 0.48, 1.0) == (one.brier, one.expected, one.paid)
    assert (None, "steady", None, "nothing") == (one.excess, one.verdict, one.since, one.follows)


def test_a_warned_model_says_why_and_what_follows() -> None:
    """And since when."""
    subject = lived({DEFAULT: OURS})
    warn(subject)
    (one,) = by_slot(models_status(subject.models, NOW)).values()
    assert ("warn", NOW, "its stakes are halved, until a window is clean") == (
        one.verdict, one.since, one.follows
    )  # fmt: skip
    (reason,) = one.reasons
    assert reason.startswith("its reliability is off by")
    assert {DEFAULT: 1.0} == drift_states(subject.models)


def test_who_stands_in_says_for_whom() -> None:
    """The slot's state stays that of an alarm, though the stand-in is steady."""
    subject = lived({DEFAULT: OURS, FALLBACK: STRUCTURAL, CHALLENGER: Model(Said(0.5), "c")})
    alarm(subject)
    found = by_slot(models_status(subject.models, NOW))
    one = found[DEFAULT]
    assert ("structural", "steady") == (one.sha256, one.verdict)
    assert one.demoted is not None
    assert ("said/1", True) == (one.demoted.model, one.follows.startswith("it stands in for said/1;"))
    assert ("challenger", "nothing: it is only measured") == (
        found[CHALLENGER].role,
        found[CHALLENGER].follows,
    )
    assert {DEFAULT: 2.0, CHALLENGER: 0.0} == drift_states(subject.models)


def test_a_slot_without_a_stand_in_says_what_to_do() -> None:
    """Nothing is entered, and who may change that."""
    subject = lived({DEFAULT: OURS})
    alarm(subject)
    (one,) = by_slot(models_status(subject.models, NOW)).values()
    assert ("alarm", "nothing is entered on it; `kalshid model swap FOLDER` puts a model in") == (
        one.verdict,
        one.follows,
    )


def test_what_is_not_watched_says_so() -> None:
    """A model of changes has no verdict."""
    subject = lived({DEFAULT: Model(Said(0.01, output="change"), "c")}, Scripted())
    (one,) = by_slot(models_status(subject.models, NOW)).values()
    assert (None, None, "nothing: it is not watched") == (one.verdict, one.brier, one.follows)
    assert {} == drift_states(subject.models)
