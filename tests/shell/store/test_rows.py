"""The rows: what every one of them must have so that the store can keep it."""

from __future__ import annotations

import typing

from daemon.shell.store.rows import TABLES, Row


def test_every_row_has_a_table_of_its_own_and_says_when() -> None:
    """No row is left out, no table takes two kinds, and each can be put in order of time."""
    kinds = typing.get_args(Row)
    assert set(kinds) == set(TABLES)
    assert len(kinds) == len(set(TABLES.values()))
    assert all(kind.__struct_fields__[0] == "at" for kind in kinds)
