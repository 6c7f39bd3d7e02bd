"""Walk-forward folds: purged, embargoed, and no event or settlement in two of them.

Time is cut at boundaries. The fold of a boundary is tested on what comes between it and the next one, and
trained on what was over before it:

    ── train: every label known ──┤boundary├── embargo ──├── test ────────────────┤next boundary

- *Groups.* Rows that share an event or a settlement share an outcome, and so do those that are joined by a
  chain of both: they are one group, and a group is in train, in test, or in neither, as a whole.
- *Purge.* A group is trained on only if the last label of it is known at the boundary, and each of its rows
  is at least `purge` older than it.
- *Embargo.* A group is tested on only if its first row is at least `embargo` after the boundary, so that no
  feature window of a tested row reaches into what was trained on.

`check_folds` looks for the same leaks row by row, by other means, and is what a pipeline calls last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from daemon.core.units import Ns

Instants = NDArray[np.int64]
Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]
Labels = Sequence[object] | NDArray[np.generic]


class LeakFound(Exception):
    """Folds of which a test is no test: says which fold, which rows and why."""


class NotFolded(ValueError):
    """Rows or rules that no folds can be made of; says what is allowed."""


@dataclass(frozen=True)
class Span:
    """When each row was decided and when its label was known, and with which rows it shares an outcome.

    Arrays of shape (rows,): `at` and `label_at` in Ns, `group` counting groups from 0. Made by `span_of`.
    """

    at: Instants
    label_at: Instants
    group: Rows


@dataclass(frozen=True)
class Rule:
    """Gaps of a split, in Ns: `purge` at least the labels' horizon, `embargo` at least the longest window.

    `window` makes training rolling: groups that begin earlier than this before the boundary are left out;
    None trains on all that is older (expanding).
    """

    purge: Ns
    embargo: Ns
    window: Ns | None = None

    def __post_init__(self) -> None:
        """Refuse gaps below 0, and an empty window."""
        if self.purge < 0 or self.embargo < 0:
            raise NotFolded(f"purge {self.purge} and embargo {self.embargo}: Ns from 0 are allowed")
        if self.window is not None and self.window <= self.purge:
            raise NotFolded(
                f"window is {self.window} ns, where more than the purge ({self.purge}) is allowed"
            )


@dataclass(frozen=True)
class Fold:
    """Row numbers by time: `train` was over at `boundary`, `test` begins after it and before `end`."""

    boundary: Ns
    end: Ns | None
    train: Rows
    test: Rows


def joined(*labels: Labels) -> Rows:
    """Return groups of rows that share a value of any of the labels, directly or by a chain, from 0.

    Args:
        labels: events, settlements, …, each of shape (rows,); the order of the groups is that of first rows.
    """
    rows = len(labels[0])
    group = np.arange(rows, dtype=np.intp)
    indexes = [np.unique(np.asarray(label), return_inverse=True)[1] for label in labels]
    while True:
        before = group
        for index in indexes:
            # Each value takes the lowest group among its rows; repeated until no chain gets shorter.
            lowest = np.full(int(index.max()) + 1, rows, dtype=np.intp)
            np.minimum.at(lowest, index, group)
            group = lowest[index]
        if np.array_equal(group, before):
            return np.unique(group, return_inverse=True)[1]


def span_of(at: ArrayLike, label_at: ArrayLike, *labels: Labels) -> Span:
    """Return the span of rows.

    Args:
        at: when each row was decided, Ns.
        label_at: when its label was known, Ns: never before `at`.
        labels: events and settlements, each of shape (rows,).

    Raises:
        NotFolded: no rows, no labels, different lengths, or a label that is known before its row.
    """
    decided, known = np.asarray(at, dtype=np.int64), np.asarray(label_at, dtype=np.int64)
    if not decided.size or not labels:
        raise NotFolded("rows and their events: at least one of each is needed")
    lengths = {len(decided), len(known), *(len(label) for label in labels)}
    if len(lengths) > 1:
        raise NotFolded(f"arrays of {sorted(lengths)} rows, where one length is allowed")
    early = known < decided
    if early.any():
        row = int(np.argmax(early))
        raise NotFolded(f"label_at[{row}] is before at[{row}]: a label is known after its row")
    return Span(decided, known, joined(*labels))


def even_boundaries(span: Span, folds: int, first_share: float = 0.5) -> list[Ns]:
    """Return boundaries that give each fold the same count of groups to test on.

    Args:
        span: of the rows.
        folds: how many.
        first_share: of the groups, in the order of their first row, that come before the first boundary.

    Raises:
        NotFolded: fewer groups than are needed for so many folds.
    """
    if folds < 1 or not 0 < first_share < 1:
        raise NotFolded(
            f"{folds} folds after {first_share}: 1 or more after a share inside 0 .. 1 is allowed"
        )
    begins = np.sort(_first(span, span.at))
    cuts = np.round(len(begins) * (first_share + (1 - first_share) * np.arange(folds) / folds)).astype(
        np.intp
    )
    boundaries = [int(begin) for begin in begins[np.minimum(cuts, len(begins) - 1)]]
    if cuts[0] < 1 or len(set(boundaries)) < folds:
        raise NotFolded(f"{len(begins)} groups are too few for {folds} folds after {first_share:.0%} of them")
    return boundaries


def _first(span: Span, values: Instants) -> Instants:
    """The lowest value of each group."""
    lowest = np.full(int(span.group.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(lowest, span.group, values)
    return lowest


def _last(span: Span, values: Instants) -> Instants:
    """The highest value of each group."""
    highest = np.full(int(span.group.max()) + 1, np.iinfo(np.int64).min)
    np.maximum.at(highest, span.group, values)
    return highest


def _is_over(ends: Instants, known: Instants, boundary: Ns, rule: Rule) -> Flags:
    """Which groups were decided, purged and labelled by a boundary; one decided at it comes after it."""
    return (known <= boundary) & (ends + rule.purge <= boundary) & (ends < boundary)


def walk_forward(span: Span, boundaries: Sequence[Ns], rule: Rule) -> list[Fold]:
    """Return one fold per boundary, in order; the last one's test is open to the end.

    Args:
        span: of the rows.
        boundaries: instants, rising.
        rule: the gaps.

    Raises:
        NotFolded: boundaries that don't rise, or one with nothing to train or to test on.
    """
    if not boundaries or any(a >= b for a, b in pairwise(boundaries)):
        raise NotFolded(
            f"boundaries {list(boundaries)}: at least one, each after the one before it, is allowed"
        )
    begins, ends = _first(span, span.at), _last(span, span.at)
    known = _last(span, span.label_at)
    by_time = np.argsort(span.at, kind="stable")
    folds = []
    for number, boundary in enumerate(boundaries):
        end = boundaries[number + 1] if number + 1 < len(boundaries) else None
        trained = _is_over(ends, known, boundary, rule)
        if rule.window is not None:
            trained &= begins >= boundary - rule.window
        tested = begins >= boundary + rule.embargo
        if end is not None:
            tested &= begins < end
        train, test = (by_time[chosen[span.group[by_time]]] for chosen in (trained, tested))
        if not train.size or not test.size:
            empty = "test" if train.size else "train"
            raise NotFolded(f"the fold at {boundary} has nothing to {empty} on: purge and embargo take all")
        folds.append(Fold(boundary, end, train, test))
    return folds


def _only(span: Span, rows: Rows) -> Span:
    return Span(span.at[rows], span.label_at[rows], np.unique(span.group[rows], return_inverse=True)[1])


def inner_folds(span: Span, fold: Fold, folds: int, rule: Rule, first_share: float = 0.5) -> list[Fold]:
    """Return folds inside a fold's training rows, for tuning: none sees a row of its test.

    Row numbers are those of `span`. Raises NotFolded as `walk_forward` does.
    """
    inner = _only(span, fold.train)
    return [
        Fold(found.boundary, found.end, fold.train[found.train], fold.train[found.test])
        for found in walk_forward(inner, even_boundaries(inner, folds, first_share), rule)
    ]


def later_slices(span: Span, rows: Rows, shares: Sequence[float], rule: Rule) -> list[Rows]:
    """Return slices of rows one after the other, purged and embargoed: to fit, to calibrate, to stack.

    Args:
        span: of all rows.
        rows: row numbers to cut, such as a fold's `train`.
        shares: of the groups for each slice, in the order of time; they sum to 1.
        rule: the gaps between a slice and the next; its window is not used.

    Raises:
        NotFolded: shares that don't sum to 1, or a slice with no rows.
    """
    if len(shares) < 2 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise NotFolded(f"shares {list(shares)}: two or more above 0 that sum to 1 are allowed")
    inner = _only(span, np.asarray(rows, dtype=np.intp))
    begins, ends, known = _first(inner, inner.at), _last(inner, inner.at), _last(inner, inner.label_at)
    ordered = np.sort(begins)
    cuts = np.round(np.cumsum(shares)[:-1] * len(ordered)).astype(np.intp)
    borders = [int(ordered[min(cut, len(ordered) - 1)]) for cut in cuts]
    by_time = np.argsort(inner.at, kind="stable")
    slices = []
    for number in range(len(shares)):
        chosen = np.ones(len(begins), dtype=np.bool_)
        if number:
            chosen &= begins >= borders[number - 1] + rule.embargo
        if number < len(borders):
            chosen &= _is_over(ends, known, borders[number], rule)
        if not chosen.any():
            raise NotFolded(f"slice {number} of {list(shares)} has no rows: purge and embargo take all")
        slices.append(np.asarray(rows, dtype=np.intp)[by_time[chosen[inner.group[by_time]]]])
    return slices


def check_folds(
    at: ArrayLike, label_at: ArrayLike, labels: Sequence[Labels], folds: Sequence[Fold], rule: Rule
) -> None:
    """Pass folds whose tests are tests.

    Args:
        at: when each row was decided, Ns.
        label_at: when its label was known, Ns.
        labels: events and settlements, each of shape (rows,): no value of one may be in train and in test.
        folds: to check, whoever made them.
        rule: the gaps that they must keep.

    Raises:
        LeakFound: a row in train and test or in two tests; an event or a settlement in two folds' tests, or
            in train and test; a label that is known only after the first tested row less the purge; a feature
            window that reaches from a tested row to a trained one or its label; training on later rows.
    """
    decided, known = np.asarray(at, dtype=np.int64), np.asarray(label_at, dtype=np.int64)
    tested_before: set[int] = set()
    values_before: list[set[object]] = [set() for _ in labels]
    for number, fold in enumerate(folds):
        place = f"fold {number}"
        train, test = {int(row) for row in fold.train}, {int(row) for row in fold.test}
        if not train or not test:
            raise LeakFound(f"{place}: nothing to train or to test on")
        _refuse(place, "in train and in test", "rows", train & test)
        _refuse(place, "tested in an earlier fold too", "rows", test & tested_before)
        tested_before |= test
        for label, before in zip(labels, values_before, strict=True):
            column = np.asarray(label)
            here, there = set(column[sorted(test)].tolist()), set(column[sorted(train)].tolist())
            _refuse(place, "in train and in test", "groups", here & there)
            _refuse(place, "tested in an earlier fold too", "groups", here & before)
            before.update(here)
        _check_time(place, decided, known, fold, rule)


def _check_time(place: str, at: Instants, label_at: Instants, fold: Fold, rule: Rule) -> None:
    starts = int(at[fold.test].min())
    late = {int(row) for row in fold.train if at[row] + rule.purge > starts or label_at[row] > starts}
    _refuse(
        place, f"trained on, less than the purge before the test or labelled in it ({starts})", "rows", late
    )
    over = max(int(label_at[fold.train].max()), int(at[fold.train].max()))
    near = {int(row) for row in fold.test if at[row] - rule.embargo < over}
    _refuse(place, f"tested, with a window that reaches what was trained on ({over})", "rows", near)


def _refuse(place: str, why: str, what: str, found: set[int] | set[object]) -> None:
    if found:
        first = sorted(found, key=str)[:3]
        raise LeakFound(f"{place}: {len(found)} {what} are {why}: {', '.join(map(str, first))}")
