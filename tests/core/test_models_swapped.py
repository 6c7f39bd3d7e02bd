"""Swaps in the engine: between two decisions, by an event, refused where they can't be."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import CancelOrder, Command, PlaceOrder
from daemon.core.models import CHALLENGER, DEFAULT, Model, Models
from daemon.core.units import MILLISECOND, SECOND, Ns
from tests.core.test_models import BUY, Said, lived, scripted, sent
from tests.core.worlds import NOW, snapshot


class Shelf:
    """A source with one model, whatever is asked for."""

    def __init__(self, model: Model | None) -> None:
        self.model = model

    def get(self, event: e.ModelSwapped) -> Model | None:  # noqa: ARG002
        """Return it."""
        return self.model


def swap(slot: str = DEFAULT, sha256: str = "two", at: Ns = NOW + 1, **changes: object) -> e.ModelSwapped:
    """A swap."""
    return msgspec.structs.replace(e.ModelSwapped(slot, "m/2", "said", "2", sha256, at), **changes)


def test_a_swap_takes_effect_at_the_next_decision() -> None:
    """With the model's expiry by the event; the record begins anew."""
    new = Model(Said(0.9, ("spread",), required=(), version="2"), "two")
    subject = lived({DEFAULT: Model(Said(0.2), "one")}, source=Shelf(new))
    subject.decide(NOW)
    record = subject.models.record
    subject.handle(swap(expires_at=NOW + SECOND))
    subject.decide(NOW + 1)
    assert [0.2, 0.9] == [view.score for view in scripted(subject).views]
    assert (1, 0) == (subject.models.swaps, subject.models.swaps_refused)
    assert NOW + SECOND == subject.models.default.expires_at
    assert record is not subject.models.record


def test_what_rests_goes_when_its_model_expires() -> None:
    """The score is still given; but what it opened is taken out, not only nothing new sent."""
    new = Model(Said(version="2"), "two")
    subject = lived({DEFAULT: Model(Said(), "one")}, source=Shelf(new))
    scripted(subject).targets = (BUY,)
    subject.handle(swap(expires_at=NOW + 2))
    (placed,) = [command for command in subject.decide(NOW + 1) if isinstance(command, PlaceOrder)]
    subject.handle(e.OrderAccepted("place", placed.client_order_id, "id", 0, placed.qty, NOW + 1, None))
    subject.handle(snapshot(NOW + 2))
    assert [CancelOrder] == sent(subject.decide(NOW + 2))
    assert 0.5 == scripted(subject).views[-1].score


def test_a_challenger_may_come_where_there_was_none() -> None:
    """Without a restart, as long as its features are computed."""
    other = Said(0.9)
    subject = lived({DEFAULT: Model(Said())}, source=Shelf(Model(other, "two")))
    subject.handle(swap(CHALLENGER))
    subject.decide(NOW)
    assert (1, 1) == (len(other.rows), subject.models.record.comparisons)


LACKING = Model(Said(names=("mid", "ofi_1s")), "two")


@pytest.mark.parametrize(
    ("model", "event"),
    [
        (None, swap()),
        (Model(Said(), "another"), swap()),
        (LACKING, swap()),
        (Model(Said(), "two"), swap("nobody")),
        (Model(Said(output="change"), "two"), swap()),
    ],
    ids=["unknown", "another sha256", "features", "slot", "output"],
)
def test_a_swap_that_cannot_be_changes_nothing(model: Model | None, event: e.ModelSwapped) -> None:
    """It is counted, and the old one goes on scoring."""
    subject = lived({DEFAULT: Model(Said(0.2), "one")}, source=Shelf(model))
    subject.handle(event)
    subject.decide(NOW)
    assert 0.2 == scripted(subject).views[-1].score
    assert (0, 1) == (subject.models.swaps, subject.models.swaps_refused)


def test_an_objection_says_what_to_do() -> None:
    """Which features are lacking, and that a restart has them; which slots there are; which output."""
    models = Models({DEFAULT: Model(Said())})
    assert models.objection(DEFAULT, Model(Said())) is None
    assert "does not compute: ofi_1s; restart" in (models.objection(DEFAULT, LACKING) or "")
    assert "no slot 'x'; there are: default, challenger" in (models.objection("x", LACKING) or "")
    assert "its output is a change" in (models.objection(CHALLENGER, Model(Said(output="change"))) or "")


def test_the_same_events_give_the_same_scores_and_commands() -> None:
    """With a swap among them, at the instants of the first life."""

    def life() -> tuple[list[Command], list[float | None]]:
        subject = lived({DEFAULT: Model(Said(0.2), "one")}, source=Shelf(Model(Said(0.9), "two")))
        scripted(subject).targets = (BUY,)
        commands: list[Command] = []
        for number in range(6):
            at = NOW + number * 100 * MILLISECOND
            subject.handle(swap(at=at) if number == 3 else snapshot(at))
            commands += subject.decide(at)
        return commands, [view.score for view in scripted(subject).views]

    first = life()
    assert first == life()
    assert {0.2, 0.9} == set(first[1])
