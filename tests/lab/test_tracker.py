"""The tracker's export: all of a model, once, into a real local store; without the network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")

from daemon.lab.judging.page import write_report
from daemon.lab.judging.report import judge
from daemon.lab.promotion import metadata_sha256
from daemon.lab.registry import report_folder
from daemon.lab.tracker import (
    SHA256_TAG,
    NotExported,
    check_uri,
    export_model,
    tracked_parameters,
    without_secrets,
)
from daemon.scoring.metadata import ModelRefused
from daemon.scoring.registry import load_model
from tests.lab.judging.market_rows import market_rows
from tests.lab.serve.made_registry import normal
from tests.scoring.kinds import edit, structural

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = structural(tmp_path / "models", normal, name="hourly")
    edit(found, metrics={"brier": 0.1712345678901234, "ece@10": 0.02})
    write_report(judge(market_rows(events=20), model="hourly/1", seed=1), report_folder(found))
    return found


def test_a_model_is_exported_whole_and_once(folder: Path, tmp_path: Path) -> None:
    """Parameters, figures, files and report, bit for bit; a second export finds the first."""
    mlflow = pytest.importorskip("mlflow", reason="needs the extra `tracker`")
    uri = f"file://{tmp_path / 'runs'}"
    first, again = export_model(folder, uri), export_model(folder, uri)
    assert (True, False, first.run_id) == (first.is_new, again.is_new, again.run_id)
    run = mlflow.MlflowClient(tracking_uri=uri).get_run(first.run_id)
    assert ("FINISHED", metadata_sha256(folder)) == (run.info.status, run.data.tags[SHA256_TAG])
    assert tracked_parameters(load_model(folder).metadata) == run.data.params
    assert {"brier": 0.1712345678901234, "ece_10": 0.02} == run.data.metrics
    for source, name in ((folder, "model"), (report_folder(folder), "report")):
        stored = Path(run.info.artifact_uri.removeprefix("file://")) / name
        assert {one.name: one.read_bytes() for one in source.iterdir()} == {
            one.name: one.read_bytes() for one in stored.iterdir()
        }


def test_another_metadata_is_another_run(folder: Path, tmp_path: Path) -> None:
    """The same version, written anew elsewhere, does not hide behind the first."""
    pytest.importorskip("mlflow", reason="needs the extra `tracker`")
    uri = f"file://{tmp_path / 'runs'}"
    first = export_model(folder, uri)
    edit(folder, notes="another")
    second = export_model(folder, uri)
    assert (first.experiment, True, False) == (
        second.experiment, second.is_new, first.run_id == second.run_id,
    )  # fmt: skip


def test_a_run_that_was_not_ended_is_no_export(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is marked as failed, and the next export begins anew."""
    mlflow = pytest.importorskip("mlflow", reason="needs the extra `tracker`")
    uri = f"file://{tmp_path / 'runs'}"

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(mlflow.MlflowClient, "log_artifacts", full)
        with pytest.raises(NotExported, match="No space left"):
            export_model(folder, uri)
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("kalshid hourly")
    assert ["FAILED"] == [run.info.status for run in client.search_runs([experiment.experiment_id])]
    assert export_model(folder, uri).is_new


def test_a_model_that_the_daemon_refuses_is_not_exported(folder: Path, tmp_path: Path) -> None:
    """Nothing is written for it."""
    (folder / "structural.json").write_text("{}")
    with pytest.raises(ModelRefused, match="sha256"):
        export_model(folder, f"file://{tmp_path / 'runs'}")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("uri", ["mlruns", "ftp://a/b", "databricks", ""])
def test_what_is_no_tracker_is_refused(uri: str) -> None:
    """With what is allowed."""
    with pytest.raises(ValueError, match="it begins with one of file:, http:"):
        check_uri(uri)


def test_passwords_are_not_shown() -> None:
    """Of an address; the rest of it is."""
    assert "postgresql://db/lab" == without_secrets("postgresql://me:pw@db/lab")
    with pytest.raises(ValueError, match="'x://h'"):
        check_uri("x://me:pw@h")


def test_the_lab_runs_without_the_tracker() -> None:
    """Its module is imported where the library is not."""
    code = "import sys; sys.modules['mlflow'] = None; import daemon.lab.tracker"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


@pytest.mark.full
def test_a_database_takes_it_too(folder: Path, tmp_path: Path) -> None:
    """SQLite, by the command, in a process of its own: the library warns of others' old ways."""
    pytest.importorskip("mlflow", reason="needs the extra `tracker`")
    pytest.importorskip("sqlalchemy", reason="needs the extra `lab`")
    words = ["lab", "export-mlflow", str(folder), "--uri", f"sqlite:///{tmp_path / 'runs.db'}"]
    for said in ("exported", "was exported before"):
        ended = subprocess.run(
            [sys.executable, "-m", "daemon", *words],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (0, True) == (ended.returncode, f"hourly/1: {said}:" in ended.stdout), ended.stderr
    kept = [one.read_bytes() for one in (tmp_path / "artifacts").rglob("model/metadata.json")]
    assert [(folder / "metadata.json").read_bytes()] == kept
    assert not (ROOT / "mlruns").exists()
