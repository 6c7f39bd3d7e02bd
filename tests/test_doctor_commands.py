"""`kalshid doctor`: lines for people, JSON, and the code of the gravest failure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon import exits
from daemon.doctor import Diagnosis
from daemon.doctor_commands import exit_code
from tests.commands_rig import asked, kalshid
from tests.e2e.daemon_process import write_config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a folder of its own."""
    return write_config(tmp_path)


def test_a_sound_installation_has_no_failure(config: Path) -> None:
    """Exit code 0, and every line by itself, PAPER first."""
    result = kalshid(config, "doctor")
    assert exits.OK == result.exit_code, result.output
    assert "PAPER" == result.stdout.split()[0]
    assert "0 failures" in result.stdout
    assert not (config.parent / "var/check.json").exists()


def test_it_tells_as_json_too(config: Path) -> None:
    """Every line with its outcome and its remedy; a daemon that runs is among it."""
    told = json.loads(asked(config, "doctor", "--json").stdout)
    assert ("sandbox", False, True) == (told["mode"], told["is_live"], told["is_well"])
    (daemon,) = [line for line in told["lines"] if line["subject"] == "daemon"]
    assert "mode sandbox" in daemon["text"]
    assert all(line["remedy"] for line in told["lines"] if line["outcome"] != "ok")


def test_what_is_broken_is_a_failure(config: Path) -> None:
    """A model that isn't there, in words and as JSON; a configuration that can't be read."""
    text = config.read_text().replace("btc15m-demo/1", "btc15m-demo/none")
    config.write_text(text)
    result = kalshid(config, "doctor")
    assert exits.CONFIG == result.exit_code
    assert "FAIL" in result.stdout
    told = json.loads(kalshid(config, "doctor", "--json").stdout)
    assert (False, result.exit_code) == (told["is_well"], told["exit_code"])
    assert told["error"]
    config.write_text("[[[")
    assert exits.CONFIG == kalshid(config, "doctor").exit_code


def test_the_gravest_failure_gives_the_code() -> None:
    """What a person has to mend comes before what may pass."""
    away = Diagnosis("exchange", "FAIL", "away", "wait", exits.UNAVAILABLE)
    full = Diagnosis("disk", "FAIL", "full", "make room", exits.UNRECORDED)
    wrong = Diagnosis("key", "FAIL", "wrong", "mend it", exits.CONFIG)
    assert [exits.UNAVAILABLE, exits.UNRECORDED, exits.CONFIG] == [
        exit_code([away]),
        exit_code([away, full]),
        exit_code([away, full, wrong]),
    ]
