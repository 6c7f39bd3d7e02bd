"""A backup is what it says: read back, it holds what stood there, while it was written to."""

from __future__ import annotations

import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daemon.backup import NothingToKeep, back_up
from daemon.core.events import FeedHeard
from daemon.shell.journal import Journal, read_journal
from tests.shell.test_journal import HEADER

AT = 1_795_283_100.0
NAME = "kalshid-20261121T174500Z.tar.gz"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state folder in use: a journal that is open, a store with a transaction under way, a halt, keys."""
    folder = tmp_path / "state"
    journal = Journal.create(folder / "journal", HEADER)
    journal.append([FeedHeard("kalshi", number) for number in range(100)])
    (folder / "sandbox").mkdir()
    (folder / "sandbox" / "rsa.pem").write_text("a key")
    (folder / "page.token").write_text("a token")
    (folder / "halt.json").write_text("{}")
    with closing(sqlite3.connect(folder / "store.sqlite", isolation_level=None)) as store:
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("CREATE TABLE fills (qty)")
        store.execute("INSERT INTO fills VALUES (7)")
        store.execute("BEGIN IMMEDIATE")
        store.execute("INSERT INTO fills VALUES (8)")
        yield folder
    journal.close()


def test_what_is_restored_is_what_was_there(state: Path, tmp_path: Path) -> None:
    """The journal record by record, the store as it was last committed, the halt; for the owner alone."""
    path = back_up(state, tmp_path / "away", AT)
    assert tmp_path / "away" / NAME == path
    assert 0o600 == path.stat().st_mode & 0o777
    restored = tmp_path / "restored"
    with tarfile.open(path) as archive:
        archive.extractall(restored, filter="data")
    (journal,) = (restored / "journal").glob("*.journal")
    assert [FeedHeard("kalshi", number) for number in range(100)] == [
        record for batch in read_journal(journal) for record in batch
    ]
    with closing(sqlite3.connect(restored / "store.sqlite")) as store:
        assert [("ok",)] == store.execute("PRAGMA integrity_check").fetchall()
        assert [(7,)] == store.execute("SELECT qty FROM fills").fetchall()
    assert "{}" == (restored / "halt.json").read_text()


def test_no_key_is_carried_away(state: Path, tmp_path: Path) -> None:
    """Neither keys nor the page's token are in it."""
    with tarfile.open(back_up(state, tmp_path / "away", AT)) as archive:
        assert {"halt.json", "store.sqlite"} == {name for name in archive.getnames() if "journal" not in name}


def test_the_newest_stay(state: Path, tmp_path: Path) -> None:
    """And whatever else lies in that folder."""
    away = tmp_path / "away"
    away.mkdir()
    (away / "kalshid-notes.tar.gz").touch()
    paths = [back_up(state, away, AT + day * 86_400, keep=2) for day in range(4)]
    assert {"kalshid-notes.tar.gz", *(path.name for path in paths[2:])} == {
        path.name for path in away.iterdir()
    }


def test_a_backup_that_fails_leaves_the_old_ones(state: Path, tmp_path: Path) -> None:
    """A store that is no database is an error; there is no half file, and nothing was deleted."""
    away = tmp_path / "away"
    old = back_up(state, away, AT, keep=1)
    (state / "account.db").write_text("no database, but long enough to be looked at" * 30)
    with pytest.raises(sqlite3.DatabaseError):
        back_up(state, away, AT + 1, keep=1)
    assert [old] == list(away.iterdir())


def test_nothing_is_no_backup(tmp_path: Path) -> None:
    """Somebody named the wrong folder."""
    with pytest.raises(NothingToKeep, match="neither a journal nor a store"):
        back_up(tmp_path, tmp_path / "away", AT)
    assert not (tmp_path / "away").exists()
