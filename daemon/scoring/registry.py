"""The model registry: a folder that vouches for itself, and the one way to load a model from it.

    <root>/<name>/<version>/metadata.json     what it is: `ModelMetadata`
    <root>/<name>/<version>/model.txt         LightGBM's text; other kinds have another file, see `FILE_OF`
    <root>/<name>/<version>/calibrator.json   where it has one

Loading checks everything that could be wrong silently, before the model says anything: the sha256 of
every file before it is read, the feature schema against the catalogue of features that this daemon computes,
what a library would trust, and sixteen frozen rows against the outputs that the trainer saw. A mismatch
refuses, naming the file or the feature and what is expected.

What comes from elsewhere is looked at by another process first: `vetting`.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from daemon.core.features import definition_of
from daemon.core.scorer import FeatureSchema, Scorer
from daemon.scoring.calibrators import CalibratedScorer, read_calibrator
from daemon.scoring.ensemble import EnsembleScorer, Member, read_stacking, union_schema
from daemon.scoring.lightgbm import LightGBMError, LightGBMScorer
from daemon.scoring.lightgbm_text import BadModelText, check_model_text
from daemon.scoring.metadata import (
    CALIBRATOR_FILE,
    FILE_OF,
    FORMAT,
    FROZEN_ROWS,
    METADATA_FILE,
    MODEL_FILE,
    ExtraMissing,
    FrozenRow,
    Kind,
    Label,
    ModelMetadata,
    ModelRefused,
    Training,
    TrainingRange,
    feature_entry,
    file_sha256,
    read_file,
)
from daemon.scoring.structural import StructuralScorer, read_form

__all__ = [
    "CALIBRATOR_FILE", "FILE_OF", "FORMAT", "FROZEN_ROWS", "METADATA_FILE", "MODEL_FILE", "FrozenRow",
    "Label", "LoadedModel", "ModelMetadata", "ModelRefused", "Training", "TrainingRange", "feature_entry",
    "file_sha256", "load_model",
]  # fmt: skip

_TOLERANCE: dict[Kind, float] = {"lightgbm": 0.0, "structural": 1e-9, "onnx": 1e-6, "ensemble": 1e-6}
"""How far a frozen row's output may be off. The same trees give the same bits; logarithms differ between
libraries in the last digit, networks between processors."""
_TOLERANCE_CALIBRATED = 1e-9


class LoadedModel(msgspec.Struct, frozen=True):
    """A model that passed every check. `scorer` is calibrated if it has a calibrator."""

    folder: Path
    metadata: ModelMetadata
    scorer: Scorer
    metadata_sha256: str
    """Of `metadata.json` as it was read: it pins all else."""
    absent: tuple[str, ...] = ()
    """Of an ensemble: why members are not here, one sentence each."""


def load_model(folder: Path, metadata_sha256: str | None = None) -> LoadedModel:
    """Return the model of a registry folder, every part of it checked.

    Args:
        folder: `<root>/<name>/<version>`.
        metadata_sha256: of the metadata that is expected there; None for any.

    Raises:
        ModelRefused: a file is missing, unlisted, unreadable or changed; the metadata has an unknown
            key or a wrong value; a feature isn't the one that this daemon computes; an output differs.
        ExtraMissing: what it runs on is not installed.
    """
    path = folder / METADATA_FILE
    content = read_file(path)
    found_sha256 = file_sha256(content)
    if metadata_sha256 not in (None, found_sha256):
        raise ModelRefused(f"{path}: sha256 is {found_sha256}, expected {metadata_sha256}")
    metadata = _decoded_metadata(path, content)
    if (metadata.name, metadata.version) != (folder.parent.name, folder.name):
        raise ModelRefused(
            f"{path}: is of model {metadata.name}/{metadata.version},"
            f" but lies in {folder.parent.name}/{folder.name}"
        )
    schema = _checked_schema(path, metadata)
    _check_terms(path, metadata)
    contents = _checked_files(folder, metadata)
    scorer: Scorer
    absent: tuple[str, ...] = ()
    if metadata.kind == "ensemble":
        scorer, absent = _ensemble(folder, metadata, schema, contents)
    else:
        scorer = _single(folder, metadata, schema, contents)
    if scorer.required != frozenset(metadata.required):
        raise ModelRefused(f"{path}: required must be all features: a {metadata.kind} model needs each")
    if CALIBRATOR_FILE in contents:
        scorer = CalibratedScorer(
            scorer, read_calibrator(contents[CALIBRATOR_FILE], folder / CALIBRATOR_FILE)
        )
    if not absent:  # without all its members an ensemble says something else; each has frozen rows of its own
        _check_frozen_rows(path, metadata, scorer)
    return LoadedModel(folder, metadata, scorer, found_sha256, absent)


def _decoded_metadata(path: Path, content: bytes) -> ModelMetadata:
    try:
        metadata = msgspec.json.decode(content, type=ModelMetadata)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelRefused(f"{path}: {error}") from error
    try:
        _ = metadata.expiry
    except ValueError as error:
        raise ModelRefused(f"{path}: expires_at: {error}") from None
    try:
        _ = metadata.trained_until
    except ValueError as error:
        raise ModelRefused(f"{path}: training.ends_at: {error}") from None
    return metadata


def _checked_schema(path: Path, metadata: ModelMetadata) -> FeatureSchema:
    """Return the schema if the daemon computes each of its features as the model knew it."""
    schema = FeatureSchema(tuple(entry.name for entry in metadata.feature_schema))
    if not schema.names or len(set(schema.names)) != len(schema.names):
        raise ModelRefused(f"{path}: feature_schema is empty or names a feature twice")
    for entry in metadata.feature_schema:
        try:
            definition = definition_of(entry.name)
        except ValueError as error:
            raise ModelRefused(
                f"{path}: feature {entry.name!r} is none that this daemon computes: {error}"
            ) from error
        expected = feature_entry(definition)
        if entry != expected:
            raise ModelRefused(f"{path}: feature {entry.name!r} is {entry}, expected {expected}")
    if schema.sha256 != metadata.feature_schema_sha256:
        raise ModelRefused(
            f"{path}: feature_schema_sha256 is {metadata.feature_schema_sha256},"
            f" expected {schema.sha256} for these names in this order"
        )
    for name in metadata.required:
        if name not in schema.names:
            raise ModelRefused(f"{path}: required feature {name!r} is not in feature_schema")
    _check_training(path, metadata, schema)
    return schema


def _check_training(path: Path, metadata: ModelMetadata, schema: FeatureSchema) -> None:
    """Refuse ranges and quantiles of features that are none, and ranges that are none."""
    for name, known in metadata.ranges.items():
        if name not in schema.names:
            raise ModelRefused(f"{path}: ranges names {name!r}, which is not in feature_schema")
        if not known.q001 <= known.q999:
            raise ModelRefused(f"{path}: ranges of {name!r}: q001 {known.q001} is above q999 {known.q999}")
    for name in metadata.quantiles:
        if name not in schema.names:
            raise ModelRefused(f"{path}: quantiles names {name!r}, which is not in feature_schema")


def _check_terms(path: Path, metadata: ModelMetadata) -> None:
    """Refuse what doesn't go together: kind, output, files."""
    kind, files = metadata.kind, metadata.files
    if FILE_OF[kind] not in files:
        raise ModelRefused(f"{path}: files does not list {FILE_OF[kind]}")
    if metadata.output == "change" and kind in ("structural", "ensemble"):
        raise ModelRefused(f"{path}: output is 'change', but a {kind} model says a probability")
    if CALIBRATOR_FILE in files and metadata.output != "probability":
        raise ModelRefused(f"{path}: files lists {CALIBRATOR_FILE}: only a probability has one")
    if CALIBRATOR_FILE in files and kind == "ensemble":
        raise ModelRefused(f"{path}: files lists {CALIBRATOR_FILE}: an ensemble's weights are its own")
    if metadata.sequence_length is not None and kind != "onnx":
        raise ModelRefused(f"{path}: sequence_length is of onnx models only, not of {kind}")


def _checked_files(folder: Path, metadata: ModelMetadata) -> dict[str, bytes]:
    """Return the contents of the listed files: the bytes that were hashed are the bytes that are used."""
    allowed = (FILE_OF[metadata.kind], CALIBRATOR_FILE)
    for path in sorted(folder.iterdir()):
        if path.name != METADATA_FILE and path.name not in metadata.files:
            raise ModelRefused(f"{path}: not listed in {METADATA_FILE}")
    contents = {}
    for name, expected in metadata.files.items():
        if name not in allowed:
            raise ModelRefused(
                f"{folder / METADATA_FILE}: files names {name!r};"
                f" a {metadata.kind} model has {' and '.join(allowed)}"
            )
        path = folder / name
        contents[name] = read_file(path)
        actual = file_sha256(contents[name])
        if actual != expected:
            raise ModelRefused(f"{path}: sha256 is {actual}, expected {expected}")
    return contents


def _single(
    folder: Path, metadata: ModelMetadata, schema: FeatureSchema, contents: dict[str, bytes]
) -> Scorer:
    """Return the scorer of a model that is no ensemble."""
    path = folder / FILE_OF[metadata.kind]
    content = contents[path.name]
    if metadata.kind == "structural":
        try:
            return StructuralScorer(read_form(content, path), metadata.name, metadata.version, schema)
        except ValueError as error:
            raise ModelRefused(f"{path}: {error}") from error
    if metadata.kind == "onnx":
        from daemon.scoring.onnx import OnnxScorer  # noqa: PLC0415 - the only kind that needs numpy

        return OnnxScorer(
            content, path, name=metadata.name, version=metadata.version, schema=schema,
            output=metadata.output, sequence_length=metadata.sequence_length,
        )  # fmt: skip
    try:
        check_model_text(content, schema, metadata.output)
    except BadModelText as error:
        raise ModelRefused(f"{path}: {error}") from error
    try:
        return LightGBMScorer(
            content, metadata.name, metadata.version, schema, frozenset(metadata.required), metadata.output
        )
    except LightGBMError as error:
        raise ModelRefused(f"{path}: LightGBM refuses it: {error}") from error


def _ensemble(
    folder: Path, metadata: ModelMetadata, schema: FeatureSchema, contents: dict[str, bytes]
) -> tuple[EnsembleScorer, tuple[str, ...]]:
    """Return the ensemble of the members that are here, and why others are not."""
    path = folder / FILE_OF["ensemble"]
    stacking = read_stacking(contents[path.name], path)
    members: list[Member | None] = []
    absent: list[str] = []
    for entry in stacking.members:
        place = folder.parent.parent / entry.name / entry.version
        if not place.exists():
            absent.append(f"{place}: is not there")
            members.append(None)
            continue
        try:
            loaded = _member(place, entry.metadata_sha256)
        except ExtraMissing as error:
            absent.append(str(error))
            members.append(None)
            continue
        members.append(Member(loaded.scorer, entry.weight, loaded.metadata.expiry))
    try:
        scorer = EnsembleScorer(
            stacking, members, name=metadata.name, version=metadata.version, schema=schema,
            required=frozenset(metadata.required),
        )  # fmt: skip
    except ValueError as error:
        raise ModelRefused(f"{path}: {'; '.join([str(error), *absent])}") from error
    union = union_schema(member.scorer.schema for member in members if member is not None)
    if not absent and union != schema:
        raise ModelRefused(
            f"{folder / METADATA_FILE}: feature_schema is {', '.join(schema.names)},"
            f" expected the members', in their order: {', '.join(union.names)}"
        )
    return scorer, tuple(absent)


def _member(folder: Path, metadata_sha256: str) -> LoadedModel:
    # Looked at before it is loaded: ensembles of ensembles might never end.
    path = folder / METADATA_FILE
    if _decoded_metadata(path, read_file(path)).kind == "ensemble":
        raise ModelRefused(f"{path}: is an ensemble; a member must be a model of its own")
    return load_model(folder, metadata_sha256)


def _check_frozen_rows(path: Path, metadata: ModelMetadata, scorer: Scorer) -> None:
    if len(metadata.frozen_rows) != FROZEN_ROWS:
        raise ModelRefused(f"{path}: has {len(metadata.frozen_rows)} frozen rows, expected {FROZEN_ROWS}")
    columns = len(scorer.schema.names)
    tolerance = _TOLERANCE[metadata.kind]
    if CALIBRATOR_FILE in metadata.files:
        tolerance = max(tolerance, _TOLERANCE_CALIBRATED)
    for number, frozen in enumerate(metadata.frozen_rows):
        if len(frozen.row) != columns:
            raise ModelRefused(
                f"{path}: frozen row {number} has {len(frozen.row)} values, expected {columns}"
            )
        try:
            actual = scorer.score(frozen.row)
        except Exception as error:  # the libraries' errors have no common base
            raise ModelRefused(f"{path}: frozen row {number} has no score: {error}") from error
        # The same model and the same input give the same, or something else is loaded.
        if not abs(actual - frozen.expected) <= tolerance:
            raise ModelRefused(
                f"{path}: frozen row {number} gives {actual!r} here, expected {frozen.expected!r}"
                f" (trained with {metadata.libraries})"
            )
