"""The steps of the schema: from nothing, from each released version, and never from elsewhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from daemon.shell.store.rows import TABLES
from daemon.shell.store.schema import APPLICATION_ID, STEPS, SchemaUnknown, migrate


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    """An empty database, as the writer opens one."""
    opened = sqlite3.connect(":memory:", isolation_level=None)
    yield opened
    opened.close()


def schema(database: sqlite3.Connection) -> list[tuple[str]]:
    """Return the statements that made what is there."""
    return database.execute("SELECT sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name").fetchall()


def test_an_empty_file_becomes_the_newest_version(database: sqlite3.Connection) -> None:
    """A first start makes all tables, says which version it is and whose; a second one changes nothing."""
    assert 0 == migrate(database)
    made = schema(database)
    assert len(STEPS) == migrate(database)
    assert made == schema(database)
    assert (len(STEPS), APPLICATION_ID) == (
        database.execute("PRAGMA user_version").fetchone()[0],
        database.execute("PRAGMA application_id").fetchone()[0],
    )


@pytest.mark.parametrize("version", range(1, len(STEPS) + 1))
def test_every_released_version_comes_to_the_same_schema(database: sqlite3.Connection, version: int) -> None:
    """Whatever version an owner comes from, he ends with the schema of a fresh file."""
    for step in STEPS[:version]:
        database.executescript(step)
    database.execute(f"PRAGMA user_version = {version}")
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    migrate(database)
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    migrate(fresh)
    assert schema(fresh) == schema(database)
    fresh.close()


def test_every_row_has_its_table_with_its_columns(database: sqlite3.Connection) -> None:
    """A struct and its table can't drift apart; all tables are STRICT, so a wrong type is refused."""
    migrate(database)
    for kind, table in TABLES.items():
        columns = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
        assert ["epoch", *kind.__struct_fields__] == columns
        (is_strict,) = database.execute("SELECT strict FROM pragma_table_list(?)", (table,)).fetchone()
        assert 1 == is_strict, table


def test_another_programs_file_is_refused(database: sqlite3.Connection) -> None:
    """A path that names somebody else's database must not be written into."""
    database.execute("CREATE TABLE theirs (x)")
    with pytest.raises(SchemaUnknown, match="not a store"):
        migrate(database)
    assert [("CREATE TABLE theirs (x)",)] == schema(database)


def test_a_newer_version_is_refused(database: sqlite3.Connection) -> None:
    """An older program must not write into tables that it doesn't know."""
    migrate(database)
    database.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    with pytest.raises(SchemaUnknown, match=f"version {len(STEPS) + 1}"):
        migrate(database)


def test_what_the_first_version_kept_is_kept(database: sqlite3.Connection) -> None:
    """An owner's history survives the steps; what was not known then says so."""
    database.executescript(STEPS[0])
    database.execute("PRAGMA user_version = 1")
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute("INSERT INTO runs VALUES (7, 1, 'demo', '0.1.0', '[]', 'm', 'l')")
    database.execute("INSERT INTO equity VALUES (7, 1, 2, 3, 4, 5, 6)")
    assert 1 == migrate(database)
    assert [(7, 1, "demo", "0.1.0", "[]", "m", "l", "")] == database.execute("SELECT * FROM runs").fetchall()
    assert [(7, 1, 2, 3, 4, 5, 6, "")] == database.execute("SELECT * FROM equity").fetchall()


def test_a_step_that_fails_changes_nothing(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a step would be a version that nobody knows."""
    migrate(database)
    before = schema(database)
    broken = (*STEPS, "CREATE TABLE another (x) STRICT; CREATE TABLE nonsense (")
    monkeypatch.setattr("daemon.shell.store.schema.STEPS", broken)
    with pytest.raises(sqlite3.Error):
        migrate(database)
    assert (before, len(STEPS)) == (schema(database), database.execute("PRAGMA user_version").fetchone()[0])
