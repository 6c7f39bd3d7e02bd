"""What a model's folder says of it: `metadata.json` as structs, and the names of the files beside it."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from math import isclose
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from daemon.core.features import FeatureDefinition
from daemon.core.features.definition import FeatureSource, FillRule
from daemon.core.scorer import Output
from daemon.core.units import SECOND, Ns, parse_instant

METADATA_FILE = "metadata.json"
MODEL_FILE = "model.txt"
CALIBRATOR_FILE = "calibrator.json"
FROZEN_ROWS = 16
FORMAT: Final = 1
MODEL_BYTES_MAX = 64 * 1024 * 1024
"""Of any one file."""

Kind: TypeAlias = Literal["lightgbm", "structural", "onnx", "ensemble"]
FILE_OF: Final[dict[Kind, str]] = {
    "lightgbm": MODEL_FILE,
    "structural": "structural.json",
    "onnx": "model.onnx",
    "ensemble": "ensemble.json",
}
"""The file that makes a model of each kind; a calibrator may stand beside it."""

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9._-]*$")]
_Instant = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]


class ModelRefused(Exception):
    """A model folder isn't what it says, or not what this daemon can feed."""


class ExtraMissing(ModelRefused):
    """The model may be sound, but what it runs on is not installed here."""


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An unknown key in a model's files is an error: it may have meant something."""


class FeatureEntry(Strict, frozen=True):
    """One feature as the model was trained on it. `window_s` is None where it is of one instant."""

    name: str
    unit: str
    window_s: int | None
    source: FeatureSource
    fill: FillRule


class TrainingRange(Strict, frozen=True):
    """Between which values a feature lay in training, but for one row in a thousand at either end."""

    q001: float
    q999: float


class TrainingQuantiles(Strict, frozen=True):
    """How a feature lay in training: bins that end at `cuts`, each within, and one above; their shares."""

    cuts: tuple[float, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise ValueError where these are no bins."""
        rising = all(one < other for one, other in pairwise(self.cuts))
        if not rising or len(self.shares) != len(self.cuts) + 1:
            raise ValueError("cuts must rise, and have a share more than there are cuts")
        if min(self.shares) < 0 or not isclose(sum(self.shares), 1.0, abs_tol=1e-6):
            raise ValueError("shares must not be negative and sum to 1")


class Label(Strict, frozen=True):
    """What the model predicts, and how far ahead."""

    definition: str
    horizon: str


class FrozenRow(Strict, frozen=True):
    """An input in schema order (null is missing) and the output of the trained model, calibrated if it is."""

    row: tuple[float | None, ...]
    expected: float


class Training(Strict, frozen=True):
    """Where the model comes from, so that it can be made again."""

    source: str
    seed: int
    split: str
    markets_by_part: dict[str, int]
    rows_by_part: dict[str, int]
    trees: int
    parameters: dict[str, str | int | float | bool]
    begins_at: _Instant | None = None
    """The first row that it was fitted to; None where that is not on a calendar, or not known."""
    ends_at: _Instant | None = None
    """When the last label was known that it was fitted to."""
    manifests: dict[str, Sha256] = {}
    """Of every dataset that it comes from: its name, and its manifest's sha256."""
    seeds: dict[str, int] = {}
    """All of them, by what they were for."""
    purge_s: float | None = None
    embargo_s: float | None = None
    commit: str | None = None
    """Of the code, where it is under version control."""
    tested_to: _Instant | None = None
    """When the last label was known of the rows that its figures are of; they begin after `ends_at`."""


class ModelMetadata(Strict, frozen=True):
    """`metadata.json`, whole."""

    format: Literal[1]
    name: Name
    version: Name
    status: Literal["demo", "challenger", "champion", "retired"]
    label: Label
    feature_schema: tuple[FeatureEntry, ...]
    feature_schema_sha256: Sha256
    """Hash of the ordered names: `FeatureSchema.sha256`."""
    required: tuple[str, ...]
    """Features without which there is no score; all others may be missing."""
    files: dict[str, Sha256]
    training: Training
    metrics: dict[str, float]
    """Held-out figures, by name. What they mean is said in `notes`."""
    notes: str
    libraries: dict[str, str]
    frozen_rows: tuple[FrozenRow, ...]
    expires_at: _Instant | None = None
    """From when on it is not to be used, such as "2027-01-01T00:00:00Z"; None for never."""
    kind: Kind = "lightgbm"
    output: Output = "probability"
    ranges: dict[str, TrainingRange] = {}
    """By feature. Beyond them the model was never seen to work; a feature that is not here has no bounds."""
    sequence_length: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Of an ONNX model of sequences: the schema is so many steps, oldest first, each with the same number of
    channels; the network's input is (1, steps, channels). None for a flat row, (1, features)."""
    quantiles: dict[str, TrainingQuantiles] = {}
    """By feature: what the daemon sees is held against it. A feature that is not here is not watched."""

    @property
    def expiry(self) -> Ns | None:
        """`expires_at` as an instant. Raises ValueError when the calendar has no such day."""
        return None if self.expires_at is None else parse_instant(self.expires_at)

    @property
    def trained_until(self) -> Ns | None:
        """`training.ends_at` as an instant. Raises ValueError when the calendar has no such day."""
        return None if self.training.ends_at is None else parse_instant(self.training.ends_at)

    @property
    def fingerprint(self) -> str:
        """The sha256 by which journals and evidence know what scores.

        That of the model's file where it is the only one and says all, else of the list of all files and
        their hashes. What only metadata says, and what scores or stops entries by, is in it: ranges, and of
        a network or an ensemble the features by name and which of them are required. Quantiles too: a model
        whose features drift stakes less.
        """
        lines = "".join(f"{name}:{sha256}\n" for name, sha256 in sorted(self.files.items()))
        if self.ranges or self.quantiles or self.kind in ("onnx", "ensemble"):
            lines += f"features:{self.feature_schema_sha256}\nrequired:{','.join(sorted(self.required))}\n"
            for name, known in sorted(self.ranges.items()):
                lines += f"{name}:{known.q001!r}..{known.q999!r}\n"
            for name, bins in sorted(self.quantiles.items()):
                lines += f"{name}:{bins.cuts!r}/{bins.shares!r}\n"
        elif list(self.files) == [FILE_OF[self.kind]]:
            return self.files[FILE_OF[self.kind]]
        return file_sha256(lines.encode())


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


def read_file(path: Path) -> bytes:
    """Return a model file's content.

    Raises:
        ModelRefused: it can't be read, is no regular file, or is larger than `MODEL_BYTES_MAX`.
    """
    try:
        # A pipe or a device would be waited for, or have no end.
        if path.exists() and not path.is_file():
            raise ModelRefused(f"{path}: is not a regular file")
        # One byte more than allowed is enough to know; a model must not fill the memory.
        with path.open("rb") as file:
            content = file.read(MODEL_BYTES_MAX + 1)
    except OSError as error:
        raise ModelRefused(f"{path}: can't be read: {error.strerror}") from error
    if len(content) > MODEL_BYTES_MAX:
        raise ModelRefused(f"{path}: larger than {MODEL_BYTES_MAX} bytes")
    return content
