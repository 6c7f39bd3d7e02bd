"""From what a request says to rows in a model's order, and to what the model says of them.

An absent feature is a missing value. What is not a feature, or not a number, is refused with its place and
with what is allowed: a misspelt feature would otherwise be a missing one, and the answer a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from math import isfinite
from typing import Any, TypeAlias

from daemon.core.scorer import Scorer
from daemon.lab.serve.bodies import PROBLEMS_MAX, ROWS_MAX, Problem, Refusal, Refused, Scored
from daemon.scoring.metadata import TrainingRange

Row: TypeAlias = tuple[float | None, ...]
"""In schema order; None is missing."""

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""How a number is written in a query: as in JSON, and a little more; no nan, no infinity, no spaces."""
_NUMBER_CHARS_MAX = 64


def query_row(scorer: Scorer, pairs: Iterable[tuple[str, str]]) -> Row:
    """Return the row of a query's parameters.

    Raises:
        Refused: 422, a name is no feature of the model or comes twice, a value is no number, or a required
            feature is absent.
    """
    said: dict[str, float | None] = {}
    problems = []
    for name, text in pairs:
        number = _number(text)
        if name not in scorer.schema.names:
            problems.append(Problem("is not a feature of this model", name))
        elif name in said:
            problems.append(Problem("is given twice", name))
        elif number is None:
            problems.append(Problem("is not a finite number; leave it out for a missing value", name))
        said[name] = number
    problems += [Problem("is required", name) for name in _names(scorer, scorer.required - said.keys())]
    _refuse(scorer, problems)
    return tuple(said.get(name) for name in scorer.schema.names)


def batch_rows(scorer: Scorer, rows: Sequence[Any]) -> list[Row]:
    """Return the rows of a batch as JSON gave them: an object per row, of numbers and nulls.

    Raises:
        Refused: 422, a row is none that the model takes; each problem has the row's index.
    """
    if not 1 <= len(rows) <= ROWS_MAX:
        raise Refused(422, Refusal(f"rows: {len(rows)} rows, where 1 to {ROWS_MAX} are allowed"))
    problems = [found for index, row in enumerate(rows) for found in _row_problems(scorer, index, row)]
    _refuse(scorer, problems)
    return [tuple(_float(row.get(name)) for name in scorer.schema.names) for row in rows]


def score_row(scorer: Scorer, ranges: dict[str, TrainingRange], row: Row, index: int | None = None) -> Scored:
    """Return what a model says of a row.

    Raises:
        Refused: 422, the model has no score of it.
    """
    try:
        value = scorer.score(row)
    except Exception as error:  # the libraries' errors have no common base
        raise _unscored(f"the model has no score of this row: {error}", index) from error
    if not isfinite(value):
        raise _unscored(f"the model's score of this row is {value}", index)
    named = list(zip(scorer.schema.names, row, strict=True))
    return Scored(
        value=value,
        missing=tuple(name for name, known in named if known is None),
        beyond_training=tuple(
            name
            for name, known in named
            if known is not None and name in ranges and not ranges[name].q001 <= known <= ranges[name].q999
        ),
    )


def _number(text: str) -> float | None:
    if len(text) > _NUMBER_CHARS_MAX or re.fullmatch(NUMBER, text) is None:
        return None
    number = float(text)
    return number if isfinite(number) else None


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(float(value))
    except OverflowError:  # a whole number beyond what a float holds
        return False


def _row_problems(scorer: Scorer, index: int, row: object) -> list[Problem]:
    if not isinstance(row, dict):
        return [Problem("is not an object of features", None, index)]
    found = []
    for name, value in row.items():
        if name not in scorer.schema.names:
            found.append(Problem("is not a feature of this model", name, index))
        elif value is not None and not _is_number(value):
            found.append(Problem("is neither a finite number nor null", name, index))
    known = {name for name, value in row.items() if value is not None}
    return found + [Problem("is required", name, index) for name in _names(scorer, scorer.required - known)]


def _names(scorer: Scorer, chosen: Set[str]) -> tuple[str, ...]:
    """In the order of the schema."""
    return tuple(name for name in scorer.schema.names if name in chosen)


def _refuse(scorer: Scorer, problems: Sequence[Problem]) -> None:
    if not problems:
        return
    first, more = problems[0], len(problems) - 1
    place = "" if first.row is None else f"row {first.row}: "
    raise Refused(
        422,
        Refusal(
            error=f"{place}{first.name or 'it'} {first.reason}" + (f", and {more} more" if more else ""),
            problems=tuple(problems[:PROBLEMS_MAX]),
            problems_total=len(problems),
            allowed=scorer.schema.names,
            required=_names(scorer, scorer.required),
        ),
    )


def _unscored(reason: str, index: int | None) -> Refused:
    return Refused(422, Refusal("no score", (Problem(reason, None, index),), 1))
