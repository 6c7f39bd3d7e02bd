"""How commands tell: the mode first, colours only where they are wanted, words as JSON."""

from __future__ import annotations

import io
import sys

import click
import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from daemon import exits
from daemon.telling import (
    JSON_OPTION,
    Program,
    Told,
    complain,
    has_json_words,
    know_mode,
    say,
    say_json,
    say_mode,
    say_table,
    time_text,
)

ESCAPE = "\x1b["


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


@click.group(cls=Program)
def program() -> None:
    """Commands."""


@program.command()
@click.option("--fail", is_flag=True)
@has_json_words
def speaking(fail: bool) -> None:
    """Speak."""
    say_mode("live")
    say("one")
    if fail:
        complain("two")
        sys.exit(75)


@program.command()
@click.argument("how")
@click.option("--last", type=click.IntRange(1, 9))
@click.option("--shell", type=click.Choice(["bash", "zsh"]))
@click.option("--word")
@JSON_OPTION
def ending(how: str, last: int | None, shell: str | None, word: str | None, is_json: bool) -> None:
    """End somehow."""
    know_mode("live")
    if how == "config":
        complain("config.toml:4: orders.ttl_ms: 0 is not allowed: Expected `int` >= 1")
        sys.exit(exits.CONFIG)
    if how == "crash":
        raise ZeroDivisionError(how)
    if how == "ctrl-c":
        raise KeyboardInterrupt
    code = exits.BAD_INPUT if how == "differs" else exits.OK
    if is_json:
        say_json({"last": last, "shell": shell, "word": word}, code=code, error="they differ")
    else:
        say("well")
    sys.exit(code)


def typed(*words: str) -> Result:
    return CliRunner().invoke(program, [*words])


def failure(*words: str) -> Told:
    """What `ending` says of its failure, as JSON; its exit code is in it."""
    result = typed("ending", *words, "--json")
    told = msgspec.json.decode(result.stdout, type=Told, strict=True)
    assert (result.exit_code, True) == (told.exit_code, told.exit_code != exits.OK)
    return told


@pytest.mark.parametrize(
    ("words", "code", "place", "allowed"),
    [
        (("config",), exits.CONFIG, "config.toml:4: orders.ttl_ms", "Expected `int` >= 1"),
        (("well", "--last", "0"), exits.USAGE, "--last", "1<=x<=9"),
        (("well", "--shell", "csh"), exits.USAGE, "--shell", "bash, zsh"),
        (("well", "--lost"), exits.USAGE, "--lost", "--last, --shell, --word, --json, --help"),
        ((), exits.USAGE, "HOW", None),
        (("ctrl-c",), exits.INTERRUPTED, None, None),
    ],
)
def test_every_failure_is_one_json_object(
    words: tuple[str, ...], code: int, place: str | None, allowed: str | None
) -> None:
    """What, where, and what is allowed there; the same code as without JSON."""
    told = failure(*words)
    assert (code, place, allowed) == (told.exit_code, told.place, told.allowed)
    assert told.error
    assert code == typed("ending", *words).exit_code


def test_an_unknown_command_is_told_as_json_too() -> None:
    """With those that there are."""
    told = msgspec.json.decode(typed("fly", "--json").stdout, type=Told)
    assert (exits.USAGE, "fly", "ending, speaking") == (told.exit_code, told.place, told.allowed)


def test_a_crash_is_told_as_json_and_still_crashes() -> None:
    """The traceback goes where all do."""
    result = typed("ending", "crash", "--json")
    assert isinstance(result.exception, ZeroDivisionError)
    told = msgspec.json.decode(result.stdout, type=Told)
    assert (exits.CRASHED, "ZeroDivisionError: crash") == (told.exit_code, told.error)


def test_an_answer_stays_the_answer_where_the_code_is_not_0() -> None:
    """One document, with the error beside what it says; and without one where all is well."""
    result = typed("ending", "differs", "--json")
    answer = {"last": None, "shell": None, "word": None}
    ended = {"exit_code": exits.BAD_INPUT, "error": "they differ"}
    assert (exits.BAD_INPUT, answer | ended) == (result.exit_code, msgspec.json.decode(result.stdout))
    assert answer == msgspec.json.decode(typed("ending", "well", "--json").stdout)


def test_a_value_that_looks_like_the_option_is_none() -> None:
    """The words of a person stay his, and words they get."""
    assert " LIVE · real money \nwell\n" == typed("ending", "well", "--word", "--json").stdout
    assert typed("ending", "--", "--json").stdout.endswith("well\n")


def test_the_mode_comes_first_wherever_it_is_read() -> None:
    """On stdout, before words and before a complaint."""
    assert " LIVE · real money " == typed("ending", "well").stdout.splitlines()[0]
    refused = typed("ending", "config")
    assert (" LIVE · real money \n", True) == (refused.stdout, refused.stderr.startswith("config.toml:4"))
    assert "live" == failure("config").mode


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


def test_a_failure_that_nobody_reads_keeps_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """`kalshid export fills --json | head`: no traceback behind what was asked for."""

    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(SystemExit) as ended:
        program.main(["speaking", "--fail", "--json"])
    assert 75 == ended.value.code


@pytest.mark.parametrize(("words", "code"), [((), 0), (("--fail",), 75)])
def test_words_and_json_end_by_the_same_code(words: tuple[str, ...], code: int) -> None:
    """The JSON has the words that a person would have read."""
    plain, as_json = typed("speaking", *words), typed("speaking", *words, "--json")
    assert (code, code) == (plain.exit_code, as_json.exit_code)
    expected = Told("live", code, ["one"], ["two"], "two") if words else Told("live", code, ["one"])
    assert expected == msgspec.json.decode(as_json.stdout, type=Told)


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
