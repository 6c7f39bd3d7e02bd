"""What a configuration comes to, where each value comes from, and the reference of all keys (CONFIG.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from daemon.config import Config, convert_params
from daemon.reloading import RULES, flatten, rule_of
from daemon.strategy_files import find_strategy
from daemon.toml_tables import TomlTables
from strategies import SHIPPED

DEFAULT = "default"
_KEY = re.compile(r"^([a-z0-9_]+) = (.*?)(?:\s+# (.*))?$")
_COMMENT = re.compile(r"^\s+# (.*)$")
_SECTION = re.compile(r"^\[([a-z0-9_.]+)\]\s*(?:# (.*))?$")
_WORDS = {
    "restart": "restart",
    "now": "at once",
    "lower": "lower at once, higher confirmed",
    "higher": "higher at once, lower confirmed",
    "hours": "first hours at once, others confirmed",
}
_HEAD = """# Configuration

Every key of `config.toml`: what it may be, its default, and what a reload (`kalshid reload`, SIGHUP, or a
change of the file, with `reload_on_change`) does with a change of it. *At once* holds from the next decision;
what loosens a limit is *confirmed* by `kalshid reload --loosen WORD`; *restart* is never changed in a running
daemon: who and where it is, files, what is watched, what makes windows. A strategy's own parameters
change at once, within the limits, but its own sizes, which are limits too (and confirmed where a side is
not written); whether it runs at once when it no longer does, confirmed when it is to; its series, categories
and model with a restart. Made from the schema: `UPDATE_DOCS=1 pytest
tests/test_config_report.py`.
"""


class Value(msgspec.Struct, frozen=True):
    """One value in force: its dotted key, and the file's line that says so, or "default"."""

    key: str
    value: Any
    origin: str


def effective(config_name: str, config: Config) -> list[Value]:
    """Return all values in force, those that strategies have by default included.

    Raises:
        ConfigError: a strategy's parameters are not allowed.
    """
    values = flatten(config)
    for table in config.strategies:
        found = find_strategy(config_name, table, config.strategy_folder)
        params = msgspec.to_builtins(convert_params(config_name, table, found.params))
        values |= {f"strategies.{table.name}.{key}": value for key, value in params.items()}
    path = Path(config_name)
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    lines = TomlTables(config_name, text).lines
    return [
        Value(key, value, DEFAULT if (line := lines.get(_path(key))) is None else f"{config_name}:{line}")
        for key, value in values.items()
    ]


def _path(key: str) -> tuple[str, ...]:
    return tuple(key.split("."))


def reference(shipped: str) -> str:
    """Return the reference of all keys, in Markdown; `shipped` is the text of the shipped `config.toml`."""
    comments = dict(_comments(shipped))
    parts = [_HEAD, _table("", Config, comments)]
    for name in RULES:
        kind = Config.__annotations__[name] if name != "strategies" else None
        found = _struct_of(name) if kind is not None else None
        if found is not None:
            parts.append(f"## [{name}]\n\n{comments.get(name, found.__doc__ or '').strip()}\n")
            parts.append(_table(f"{name}.", found, comments))
    for name, shipped_strategy in SHIPPED.items():
        parts.append(f"## [strategies.{name}]\n\n{comments.get(f'strategies.{name}', '')}\n")
        parts.append(_table(f"strategies.{name}.", shipped_strategy.params, comments))
    return "\n".join(parts)


def _struct_of(name: str) -> type[msgspec.Struct] | None:
    field = next(one for one in inspect.type_info(Config).fields if one.name == name)  # type: ignore[attr-defined]
    return field.type.cls if isinstance(field.type, inspect.StructType) else None


def _table(prefix: str, kind: type[msgspec.Struct], comments: dict[str, str]) -> str:
    rows = ["| key | allowed | default | a reload | |", "|---|---|---|---|---|"]
    for field in inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        key = f"{prefix}{field.name}"
        if isinstance(field.type, inspect.StructType) or key in ("root", "strategies"):
            continue
        shown = msgspec.json.encode(_default(field)).decode()
        cells = (f"`{key}`", _allowed(field.type), f"`{shown}`", _WORDS[rule_of(key)], comments.get(key, ""))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _default(field: inspect.Field) -> object:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    assert field.default_factory is not msgspec.NODEFAULT, f"{field.name}: every key has a default"
    return field.default_factory()


def _allowed(kind: Any) -> str:
    """Return in words what a field may be."""
    match kind:
        case inspect.LiteralType():
            return ", ".join(f"`{msgspec.json.encode(value).decode()}`" for value in kind.values)
        case inspect.UnionType():
            return " or ".join(_allowed(one) for one in kind.types)
        case inspect.BoolType():
            return "`true`, `false`"
        case inspect.IntType() | inspect.FloatType():
            noun = "whole number" if isinstance(kind, inspect.IntType) else "number"
            bounds = [(kind.ge, "from {}"), (kind.gt, "above {}"), (kind.le, "to {}"), (kind.lt, "below {}")]
            return " ".join([noun, *(words.format(value) for value, words in bounds if value is not None)])
        case inspect.StrType():
            return "text" if kind.pattern is None else f"text like `{kind.pattern}`"
        case inspect.ListType():
            return f"list of {_allowed(kind.item_type)}"
        case inspect.DictType():
            return f"table of {_allowed(kind.value_type)}"
        case inspect.StructType():
            return "{ " + ", ".join(field.name for field in kind.fields) + " }"
        case inspect.DateTimeType():
            return "time"
    raise AssertionError(f"a field of {kind!r}: say in words what it may be")


def _comments(shipped: str) -> Iterator[tuple[str, str]]:
    """Yield what the shipped file says of each key and table, continued lines joined."""
    table, key, words = "", "", ""
    for line in shipped.splitlines():
        if (match := _COMMENT.match(line)) and words:
            words += f" {match[1]}"
            continue
        if words:
            yield key, words
        words = ""
        if match := _SECTION.match(line):
            table, key, words = f"{match[1]}.", match[1], match[2] or ""
        elif match := _KEY.match(line):
            key, words = f"{table}{match[1]}", match[3] or ""
    if words:
        yield key, words
