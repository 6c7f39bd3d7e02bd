"""The model registry: a folder that vouches for itself, and the one way to load a model from it.

    <root>/<name>/<version>/model.txt       LightGBM's text
    <root>/<name>/<version>/metadata.json   what it is: `ModelMetadata`

Loading checks everything that could be wrong silently, before the model says anything: the sha256 of
every file before LightGBM reads it, the feature schema against the catalogue of features that this
daemon computes, and sixteen frozen rows against the outputs that the trainer saw, exactly. A mismatch
refuses, naming the file or the feature and what is expected.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from daemon.core.features import FeatureDefinition, definition_of
from daemon.core.features.definition import FeatureSource, FillRule
from daemon.core.scorer import FeatureSchema
from daemon.core.units import SECOND, Ns, parse_instant
from daemon.scoring.lightgbm import LightGBMError, LightGBMScorer

METADATA_FILE = "metadata.json"
MODEL_FILE = "model.txt"
FROZEN_ROWS = 16
FORMAT: Final = 1
MODEL_BYTES_MAX = 64 * 1024 * 1024

_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Instant = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]
_Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9._-]*$")]


class ModelRefused(Exception):
    """A model folder isn't what it says, or not what this daemon can feed."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An unknown key in a model's metadata is an error: it may have meant something."""


class FeatureEntry(_Strict, frozen=True):
    """One feature as the model was trained on it. `window_s` is None where it is of one instant."""

    name: str
    unit: str
    window_s: int | None
    source: FeatureSource
    fill: FillRule


class Label(_Strict, frozen=True):
    """What the model predicts, and how far ahead."""

    definition: str
    horizon: str


class FrozenRow(_Strict, frozen=True):
    """An input in schema order (null is missing) and the exact output of the trained model."""

    row: tuple[float | None, ...]
    expected: float


class Training(_Strict, frozen=True):
    """Where the model comes from, so that it can be made again."""

    source: str
    seed: int
    split: str
    markets_by_part: dict[str, int]
    rows_by_part: dict[str, int]
    trees: int
    parameters: dict[str, str | int | float | bool]


class ModelMetadata(_Strict, frozen=True):
    """`metadata.json`, whole."""

    format: Literal[1]
    name: _Name
    version: _Name
    status: Literal["demo", "challenger", "champion", "retired"]
    label: Label
    feature_schema: tuple[FeatureEntry, ...]
    feature_schema_sha256: _Sha256
    """Hash of the ordered names: `FeatureSchema.sha256`."""
    required: tuple[str, ...]
    """Features without which there is no score; all others may be missing."""
    files: dict[str, _Sha256]
    training: Training
    metrics: dict[str, float]
    """Held-out figures, by name. What they mean is said in `notes`."""
    notes: str
    libraries: dict[str, str]
    frozen_rows: tuple[FrozenRow, ...]
    expires_at: _Instant | None = None
    """From when on it is not to be used, such as "2027-01-01T00:00:00Z"; None for never."""

    @property
    def expiry(self) -> Ns | None:
        """`expires_at` as an instant. Raises ValueError when the calendar has no such day."""
        return None if self.expires_at is None else parse_instant(self.expires_at)


class LoadedModel(msgspec.Struct, frozen=True):
    """A model that passed every check. `scorer` is the core's Scorer."""

    folder: Path
    metadata: ModelMetadata
    scorer: LightGBMScorer


def feature_entry(definition: FeatureDefinition) -> FeatureEntry:
    """Return what a model's metadata says of a feature of the catalogue."""
    return FeatureEntry(
        name=definition.name,
        unit=definition.unit,
        window_s=None if definition.window is None else definition.window // SECOND,
        source=definition.source,
        fill=definition.fill,
    )


def file_sha256(content: bytes) -> str:
    """Return the hex digest under which a file stands in `files`."""
    return hashlib.sha256(content).hexdigest()


def load_model(folder: Path) -> LoadedModel:
    """Return the model of a registry folder, every part of it checked.

    Raises:
        ModelRefused: a file is missing, unlisted, unreadable or changed; the metadata has an unknown
            key or a wrong value; a feature isn't the one that this daemon computes; an output differs.
    """
    metadata = _read_metadata(folder)
    try:
        _ = metadata.expiry
    except ValueError as error:
        raise ModelRefused(f"{folder / METADATA_FILE}: expires_at: {error}") from None
    if (metadata.name, metadata.version) != (folder.parent.name, folder.name):
        raise ModelRefused(
            f"{folder / METADATA_FILE}: is of model {metadata.name}/{metadata.version},"
            f" but lies in {folder.parent.name}/{folder.name}"
        )
    schema = _checked_schema(folder / METADATA_FILE, metadata)
    contents = _checked_files(folder, metadata)
    _check_header(folder / MODEL_FILE, contents[MODEL_FILE], schema)
    try:
        scorer = LightGBMScorer(
            contents[MODEL_FILE], metadata.name, metadata.version, schema, frozenset(metadata.required)
        )
    except LightGBMError as error:
        raise ModelRefused(f"{folder / MODEL_FILE}: LightGBM refuses it: {error}") from error
    _check_frozen_rows(folder / METADATA_FILE, metadata, scorer)
    return LoadedModel(folder, metadata, scorer)


def _read(path: Path) -> bytes:
    try:
        # One byte more than allowed is enough to know; a model must not fill the memory.
        with path.open("rb") as file:
            content = file.read(MODEL_BYTES_MAX + 1)
    except OSError as error:
        raise ModelRefused(f"{path}: can't be read: {error.strerror}") from error
    if len(content) > MODEL_BYTES_MAX:
        raise ModelRefused(f"{path}: larger than {MODEL_BYTES_MAX} bytes")
    return content


def _read_metadata(folder: Path) -> ModelMetadata:
    path = folder / METADATA_FILE
    try:
        return msgspec.json.decode(_read(path), type=ModelMetadata)
    except msgspec.DecodeError as error:
        raise ModelRefused(f"{path}: {error}") from error


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
    return schema


def _checked_files(folder: Path, metadata: ModelMetadata) -> dict[str, bytes]:
    """Return the contents of the listed files: the bytes that were hashed are the bytes that are used."""
    if MODEL_FILE not in metadata.files:
        raise ModelRefused(f"{folder / METADATA_FILE}: files does not list {MODEL_FILE}")
    for path in sorted(folder.iterdir()):
        if path.name != METADATA_FILE and path.name not in metadata.files:
            raise ModelRefused(f"{path}: not listed in {METADATA_FILE}")
    contents = {}
    for name, expected in metadata.files.items():
        path = folder / name
        if Path(name).name != name:
            raise ModelRefused(f"{folder / METADATA_FILE}: files names {name!r}, which is not in this folder")
        contents[name] = _read(path)
        actual = file_sha256(contents[name])
        if actual != expected:
            raise ModelRefused(f"{path}: sha256 is {actual}, expected {expected}")
    return contents


def _check_header(path: Path, content: bytes, schema: FeatureSchema) -> None:
    """Refuse a model text whose own feature names or objective aren't the metadata's."""
    lines = content.partition(b"\nTree=")[0].decode(errors="replace").splitlines()
    header = dict(line.split("=", 1) for line in lines if "=" in line)
    names = tuple(header.get("feature_names", "").split(" "))
    if len(names) != len(schema.names):
        raise ModelRefused(f"{path}: has {len(names)} features, expected {len(schema.names)}")
    for position, (actual, expected) in enumerate(zip(names, schema.names, strict=True)):
        if actual != expected:
            raise ModelRefused(f"{path}: feature {position} is {actual!r}, expected {expected!r}")
    objective = header.get("objective", "")
    if objective != "binary sigmoid:1":
        raise ModelRefused(f"{path}: objective is {objective!r}, expected 'binary sigmoid:1', a probability")


def _check_frozen_rows(path: Path, metadata: ModelMetadata, scorer: LightGBMScorer) -> None:
    if len(metadata.frozen_rows) != FROZEN_ROWS:
        raise ModelRefused(f"{path}: has {len(metadata.frozen_rows)} frozen rows, expected {FROZEN_ROWS}")
    columns = len(scorer.schema.names)
    for number, frozen in enumerate(metadata.frozen_rows):
        if len(frozen.row) != columns:
            raise ModelRefused(
                f"{path}: frozen row {number} has {len(frozen.row)} values, expected {columns}"
            )
        actual = scorer.score(frozen.row)
        # Exactly: the same text and the same input give the same bits, or something else is loaded.
        if actual != frozen.expected:
            raise ModelRefused(
                f"{path}: frozen row {number} gives {actual!r} here, expected {frozen.expected!r}"
                f" (trained with {metadata.libraries})"
            )
