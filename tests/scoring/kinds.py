"""Registry folders of every kind, true in every part, for tests to break."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from daemon.core.features import definition_of
from daemon.core.scorer import FeatureSchema
from daemon.scoring.metadata import (
    FILE_OF,
    METADATA_FILE,
    FrozenRow,
    Kind,
    Label,
    ModelMetadata,
    Training,
    feature_entry,
    file_sha256,
)
from tests.scoring.onnx_bytes import logistic

Row = Sequence[float | None]
NETWORK = ("mid", "spread", "ofi_1s", "strike_distance_sigma")
WEIGHTS, BIAS = (0.5, -2.0, 0.001, 0.3), 0.1


def known_rows(width: int) -> list[tuple[float | None, ...]]:
    """Sixteen rows without a missing value."""
    return [tuple(row) for row in np.random.default_rng(5).normal(size=(16, width)).tolist()]


def write_folder(
    root: Path,
    kind: Kind,
    names: Sequence[str],
    content: bytes,
    says: Callable[[Row], float],
    *,
    name: str | None = None,
    required: Sequence[str] | None = None,
    rows: Sequence[Row] | None = None,
    more: dict[str, bytes] | None = None,
    **terms: Any,
) -> Path:
    """Write `<root>/<name>/1`, its frozen rows by `says`; `terms` are further keys of the metadata."""
    name = name or f"a-{kind}"
    files = {FILE_OF[kind]: content, **(more or {})}
    schema = FeatureSchema(tuple(names))
    metadata = ModelMetadata(
        format=1, name=name, version="1", status="challenger",
        label=Label(definition="settles YES", horizon="to the close"),
        feature_schema=tuple(feature_entry(definition_of(one)) for one in names),
        feature_schema_sha256=schema.sha256,
        required=tuple(names if required is None else required),
        files={file: file_sha256(text) for file, text in files.items()},
        training=Training(
            source="none", seed=1, split="none", markets_by_part={}, rows_by_part={}, trees=0, parameters={}
        ),
        metrics={}, notes="a test's", libraries={},
        frozen_rows=tuple(
            FrozenRow(row=tuple(row), expected=says(row)) for row in (rows or known_rows(len(names)))
        ),
        kind=kind,
        **terms,
    )  # fmt: skip
    folder = root / name / "1"
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_bytes(text)
    (folder / METADATA_FILE).write_bytes(msgspec.json.encode(metadata))
    return folder


def edit(folder: Path, **changes: Any) -> None:
    """Change keys of a folder's metadata."""
    path = folder / METADATA_FILE
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | changes))


def rewrite(folder: Path, file: str, content: bytes) -> None:
    """Change a file and make its hash fit: what an attacker would do."""
    (folder / file).write_bytes(content)
    files = msgspec.json.decode((folder / METADATA_FILE).read_bytes())["files"]
    edit(folder, files={**files, file: file_sha256(content)})


def structural(root: Path, says: Callable[[Row], float], **more: Any) -> Path:
    """The formula on the distance to the strike."""
    content = b'{"form": "above", "distance": "strike_distance_sigma"}'
    return write_folder(root, "structural", ["strike_distance_sigma"], content, says, **more)


def network(root: Path, says: Callable[[Row], float], **more: Any) -> Path:
    """A logistic regression as a network."""
    return write_folder(root, "onnx", NETWORK, logistic(WEIGHTS, BIAS, (1, len(NETWORK))), says, **more)


def stacked(
    root: Path, members: Sequence[Path], weights: Sequence[float], says: Callable[[Row], float], **more: Any
) -> Path:
    """An ensemble of folders in the same registry; `names` and `required` are to be given."""
    entries = [
        {
            "name": member.parent.name, "version": member.name, "weight": weight,
            "metadata_sha256": file_sha256((member / METADATA_FILE).read_bytes()),
        }
        for member, weight in zip(members, weights, strict=True)
    ]  # fmt: skip
    content = msgspec.json.encode({"intercept": -0.1, "members": entries})
    return write_folder(root, "ensemble", content=content, says=says, **more)
