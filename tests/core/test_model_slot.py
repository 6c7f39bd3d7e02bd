"""A slot: its model over the union row, and what it makes of what the model says."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import nan

from daemon.core.model_slot import DEFAULT, NO_MODEL, Model, ModelSlot, Range, Score
from daemon.core.scorer import FeatureSchema, Output

PLACES = {"spread": 0, "mid": 1, "seconds_to_close": 2}


class Mid:
    """A model that says the mid."""

    name, version = "mid", "1"
    schema = FeatureSchema(("mid", "seconds_to_close"))
    required = frozenset({"mid"})
    output: Output = "probability"

    def score(self, row: Sequence[float | None]) -> float:
        """Return the first column."""
        (mid, _) = row
        assert mid is not None
        return mid


def test_a_slot_without_a_model_has_no_score() -> None:
    """And says so."""
    assert ModelSlot(DEFAULT).score("A", (0.1, 0.5, 60.0), 0) == NO_MODEL


def test_a_model_reads_its_own_columns() -> None:
    """By place in the row that all share; what is required and unknown is named."""
    slot = ModelSlot(DEFAULT)
    slot.take(Model(Mid()), PLACES)
    assert Score(0.5) == slot.score("A", (0.1, 0.5, None), 0)
    assert Score(None, "unknown_features", "mid") == slot.score("B", (0.1, None, None), 0)
    assert {"A": 0.5, "B": None} == slot.scores
    assert {"scored": 1, "unknown_features": 1} == slot.counts


def test_a_row_may_be_an_array() -> None:
    """NaN is unknown: to the slot, and to a model that knows None alone; who reads NaN gets it as it is."""
    slot, rows = ModelSlot(DEFAULT), list[list[float | None]]()

    class Keeps(Mid):
        reads_nan = False

        def score(self, row: Sequence[float | None]) -> float:
            rows.append(list(row))
            return 0.5

    class Reads(Keeps):
        reads_nan = True

    for model in (Keeps(), Reads()):
        slot.take(Model(model, ranges=(Range("mid", 0.4, 0.6),)), PLACES)
        assert Score(0.5) == slot.score("A", array("d", (0.1, 0.5, nan)), 0)
        assert ("mid",) == slot.missing(array("d", (0.1, nan, nan)))
        assert "unknown_features" == slot.score("A", array("d", (0.1, nan, nan)), 0).doubt
    assert [0.5, None] == rows[0]
    assert (0.5, True) == (rows[1][0], rows[1][1] is not None)


def test_a_doubted_score_is_none_to_its_neighbours() -> None:
    """What is sized jointly with it would rest on it too."""
    slot = ModelSlot(DEFAULT)
    slot.take(Model(Mid(), ranges=(Range("mid", 0.6, 0.7),)), PLACES)
    slot.score("A", (0.1, 0.5, None), 0)
    slot.score("B", (0.1, 0.65, None), 0)
    assert {"A": 0.5, "B": 0.65} == slot.scores
    assert [None, 0.65, None] == [slot.sound_score(ticker) for ticker in ("A", "B", "C")]


def test_a_new_model_begins_anew() -> None:
    """Scores, doubts and the terms are those of the model that is in."""
    slot = ModelSlot(DEFAULT)
    slot.take(Model(Mid(), expires_at=9, ranges=(Range("mid", 0.6, 0.7),)), PLACES)
    assert "score_out_of_range" == slot.score("A", (0.1, 0.5, None), 0).doubt
    assert slot.is_expired(9)
    slot.take(Model(Mid()), PLACES)
    assert ({}, {}, False) == (slot.scores, slot.doubted, slot.is_expired(9))
