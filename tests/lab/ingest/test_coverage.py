"""What was read: spans that join, what is missing of them, and the file that remembers."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.lab.ingest.coverage import Coverage, Covered, Span, joined, without
from daemon.lab.store_tables import StoreError

SPANS = st.tuples(st.integers(0, 30), st.integers(1, 10)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def seconds(spans: list[Span] | tuple[Span, ...]) -> set[int]:
    return {second for since, until in spans for second in range(since, until)}


@given(spans=st.lists(SPANS, max_size=8), wanted=SPANS)
def test_spans_are_what_they_cover(spans: list[Span], wanted: Span) -> None:
    """Joined they cover the same seconds, apart and in order; what is missing is the rest of the wanted."""
    found = joined(spans)
    assert seconds(spans) == seconds(found)
    assert all(before[1] < after[0] for before, after in pairwise(found))
    missing = without(wanted, found)
    assert seconds([wanted]) - seconds(spans) == seconds(missing)
    assert all(since < until for since, until in missing)


@given(lines=st.lists(st.tuples(st.sampled_from("ab"), SPANS), max_size=12))
def test_the_file_remembers(lines: list[tuple[str, Span]]) -> None:
    """Read again it is the same, however it was written; and it doesn't grow without end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state" / "S.jsonl"
        subject = Coverage(path)
        for stream, span in lines:
            subject.add([Covered(stream, *span)])
        again = Coverage(path)
        for stream in "ab":
            assert joined([span for name, span in lines if name == stream]) == subject.of(stream)
            assert subject.of(stream) == again.of(stream)
        count = sum(len(again.of(stream)) for stream in "ab")
        assert not lines or len(path.read_bytes().splitlines()) <= 3 * count


def test_a_torn_line_was_never_written(tmp_path: Path) -> None:
    """The crash in the middle of a line loses that line alone; the next one is whole."""
    path = tmp_path / "S.jsonl"
    Coverage(path).add([Covered("a", 0, 5), Covered("b", 1, 2)])
    path.write_bytes(path.read_bytes()[:-3])
    subject = Coverage(path)
    assert (((0, 5),), ()) == (subject.of("a"), subject.of("b"))
    subject.add([Covered("b", 7, 8)])
    assert ((7, 8),) == Coverage(path).of("b")


def test_a_damaged_line_is_said(tmp_path: Path) -> None:
    """With its number: what was read is not guessed."""
    path = tmp_path / "S.jsonl"
    path.write_text('["a",0,5]\n["a",0]\n')
    with pytest.raises(StoreError, match=r"S\.jsonl:2: not a span"):
        Coverage(path)


def test_nothing_read_writes_nothing(tmp_path: Path) -> None:
    """No file for a source of which nothing was read."""
    Coverage(tmp_path / "S.jsonl").add([])
    assert [] == list(tmp_path.iterdir())
