"""Folds leak nothing; and what leaks, planted by hand, is caught."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.lab.folds import (
    Fold,
    LeakFound,
    NotFolded,
    Rule,
    check_folds,
    even_boundaries,
    inner_folds,
    joined,
    later_slices,
    span_of,
    walk_forward,
)

HORIZON, WINDOW = 10, 5
RULE = Rule(purge=HORIZON, embargo=WINDOW)


class Rows:
    """Forty events one after the other, five rows each; a settlement is shared by two events."""

    def __init__(self, events: int = 40) -> None:
        self.event = np.repeat(np.arange(events), 5)
        self.settlement = self.event // 2
        self.at = np.arange(events * 5) * 4
        self.label_at = self.at + HORIZON
        self.labels = (self.event, self.settlement)
        self.span = span_of(self.at, self.label_at, *self.labels)
        self.folds = walk_forward(self.span, even_boundaries(self.span, 4), RULE)

    def check(self, folds: list[Fold], rule: Rule = RULE) -> None:
        check_folds(self.at, self.label_at, self.labels, folds, rule)


def test_chains_of_labels_are_one_group() -> None:
    """Rows that share an event, or a settlement, or are linked by others that do."""
    assert [0, 0, 0, 1, 0] == joined(["a", "a", "b", "c", "d"], [1, 2, 2, 3, 1]).tolist()


def test_folds_walk_forward() -> None:
    """Each trains on what was over before it, more every time, and tests what comes after it."""
    rows = Rows()
    rows.check(rows.folds)
    assert [4, True] == [len(rows.folds), all(np.diff([len(fold.train) for fold in rows.folds]) > 0)]
    for fold in rows.folds:
        assert rows.label_at[fold.train].max() <= fold.boundary
        assert rows.at[fold.test].min() >= fold.boundary + WINDOW
        assert fold.end is None or rows.at[fold.test].min() < fold.end


def test_a_purge_longer_than_the_labels_is_kept() -> None:
    """What was decided less than the purge before it isn't trained on, though its label is known."""
    rows = Rows()
    folds = walk_forward(rows.span, even_boundaries(rows.span, 4), Rule(50, 0))
    assert all(rows.at[fold.train].max() + 50 <= fold.boundary for fold in folds)
    unpurged = walk_forward(rows.span, even_boundaries(rows.span, 4), Rule(0, 0))
    with pytest.raises(LeakFound, match="less than the purge before the test"):
        rows.check(unpurged, Rule(50, 0))


def test_what_is_decided_at_a_boundary_is_tested() -> None:
    """Even where its label is known at once and there are no gaps: never on both sides."""
    at = np.array([0, 5, 5, 9])
    (fold,) = walk_forward(span_of(at, at, np.arange(4)), [5], Rule(0, 0))
    assert ([0], [1, 2, 3]) == (fold.train.tolist(), fold.test.tolist())


def test_rolling_folds_forget() -> None:
    """What begins before the window isn't trained on."""
    rows = Rows()
    rule = replace(RULE, window=200)
    folds = walk_forward(rows.span, even_boundaries(rows.span, 4), rule)
    rows.check(folds, rule)
    assert all(rows.at[fold.train].min() >= fold.boundary - 200 for fold in folds)
    assert len(folds[-1].train) < len(rows.folds[-1].train)


SPANS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 30), st.integers(0, 12), st.integers(0, 9)),
    min_size=8,
    max_size=80,
)


@given(SPANS, st.integers(0, 30), st.integers(0, 30), st.integers(1, 4), st.none() | st.integers(50, 300))
def test_no_folds_leak(
    rows: list[tuple[int, int, int, int]], purge: int, embargo: int, count: int, window: int | None
) -> None:
    """Whatever the rows, groups and gaps: what is made passes the check, which knows nothing of how."""
    at, length, event, settlement = (np.array(column) for column in zip(*rows, strict=True))
    rule = Rule(purge, embargo, window)
    labels = (event, event * 10 + settlement)
    try:
        span = span_of(at, at + length, *labels)
        folds = walk_forward(span, even_boundaries(span, count), rule)
    except NotFolded:
        return
    check_folds(at, at + length, labels, folds, rule)
    for fold in folds:
        try:
            inner = inner_folds(span, fold, 2, rule)
        except NotFolded:
            continue
        check_folds(at, at + length, labels, inner, rule)
        for found in inner:
            assert set(found.train) | set(found.test) <= set(fold.train)


def planted(fold: Fold, *, train: list[int] | None = None, test: list[int] | None = None) -> Fold:
    """A fold with rows added that should not be there."""
    return replace(
        fold,
        train=np.concatenate((fold.train, np.array(train or [], dtype=np.intp))),
        test=np.concatenate((fold.test, np.array(test or [], dtype=np.intp))),
    )


def test_an_unpurged_overlap_is_caught() -> None:
    """A row whose label is known only inside the test."""
    rows = Rows()
    fold = rows.folds[1]
    starts = rows.at[fold.test].min()
    overlap = [int(np.flatnonzero((rows.at < starts) & (rows.label_at > starts))[0])]
    labels = (np.arange(len(rows.at)),)
    with pytest.raises(LeakFound, match="fold 0: 1 rows are trained on, less than the purge before the test"):
        check_folds(rows.at, rows.label_at, labels, [planted(fold, train=overlap)], RULE)


def test_folds_made_without_a_purge_are_caught() -> None:
    """The same walk with labels that are said to be known at once."""
    rows = Rows()
    rushed = span_of(rows.at, rows.at, rows.event)
    folds = walk_forward(rushed, even_boundaries(rushed, 4), Rule(0, 0))
    with pytest.raises(LeakFound, match="less than the purge before the test or labelled in it"):
        check_folds(rows.at, rows.label_at, (rows.event,), folds, Rule(HORIZON, 0))


def test_folds_made_without_an_embargo_are_caught() -> None:
    """A tested row's window reaches into what was trained on."""
    rows = Rows()
    folds = walk_forward(rows.span, even_boundaries(rows.span, 4), Rule(HORIZON, 0))
    with pytest.raises(LeakFound, match="tested, with a window that reaches what was trained on"):
        rows.check(folds, Rule(HORIZON, 60))


def test_a_group_in_train_and_test_is_caught() -> None:
    """Rows of one event on both sides, or of one settlement with another event."""
    rows = Rows()
    events = span_of(rows.at, rows.label_at, np.arange(len(rows.at)))
    folds = walk_forward(events, even_boundaries(events, 4), Rule(0, 0))
    with pytest.raises(LeakFound, match="groups are in train and in test"):
        rows.check(folds, Rule(0, 0))
    # Event 20 is over and event 21 tested, but they settle together.
    apart = span_of(rows.at, rows.at + 1, rows.event)
    between = walk_forward(apart, [int(rows.at[5 * 21])], Rule(0, 0))
    with pytest.raises(LeakFound, match="1 groups are in train and in test: 10"):
        check_folds(rows.at, rows.at + 1, rows.labels, between, Rule(0, 0))


def test_a_group_in_two_folds_is_caught() -> None:
    """A row tested twice, or an event of which another row was tested in an earlier fold."""
    rows = Rows()
    first, second = rows.folds[:2]
    with pytest.raises(LeakFound, match="fold 1: 1 rows are tested in an earlier fold too"):
        rows.check([first, planted(second, test=[int(first.test[-1])])])
    part = replace(first, test=first.test[:-1])
    with pytest.raises(LeakFound, match="fold 1: 1 groups are tested in an earlier fold too"):
        rows.check([part, planted(second, test=[int(first.test[-1])])])


def test_a_row_on_both_sides_and_an_empty_side_are_caught() -> None:
    """The plainest leak, and a test of nothing."""
    rows = Rows()
    fold = rows.folds[0]
    with pytest.raises(LeakFound, match="fold 0: 1 rows are in train and in test"):
        rows.check([planted(fold, train=[int(fold.test[0])])])
    with pytest.raises(LeakFound, match="fold 0: nothing to train or to test on"):
        rows.check([replace(fold, train=fold.train[:0])])


def test_tuning_on_the_test_fold_is_caught() -> None:
    """Inner folds that see a tested row are not inside the training rows, and their union tells."""
    rows = Rows()
    fold = rows.folds[-1]
    inner = inner_folds(rows.span, fold, 3, RULE)
    rows.check(inner)
    rows.check([*inner, fold])
    tuned = [planted(inner[-1], test=[int(fold.test[0])])]
    with pytest.raises(LeakFound, match="fold 1: 1 rows are tested in an earlier fold too"):
        rows.check([*tuned, fold])


def test_slices_come_one_after_the_other() -> None:
    """To fit, to calibrate, to stack: no group in two, and gaps between them as between folds."""
    rows = Rows()
    slices = later_slices(rows.span, rows.folds[-1].train, (0.5, 0.25, 0.25), RULE)
    assert all(len(part) for part in slices)
    for earlier, later in pairwise(slices):
        assert rows.at[later].min() - rows.label_at[earlier].max() >= WINDOW
        rows.check([Fold(0, None, earlier, later)])
    assert set(np.concatenate(slices)) <= set(rows.folds[-1].train)


@pytest.mark.parametrize(
    ("at", "label_at", "events", "said"),
    [
        ([], [], [], "at least one of each"),
        ([1, 2], [2, 1], ["a", "b"], r"label_at\[1\] is before at\[1\]"),
        ([1, 2], [2, 3], ["a"], r"arrays of \[1, 2\] rows"),
    ],
)
def test_rows_without_a_span_are_named(
    at: list[int], label_at: list[int], events: list[str], said: str
) -> None:
    """With what is allowed."""
    with pytest.raises(NotFolded, match=said):
        span_of(at, label_at, events)


@pytest.mark.parametrize(
    ("purge", "embargo", "window", "said"),
    [(-1, 0, None, "Ns from 0 are allowed"), (10, 0, 10, "more than the purge")],
)
def test_gaps_that_are_none_are_named(purge: int, embargo: int, window: int | None, said: str) -> None:
    """With what is allowed."""
    with pytest.raises(NotFolded, match=said):
        Rule(purge, embargo, window)


@pytest.mark.parametrize(
    ("count", "share", "said"),
    [(50, 0.5, "20 groups are too few for 50 folds"), (2, 1.0, "a share inside 0")],
)
def test_too_many_folds_are_named(count: int, share: float, said: str) -> None:
    """With the groups that there are."""
    with pytest.raises(NotFolded, match=said):
        even_boundaries(Rows().span, count, share)


@pytest.mark.parametrize(
    ("boundaries", "rule", "said"),
    [
        ([400, 300], RULE, "each after the one before"),
        ([], RULE, "each after the one before"),
        ([0], RULE, "nothing to train on"),
        ([400, 401], Rule(0, 99), "nothing to test on"),
    ],
)
def test_folds_with_nothing_in_them_are_named(boundaries: list[int], rule: Rule, said: str) -> None:
    """Which side has nothing, and why."""
    with pytest.raises(NotFolded, match=said):
        walk_forward(Rows().span, boundaries, rule)


@pytest.mark.parametrize(
    ("shares", "rule", "said"),
    [((0.5, 0.4), RULE, "that sum to 1"), ((0.5, 0.5), Rule(0, 9999), "slice 1 of .* has no rows")],
)
def test_slices_with_nothing_in_them_are_named(shares: tuple[float, ...], rule: Rule, said: str) -> None:
    """Which slice, and what is allowed."""
    rows = Rows()
    with pytest.raises(NotFolded, match=said):
        later_slices(rows.span, rows.folds[0].train, shares, rule)
