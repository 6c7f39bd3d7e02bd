"""From a request to rows: numbers arrive bit for bit, what is wrong is named with its place."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("scipy", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")

from daemon.core.scorer import Scorer
from daemon.lab.serve.bodies import PROBLEMS_MAX, ROWS_MAX, Problem, Refused
from daemon.lab.serve.rows import batch_rows, query_row, score_row
from daemon.scoring.metadata import TrainingRange
from daemon.scoring.registry import load_model
from tests.lab.serve.made_registry import DAILY_NAMES, daily_model


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    folder: Path = daily_model(tmp_path_factory.mktemp("registry"))
    return load_model(folder).scorer


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_arrives_as_it_was(scorer: Scorer, number: float) -> None:
    """In a query and in a batch, bit for bit; what is absent is missing."""
    expected = [repr(number), *["None"] * (len(DAILY_NAMES) - 1)]
    assert expected == [repr(value) for value in query_row(scorer, [("RET_1", repr(number))])]
    body = msgspec.json.decode(msgspec.json.encode([{"RET_1": number, "RET_2": None}]))
    assert expected == [repr(value) for value in batch_rows(scorer, body)[0]]


@pytest.mark.parametrize(
    "text",
    ["", "nan", "inf", "-Infinity", "1_000", "1,5", "0x10", " 1", "1 ", "1e999", "٣", "true", "1" * 65],
)
def test_what_is_no_number_is_refused(scorer: Scorer, text: str) -> None:
    """Also what Python would take for one; the parameter is named, and what is allowed."""
    with pytest.raises(Refused) as caught:
        query_row(scorer, [("RET_1", "0.1"), ("RET_2", text)])
    body = caught.value.body
    assert (422, "RET_2", DAILY_NAMES) == (caught.value.status, body.problems[0].name, body.allowed)
    assert ("RET_1",) == body.required


def test_all_that_is_wrong_with_a_query_is_told_at_once(scorer: Scorer) -> None:
    """Unknown, twice, no number, and what is required."""
    with pytest.raises(Refused) as caught:
        query_row(scorer, [("ret_1", "1"), ("RET_2", "1"), ("RET_2", "1"), ("RET_3", "x")])
    assert [("ret_1", "is not a feature"), ("RET_2", "is given twice"), ("RET_3", "is not a finite number"),
            ("RET_1", "is required")] == [
        (one.name, one.reason[: len(wanted)])
        for one, wanted in zip(
            caught.value.body.problems,
            ("is not a feature", "is given twice", "is not a finite number", "is required"), strict=True,
        )
    ]  # fmt: skip
    assert "and 3 more" in caught.value.body.error


def test_problems_of_a_batch_have_their_row(scorer: Scorer) -> None:
    """All rows or none; a bool, a text, a list and a number beyond all floats are no numbers."""
    rows = [{"RET_1": 1}, {"RET_1": True}, {"RET_1": 0.0, "NO": 1}, 7, {"RET_1": 10**400}, {"RET_1": None}]
    with pytest.raises(Refused) as caught:
        batch_rows(scorer, rows)
    assert [(1, "RET_1"), (2, "NO"), (3, None), (4, "RET_1"), (5, "RET_1")] == [
        (one.row, one.name) for one in caught.value.body.problems
    ]
    assert Problem("is required", "RET_1", 5) == caught.value.body.problems[-1]


@pytest.mark.parametrize("count", [0, ROWS_MAX + 1])
def test_a_batch_is_bounded(scorer: Scorer, count: int) -> None:
    """None and too many are refused with how many are allowed."""
    with pytest.raises(Refused, match=f"{count} rows, where 1 to {ROWS_MAX} are allowed"):
        batch_rows(scorer, [{"RET_1": 0.0}] * count)


def test_a_refusal_is_bounded(scorer: Scorer) -> None:
    """A thousand problems are counted, some told."""
    with pytest.raises(Refused) as caught:
        batch_rows(scorer, [{}] * ROWS_MAX)
    assert (PROBLEMS_MAX, ROWS_MAX) == (len(caught.value.body.problems), caught.value.body.problems_total)


def test_a_score_says_what_it_stands_on(scorer: Scorer) -> None:
    """What is missing, and what lies beyond its training; the bounds themselves do not."""
    ranges = {"RET_1": TrainingRange(q001=-1.0, q999=1.0), "RET_2": TrainingRange(q001=-1.0, q999=1.0)}
    row = (1.0, 1.5, *[None] * (len(DAILY_NAMES) - 2))
    found = score_row(scorer, ranges, row)
    assert (scorer.score(row), DAILY_NAMES[2:], ("RET_2",)) == (
        found.value, found.missing, found.beyond_training,
    )  # fmt: skip


def test_a_row_without_a_score_is_refused(scorer: Scorer) -> None:
    """With its index, not with a number that means nothing."""
    with pytest.raises(Refused) as caught:
        score_row(scorer, {}, (1.0,), 4)
    assert (422, 4) == (caught.value.status, caught.value.body.problems[0].row)
