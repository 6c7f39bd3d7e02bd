"""From `kalshid run` to the first scored decision, with the shipped configuration: what a newcomer waits for.

A real daemon starts a real sandbox in a folder of its own; its own metrics say when it first scored, and
when it is ready. The first decision is scored and refused: nothing is sent until the account has been read
as often as it has to be, which is when it is ready.
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
_READY = re.compile(r"^kalshid_ready 1(\.0)?$", re.MULTILINE)
_SCORED = re.compile(r'^kalshid_model_scored_timestamp_seconds\{slot="default"\} (\S+)$', re.MULTILINE)


def _metrics(address: str) -> str:
    """Return the metrics page; empty while there is none."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=1) as answer:
            page: str = answer.read().decode()
            return page
    except (urllib.error.URLError, OSError):
        return ""


def start_rates(rounds: int = 3) -> dict[str, float]:
    """Return the seconds from exec to the first scored decision, the best of some starts, and the worst.

    `ready_s` is until orders may leave, the best of them.
    """
    took, ready = [], []
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
                scored, is_ready = None, False
                while not is_ready and time.time() - began < WITHIN_S:
                    page = _metrics(listen[1])
                    scored = scored or _SCORED.search(page)  # when it last did: the first page says the first
                    is_ready = _READY.search(page) is not None
                    time.sleep(0.01)
                assert scored, f"nothing was scored within {WITHIN_S:g} s:\n{daemon.log[-2000:]}"
                assert is_ready, f"not ready within {WITHIN_S:g} s:\n{daemon.log[-2000:]}"
                took.append(float(scored[1]) - began)
                ready.append(time.time() - began)
            finally:
                daemon.stop()
                daemon.wait(30)
    return {"best_s": min(took), "worst_s": max(took), "ready_s": min(ready)}


def test_a_start_leads_to_a_scored_decision() -> None:
    """With the shipped configuration, the sandbox and the shipped model; how soon is told, not judged."""
    assert 0 < start_rates(rounds=1)["best_s"] < WITHIN_S
