"""Tests of files that only their owner may read."""

from __future__ import annotations

from pathlib import Path

from daemon.sandbox.private_files import replace_private, write_private


def test_only_the_owner_reads_them(tmp_path: Path) -> None:
    """Mode 0600, whole contents; a replacement leaves nothing beside it."""
    path = tmp_path / "key.json"
    write_private(path, b"old")
    replace_private(path, b"new")
    assert (b"new", 0o600) == (path.read_bytes(), path.stat().st_mode & 0o777)
    assert [path] == list(tmp_path.iterdir())
