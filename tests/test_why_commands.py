"""`kalshid why` and `kalshid explain`: their words, their JSON, and what they say when there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon import exits
from daemon.cli import main
from tests.e2e.daemon_process import write_config
from tests.locked_out import locked_out
from tests.shell.golden_session import session_in

TICKER = "KXBTC15M-26NOV211145-45"
ORDER = "kd-mwqmtptw-1"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A folder in which the golden session ran."""
    session_in(tmp_path / "var/journal")
    return write_config(tmp_path)


def run(config: Path, *words: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, [*words, "--config", str(config)])


def test_why_says_how_far_each_strategy_came(config: Path) -> None:
    """Paper first, then the chain, the reasons, and what it took; the recorded commands come out again."""
    result = run(config, "why")
    assert exits.OK == result.exit_code, result.output
    lines = result.stdout.splitlines()
    assert [
        " PAPER · sandbox ",
        "2026-11-21 16:38:23.530 to 2026-11-21 16:38:48.531 UTC, 1 session",
        "fair_value: 597 looks at 1 market",
    ] == lines[:3]
    assert "edge 4.0c, but the position is at its limit" in result.stdout
    assert "24 placed" in result.stdout
    assert "(4,833 events and 680 decisions replayed" in lines[-1]
    assert "WARNING" not in result.output


@pytest.mark.parametrize("words", [("why",), ("explain", ORDER)])
def test_what_is_told_of_the_money_is_the_sessions_own(config: Path, words: tuple[str, ...]) -> None:
    """The file says demo by now; what is told of ran in the sandbox."""
    changes = {"mode": '"demo"', "key_id": '"k"', "private_key_file": '"key.pem"'}
    config = write_config(config.parent, **changes)
    result = run(config, *words)
    assert exits.OK == result.exit_code, result.output
    assert " PAPER · sandbox " == result.stdout.splitlines()[0]
    assert "sandbox" == json.loads(run(config, *words, "--json").stdout)["mode"]


@pytest.mark.parametrize("subject", [TICKER, "fair_value"])
def test_why_of_a_market_or_a_strategy_as_json(config: Path, subject: str) -> None:
    """The same counts for machines; here all of it is that market's and that strategy's."""
    result = run(config, "why", subject, "--json")
    assert exits.OK == result.exit_code, result.output
    answer = json.loads(result.stdout)
    assert (subject, "sandbox", 0) == (answer["subject"], answer["mode"], answer["different"])
    (chain,) = answer["chains"]
    assert 597 == chain["looks"] == sum(chain["stopped"].values())


def test_why_of_a_range_tells_no_more_than_that(config: Path) -> None:
    """Counted back from the last decision, or between two instants."""
    last = json.loads(run(config, "why", "--since", "10s", "--json").stdout)
    span = ["--from", "2026-11-21T16:38:38.531256961Z", "--to", "2026-11-21T16:39:00Z"]
    between = json.loads(run(config, "why", *span, "--json").stdout)
    assert 217 == last["chains"][0]["looks"] == between["chains"][0]["looks"]
    early = json.loads(run(config, "why", "--to", "2026-11-21T16:38:30Z", "--json").stdout)
    assert early["decisions"] < 680


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("why", "fair_valu"),
            "'fair_valu' is no market and no strategy of that time; near to it: fair_value",
        ),
        (("why", TICKER[:-1] + "6"), f"near to it: {TICKER}"),
        (("why", "--from", "2027-01-01T00:00:00Z"), "decided anything in that range"),
        (("explain", "kd-mwqmtptw-11"), "near to it: kd-mwqmtptw-1"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is_near(
    config: Path, words: tuple[str, ...], said: str
) -> None:
    """By exit code 65, on stderr."""
    result = run(config, *words)
    assert exits.BAD_INPUT == result.exit_code
    assert said in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("why", "--since", "10m", "--to", "2026-11-21T16:39:00Z"),
        ("why", "--from", "2026-11-22T00:00:00Z", "--to", "2026-11-21T00:00:00Z"),
        ("why", "--from", "yesterday"),
    ],
)
def test_a_range_that_makes_no_sense_is_a_usage_error(config: Path, words: tuple[str, ...]) -> None:
    """Before anything is replayed."""
    assert exits.USAGE == run(config, *words).exit_code


def test_where_nothing_has_run_that_is_said(tmp_path: Path) -> None:
    """With the folder that was looked in."""
    for words in (("why",), ("explain", "x")):
        result = run(write_config(tmp_path), *words)
        assert exits.BAD_INPUT == result.exit_code
        assert f"no journal in {tmp_path / 'var/journal'}: nothing has run here yet" in result.stderr


def test_journals_of_another_user_are_not_none(config: Path) -> None:
    """Whoever may not read them is told so: something may well have run."""
    run(config, "why")
    with locked_out(config.parent / "var"):
        for words in (("why",), ("explain", "x")):
            result = run(config, *words)
            assert exits.BAD_INPUT == result.exit_code, result.output
            assert f"{config.parent / 'var/journal'}: only its owner may read it" in result.output


def test_a_journal_that_cannot_be_read_is_left_out_and_named(config: Path) -> None:
    """The others are told all the same."""
    (config.parent / "var/journal/9999999999999.journal").write_bytes(b"nonsense")
    result = run(config, "why")
    assert exits.OK == result.exit_code
    assert "left out: " in result.stderr
    assert "9999999999999.journal" in result.stderr


def test_a_torn_tail_is_no_obstacle(config: Path) -> None:
    """A daemon that runs leaves one at any moment."""
    (path,) = (config.parent / "var/journal").glob("*.journal")
    path.write_bytes(path.read_bytes()[:-7])
    result = run(config, "why")
    assert exits.OK == result.exit_code, result.output
    assert "fair_value: " in result.stdout


def test_explain_tells_an_orders_whole_life(config: Path) -> None:
    """By our id, from the book that was seen to the P&L."""
    result = run(config, "explain", ORDER)
    assert exits.OK == result.exit_code, result.output
    first = [" PAPER · sandbox ", "session 1795279103492.journal, times in UTC"]
    assert first == result.stdout.splitlines()[:2]
    for words in (
        "decided", "bids      42c", "P(YES)    0.4216 by btc15m-demo/1", "checks    passed", "intent",
        "accepted  place: sent 1.87 ms after", "queue: 646.60 contracts", "fill      50.00 at 38c",
        "P&L: -$4.7500 after fees (not settled",
    ):  # fmt: skip
        assert words in result.stdout


def test_explain_by_the_venues_id_as_json(config: Path) -> None:
    """The same order; its records have names, and its decisions their features."""
    ours = json.loads(run(config, "explain", ORDER, "--json").stdout)
    venues = json.loads(run(config, "explain", ours["order_id"], "--json").stdout)
    ours.pop("seconds")
    venues.pop("seconds")
    assert ours == venues
    assert ("PlaceOrder", ORDER) == (ours["records"][0]["kind"], ours["records"][0]["client_order_id"])
    assert 3 == len(ours["decisions"])
    assert "strike_distance_sigma" in ours["decisions"][0]["seen"]["features"]
    assert (5_000, -4_750_000) == (ours["result"]["filled"], ours["result"]["pnl"])
