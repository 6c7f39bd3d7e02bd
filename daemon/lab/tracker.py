"""A registered model, told to an MLflow tracker: what it was made with, its figures, its report and files.

An export only: the registry stays what counts, and nothing here reads from a tracker. Off unless it is asked
for (`kalshid lab export-mlflow`), and the lab runs without the extra `tracker`. A model is exported once: its
run is known by the sha256 of its metadata.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from daemon.lab.registry import report_folder
from daemon.scoring.metadata import ModelMetadata
from daemon.scoring.vetting import load_vetted

if TYPE_CHECKING:
    from mlflow import MlflowClient

SCHEMES: Final = ("file", "http", "https", "sqlite")
SHA256_TAG: Final = "kalshid.metadata_sha256"
_ENVIRONMENT: Final = {
    # The library tells its makers of its use unless it is told not to.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # It would else try for many minutes, and tell of each table that it makes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # A folder is no longer what it recommends; whoever names one with file: means it.
    "MLFLOW_ALLOW_FILE_STORE": "true",
}
_PARAMETER_CHARS_MAX = 500


class NotExported(Exception):
    """The tracker has not got the whole model; says why."""


class Exported(msgspec.Struct, frozen=True):
    """Where a model stands in the tracker; `is_new` is False where it stood there already."""

    experiment: str
    run_id: str
    is_new: bool


def check_uri(uri: str) -> None:
    """Refuse what is no address of a tracker. Raises ValueError, which names what is allowed."""
    if urlsplit(uri).scheme not in SCHEMES:
        allowed = ", ".join(f"{scheme}:" for scheme in SCHEMES)
        raise ValueError(f"{without_secrets(uri)!r} is no tracker's address: it begins with one of {allowed}")


def without_secrets(uri: str) -> str:
    """Return an address without its user and password, fit to be shown."""
    return re.sub(r"//[^/@]*@", "//", uri)


def export_model(folder: Path, uri: str) -> Exported:
    """Write a model of the registry into a tracker, as one run of the experiment `kalshid <name>`.

    Args:
        folder: `<registry>/<name>/<version>`; its report is taken along where there is one.
        uri: of the tracker, such as file:///srv/mlruns, sqlite:///mlflow.db or http://127.0.0.1:5000.

    Raises:
        ValueError: not the address of a tracker.
        ModelRefused: the daemon would not load it.
        ModuleNotFoundError: the extra `tracker` is not installed.
        NotExported: the tracker can't be reached or refuses; a run that was begun is marked as failed.
    """
    check_uri(uri)
    loaded = load_vetted(folder)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # It reads its environment when it is imported.
    from mlflow import MlflowClient  # noqa: PLC0415
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    experiment = f"kalshid {loaded.metadata.name}"
    try:
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            experiment_id = client.create_experiment(experiment, artifact_location=_files_of(uri))
        else:
            experiment_id = found.experiment_id
        query = f"tags.`{SHA256_TAG}` = '{loaded.metadata_sha256}' and attributes.status = 'FINISHED'"
        before = client.search_runs([experiment_id], filter_string=query, max_results=1)
        if before:
            return Exported(experiment, before[0].info.run_id, is_new=False)
        run_id = _write(client, experiment_id, folder, loaded.metadata, loaded.metadata_sha256)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("sqlalchemy", "alembic"):
            raise
        raise NotExported(f"a tracker in a database needs the extra `lab` too: {error}") from error
    except (MlflowException, OSError) as error:
        raise NotExported(f"{without_secrets(uri)}: {without_secrets(str(error))}") from error
    return Exported(experiment, run_id, is_new=True)


def tracked_parameters(said: ModelMetadata) -> dict[str, str]:
    """Return what a model was made with, by name, as text."""
    training = said.training
    found: dict[str, object] = {
        "kind": said.kind,
        "output": said.output,
        "label": said.label.definition,
        "horizon": said.label.horizon,
        "features": len(said.feature_schema),
        "source": training.source,
        "seed": training.seed,
        "split": training.split,
        "trees": training.trees,
        "begins_at": training.begins_at,
        "ends_at": training.ends_at,
        "purge_s": training.purge_s,
        "embargo_s": training.embargo_s,
        "commit": training.commit,
        **{f"parameter.{name}": value for name, value in training.parameters.items()},
        **{f"seed.{name}": value for name, value in training.seeds.items()},
        **{f"rows.{name}": value for name, value in training.rows_by_part.items()},
        **{f"manifest.{name}": value for name, value in training.manifests.items()},
    }
    return {
        _key(name): str(value)[:_PARAMETER_CHARS_MAX] for name, value in found.items() if value is not None
    }


def _files_of(uri: str) -> str | None:
    """Where a database's files go: beside it. None where the tracker knows a place itself."""
    if urlsplit(uri).scheme != "sqlite":
        return None  # a folder keeps them, a server has a place for them
    # By default they would lie in whatever folder the command was started from.
    return (Path(uri.removeprefix("sqlite:///")).absolute().parent / "artifacts").as_uri()


def _key(name: str) -> str:
    """A name as a tracker takes it."""
    return re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII)[:250]


def _write(
    client: MlflowClient, experiment_id: str, folder: Path, said: ModelMetadata, sha256: str
) -> str:  # fmt: skip
    tags = {
        SHA256_TAG: sha256,
        "kalshid.model": f"{said.name}/{said.version}",
        "mlflow.note.content": said.notes,
    }
    run_id: str = client.create_run(
        experiment_id, tags=tags, run_name=f"{said.name}/{said.version}"
    ).info.run_id
    status = "FAILED"
    try:
        for name, text in tracked_parameters(said).items():
            client.log_param(run_id, name, text)
        for name, value in said.metrics.items():
            client.log_metric(run_id, _key(name), value)
        client.log_artifacts(run_id, str(folder), "model")
        report = report_folder(folder)
        if report.is_dir():
            client.log_artifacts(run_id, str(report), "report")
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)
    return run_id
