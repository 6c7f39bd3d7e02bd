"""How commands tell: the mode first, colours only where they are wanted, words as JSON."""

from __future__ import annotations

import io
import sys

import click
import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from daemon.telling import Told, complain, has_json_words, say, say_json, say_mode, say_table, time_text

ESCAPE = "\x1b["


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


@click.command()
@click.option("--fail", is_flag=True)
@has_json_words
def speaking(fail: bool) -> None:
    """Speak."""
    say_mode("live")
    say("one")
    if fail:
        complain("two")
        sys.exit(75)


@pytest.mark.parametrize(("mode", "words"), [("live", "LIVE"), ("demo", "PAPER"), ("sandbox", "PAPER")])
def test_the_first_word_says_whether_the_money_is_real(
    mode: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And without a terminal there is no colour."""
    say_mode(mode)
    told = capsys.readouterr().out
    assert told.strip().startswith(words)
    assert ESCAPE not in told


def test_a_terminal_gets_colours_unless_it_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR takes them away where it is not empty."""
    told = []
    for value in ("", "1"):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setenv("NO_COLOR", value)
        say_mode("live")
        told.append(ESCAPE in terminal.getvalue())
    assert [True, False] == told


def test_nobody_who_reads_stops_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed pipe: what follows the first line may be a halt."""

    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(sys, "stderr", Closed())
    say_mode("live")
    complain("it hangs")


@pytest.mark.parametrize(("words", "code"), [((), 0), (("--fail",), 75)])
def test_words_and_json_end_by_the_same_code(words: tuple[str, ...], code: int) -> None:
    """The JSON has the words that a person would have read."""
    plain = CliRunner().invoke(speaking, [*words])
    as_json = CliRunner().invoke(speaking, [*words, "--json"])
    assert (code, code) == (plain.exit_code, as_json.exit_code)
    problems = ["two"] if words else []
    assert Told("live", code, ["one"], problems) == msgspec.json.decode(as_json.stdout, type=Told)


def test_a_table_is_aligned_and_unknown_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers to the right, words to the left; nothing at all where there are no rows."""
    say_table(("A", "N"), [("x", "1.00"), ("yy", None), ("z", "-10.00")])
    assert ["A   N", "x     1.00", "yy  –", "z   -10.00"] == capsys.readouterr().out.splitlines()
    say_table(("A", "N"), [])
    assert not capsys.readouterr().out


def test_json_is_whole_on_one_line_where_it_is_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line."""
    say_json({"a": [1]}, is_line=True)
    assert '{"a":[1]}\n' == capsys.readouterr().out


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_times_sort_as_their_texts(at: int) -> None:
    """Fixed length, UTC, cut to the millisecond."""
    assert len("2026-11-21T18:41:03.356Z") == len(time_text(at))
    assert time_text(at) <= time_text(at + 1_000_000)
