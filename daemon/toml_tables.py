"""A TOML file against its schema: exact types, unknown keys named, every problem with its line.

The schema are msgspec structs. All problems of a file are collected, so that they can be told at once.
"""

from __future__ import annotations

import difflib
import re
import typing
from typing import Literal

import msgspec

_SECTION = re.compile(r"^\s*\[\s*([A-Za-z0-9_.\-\s]+?)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\-\s]+?)\s*=")


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """Return the line number of every table and key of a TOML text, by path."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _SECTION.match(line):
            table = _dotted(match.group(1))
            found.setdefault(table, number)
        elif match := _KEY.match(line):
            found.setdefault((*table, *_dotted(match.group(1))), number)
    return found


def _dotted(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("."))


class TomlTables:
    """One file's tables, and what is wrong with them."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines = _lines(text)
        self.problems: list[str] = []

    def complain(self, path: tuple[str, ...], message: str) -> None:
        """Note what is wrong at a path."""
        line = self.lines.get(path)
        where = f"{self.name}:{line}" if line is not None else self.name
        self.problems.append(f"{where}: {'.'.join(path)}: {message}")

    def field(self, path: tuple[str, ...], value: object, kind: object) -> object:
        """Return a value as its field's type, or complain and return it as it is."""
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            text, _, place = str(error).partition(" - at ")
            if place.strip("`") not in ("", "$"):
                text += f" at {place.replace('$', path[-1])}"
            if typing.get_origin(kind) is Literal:
                text = f"expected one of {', '.join(map(repr, typing.get_args(kind)))}"
            self.complain(path, f"{value!r} is not allowed: {text}")
            return value

    def table(
        self,
        path: tuple[str, ...],
        found: object,
        kind: type[msgspec.Struct],
        elsewhere: tuple[str, ...] = (),
    ) -> dict[str, object]:
        """Return a table's checked values by field; unknown keys are complained about.

        Args:
            path: where the table stands.
            found: what stands there.
            kind: its schema.
            elsewhere: fields of the schema that the caller reads himself.
        """
        if not isinstance(found, dict):
            self.complain(path, f"{found!r} is not allowed: expected a table")
            return {}
        hints = typing.get_type_hints(kind, include_extras=True)
        allowed = [name for name in kind.__struct_fields__ if name not in elsewhere]
        values: dict[str, object] = {}
        for key, value in found.items():
            if key not in allowed:
                close = difflib.get_close_matches(key, allowed, n=1)
                hint = f"; did you mean {close[0]}?" if close else f"; allowed: {', '.join(allowed)}"
                self.complain((*path, key), f"unknown key{hint}")
            elif isinstance(hints[key], type) and issubclass(hints[key], msgspec.Struct):
                values[key] = hints[key](**self.table((*path, key), value, hints[key]))
            else:
                values[key] = self.field((*path, key), value, hints[key])
        return values
