"""The house rules that no tool knows: mirrors, lengths, names, the purity of the core, docs that can't rot.

An exception to a rule stands in the rule's own table, with its reason.
"""

from __future__ import annotations

import ast
import gc
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path

import click
import pytest

from daemon.cli import main

ROOT = Path(__file__).parents[1]
SELF = Path(__file__).relative_to(ROOT).as_posix()
FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 400

# Module → why it has no test file of its own.
UNMIRRORED = {
    "daemon/__main__.py": "two lines that call cli.main, run by the end-to-end tests",
    "daemon/exits.py": "constants; the end-to-end tests see them",
    "daemon/parts.py": "what it joins is run by the end-to-end tests",
    "strategies/template_test.py": "is the template's test, run by the template's own",
    **{
        f"daemon/core/events/{name}.py": "the union's tests read every event"
        for name in ("account", "connections", "fact", "quotes", "venue")
    },
}
# Function, as file::name → why it is longer.
LONG_FUNCTIONS: dict[str, str] = {}
# File → why it is longer.
LONG_MODULES: dict[str, str] = {}

# Test file → what it tests, if no single module.
STRAY_TESTS = {
    "tests/core/features/test_parity.py": "all features of a tape, by numpy over the whole of it",
    "tests/lab/test_notebooks.py": "the notebooks, cell by cell",
    "tests/sandbox/test_recorded.py": "the whole server, by requests recorded at the venue",
    "tests/sandbox/test_sdk_day.py": "a day of trading on the whole server, by the official client",
    "tests/sandbox/test_official_sdk.py": "the whole server, by the official client",
    "tests/sandbox/test_hostile.py": "the whole server, by garbage",
    "tests/sandbox/test_unconfirmed.py": "the tree, by the rows of the sheet's section 11",
    "tests/sandbox/rest/test_contract.py": "every body of rest/ against the published contract",
}

# Word of a name → what to say instead.
BANNED_WORDS = {
    "data": "what it is: levels, rows, payload, frame",
    "info": "what it says: spec, status, header",
    "manager": "what it does: queue, pump, registry",
    "handler": "what it does with it: apply_*, decode_*",
    "helper": "the thing itself, or a function with a verb",
    **dict.fromkeys(("util", "utils"), "the idea that the functions share"),
    "common": "the idea that the parts share",
    "misc": "one module for each idea",
}
BANNED_STARTS = {"process": "the verb: apply, decode, score, send", "do": "the verb alone"}
# Name, as file::name → whose word it is.
FOREIGN_NAMES = {
    "daemon/shell/stream.py::process_event": "overrides a method of websockets",
    "tests/e2e/monitoring_rig.py::do_POST": "a method that http.server calls",
    "daemon/kraken/wire.py::data": "a key of Kraken's frames",
    "tests/sandbox/test_server.py::process_of": "the operating system's noun",
    "daemon/shell/log.py::info": "a level's method, as structlog calls it",
    "tests/bench/order_sink.py::data_received": "overrides a method of asyncio",
    "tests/bench/order_sink.py::data": "its parameter",
    "tests/bench/wire_exchange.py::data_received": "overrides a method of asyncio",
    "tests/bench/wire_exchange.py::data": "its parameter",
    "tests/sim/venue.py::match_info": "an attribute of aiohttp's requests",
}

# What the core may import: modules that hold or compute values, and no module that reads the world.
PURE_MODULES = {
    "__future__", "abc", "array", "bisect", "collections", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "hashlib", "heapq", "itertools", "json", "math", "operator", "re", "struct",
    "types", "typing", "zlib",
}  # fmt: skip
# Calls that read a clock, randomness or the process, whichever pure module they hide in.
IMPURE_CALLS = {
    "now", "utcnow", "today", "id", "hash", "input", "open", "print", "uuid4", "random", "urandom",
}  # fmt: skip

FOREIGN_TEXT = re.compile(
    r"/wor[k]/|/root/|/home/[a-z]|/opt/(pypi|wheels)|/tmp/[a-z]|far[m]-[a-z]|[.]librar[y]"
    r"|pyp[i]\.org|pythonhosted|npmjs\.(org|com)|proxy\.golang|(index|find)[-_](url|links)[ =]"
)
# File → the piece of text that is meant there.
FOREIGN_TEXT_MEANT = {"Makefile": r"--no-emit-(index-url|find-links)"}


@cache
def sources(*folders: str) -> tuple[str, ...]:
    """Return the Python files of folders, as paths from the root."""
    return tuple(
        sorted(path.relative_to(ROOT).as_posix() for name in folders for path in (ROOT / name).rglob("*.py"))
    )


@cache
def tree(path: str) -> ast.Module:
    """Return a file's syntax tree."""
    # A collection in the middle of parsing may format a dead task's traceback, which parses too, and
    # CPython 3.11 takes that for a corrupt tree (python/cpython#106905).
    gc.disable()
    try:
        return ast.parse((ROOT / path).read_text(encoding="utf-8"), path)
    finally:
        gc.enable()


def has_code(path: str) -> bool:
    """Whether a file defines anything: a package's file with a docstring and imports does not."""
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in tree(path).body
    )


def mirror_of(path: str) -> str:
    """Return where the tests of a module stand."""
    parts = Path(path).relative_to("daemon") if path.startswith("daemon/") else Path(path)
    name = f"{parts.parent.name}.py" if parts.name == "__init__.py" else parts.name
    return (Path("tests") / parts.parent / f"test_{name}").as_posix()


def defined_names(path: str) -> Iterator[tuple[int, str]]:
    """Yield the line and text of every name that a file makes: its own, and those of what it defines."""
    yield 1, Path(path).stem
    for node in ast.walk(tree(path)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name


def words(name: str) -> list[str]:
    """Return a name's words in lower case, whether it is snake_case or CamelCase."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().strip("_").split("_")


def imported_modules(path: str) -> Iterator[tuple[int, str]]:
    """Yield the line and full name of every module that a file imports, type checking aside."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


def called_name(call: ast.Call) -> str:
    """Return the last name of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def commands_of(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that can be typed, with its words; a group only if it does something alone."""
    if isinstance(command, click.Group):
        if command.invoke_without_command:
            yield path, command
        for name, inner in command.commands.items():
            yield from commands_of(inner, f"{path} {name}")
    else:
        yield path, command


def expect_none(found: list[str]) -> None:
    """Fail with one line for each finding."""
    assert not found, f"{len(found)} found:\n" + "\n".join(found)


def tracked_files() -> list[Path]:
    """Return the files under version control; outside a clone, all that are not hidden."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        paths = [
            path
            for path in ROOT.rglob("*")
            if not any(part[0] == "." for part in path.relative_to(ROOT).parts)
        ]
    return [path for path in paths if path.is_file()]


def test_every_module_has_its_test_file() -> None:
    """daemon/core/book.py is tested by tests/core/test_book.py, and so on."""
    missing = [
        f"{path} → {mirror_of(path)}"
        for path in sources("daemon", "strategies")
        if has_code(path) and path not in UNMIRRORED and not (ROOT / mirror_of(path)).exists()
    ]
    expect_none(missing)


def test_every_test_file_of_a_room_mirrors_a_module() -> None:
    """A module that moved takes its tests along; test_book.py may have a sister, test_book_machine.py."""
    rooms = ("core", "exchange", "scoring", "kalshi", "kraken", "shell", "sandbox", "lab", "strategies")
    mirrors = {mirror_of(path) for path in sources("daemon", "strategies")}
    stray = [
        path
        for room in rooms
        for path in sources(f"tests/{room}")
        if Path(path).name.startswith("test_")
        and path not in STRAY_TESTS
        and not any(path == mirror or path.startswith(f"{mirror[:-3]}_") for mirror in mirrors)
    ]
    expect_none(stray)


def test_functions_are_short() -> None:
    """A function fits on a screen; its docstring is not counted."""
    long = []
    for path in sources("daemon", "strategies", "tests"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
                documented = (first.end_lineno or 0) - first.lineno + 1 if is_docstring else 0
                lines = (node.end_lineno or 0) - node.lineno + 1 - documented
                if lines > FUNCTION_LINES_MAX and f"{path}::{node.name}" not in LONG_FUNCTIONS:
                    long.append(f"{path}::{node.name}: {lines} lines")
    expect_none(long)


def test_modules_have_one_idea_each() -> None:
    """A module that grows past 400 lines has two."""
    long = [
        f"{path}: {lines} lines"
        for path in sources("daemon", "strategies", "tests")
        if (lines := len((ROOT / path).read_text(encoding="utf-8").splitlines())) > MODULE_LINES_MAX
        and path not in LONG_MODULES
    ]
    expect_none(long)


def test_names_say_what_things_are() -> None:
    """No name contains a word that fits everything."""
    vague = []
    for path in sources("daemon", "strategies", "tests"):
        for line, name in defined_names(path):
            parts = words(name)
            if f"{path}::{name}" in FOREIGN_NAMES:
                continue
            vague += [
                f"{path}:{line}: {name}: {BANNED_WORDS[word]}" for word in parts if word in BANNED_WORDS
            ]
            if len(parts) > 1 and parts[0] in BANNED_STARTS:
                vague.append(f"{path}:{line}: {name}: {BANNED_STARTS[parts[0]]}")
    expect_none(vague)


@pytest.mark.parametrize(
    ("room", "allowed"), [("core", ("daemon.core",)), ("exchange", ("daemon.core", "daemon.exchange"))]
)
def test_pure_rooms_import_values_only(room: str, allowed: tuple[str, ...]) -> None:
    """Standard modules that hold or compute values, msgspec, and their own kind."""
    strangers = [
        f"{path}:{line}: {module}"
        for path in sources(f"daemon/{room}")
        for line, module in imported_modules(path)
        if module.split(".")[0] not in PURE_MODULES | {"msgspec"}
        and not any(module == own or module.startswith(f"{own}.") for own in allowed)
    ]
    expect_none(strangers)


def test_pure_rooms_read_no_clock_and_no_chance() -> None:
    """Time, randomness and ids come in as arguments; no set's order and no float's last bit decides."""
    impure = []
    for path in sources("daemon/core", "daemon/exchange"):
        for node in ast.walk(tree(path)):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in IMPURE_CALLS:
                    impure.append(f"{path}:{node.lineno}: calls {name}()")
                case (
                    ast.For(iter=ast.Set() | ast.SetComp())
                    | ast.comprehension(iter=ast.Set() | ast.SetComp())
                    | ast.For(iter=ast.Call(func=ast.Name(id="set" | "frozenset")))
                    | ast.comprehension(iter=ast.Call(func=ast.Name(id="set" | "frozenset")))
                ):
                    impure.append(f"{path}:{node.iter.lineno}: iterates over a set")
                case ast.Compare(ops=operators, comparators=sides) if any(
                    isinstance(operator, ast.Eq | ast.NotEq) for operator in operators
                ) and any(isinstance(side, ast.Constant) and isinstance(side.value, float) for side in sides):
                    impure.append(f"{path}:{node.lineno}: compares a float with ==")
    expect_none(impure)


def test_only_risk_approves() -> None:
    """An `Approved` is made in the gate and nowhere else; tests may build one to compare with."""
    made = {
        path
        for path in sources("daemon", "strategies")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and called_name(node) == "Approved"
    }
    assert {"daemon/core/risk/gate.py"} == made


def test_every_test_states_its_promise() -> None:
    """Each test function has a docstring."""
    silent = [
        f"{path}:{node.lineno}: {node.name}"
        for path in sources("tests")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    expect_none(silent)


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """No paths of a workplace, no addresses of package registries."""
    found = []
    for path in tracked_files():
        name = path.relative_to(ROOT).as_posix()
        if name == SELF:
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        if name in FOREIGN_TEXT_MEANT:
            text = re.sub(FOREIGN_TEXT_MEANT[name], "", text)
        found += [f"{name}: {match[0]}" for match in FOREIGN_TEXT.finditer(text)]
    expect_none(found)


def test_the_readme_lists_every_command() -> None:
    """Whoever reads the README has seen every command."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    expect_none([path for path, _ in commands_of(main, "kalshid") if path not in readme])


def test_the_unit_names_real_commands() -> None:
    """Every kalshid command of the systemd units exists, with its options."""
    lines = [
        line.split("=", 1)[1]
        for unit in sorted((ROOT / "systemd").glob("*.service"))
        for line in unit.read_text(encoding="utf-8").splitlines()
        if line.startswith("Exec") and "/kalshid " in line
    ]
    assert len(lines) >= 2
    known = dict(commands_of(main, "kalshid"))
    for line in lines:
        _, *arguments = shlex.split(line)
        typed = " ".join(["kalshid", *takewhile(lambda word: not word.startswith("-"), arguments)])
        assert typed in known, line
        options = {option for parameter in known[typed].params for option in parameter.opts}
        assert {word for word in arguments if word.startswith("-")} <= options, line
