"""`kalshid sandbox` from its words: what can't run says why, and what runs ends by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.sandbox.launch import LaunchFailed, launch


def test_a_folder_that_is_no_tape_is_refused(tmp_path: Path) -> None:
    """The message names what is missing."""
    with pytest.raises(LaunchFailed, match=r"manifest\.json"):
        launch(
            state=tmp_path / "state", port=0, seed=1, cash_dollars=100, idle_exit_s=None, tape=tmp_path,
            speed=None, sessions=(),
        )  # fmt: skip


def test_it_says_where_it_listens_and_ends_when_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One JSON line; then nobody comes, and it stops."""
    launch(
        state=tmp_path / "state", port=0, seed=1, cash_dollars=100, idle_exit_s=0.5, tape=None, speed=1.0,
        sessions=(),
    )  # fmt: skip
    (line,) = capsys.readouterr().out.splitlines()
    ready = json.loads(line)
    assert ready["mode"] == "traders"
    assert ready["is_paced"]
    assert Path(ready["private_key_path"]).stat().st_mode & 0o077 == 0
