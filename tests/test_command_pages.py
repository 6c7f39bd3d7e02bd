"""The page of commands and the man page say what the commands say; each is documented and tested."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from daemon import exits
from daemon.cli import main
from daemon.command_pages import PAGE_NAME, commands_of, exit_codes, man_page, markdown_page, meaning_of

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "daemon" / PAGE_NAME
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = dict(commands_of(main, "kalshid"))


def test_the_page_says_what_the_commands_say() -> None:
    """UPDATE_DOCS=1 writes it anew."""
    page = markdown_page(main)
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page, encoding="utf-8")
    assert page == PAGE.read_text(encoding="utf-8"), "UPDATE_DOCS=1 pytest tests/test_command_pages.py"


def test_the_exit_codes_are_all_of_them() -> None:
    """Each with its meaning."""
    codes = {name: value for name, value in vars(exits).items() if name.isupper()}
    assert codes == {name: code for code, name, _ in exit_codes()}
    assert all(meaning for _, _, meaning in exit_codes())


def test_no_two_exit_codes_are_one() -> None:
    """A script can tell them apart."""
    codes = [code for code, _, _ in exit_codes()]
    assert sorted(set(codes)) == sorted(codes)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_is_in_the_readme(path: str) -> None:
    """A row of its list; that each is tested is seen to in test_every_command.py."""
    assert f"| `{path}" in README


def test_the_readme_has_every_exit_code() -> None:
    """In a table, and no other."""
    (table,) = re.findall(r"\| exit code \|[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)", README)
    assert [code for code, _, _ in exit_codes()] == [int(line.split("|")[1]) for line in table.splitlines()]


def test_a_code_has_words() -> None:
    """Those of the table."""
    assert "The command line is wrong." == meaning_of(exits.USAGE)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_exit_code_that_a_command_names_exists(path: str) -> None:
    """The numbers in its help are of the table."""
    help_text = inspect.cleandoc(COMMANDS[path].help or "")
    sentences = re.findall(r"Exits? [^.]*", help_text)
    named = {int(code) for one in sentences for code in re.findall(r"\b(6\d|7\d|1\d\d)\b", one)}
    assert named <= {code for code, _, _ in exit_codes()}


def test_the_man_page_has_every_command_and_code() -> None:
    """No line of it is a request that nobody meant."""
    page = man_page(main, "1.2.3")
    for path in COMMANDS:
        assert f".SS {path}".replace("-", r"\-") in page
    for code, _, _ in exit_codes():
        assert f".B {code}\n" in page
    known = (".TH", ".ad l", ".SH", ".SS", ".PP", ".TP", ".B ", ".I ")
    assert all(line.startswith(known) for line in page.splitlines() if line.startswith((".", "'")))


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_groff_takes_the_man_page_without_a_warning() -> None:
    """As `man` would."""
    ended = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z"], input=man_page(main, "1"), text=True,
        capture_output=True, timeout=30, check=True,
    )  # fmt: skip
    assert not ended.stderr


def test_what_looks_like_a_request_is_escaped() -> None:
    """A line that begins with a dot, a backslash in a default."""

    @click.command(help=".hidden files\n\nand C:\\paths")
    def odd() -> None:
        pass

    page = man_page(click.Group(commands={"odd": odd}, help="All."), "1")
    assert "\\&.hidden files" in page
    assert "C:\\epaths" in page
