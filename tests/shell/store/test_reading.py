"""Opening the store to read: what is none, or of others, is named."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from daemon.shell.store.reading import StoreUnreadable, reading
from tests.commands_rig import leave_store


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    """None at all, another program's file, and one of another version: each named."""
    with pytest.raises(StoreUnreadable, match="unable to open"), reading(tmp_path / "none.sqlite"):
        pass
    other = tmp_path / "other.sqlite"
    sqlite3.connect(other).execute("CREATE TABLE x (y)").connection.close()
    with pytest.raises(StoreUnreadable, match="not a store of kalshid"), reading(other):
        pass
    path = leave_store(tmp_path)
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreUnreadable, match="version 99"), reading(path):
        pass
