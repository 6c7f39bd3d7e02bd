"""A model folder loads if it is what it says, and is refused by name if anything differs."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from math import exp, log
from pathlib import Path
from statistics import NormalDist
from typing import Any

import lightgbm
import msgspec
import numpy as np
import pytest

from daemon.core.scorer import FeatureSchema
from daemon.scoring.registry import METADATA_FILE, MODEL_FILE, ModelRefused, file_sha256, load_model
from tests.scoring.kinds import (
    BIAS,
    NETWORK,
    WEIGHTS,
    edit,
    network,
    rewrite,
    stacked,
    structural,
    write_folder,
)
from tests.scoring.model_folder import (
    REQUIRED,
    SCHEMA,
    metadata,
    random_rows,
    scorer,
    without_nan,
    write_model,
)


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


# --- other kinds ---------------------------------------------------------------------------------

DISTANCE = "strike_distance_sigma"
PLATT = b'{"method": "platt", "slope": 0.5, "intercept": 0.1}'


def formula(row: Sequence[float | None]) -> float:
    (d,) = row
    assert d is not None
    return NormalDist().cdf(d)


def regression(row: Sequence[float | None]) -> float:
    known = [value for value in row if value is not None]
    return sigmoid(float(np.asarray(known, np.float32) @ np.asarray(WEIGHTS, np.float32)) + BIAS)


def sigmoid(z: float) -> float:
    return 1 / (1 + exp(-z))


def logit(p: float) -> float:
    return log(p / (1 - p))


def calibrated(p: float) -> float:
    return sigmoid(0.1 + 0.5 * logit(p))


def test_a_structural_model_loads_and_is_its_formula(tmp_path: Path) -> None:
    """Its frozen rows are the normal distribution's, and so are its scores."""
    model = load_model(structural(tmp_path, formula))
    assert pytest.approx(NormalDist().cdf(-0.7), abs=1e-12) == model.scorer.score([-0.7])


def test_a_network_loads_and_holds_its_frozen_rows_to_a_millionth(tmp_path: Path) -> None:
    """Outputs computed elsewhere to less than a millionth are the same; two millionths off are not."""
    load_model(network(tmp_path, regression))
    with pytest.raises(ModelRefused, match="frozen row 0 gives"):
        load_model(network(tmp_path, lambda row: regression(row) + 2e-6, name="other"))


def test_a_network_of_sequences_is_told_its_length(tmp_path: Path) -> None:
    """A flat network with a length of two takes another input, and says so."""
    folder = network(tmp_path, regression)
    edit(folder, sequence_length=2)
    with pytest.raises(ModelRefused, match=r"takes tensor\(float\) \[1, 4\], expected floats \[1, 2, 2\]"):
        load_model(folder)


def test_a_calibrator_is_applied_after_the_model(tmp_path: Path) -> None:
    """Scores and frozen rows are the calibrated ones, and its hash is in the fingerprint."""
    folder = structural(tmp_path, lambda row: calibrated(formula(row)), more={"calibrator.json": PLATT})
    model = load_model(folder)
    assert pytest.approx(calibrated(NormalDist().cdf(1.0)), abs=1e-12) == model.scorer.score([1.0])
    assert model.metadata.fingerprint not in model.metadata.files.values()


def test_a_changed_calibrator_is_refused(tmp_path: Path) -> None:
    """By its hash; and if that is made to fit, by the frozen rows."""
    folder = structural(tmp_path, lambda row: calibrated(formula(row)), more={"calibrator.json": PLATT})
    changed = PLATT.replace(b"0.5", b"0.6")
    (folder / "calibrator.json").write_bytes(changed)
    with pytest.raises(ModelRefused, match=r"calibrator\.json: sha256 is"):
        load_model(folder)
    rewrite(folder, "calibrator.json", changed)
    with pytest.raises(ModelRefused, match="frozen row 0 gives"):
        load_model(folder)


def test_a_model_of_changes_is_a_regression(tmp_path: Path) -> None:
    """LightGBM's objective must be what the metadata's output says; its scores are any number."""
    rows = random_rows(500, 2)
    training = lightgbm.Dataset(rows, np.nan_to_num(rows[:, 0]), feature_name=list(SCHEMA.names))
    parameters = {"objective": "regression", "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, training, num_boost_round=3)
    text = booster.model_to_string().encode()
    asked = [without_nan(row) for row in random_rows(16, 4)]
    outputs = {
        row: float(booster.predict(one[None])[0]) for row, one in zip(asked, random_rows(16, 4), strict=True)
    }
    folder = write_folder(
        tmp_path, "lightgbm", SCHEMA.names, text, lambda row: outputs[tuple(row)],
        required=("mid",), rows=asked, output="change",
    )  # fmt: skip
    model = load_model(folder)
    assert ("change", outputs[asked[0]]) == (model.scorer.output, model.scorer.score(asked[0]))
    edit(folder, output="probability")
    with pytest.raises(
        ModelRefused, match="objective is 'regression', expected 'binary sigmoid:1', a probability"
    ):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "magic"}, r"Invalid enum value 'magic' - at `\$\.kind`"),
        ({"kind": "onnx"}, "files does not list model.onnx"),
        ({"output": "change"}, "output is 'change', but a structural model says a probability"),
        ({"sequence_length": 4}, "sequence_length is of onnx models only, not of structural"),
        ({"required": []}, "required must be all features: a structural model needs each"),
        ({"ranges": {"mid": {"q001": 0, "q999": 1}}}, "ranges names 'mid', which is not in feature_schema"),
        ({"ranges": {DISTANCE: {"q001": 2, "q999": 1}}}, "q001 2.0 is above q999 1.0"),
        ({"ranges": {DISTANCE: {"q001": 2}}}, "missing required field `q999`"),
        ({"quantiles": {"mid": {"cuts": [], "shares": [1]}}}, "quantiles names 'mid', which is not in"),
        ({"quantiles": {DISTANCE: {"cuts": [1, 1], "shares": [0.5, 0.2, 0.3]}}}, "cuts must rise"),
        ({"quantiles": {DISTANCE: {"cuts": [1], "shares": [0.5]}}}, "a share more than there are cuts"),
        ({"quantiles": {DISTANCE: {"cuts": [1], "shares": [0.5, 0.6]}}}, "sum to 1"),
    ],
)
def test_terms_that_do_not_go_together_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """Kind, output, files, required features and ranges are held against each other."""
    folder = structural(tmp_path, formula)
    edit(folder, **changes)
    with pytest.raises(ModelRefused, match=message):
        load_model(folder)


def test_a_file_that_no_part_of_it_is_refused(tmp_path: Path) -> None:
    """A listed file that the kind does not have would be hashed and never read."""
    folder = structural(tmp_path, formula, more={"model.txt": b"x"})
    with pytest.raises(
        ModelRefused, match=r"files names 'model\.txt'; a structural model has structural\.json and"
    ):
        load_model(folder)


def test_ranges_are_kept(tmp_path: Path) -> None:
    """The training quantiles come through as they are written."""
    model = load_model(structural(tmp_path, formula, ranges={DISTANCE: {"q001": -5.0, "q999": 4.0}}))
    found = model.metadata.ranges[DISTANCE]
    assert (-5.0, 4.0) == (found.q001, found.q999)


# --- ensembles -----------------------------------------------------------------------------------


def both(row: Sequence[float | None]) -> float:
    """The stack of the formula and the network, weights .6 and .4, intercept -.1."""
    return sigmoid(-0.1 + 0.6 * logit(formula(row[:1])) + 0.4 * logit(regression([*row[1:], row[0]])))


def ensemble(root: Path, **more: Any) -> Path:
    """The network's features are the ensemble's, with the distance first: it is the first member's."""
    members = [structural(root, formula), network(root, regression)]
    names = [DISTANCE, *(name for name in NETWORK if name != DISTANCE)]
    return stacked(root, members, [0.6, 0.4], both, **{"names": names, "required": [DISTANCE], **more})


def test_an_ensemble_loads_with_its_members(tmp_path: Path) -> None:
    """The frozen rows are those of the stack."""
    model = load_model(ensemble(tmp_path))
    row = [0.5, 0.4, 0.02, 10.0]
    assert pytest.approx(both(row), abs=1e-6) == model.scorer.score(row)
    assert () == model.absent


def test_an_ensemble_works_without_a_member_s_folder(tmp_path: Path) -> None:
    """It says which is absent, and the other counts for the whole."""
    folder = ensemble(tmp_path)
    shutil.rmtree(tmp_path / "a-onnx")
    model = load_model(folder)
    assert (f"{tmp_path}/a-onnx/1: is not there",) == model.absent
    expected = sigmoid(-0.1 + logit(NormalDist().cdf(0.5)))
    assert pytest.approx(expected, abs=1e-9) == model.scorer.score([0.5, None, None, None])


def test_an_ensemble_works_without_the_extra_of_a_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where onnxruntime isn't installed the network is absent, and how to get it is said."""
    folder = ensemble(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (absent,) = load_model(folder).absent
    assert absent.endswith("needs onnxruntime: pip install kalshid[onnx]")


def test_an_ensemble_without_any_member_is_refused(tmp_path: Path) -> None:
    """There would never be a score."""
    folder = ensemble(tmp_path)
    for name in ("a-onnx", "a-structural"):
        shutil.rmtree(tmp_path / name)
    with pytest.raises(ModelRefused, match=r"none of its members is here; .*a-structural/1: is not there"):
        load_model(folder)


def test_another_member_than_it_was_made_of_is_refused(tmp_path: Path) -> None:
    """A member is pinned by its metadata, which pins its files: absent it may be, changed it may not."""
    folder = ensemble(tmp_path)
    edit(tmp_path / "a-structural" / "1", notes="retrained")
    with pytest.raises(ModelRefused, match=r"a-structural/1/metadata\.json: sha256 is .*, expected"):
        load_model(folder)


def test_another_order_than_the_members_is_refused(tmp_path: Path) -> None:
    """The schema of an ensemble is the union of its members', in their order."""
    folder = ensemble(tmp_path, names=NETWORK)
    with pytest.raises(
        ModelRefused, match=f"feature_schema is mid, .* expected the members'.*: {DISTANCE}, mid"
    ):
        load_model(folder)


def test_an_ensemble_of_ensembles_is_refused(tmp_path: Path) -> None:
    """A member is a model of its own."""
    inner = ensemble(tmp_path)
    outer = stacked(
        tmp_path, [inner, tmp_path / "a-onnx" / "1"], [1.0, 1.0], both,
        names=[DISTANCE, *(name for name in NETWORK if name != DISTANCE)], name="outer",
    )  # fmt: skip
    with pytest.raises(ModelRefused, match="is an ensemble; a member must be a model of its own"):
        load_model(outer)


def test_a_pinned_folder_must_be_the_one(folder: Path) -> None:
    """Whoever knows the metadata's hash gets that model or none."""
    model = load_model(folder)
    assert model.metadata_sha256 == load_model(folder, model.metadata_sha256).metadata_sha256
    edit(folder, notes="another")
    with pytest.raises(ModelRefused, match=f"metadata.json: sha256 is .* expected {model.metadata_sha256}"):
        load_model(folder, model.metadata_sha256)
