"""From `kalshid run` to the first scored decision, with the shipped configuration: what a newcomer waits for.

A real daemon starts a real sandbox in a folder of its own; the daemon's own metric says when it first scored.
Scored is only what may be traded, so the account has been read as often as it has to be by then.
"""

from __future__ import annotations

import re
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.e2e.daemon_process import Daemon, write_config

WITHIN_S = 60.0
_SCORED = re.compile(r'^kalshid_model_scored_timestamp_seconds\{slot="default"\} (\S+)$', re.MULTILINE)


def _scored_at(address: str) -> float | None:
    """Return when the default model last scored, in Unix seconds; None while it has not."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=1) as answer:
            found = _SCORED.search(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return None
    return None if found is None else float(found[1])


def start_rates(rounds: int = 3) -> dict[str, float]:
    """Return the seconds from exec to the first scored decision, the best of some starts, and the worst."""
    took = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            left_s = 900 - time.time() % 900
            if left_s < 30:  # nothing is traded in the last seconds of a quarter of an hour
                time.sleep(left_s + 1)
            config = write_config(Path(folder))
            listen = re.search(r'(?m)^listen = "([^"]+)"', config.read_text(encoding="utf-8"))
            assert listen is not None
            began = time.time()
            daemon = Daemon(config, "--for", f"{WITHIN_S:g}s")
            try:
                at = None
                while at is None and time.time() - began < WITHIN_S:
                    at = _scored_at(listen[1])
                    time.sleep(0.01)
                assert at is not None, f"nothing was scored within {WITHIN_S:g} s:\n{daemon.log[-2000:]}"
                took.append(at - began)
            finally:
                daemon.stop()
                daemon.wait(30)
    return {"best_s": min(took), "worst_s": max(took)}


def test_a_start_leads_to_a_scored_decision() -> None:
    """With the shipped configuration, the sandbox and the shipped model; how soon is told, not judged."""
    assert 0 < start_rates(rounds=1)["best_s"] < WITHIN_S
