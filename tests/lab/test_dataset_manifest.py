"""What a recipe says, and that two of them are told apart."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from daemon.core.scorer import FeatureSchema
from daemon.core.units import SECOND
from daemon.lab.dataset_manifest import (
    DatasetError,
    Manifest,
    SessionInput,
    TapeInput,
    check_rows,
    code_sha256,
    differences,
    encode_json,
    file_sha256,
    read_manifest,
    read_recipe,
    recipe_of,
    recipe_sha256,
    tape_input,
)
from daemon.lab.sampling import Sampling
from tests.lab.tiny_tape import stream, write_tape

INPUT = TapeInput("tape", "00", (SessionInput("s", "11"),))
RECIPE = recipe_of([INPUT], FeatureSchema(("mid", "spread")), ["mid"], Sampling(seed=3), ["settles_yes"])
MANIFEST = Manifest(
    "kalshid-dataset", 1, RECIPE, recipe_sha256(RECIPE), "22", 0, {}, {"settles_yes": 0}, 0, 0, ()
)


def test_a_recipe_says_all_that_rows_depend_on() -> None:
    """Inputs, code, libraries, features, rule, seed and labels."""
    assert (("mid", "spread"), ("mid",), 3, (INPUT,)) == (
        RECIPE.features, RECIPE.required, RECIPE.seed, RECIPE.inputs,
    )  # fmt: skip
    assert FeatureSchema(("mid", "spread")).sha256 == RECIPE.feature_schema_sha256
    assert {"python", "numpy", "pyarrow"} == set(RECIPE.libraries)
    assert (code_sha256(), 64) == (RECIPE.code_sha256, len(RECIPE.code_sha256))


def test_a_recipe_that_differs_has_another_digest() -> None:
    """And the fields in which it does are named."""
    other = msgspec.structs.replace(RECIPE, sampling=Sampling(every=2 * SECOND), labels=("change_1s",))

    assert recipe_sha256(RECIPE) != recipe_sha256(other)
    assert ["sampling", "labels"] == differences(RECIPE, other)
    assert [] == differences(RECIPE, RECIPE)


def test_a_required_feature_is_one_of_the_features() -> None:
    """Else no row could be asked for it."""
    with pytest.raises(DatasetError, match="not among the features: ofi_1s"):
        recipe_of([INPUT], FeatureSchema(("mid",)), ["ofi_1s"], Sampling(), [])


def test_a_tape_is_named_by_its_folder_and_digests(tmp_path: Path) -> None:
    """Not by where it lies on this machine; only the sessions used are named."""
    folder = tmp_path / "deep" / "tape"
    manifest = write_tape(folder, {"a": stream(1, 1), "b": stream(2, 1)})
    found = tape_input(folder, (folder / "manifest.json").read_bytes(), manifest, ["b"])

    assert ("tape", file_sha256(folder / "manifest.json")) == (found.tape, found.manifest_sha256)
    assert (SessionInput("b", file_sha256(folder / "b.tape")),) == found.sessions


def test_recipe_and_manifest_are_read_as_written(tmp_path: Path) -> None:
    """Both survive their JSON."""
    (tmp_path / "manifest.json").write_bytes(encode_json(MANIFEST))
    (tmp_path / "recipe.json").write_bytes(encode_json(RECIPE))

    assert MANIFEST == read_manifest(tmp_path)
    assert RECIPE == read_recipe(tmp_path / "recipe.json")


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    """Absent, of another shape, of another version, or with other rows than it names."""
    with pytest.raises(DatasetError, match=r"manifest\.json: not a dataset's manifest"):
        read_manifest(tmp_path)
    with pytest.raises(DatasetError, match=r"recipe\.json: not a dataset's recipe"):
        read_recipe(tmp_path / "recipe.json")
    (tmp_path / "manifest.json").write_bytes(encode_json(msgspec.structs.replace(MANIFEST, version=9)))
    with pytest.raises(DatasetError, match=r"version 9;\s+this reads 'kalshid-dataset' version 1"):
        read_manifest(tmp_path)
    with pytest.raises(DatasetError, match=r"rows\.parquet: No such file"):
        check_rows(tmp_path, MANIFEST)
    (tmp_path / "rows.parquet").write_bytes(b"other")
    with pytest.raises(DatasetError, match=r"rows\.parquet: not the file"):
        check_rows(tmp_path, MANIFEST)
