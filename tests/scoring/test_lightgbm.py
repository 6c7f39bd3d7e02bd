"""The fast path against `Booster.predict`, bit by bit, and what it refuses."""

from __future__ import annotations

import gc
import weakref
from array import array

import lightgbm
import numpy as np
import pytest

from daemon.core.scorer import FeatureSchema
from daemon.scoring.lightgbm import LightGBMError, LightGBMScorer
from tests.scoring.model_folder import REQUIRED, SCHEMA, model_text, random_rows, scorer, without_nan


def test_all_of_ten_thousand_rows_are_bit_equal_to_predict() -> None:
    """Every row, missing values included, gives the same bits as LightGBM's own call."""
    rows = random_rows(10_000, 7)
    expected = lightgbm.Booster(model_str=model_text().decode()).predict(rows, num_threads=1)
    model = scorer()
    actual = [model.score(without_nan(row)) for row in rows]
    assert np.asarray(expected).tolist() == actual
    assert actual == [model.score(array("d", row.tolist())) for row in rows]


def test_a_score_is_a_probability_even_of_nothing() -> None:
    """A row of missing values only has a score too; whether to ask for it is the caller's rule."""
    assert 0 < scorer().score([None] * len(SCHEMA.names)) < 1


@pytest.mark.parametrize("length", [4, 6])
def test_a_row_of_another_length_is_an_error(length: int) -> None:
    """A row that isn't the schema's is never padded or cut."""
    with pytest.raises(ValueError, match=r"slice|size"):
        scorer().score([0.0] * length)
    with pytest.raises(ValueError, match="structures"):
        scorer().score(array("d", [0.0] * length))


def test_a_schema_of_another_length_is_refused() -> None:
    """The model's number of features must be the schema's."""
    with pytest.raises(LightGBMError, match="the model has 5 features, the schema 2"):
        LightGBMScorer(model_text(), "toy", "1", FeatureSchema(("mid", "spread")), REQUIRED)


def test_a_text_that_is_no_model_is_refused() -> None:
    """What LightGBM can't read is an error with its reason, not a crash."""
    with pytest.raises(LightGBMError):
        LightGBMScorer(b"not a model", "toy", "1", SCHEMA, REQUIRED)


def test_two_scorers_do_not_share_their_buffers() -> None:
    """A second model's call leaves the first one's result as it is."""
    first, second = scorer(), scorer()
    rows = [without_nan(row) for row in random_rows(50, 9)]
    alone = [first.score(row) for row in rows]
    mixed = []
    for row in rows:
        mixed.append(first.score(row))
        second.score(rows[0])
    assert alone == mixed


def test_closing_twice_and_letting_go_free_the_model_once() -> None:
    """The library's memory is released by close or with the object, never twice."""
    model = scorer()
    model.close()
    model.close()
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
