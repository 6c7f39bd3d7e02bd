"""Tables against a schema: all problems at once, each with file, line, key, value and what is allowed."""

from __future__ import annotations

import tomllib
from typing import Annotated

import msgspec

from daemon.toml_tables import TomlTables


class Inner(msgspec.Struct):
    """A table in the file."""

    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Outer(msgspec.Struct):
    """The file."""

    name: str = ""
    inner: Inner = msgspec.field(default_factory=Inner)
    kept: str = "by the caller"


def read(text: str) -> tuple[dict[str, object], list[str]]:
    """Values and problems of a text."""
    tables = TomlTables("file.toml", text)
    return tables.table((), tomllib.loads(text), Outer, elsewhere=("kept",)), tables.problems


def test_what_is_right_comes_out_as_the_schema_says() -> None:
    """Exact types; what is left out keeps its default."""
    values, problems = read('name = "x"\n[inner]\nsize = 3\n')
    assert {"name": "x", "inner": Inner(3)} == values
    assert [] == problems


def test_all_that_is_wrong_is_told_with_its_line() -> None:
    """A wrong type, a value out of range, an unknown key with a suggestion, a key that is not the file's."""
    _, problems = read('name = 1\nkept = "x"\n[inner]\nsize = 0\nsise = 2\n')
    assert [
        "file.toml:1: name: 1 is not allowed: Expected `str`, got `int`",
        "file.toml:2: kept: unknown key; allowed: name, inner",
        "file.toml:4: inner.size: 0 is not allowed: Expected `int` >= 1",
        "file.toml:5: inner.sise: unknown key; did you mean size?",
    ] == problems


def test_a_table_that_is_none_is_told() -> None:
    """A value stands where a table should."""
    _, problems = read("inner = 3\n")
    assert ["file.toml:1: inner: 3 is not allowed: expected a table"] == problems
