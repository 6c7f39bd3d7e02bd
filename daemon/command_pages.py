"""All commands on one page, drawn from the commands themselves: Markdown (COMMANDS.md), and a man page."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from daemon import exits

Found = tuple[str, click.Command]
PAGE_NAME = "COMMANDS.md"
_HEAD = """# Commands

Drawn from the commands themselves (`kalshid COMMAND --help` says the same); a test rewrites this page:
`UPDATE_DOCS=1`. The same as a man page: `kalshid man | man -l -`. Completion for your shell:
`eval "$(kalshid completion bash)"` (or `zsh`, `fish`).

- The first line says **PAPER** or **LIVE**, in colour on a terminal: of the daemon that runs, also where the
  file says otherwise by now. `NO_COLOR=1` takes colours away.
- Every command has `--json`; then stdout is JSON alone. What reads answers with an object of its own, amounts
  in it as decimal text, exact. What tells in words answers `{"mode", "exit_code", "said", "problems",
  "error", "place", "allowed"}`, the words in `said`: also those of `completion`, `man` and `config new`,
  whose text is all that they say.
- Every failure is that same object on one line: `error` says what is wrong, `place` where (a file's line, an
  option) and `allowed` what may stand there, as far as that is known; words go to stderr as well. An answer
  that is no good news stays the answer, with `exit_code` and `error` beside what it says: no daemon in
  `status`, a FAIL in `doctor`, differences in `reconcile`, a limit that would loosen in `reload`.
- What lives until it is stopped (`run`, `sandbox`, `lab serve`) prints one JSON line when it begins and one
  when it ends, which is that object; `run` adds what it did. `export` prints a line for each row, `status
  --watch` one a second.
- What reads asks the daemon over its control socket; where none runs, the store tells, as of when it says.
- Every command ends by a code of the table below, whether it spoke JSON or not.
"""
_WORD = re.compile(r"(?m)^([A-Z_]+) = (\d+)(?:\n\"\"\"(.*?)\"\"\")?", re.DOTALL)


def commands_of(command: click.Command, path: str) -> Iterator[Found]:
    """Yield every command that can be typed, sorted by name; a group only if it does something alone."""
    if isinstance(command, click.Group):
        if command.invoke_without_command:
            yield path, command
        for name, inner in sorted(command.commands.items()):
            yield from commands_of(inner, f"{path} {name}")
    else:
        yield path, command


def exit_codes() -> list[tuple[int, str, str]]:
    """Return every exit code with its name and meaning, as `daemon/exits.py` has them."""
    text = inspect.getsource(exits)
    return [
        (int(code), name, " ".join((words or "All is well.").split()))
        for name, code, words in _WORD.findall(text)
    ]


def meaning_of(code: int) -> str:
    """Return what an exit code says, in words."""
    return next(words for found, _, words in exit_codes() if found == code)


def markdown_page(main: click.Command) -> str:
    """Return the documentation's page of all commands."""
    lines = [_HEAD, "| code | name | meaning |", "|---|---|---|"]
    lines += [f"| {code} | `{name}` | {meaning} |" for code, name, meaning in exit_codes()]
    for path, command in commands_of(main, "kalshid"):
        context = _context(main, path, command)
        lines += ["", f"## {path}", "", *_paragraphs(command), "", "```", _usage(command, context), "```", ""]
        rows = list(_options(command, context))
        if rows:
            lines += ["| option | what |", "|---|---|"]
            lines += [f"| `{_cell(option)}` | {_cell(words)} |" for option, words in rows]
    return "\n".join(lines).rstrip() + "\n"


def man_page(main: click.Command, version: str) -> str:
    """Return the man page kalshid(8), in roff."""
    lines = [
        f'.TH KALSHID 8 "" "kalshid {version}" "kalshid"',
        ".ad l", ".SH NAME", r"kalshid \- a trading daemon for the Kalshi prediction market",
        ".SH SYNOPSIS", ".B kalshid", ".I COMMAND", "[OPTION...]",
        ".SH DESCRIPTION", *_roff_paragraphs(main),
        ".SH COMMANDS",
    ]  # fmt: skip
    for path, command in commands_of(main, "kalshid"):
        context = _context(main, path, command)
        lines += [".SS " + _roff(path), ".B " + _roff(_usage(command, context)), ".PP"]
        lines += _roff_paragraphs(command)
        for option, words in _options(command, context):
            lines += [".TP", f".B {_roff(option)}", _roff(words)]
    lines += [".SH EXIT STATUS"]
    for code, name, meaning in exit_codes():
        lines += [".TP", f".B {code}", _roff(f"{name}: {meaning}")]
    lines += [
        ".SH ENVIRONMENT", ".TP", ".B NO_COLOR", "Not empty: no colours.",
        ".SH FILES", ".TP", ".I config.toml", "The configuration; in the working folder, or by \\-\\-config.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _context(main: click.Command, path: str, command: click.Command) -> click.Context:
    """Return a command's context below the program's own, from which it has its ways to ask for help."""
    program, _, words = path.partition(" ")
    root = click.Context(main, info_name=program, **main.context_settings)
    return click.Context(command, parent=root, info_name=words)


def _usage(command: click.Command, context: click.Context) -> str:
    return " ".join([context.command_path, *command.collect_usage_pieces(context)])


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield every option as it is typed, with what it does."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        is_help = set(parameter.opts) <= {*context.help_option_names}
        if record is not None and record[1] and not is_help:
            yield record


def _paragraphs(command: click.Command) -> list[str]:
    return inspect.cleandoc(command.help or "").splitlines()


def _roff_paragraphs(command: click.Command) -> list[str]:
    return [_roff(line) if line else ".PP" for line in _paragraphs(command)]


def _roff(text: str) -> str:
    """Return text as roff takes it: backslashes and hyphens escaped, no line that looks like a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = "".join(sign if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in escaped)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
