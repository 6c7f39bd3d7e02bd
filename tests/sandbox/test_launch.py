"""`kalshid sandbox` from its words: what can't run says why, and what runs ends by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from daemon.core.units import MILLISECOND
from daemon.sandbox.launch import LaunchFailed, launch
from daemon.sandbox.server import SandboxOptions


def launched(state: Path, **words: Any) -> None:
    """Run a sandbox that ends when it is alone."""
    usual = {"port": 0, "seed": 1, "cash_dollars": 100, "idle_exit_s": 0.5, "tape": None, "speed": 1.0}
    launch(state=state, sessions=(), **{**usual, **words})


def test_a_folder_that_is_no_tape_is_refused(tmp_path: Path) -> None:
    """The message names what is missing."""
    with pytest.raises(LaunchFailed, match=r"manifest\.json"):
        launched(tmp_path / "state", tape=tmp_path, speed="max")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"speed": "max"}, "--speed max is for tapes"),
        ({"speed": "manual", "tape": Path("tape")}, "--speed manual is for simulated time"),
        ({"world": "still", "tape": Path("tape")}, "--tape and --world"),
        ({"has_maintenance": True, "tape": Path("tape")}, "--maintenance is for simulated time"),
    ],
)
def test_words_that_do_not_go_together_are_refused(
    tmp_path: Path, words: dict[str, Any], message: str
) -> None:
    """Before anything is made."""
    with pytest.raises(LaunchFailed, match=message):
        launched(tmp_path / "state", **words)
    assert not (tmp_path / "state").exists()


def test_faults_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    """Naming the file and the option."""
    faults = tmp_path / "faults.toml"
    faults.write_text('[[fault]]\nkind = "delay"\n')
    with pytest.raises(LaunchFailed, match=r"faults\.toml: fault\[0\]\.ms: delay needs it"):
        launched(tmp_path / "state", faults=faults)


def test_it_says_where_it_listens_and_ends_when_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One JSON line with every address and both keys; then nobody comes, and it stops."""
    launched(tmp_path / "state", keys=tmp_path / "keys", world="still")
    (line,) = capsys.readouterr().out.splitlines()
    ready = json.loads(line)
    assert ("traders", True) == (ready["mode"], ready["is_paced"])
    for name in ("private_key_path", "rsa_private_key_path"):
        assert tmp_path / "keys" == Path(ready[name]).parent
        assert Path(ready[name]).stat().st_mode & 0o077 == 0
    hosts = {name: urlsplit(ready[name]) for name in ready if name.endswith("_url")}
    assert {"127.0.0.1"} == {host.hostname for host in hosts.values()}
    assert hosts["admin_url"].port != hosts["rest_url"].port
    assert "/0/public" == hosts["reference_rest_url"].path


def test_a_clock_moved_by_hand_is_not_paced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads the ready line knows that time stands."""
    launched(tmp_path / "state", speed="manual", world="still")
    assert not json.loads(capsys.readouterr().out)["is_paced"]


@pytest.mark.parametrize(
    ("words", "has_maintenance", "read_lag_ms"),
    [
        ({}, True, 300),
        ({"world": "still"}, False, 300),
        ({"world": "still", "has_maintenance": True, "read_lag_ms": 0}, True, 0),
        ({"has_maintenance": False}, False, 300),
    ],
)
def test_it_is_as_closed_and_as_late_as_the_real_one_unless_told_otherwise(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: dict[str, Any],
    has_maintenance: bool,
    read_lag_ms: int,
) -> None:
    """Simulated traders have Thursdays off; in a still world only the operator makes a pause."""
    served: list[SandboxOptions] = []

    async def serve(options: SandboxOptions) -> None:
        served.append(options)

    monkeypatch.setattr("daemon.sandbox.launch.serve", serve)
    launched(tmp_path / "state", **words)
    (options,) = served
    assert (has_maintenance, read_lag_ms * MILLISECOND) == (options.has_maintenance, options.read_lag)
