"""A model folder loads if it is what it says, and is refused by name if anything differs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.core.scorer import FeatureSchema
from daemon.scoring.registry import METADATA_FILE, MODEL_FILE, ModelRefused, file_sha256, load_model
from tests.scoring.model_folder import REQUIRED, SCHEMA, metadata, scorer, write_model


def edit(folder: Path, **changes: Any) -> None:
    """Change keys of the metadata file."""
    path = folder / METADATA_FILE
    content = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(content | changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that loads."""
    return write_model(tmp_path, metadata())


def test_a_true_folder_loads_as_a_scorer(folder: Path) -> None:
    """The loaded scorer has the folder's name, schema and required features, and scores as the model."""
    model = load_model(folder)
    assert (
        model.scorer.name,
        model.scorer.version,
        model.scorer.schema,
        model.scorer.required,
    ) == ("toy", "1", SCHEMA, REQUIRED)
    row = metadata().frozen_rows[0].row
    assert scorer().score(row) == model.scorer.score(row)


def test_one_changed_digit_is_refused_before_it_is_read(folder: Path) -> None:
    """The model's text differs in one digit: the sha256 says so, naming the file and both hashes."""
    path = folder / MODEL_FILE
    content = bytearray(path.read_bytes())
    position = content.index(b"leaf_value=") + len(b"leaf_value=0.")
    content[position] = ord("1") if content[position] != ord("1") else ord("2")
    path.write_bytes(bytes(content))
    with pytest.raises(ModelRefused, match=rf"model\.txt: sha256 is {file_sha256(bytes(content))}, expected"):
        load_model(folder)


def test_a_changed_model_with_a_matching_hash_fails_its_frozen_rows(folder: Path) -> None:
    """Even if the hash is made to fit, the outputs on the frozen rows tell another model."""
    path = folder / MODEL_FILE
    # Of the same length: the text states the trees' sizes, and LightGBM aborts the process on a wrong one.
    content = re.sub(
        rb"leaf_value=.*", lambda match: match[0].replace(b"0.", b"1."), path.read_bytes(), count=1
    )
    assert content != path.read_bytes()
    path.write_bytes(content)
    edit(folder, files={MODEL_FILE: file_sha256(content)})
    with pytest.raises(ModelRefused, match=r"metadata\.json: frozen row 0 gives .* expected"):
        load_model(folder)


def test_a_renamed_feature_in_the_model_is_refused_by_name(folder: Path) -> None:
    """The model's own feature names must be the schema's, in order."""
    path = folder / MODEL_FILE
    content = path.read_bytes().replace(b"mid spread ofi_1s", b"mid ofi_1s spread", 1)
    path.write_bytes(content)
    edit(folder, files={MODEL_FILE: file_sha256(content)})
    with pytest.raises(ModelRefused, match=r"model\.txt: feature 1 is 'ofi_1s', expected 'spread'"):
        load_model(folder)


def entries() -> list[dict[str, Any]]:
    return [msgspec.to_builtins(entry) for entry in metadata().feature_schema]


def test_a_feature_that_the_daemon_does_not_compute_is_refused(folder: Path) -> None:
    """A schema that names a strange feature is refused, naming it."""
    changed = entries()
    changed[1]["name"] = "sprod"
    edit(folder, feature_schema=changed)
    with pytest.raises(ModelRefused, match="feature 'sprod' is none that this daemon computes"):
        load_model(folder)


@pytest.mark.parametrize(("key", "value"), [("unit", "cents"), ("window_s", 7), ("source", "trades")])
def test_a_feature_of_another_meaning_is_refused(folder: Path, key: str, value: Any) -> None:
    """The same name with another unit, window or source is another feature."""
    changed = entries()
    changed[2][key] = value
    edit(folder, feature_schema=changed)
    with pytest.raises(ModelRefused, match=r"feature 'ofi_1s' is .* expected"):
        load_model(folder)


def test_another_order_than_the_hash_is_refused(folder: Path) -> None:
    """The schema's hash is over the ordered names: a changed order doesn't fit it."""
    changed = entries()
    changed[0], changed[1] = changed[1], changed[0]
    edit(folder, feature_schema=changed)
    expected = FeatureSchema(tuple(entry["name"] for entry in changed)).sha256
    with pytest.raises(ModelRefused, match=f"feature_schema_sha256 is {SCHEMA.sha256}, expected {expected}"):
        load_model(folder)


@pytest.mark.parametrize("name", [MODEL_FILE, METADATA_FILE])
def test_a_missing_file_is_refused_by_name(folder: Path, name: str) -> None:
    """Without one of its files a model is none."""
    (folder / name).unlink()
    with pytest.raises(ModelRefused, match=f"{name}: can't be read: No such file"):
        load_model(folder)


def test_a_file_that_nobody_vouches_for_is_refused(folder: Path) -> None:
    """Every file in the folder must be listed with its hash."""
    (folder / "calibrator.json").write_text("{}")
    with pytest.raises(ModelRefused, match=r"calibrator\.json: not listed in metadata\.json"):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "unknown field `colour`"),
        ({"format": 2}, r"Invalid enum value 2 - at `\$.format`"),
        ({"name": "toy2"}, "is of model toy2/1, but lies in toy/1"),
        ({"required": ["vega"]}, "required feature 'vega' is not in feature_schema"),
        ({"frozen_rows": []}, "has 0 frozen rows, expected 16"),
        ({"files": {}}, "files does not list model.txt"),
        ({"files": {MODEL_FILE: "0" * 64, "../x": "0" * 64}}, "sha256 is|not in this folder"),
        ({"feature_schema": []}, "feature_schema is empty"),
        ({"expires_at": "next year"}, "Expected `str` matching regex"),
        ({"expires_at": "2027-02-30T00:00:00Z"}, "expires_at: day"),
    ],
)
def test_wrong_metadata_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    """Unknown keys, wrong values and other models' metadata are refused with what is expected."""
    edit(folder, **changes)
    with pytest.raises(ModelRefused, match=message):
        load_model(folder)


def test_another_objective_is_refused(folder: Path) -> None:
    """A model whose output isn't a probability is refused, whatever its metadata says."""
    path = folder / MODEL_FILE
    content = path.read_bytes().replace(b"objective=binary sigmoid:1", b"objective=regression", 1)
    path.write_bytes(content)
    edit(folder, files={MODEL_FILE: file_sha256(content)})
    with pytest.raises(ModelRefused, match="objective is 'regression', expected 'binary sigmoid:1'"):
        load_model(folder)
