"""Several workers share one study through a real PostgreSQL; skipped where there is none."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="needs the extra `lab`")
pytest.importorskip("psycopg", reason="needs the extra `lab`")

from daemon.lab.tuning import POSTGRES

ROOT = Path(__file__).parents[2]
STARTED_WITHIN_S = 60
WORKER = """
import sys
from daemon.lab.folds import even_boundaries, walk_forward
from daemon.lab.tuning import Plan, tune
from tests.lab.fitting.made_rows import RULE, made_rows
rows = made_rows(events=120).rows
fold = walk_forward(rows.span, even_boundaries(rows.span, 2), RULE)[0]
plan = Plan(name="shared", trials=12, seed=5, folds=2, rounds=5, trees_max=30, workers=2)
found = tune("classifier", rows, fold, RULE, plan, sys.argv[1])
print(found.study, found.trials)
"""


def programs() -> Path | None:
    """Where PostgreSQL's own programs are; None where it isn't installed."""
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


@pytest.fixture
def address() -> Iterator[str]:
    """The URL of an empty database, which ends with the test."""
    place = programs()
    if place is None:
        pytest.skip("no PostgreSQL is installed here: several workers are not tested")
    # It refuses to run as root; short, for the path of its socket.
    user = "postgres" if os.geteuid() == 0 else None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        if user:
            shutil.chown(folder, user)
        cluster = str(Path(folder) / "cluster")
        quiet: dict[str, Any] = {
            "user": user,
            "cwd": folder,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        subprocess.run(
            [place / "initdb", "-D", cluster, "-U", "tuner", "-A", "trust", "-N"], check=True, **quiet
        )
        server = subprocess.Popen(
            [place / "postgres", "-D", cluster, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"],
            **quiet,
        )
        try:
            _wait(port)
            yield f"{POSTGRES}tuner@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # its fast way: it waits for nobody
            server.wait(STARTED_WITHIN_S)


def _wait(port: int) -> None:
    import psycopg

    ends = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < ends:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="tuner", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("PostgreSQL did not start")


@pytest.mark.full
def test_two_workers_share_a_study(address: str) -> None:
    """Both end with the same study, whose trials they have done between them, none of them twice."""
    import optuna

    from daemon.lab.tuning import opened

    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, address], cwd=ROOT, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [worker.communicate(timeout=240)[0].split() for worker in workers]
    assert [0, 0] == [worker.returncode for worker in workers]
    assert said[0][0] == said[1][0]
    with opened(address, workers=2) as storage:
        trials = optuna.load_study(study_name=said[0][0], storage=storage).get_trials(deepcopy=False)
    # Each looks before it begins one, so the last of either may be begun at the same time.
    assert len(trials) in (12, 13)
    assert len({tuple(trial.params.values()) for trial in trials}) == len(trials)


@pytest.mark.full
def test_a_training_has_its_trials_there(address: str) -> None:
    """Both boosters' studies, whole: the next training of the same rows does none of them again."""
    import optuna

    from daemon.lab.pipeline_chain import run_chain
    from daemon.lab.tuning import opened
    from tests.lab.fitting.made_rows import RULE
    from tests.lab.test_pipeline_chain import PLAN, last_fold, many

    rows, plan = many(), replace(PLAN, workers=2)
    for _ in range(2):
        chain = run_chain(rows, last_fold(rows), RULE, plan, address, lambda _what: None)
    assert () == tuple(note for note in chain.notes if "not tuned" in note)
    with opened(address, workers=2) as storage:
        names = optuna.get_all_study_names(storage)
        studies = [optuna.load_study(study_name=name, storage=storage) for name in names]
        trials = [len(study.get_trials(deepcopy=False)) for study in studies]
    assert [PLAN.trials, PLAN.trials] == trials
