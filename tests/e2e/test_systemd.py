"""The service under a real systemd: `tests/e2e/systemd.sh`, which a person may run by itself (`make e2e`)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("systemd.sh")
WITHIN_S = 600
SKIPPED = 77


@pytest.mark.full
@pytest.mark.parametrize("suite", ["", "trixie"])
def test_systemd_starts_reloads_watches_restarts_and_alerts(suite: str) -> None:
    """Under this machine's own and under a newer one, which reloads by itself; each promise is timed."""
    try:
        done = subprocess.run(
            ["/bin/bash", SCRIPT], capture_output=True, text=True, timeout=WITHIN_S, check=False,
            env=os.environ | {"SUITE": suite},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"not over within {WITHIN_S} s:\n{error.stdout!r}") from None
    if done.returncode == SKIPPED:
        pytest.skip(done.stdout.strip())
    print(done.stdout)  # noqa: T201 - the measured times, for `pytest -s`
    assert 0 == done.returncode, done.stdout
