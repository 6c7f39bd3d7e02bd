"""A file has another content for good, or an editor is at work: as `FileWatch` tells them apart."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from daemon.shell.file_watch import QUIET_S, FileWatch, content_of

contents = st.lists(st.sampled_from(["good", "bad", "half", "gone"]), max_size=60)


@given(contents)
def test_what_stands_is_tried_once_and_what_does_not_never(seen: list[str]) -> None:
    """Looked at twice in the time that a content must stand: due is what stood so long and is news."""
    watch, tried, since = FileWatch(), "", 0
    for number, content in enumerate(seen):
        if number and seen[number - 1] != content:
            since = number
        expected = (number - since) >= 2 and content != tried
        assert expected == watch.is_due(content, number * QUIET_S / 2)
        if expected:
            watch.note_tried(content)
            tried = content


def test_a_files_content_is_what_counts(tmp_path: Path) -> None:
    """Written anew with the same it is the same; one that is gone, or can't be read, has a content too."""
    path = tmp_path / "config.toml"
    path.write_text("a")
    first = content_of(path)
    other = tmp_path / "other"
    other.write_text("a")
    other.replace(path)
    assert first == content_of(path)
    path.write_text("b")
    assert first != content_of(path)
    path.unlink()
    assert "FileNotFoundError" in content_of(path)
    path.mkdir()
    assert "IsADirectoryError" in content_of(path)
