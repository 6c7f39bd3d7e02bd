"""Models written into the registry, so that the daemon's own check accepts them; or not written at all.

    <root>/<name>/<version>/          versions count from 1, and one is never written over
    <root>/<name>/<version>.report/   what judged it, where it was judged: `report_folder`

A folder is written beside its place, looked at by the child process that the daemon asks too, and renamed. It
holds no instant and no path: the same draft gives the same bytes.

`status` is what a model was born as, a challenger. Who is champion stands in `promotion`'s record and not in
the folder, whose metadata is pinned by ensembles and by the journal.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as library_version
from pathlib import Path

import msgspec
import numpy as np

from daemon.core.features import definition_of
from daemon.core.scorer import FeatureSchema, Output, Scorer
from daemon.lab.fitting.rows import Floats, NotFitted
from daemon.lab.judging.blocks import Interval
from daemon.scoring.calibrators import CalibratedScorer, read_calibrator
from daemon.scoring.ensemble import EnsembleScorer, Member, read_stacking, union_schema
from daemon.scoring.lightgbm import LightGBMScorer
from daemon.scoring.metadata import (
    CALIBRATOR_FILE,
    FILE_OF,
    FORMAT,
    FROZEN_ROWS,
    METADATA_FILE,
    FrozenRow,
    Kind,
    Label,
    ModelMetadata,
    Training,
    TrainingQuantiles,
    TrainingRange,
    feature_entry,
    file_sha256,
)
from daemon.scoring.registry import load_model
from daemon.scoring.structural import StructuralScorer, read_form
from daemon.scoring.vetting import vet_model

LIBRARIES = ("numpy", "lightgbm", "scikit-learn", "scipy", "optuna", "onnx", "onnxruntime")


@dataclass(frozen=True)
class Draft:
    """A model before it is written.

    `x` are rows of its training, shape (rows, features) in the order of `names`, NaN for unknown: its ranges
    and frozen rows are taken from them. `content` is the model's file, `calibrator` what stands beside it.
    """

    name: str
    kind: Kind
    names: tuple[str, ...]
    required: tuple[str, ...]
    content: bytes
    x: Floats
    label: Label
    training: Training
    metrics: dict[str, float]
    notes: str
    output: Output = "probability"
    calibrator: bytes | None = None
    sequence_length: int | None = None
    expires_at: str | None = None


def report_folder(folder: Path) -> Path:
    """Return where the report of a model's folder stands, whether there is one or not.

    Beside it: the daemon refuses a folder with a file that its metadata does not list, and a report may come
    later.
    """
    return folder.with_name(f"{folder.name}.report")


def figures(intervals: dict[str, Interval]) -> dict[str, float]:
    """Return intervals as the metadata holds them: value, `_low`, `_high`, `_blocks`; none for unknown."""
    found: dict[str, float] = {}
    for name, one in intervals.items():
        known = {"": one.value, "_low": one.low, "_high": one.high, "_blocks": float(one.blocks)}
        found |= {f"{name}{end}": value for end, value in known.items() if value is not None}
    return found


def training_ranges(names: Sequence[str], x: Floats) -> dict[str, TrainingRange]:
    """Return between which values each feature lay, but for one row in a thousand at either end.

    A feature that was never known has no range.
    """
    ranges = {}
    for place, name in enumerate(names):
        known = x[:, place][~np.isnan(x[:, place])]
        if known.size:
            low, high = np.quantile(known, [0.001, 0.999])
            ranges[name] = TrainingRange(q001=float(low), q999=float(high))
    return ranges


def training_quantiles(names: Sequence[str], x: Floats) -> dict[str, TrainingQuantiles]:
    """Return each feature's deciles and how much of its training lay in each: the daemon's watch on drift.

    Where a value is frequent, deciles fall together and the bins are fewer. A feature that was never known
    has none.
    """
    quantiles = {}
    for place, name in enumerate(names):
        known = x[:, place][~np.isnan(x[:, place])]
        if known.size:
            cuts = np.unique(np.quantile(known, np.arange(1, 10) / 10))
            counts = np.bincount(np.searchsorted(cuts, known), minlength=len(cuts) + 1)
            shares = counts / known.size
            quantiles[name] = TrainingQuantiles(cuts=tuple(cuts.tolist()), shares=tuple(shares.tolist()))
    return quantiles


@contextmanager
def lone_writer(root: Path) -> Iterator[None]:
    """Be the only one who writes into a registry, after whoever does now; made when absent.

    The lock is the kernel's, on the folder itself: a killed process leaves none behind.
    """
    root.mkdir(parents=True, exist_ok=True)
    held = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def next_version(root: Path, name: str) -> str:
    """Return the number after the highest version of a model; "1" where there is none."""
    folder = root / name
    found = [int(one.name) for one in folder.iterdir() if one.name.isdecimal()] if folder.is_dir() else []
    return str(max(found, default=0) + 1)


def register(root: Path, draft: Draft, version: str | None = None) -> Path:
    """Write a model's folder and return it, `<root>/<name>/<version>`.

    Args:
        root: of the registry.
        draft: the model.
        version: None for the next number.

    Raises:
        NotFitted: fewer rows that can be scored than are frozen, or too few features in `x`.
        FileExistsError: there is such a version already.
        ModelRefused: the daemon would not load it; nothing is left behind.
    """
    with lone_writer(root):
        return _register(root, draft, version or next_version(root, draft.name))


def _register(root: Path, draft: Draft, version: str) -> Path:
    folder = root / draft.name / version
    if folder.exists():
        raise FileExistsError(f"{folder}: is there already; a model's version is never written over")
    if draft.x.ndim != 2 or draft.x.shape[1] != len(draft.names):
        raise NotFitted(f"x is of shape {draft.x.shape}, where {len(draft.names)} features are allowed")
    files = {FILE_OF[draft.kind]: draft.content}
    if draft.calibrator is not None:
        files[CALIBRATOR_FILE] = draft.calibrator
    scorer = _scorer(root, draft, version)
    metadata = _metadata(draft, version, files, frozen_rows(scorer, draft.x))
    # Looked at where members are found and under its own name, in a folder that nobody takes for the model.
    partial = root / f".{draft.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(partial / draft.name / version, files, metadata)
        if draft.kind == "ensemble":
            _link_members(root, partial, draft)
        vet_model(partial / draft.name / version)
        folder.parent.mkdir(parents=True, exist_ok=True)
        (partial / draft.name / version).rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def frozen_rows(scorer: Scorer, x: Floats) -> tuple[FrozenRow, ...]:
    """Return rows spread over those that can be scored, with what the scorer says of each.

    Raises:
        NotFitted: too few rows have all that the scorer requires.
    """
    needed = [place for place, name in enumerate(scorer.schema.names) if name in scorer.required]
    known = np.flatnonzero(~np.isnan(x[:, needed]).any(axis=1))
    if len(known) < FROZEN_ROWS:
        raise NotFitted(f"x: {len(known)} rows have all that is required, where {FROZEN_ROWS} are needed")
    chosen = known[np.linspace(0, len(known) - 1, FROZEN_ROWS).round().astype(np.intp)]
    rows = [tuple(None if np.isnan(value) else float(value) for value in x[place]) for place in chosen]
    return tuple(FrozenRow(row=row, expected=scorer.score(row)) for row in rows)


def libraries() -> dict[str, str]:
    """Return the versions of what models are made with, by name; what isn't installed is left out."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = library_version(name)
        except PackageNotFoundError:
            continue
    return found


def ensemble_terms(members: Sequence[Path]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return an ensemble's features in the order of its members, and those that all of them require.

    Raises:
        ModelRefused: a member is not whole.
    """
    scorers = [load_model(folder).scorer for folder in members]
    names = union_schema(scorer.schema for scorer in scorers).names
    needed = frozenset.intersection(*(scorer.required for scorer in scorers))
    return names, tuple(name for name in names if name in needed)


def _scorer(root: Path, draft: Draft, version: str) -> Scorer:
    """The draft as the daemon will score with it."""
    schema, path = FeatureSchema(draft.names), Path(FILE_OF[draft.kind])
    scorer: Scorer
    if draft.kind == "structural":
        scorer = StructuralScorer(read_form(draft.content, path), draft.name, version, schema)
    elif draft.kind == "lightgbm":
        required = frozenset(draft.required)
        scorer = LightGBMScorer(draft.content, draft.name, version, schema, required, draft.output)
    elif draft.kind == "onnx":
        from daemon.scoring.onnx import OnnxScorer  # noqa: PLC0415 - of an extra of its own

        scorer = OnnxScorer(
            draft.content, path, name=draft.name, version=version, schema=schema, output=draft.output,
            sequence_length=draft.sequence_length,
        )  # fmt: skip
    else:
        stacking = read_stacking(draft.content, path)
        loaded = [load_model(root / one.name / one.version, one.metadata_sha256) for one in stacking.members]
        members = [
            Member(one.scorer, entry.weight) for one, entry in zip(loaded, stacking.members, strict=True)
        ]
        scorer = EnsembleScorer(
            stacking, members, name=draft.name, version=version, schema=schema,
            required=frozenset(draft.required),
        )  # fmt: skip
    if draft.calibrator is not None:
        scorer = CalibratedScorer(scorer, read_calibrator(draft.calibrator, Path(CALIBRATOR_FILE)))
    return scorer


def _metadata(
    draft: Draft, version: str, files: dict[str, bytes], frozen: tuple[FrozenRow, ...]
) -> ModelMetadata:
    return ModelMetadata(
        format=FORMAT,
        name=draft.name,
        version=version,
        status="challenger",
        label=draft.label,
        feature_schema=tuple(feature_entry(definition_of(name)) for name in draft.names),
        feature_schema_sha256=FeatureSchema(draft.names).sha256,
        required=draft.required,
        files={name: file_sha256(content) for name, content in files.items()},
        training=draft.training,
        metrics=draft.metrics,
        notes=draft.notes,
        libraries=libraries(),
        frozen_rows=frozen,
        expires_at=draft.expires_at,
        kind=draft.kind,
        output=draft.output,
        ranges=training_ranges(draft.names, draft.x),
        sequence_length=draft.sequence_length,
        quantiles=training_quantiles(*_newest_step(draft)),
    )


def _newest_step(draft: Draft) -> tuple[tuple[str, ...], Floats]:
    """The names and columns of a row; of a sequence its last step's: the others are older ones of these."""
    width = len(draft.names) // (draft.sequence_length or 1)
    return draft.names[-width:], draft.x[:, -width:]


def _write(folder: Path, files: dict[str, bytes], metadata: ModelMetadata) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    described = msgspec.json.format(msgspec.json.encode(metadata), indent=1)
    (folder / METADATA_FILE).write_bytes(described + b"\n")


def _link_members(root: Path, partial: Path, draft: Draft) -> None:
    """An ensemble finds its members in its own registry: here they are linked to."""
    for entry in read_stacking(draft.content, Path(FILE_OF["ensemble"])).members:
        place = partial / entry.name / entry.version
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to((root / entry.name / entry.version).absolute(), target_is_directory=True)
