"""What a dataset was made of and by: its recipe, and the manifest that names the result.

The recipe determines the rows to the byte: the inputs by their sha256, the code by the sha256 of its sources,
the libraries by version, the features in order, the rule of sampling with its seed, and the labels. It says
nothing of the machine, and nothing of when.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Final

import msgspec

import daemon
from daemon.core.scorer import FeatureSchema
from daemon.exchange.tape import TapeManifest, TapeMarket
from daemon.lab.sampling import Sampling

FORMAT: Final = "kalshid-dataset"
VERSION: Final = 1
MANIFEST_NAME: Final = "manifest.json"
ROWS_NAME: Final = "rows.parquet"
_CODE: Final = (
    "core/**/*.py",
    "exchange/tape.py",
    "lab/dataset*.py",
    "lab/labels.py",
    "lab/sampling.py",
    "lab/tape_events.py",
    "lab/weights.py",
)


class DatasetError(ValueError):
    """A dataset can't be made or isn't what its manifest says. Names the file and what is allowed."""


class SessionInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One session of a tape that rows were taken from; `sha256` is its file's."""

    session: str
    sha256: str


class TapeInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tape: its folder's name, its manifest's sha256, and the sessions used, by their start."""

    tape: str
    manifest_sha256: str
    sessions: tuple[SessionInput, ...]


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a dataset's bytes depend on. See the module's head.

    `required` are features without which there is no row.
    """

    kalshid_version: str
    code_sha256: str
    libraries: dict[str, str]
    inputs: tuple[TapeInput, ...]
    features: tuple[str, ...]
    feature_schema_sha256: str
    required: tuple[str, ...]
    sampling: Sampling
    labels: tuple[str, ...]

    @property
    def seed(self) -> int:
        """What the grid's phase was drawn from."""
        return self.sampling.seed


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finished dataset: its recipe, its one file, and what is in it.

    `labelled` counts the rows whose label is known; `settlements` the independent outcomes among the rows.
    """

    format: str
    version: int
    recipe: Recipe
    recipe_sha256: str
    rows_sha256: str
    rows: int
    rows_by_session: dict[str, int]
    labelled: dict[str, int]
    events: int
    settlements: int
    markets: tuple[TapeMarket, ...]


def recipe_of(
    inputs: Iterable[TapeInput],
    schema: FeatureSchema,
    required: Iterable[str],
    sampling: Sampling,
    labels: Iterable[str],
) -> Recipe:
    """Return the recipe with the code and the libraries that are installed here.

    Raises:
        DatasetError: a required feature is not among the features.
    """
    needed = tuple(dict.fromkeys(required))
    if absent := [name for name in needed if name not in schema.names]:
        raise DatasetError(f"required but not among the features: {', '.join(absent)}")
    return Recipe(
        kalshid_version=library_version("kalshid"),
        code_sha256=code_sha256(),
        libraries={
            "python": platform.python_version(),
            "numpy": library_version("numpy"),
            "pyarrow": library_version("pyarrow"),
        },
        inputs=tuple(inputs),
        features=schema.names,
        feature_schema_sha256=schema.sha256,
        required=needed,
        sampling=sampling,
        labels=tuple(dict.fromkeys(labels)),
    )


def tape_input(
    folder: Path, manifest_text: bytes, manifest: TapeManifest, sessions: Iterable[str]
) -> TapeInput:
    """Return what a recipe says of a tape and of the sessions that are used of it."""
    used = frozenset(sessions)
    return TapeInput(
        folder.resolve().name,
        hashlib.sha256(manifest_text).hexdigest(),
        tuple(
            SessionInput(entry.session, entry.sha256) for entry in manifest.sessions if entry.session in used
        ),
    )


def code_sha256() -> str:
    """Return one digest of all sources that a row, a label or a weight depends on."""
    root = Path(daemon.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(found for pattern in _CODE for found in root.glob(pattern)):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def recipe_sha256(recipe: Recipe) -> str:
    """Return the digest by which two recipes are the same one."""
    return hashlib.sha256(msgspec.json.encode(recipe, order="sorted")).hexdigest()


def file_sha256(path: Path) -> str:
    """Return a file's digest; reads it in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def differences(one: Recipe, other: Recipe) -> list[str]:
    """Return the names of the fields in which two recipes differ."""
    return [name for name in Recipe.__struct_fields__ if getattr(one, name) != getattr(other, name)]


def encode_json(content: Manifest | Recipe) -> bytes:
    """Return indented JSON that ends with a line break."""
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def read_recipe(path: Path) -> Recipe:
    """Return a recipe from its file. Raises DatasetError where it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Recipe)
    except (OSError, msgspec.MsgspecError) as error:
        raise DatasetError(f"{path}: not a dataset's recipe: {error}") from error


def read_manifest(folder: Path) -> Manifest:
    """Return a finished dataset's manifest.

    Raises:
        DatasetError: there is none, or it is of another format.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise DatasetError(f"{path}: not a dataset's manifest: {error}") from error
    if (manifest.format, manifest.version) != (FORMAT, VERSION):
        raise DatasetError(
            f"{path}: {manifest.format!r} version {manifest.version}; this reads {FORMAT!r} version {VERSION}"
        )
    return manifest


def check_rows(folder: Path, manifest: Manifest) -> None:
    """Make sure that the rows are those that a manifest names. Raises DatasetError."""
    path = folder / ROWS_NAME
    try:
        found = file_sha256(path)
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}, though there is a manifest") from error
    if found != manifest.rows_sha256:
        raise DatasetError(f"{path}: not the file that {MANIFEST_NAME} names (sha256): remove both")
